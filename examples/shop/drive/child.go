// Package drive runs the shop from outside, as programs do that harm it: it starts processes that end with their program, and sends
// requests until they are answered.
package drive

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

// Child is a process that this program has started, and that ends with it.
type Child struct {
	cmd    *exec.Cmd
	out    *tail
	Ended  chan struct{} // closed once it has
	Result error         // how, from then on
}

// Begin starts a command, which gets a signal if this program ends before it. What it says is kept, where it does not go elsewhere.
func Begin(cmd *exec.Cmd, orphaned syscall.Signal) (*Child, error) {
	c := &Child{cmd: cmd, out: &tail{}, Ended: make(chan struct{})}
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
		defer close(c.Ended)
		c.Result = cmd.Wait()
	}()
	return c, nil
}

// HasEnded tells whether the child has ended.
func (c *Child) HasEnded() bool {
	select {
	case <-c.Ended:
		return true
	default:
		return false
	}
}

// Said is the end of what the child has said.
func (c *Child) Said() string { return c.out.String() }

// Signal sends the child a signal, which it is not an error to miss.
func (c *Child) Signal(s os.Signal) error {
	if err := c.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

const endWithin = time.Minute

// End asks the child to end by a signal, and returns when it has.
func (c *Child) End(by os.Signal) error {
	if err := c.Signal(by); err != nil {
		return err
	}
	timer := time.NewTimer(endWithin)
	defer timer.Stop()
	select {
	case <-c.Ended:
		return nil
	case <-timer.C:
		c.Kill(os.Kill)
		return fmt.Errorf("%s did not end for %v after %v\n%s", c.cmd.Path, endWithin, by, c.Said())
	}
}

// Kill ends the child by a signal that it cannot pass over, whatever it is doing.
func (c *Child) Kill(by os.Signal) {
	_ = c.Signal(by) // it may have ended
	timer := time.NewTimer(endWithin)
	defer timer.Stop()
	select {
	case <-c.Ended:
	case <-timer.C:
		_ = c.Signal(os.Kill)
		<-c.Ended
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

// Pause waits, unless ctx ends first.
func Pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
