package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
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

// process is a shop that runs.
type process struct {
	cmd    *exec.Cmd
	lines  chan string // what it prints, until it ends
	errors bytes.Buffer
	ended  sync.Once
	result error
}

const startWithin = time.Minute

func launch(program, data string) (*process, error) {
	p := &process{cmd: exec.Command(program, "-addr", "127.0.0.1:0", "-data", data), lines: make(chan string, 64)}
	p.cmd.Stderr = &p.errors
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the shop: %w", err)
	}
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			select {
			case p.lines <- s.Text():
			default: // nobody reads, it says too much
			}
		}
	}()
	return p, nil
}

// answers waits until the shop says where it answers.
func (p *process) answers(ctx context.Context) (url string, err error) {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	for {
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("the shop does not answer: %w", ctx.Err())
		case line, ok := <-p.lines:
			if !ok {
				return "", fmt.Errorf("the shop ended before it answered: %w\n%s", p.wait(), p.errors.String())
			}
			if _, url, found := strings.Cut(line, "answers on "); found {
				return url, nil
			}
		}
	}
}

// kill ends the process at once, whatever it is doing.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	_ = p.wait()
}

// stop asks the process to end, and returns an error if it does not end well.
func (p *process) stop(ctx context.Context) error {
	if runtime.GOOS == "windows" { // there is no way to ask
		p.kill()
		return nil
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- p.wait() }()
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	select {
	case err := <-ended:
		if err != nil {
			return fmt.Errorf("the shop did not stop cleanly: %w\n%s", err, p.errors.String())
		}
		return nil
	case <-ctx.Done():
		return errors.Join(errors.New("the shop does not stop"), ctx.Err())
	}
}

func (p *process) wait() error {
	p.ended.Do(func() {
		for range p.lines { // to its end, before Wait closes the pipe
		}
		p.result = p.cmd.Wait()
	})
	return p.result
}
