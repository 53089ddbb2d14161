package main

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// newPostgres returns the URL of a PostgreSQL database with nothing in it, on a server that is gone when the test is.
func newPostgres(t *testing.T) string {
	t.Helper()
	cmd := exec.Command("go", "run", "github.com/deed-es/deed/postgres/internal/cluster/throwaway")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe() // it ends with this process, and the server with it
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server does not stop: %v", err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("a PostgreSQL server does not start; run scripts/need-postgres: %v", err)
	}
	return strings.TrimSpace(line)
}
