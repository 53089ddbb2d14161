package drive

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Build builds the shop into dir.
func Build(ctx context.Context, dir string) (string, error) {
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

// Shop is a process of the shop.
type Shop struct {
	*Child
	found chan string
}

// Launch starts the shop. What it logs goes to a file, if there is one.
func Launch(program string, log *os.File, args ...string) (*Shop, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(program, args...)
	cmd.Stdout = write
	if log != nil {
		cmd.Stderr = log
	}
	child, err := Begin(cmd, syscall.SIGKILL)
	_ = write.Close()
	if err != nil {
		_ = read.Close()
		return nil, err
	}
	s := &Shop{Child: child, found: make(chan string, 1)}
	go func() {
		defer read.Close()
		defer close(s.found)
		for lines := bufio.NewScanner(read); lines.Scan(); {
			if _, base, ok := strings.Cut(lines.Text(), "answers on "); ok {
				s.found <- base
				_, _ = io.Copy(io.Discard, read)
				return
			}
		}
	}()
	return s, nil
}

const startWithin = time.Minute

// Answers waits until the shop says where it answers.
func (s *Shop) Answers(ctx context.Context) (base string, err error) {
	timer := time.NewTimer(startWithin)
	defer timer.Stop()
	select {
	case base, ok := <-s.found:
		if ok {
			return base, nil
		}
		<-s.Ended
		return "", fmt.Errorf("the shop ended before it answered: %w\n%s", s.Result, s.Said())
	case <-ctx.Done():
		return "", ctx.Err()
	case <-timer.C:
		return "", fmt.Errorf("the shop does not say where it answers\n%s", s.Said())
	}
}

// Stop asks the shop to end, and returns an error if it does not end well.
func (s *Shop) Stop() error {
	if err := s.End(politely); err != nil {
		return err
	}
	if s.Result != nil && politely != syscall.SIGKILL {
		return fmt.Errorf("the shop did not end cleanly: %w\n%s", s.Result, s.Said())
	}
	return nil
}
