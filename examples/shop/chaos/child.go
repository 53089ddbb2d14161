package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// child is a process that this program has started, and that ends with it.
type child struct {
	cmd    *exec.Cmd
	out    *tail
	ended  chan struct{}
	result error // how, once ended is closed
}

// begin starts a command, which gets a signal if this program ends before it. What it says is kept, where it does not go elsewhere.
func begin(cmd *exec.Cmd, orphaned syscall.Signal) (*child, error) {
	c := &child{cmd: cmd, out: &tail{}, ended: make(chan struct{})}
	for _, to := range []*io.Writer{&cmd.Stdout, &cmd.Stderr} {
		if *to == nil {
			*to = c.out
		}
	}
	cmd.WaitDelay = time.Second // a grandchild may keep the pipe
	bind(cmd, orphaned)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	go func() {
		defer close(c.ended)
		c.result = cmd.Wait()
	}()
	return c, nil
}

func (c *child) hasEnded() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// said is the end of what the child has said.
func (c *child) said() string { return c.out.String() }

func (c *child) signal(s os.Signal) error {
	if err := c.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

const endWithin = time.Minute

// end asks the child to end by a signal, and returns when it has.
func (c *child) end(by os.Signal) error {
	if err := c.signal(by); err != nil {
		return err
	}
	timer := time.NewTimer(endWithin)
	defer timer.Stop()
	select {
	case <-c.ended:
		return nil
	case <-timer.C:
		c.kill(os.Kill)
		return fmt.Errorf("%s did not end for %v after %v\n%s", c.cmd.Path, endWithin, by, c.said())
	}
}

// kill ends the child by a signal that it cannot pass over, whatever it is doing.
func (c *child) kill(by os.Signal) {
	_ = c.signal(by) // it may have ended
	timer := time.NewTimer(endWithin)
	defer timer.Stop()
	select {
	case <-c.ended:
	case <-timer.C:
		_ = c.signal(os.Kill)
		<-c.ended
	}
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	kept bytes.Buffer
}

const tailBytes = 1 << 16

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.kept.Len() > tailBytes {
		t.kept.Next(t.kept.Len() - tailBytes/2)
	}
	return t.kept.Write(p)
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.kept.String()
}

// pause waits, unless ctx ends first.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
