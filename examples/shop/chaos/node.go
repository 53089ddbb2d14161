package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// build builds the shop into dir.
func build(ctx context.Context, dir string) (string, error) {
	program := filepath.Join(dir, "shop")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-o", program, "github.com/deed-es/deed/examples/shop")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the shop: %w\n%s", err, out)
	}
	return program, nil
}

// node is one of the shop's processes, again and again: under one name, with views of its own or with those in the database.
type node struct {
	name    string
	program string
	store   string
	views   string // empty: in the database
	lease   time.Duration
	logs    string // directory for what it says; empty: its end is kept

	mu    sync.Mutex
	base  string // where it answers; empty: nowhere
	child *child
}

// start starts a process and returns when it says where it answers.
func (n *node) start(ctx context.Context) error {
	args := []string{"-store", n.store, "-node", n.name, "-lease", n.lease.String(), "-addr", "127.0.0.1:0", "-welcome-delay", "300ms"}
	if n.views != "" {
		args = append(args, "-views", n.views)
	}
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd := exec.Command(n.program, args...)
	cmd.Stdout = write
	if n.logs != "" {
		log, err := os.OpenFile(filepath.Join(n.logs, n.name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return errors.Join(err, read.Close(), write.Close())
		}
		defer log.Close()
		cmd.Stderr = log
	}
	n.child, err = begin(cmd, syscall.SIGKILL)
	if err = errors.Join(err, write.Close()); err != nil {
		return errors.Join(err, read.Close())
	}
	found := make(chan string, 1)
	go func() {
		defer read.Close()
		defer close(found)
		for s := bufio.NewScanner(read); s.Scan(); {
			if _, base, ok := strings.Cut(s.Text(), "answers on "); ok {
				found <- base
				_, _ = io.Copy(io.Discard, read)
				return
			}
		}
	}()
	timer := time.NewTimer(startWithin)
	defer timer.Stop()
	select {
	case base, ok := <-found:
		if ok {
			n.at(base)
			return nil
		}
		<-n.child.ended
		return fmt.Errorf("%s ended before it answered: %w\n%s", n.name, n.child.result, n.child.said())
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return fmt.Errorf("%s does not say where it answers\n%s", n.name, n.child.said())
	}
}

const startWithin = time.Minute

func (n *node) at(base string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.base = base
}

// where is where the node answers; empty while it is down.
func (n *node) where() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.base
}

// kill ends the process at once.
func (n *node) kill() {
	n.at("")
	if n.child != nil {
		n.child.kill(os.Kill)
	}
}

// term asks the process to end, which it has to do well.
func (n *node) term() error {
	if err := n.child.end(politely); err != nil {
		return err
	}
	n.at("")
	if n.child.result != nil {
		return fmt.Errorf("%s did not end cleanly: %w\n%s", n.name, n.child.result, n.child.said())
	}
	return nil
}

// fault is that the process has ended, though nobody wanted that.
func (n *node) fault() error {
	if n.where() == "" || !n.child.hasEnded() {
		return nil
	}
	return fmt.Errorf("%s has ended by itself: %w\n%s", n.name, n.child.result, n.child.said())
}
