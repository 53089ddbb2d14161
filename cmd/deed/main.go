// Command deed is for who runs databases with deed's logs in them.
//
// See docs/deed.md, or deed help.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/deed-es/deed"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// What the program answers the shell.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2 // the command line is wrong, and nothing was done
)

// run does what the arguments say.
func run(args []string, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use:   "deed",
		Short: "Looks after logs of events: their schemas, and what a database's roles need",
		Long: `deed looks after logs of events that services built on deed keep in databases.

It answers 0 if it did what it was asked, 1 if it could not, and 2 if it was asked wrongly.`,
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.AddCommand(newSchema(), newVersion())
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return answer(root, stderr)
}

func answer(root *cobra.Command, stderr io.Writer) int {
	ran := false
	root.PersistentPreRun = func(*cobra.Command, []string) { ran = true }
	c, err := root.ExecuteC()
	if err == nil {
		return exitDone
	}
	fmt.Fprintln(stderr, "deed:", err)
	var usage *usageError
	var invalid *deed.InvalidError
	if !ran || errors.As(err, &usage) || errors.As(err, &invalid) {
		fmt.Fprintf(stderr, "See %q.\n", c.CommandPath()+" --help")
		return exitUsage
	}
	return exitFailed
}

// usageError is a command line that is wrong.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }
