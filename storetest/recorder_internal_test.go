package storetest

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// A recorder is a tester that keeps failures instead of failing, to see a case fail that should.
type recorder struct {
	t        *testing.T
	ctx      context.Context
	mu       sync.Mutex
	failures []string
	cleanups []func()
}

func (r *recorder) Helper()                         {}
func (r *recorder) Logf(format string, args ...any) {}
func (r *recorder) TempDir() string                 { return r.t.TempDir() }
func (r *recorder) Context() context.Context        { return r.ctx }

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Cleanup(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cleanups = append(r.cleanups, f)
}

// bites tells whether a case fails. It may be about a race, which is not lost each time: the case has some tries.
func bites(t *testing.T, run func(tester)) bool {
	t.Helper()
	for range 40 {
		if failure(t, run) != "" {
			return true
		}
	}
	return false
}

// failure runs a case once and returns how it failed; empty if it did not.
func failure(t *testing.T, run func(tester)) string {
	t.Helper()
	// A broken store may well keep a reader waiting for ever; that is a failure too.
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	r := &recorder{t: t, ctx: ctx}
	var wg sync.WaitGroup
	wg.Go(func() {
		defer func() {
			for i := len(r.cleanups) - 1; i >= 0; i-- {
				r.cleanups[i]()
			}
		}()
		defer func() {
			if p := recover(); p != nil {
				r.Errorf("panic: %v", p)
			}
		}()
		run(r)
	})
	wg.Wait()
	return strings.Join(r.failures, "\n")
}
