// Command throwaway runs a PostgreSQL server with nothing in it, for tests of other modules: it prints the server's URL, and stops and
// removes it when its standard input ends.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/deed-es/deed/postgres/internal/cluster"
)

func main() {
	if err := serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(in io.Reader, out io.Writer) error {
	c, err := cluster.Start()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, c.URL())
	if err == nil {
		_, err = io.Copy(io.Discard, in)
	}
	return errors.Join(err, c.Stop())
}
