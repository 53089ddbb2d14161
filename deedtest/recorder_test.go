package deedtest_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// recorder is a test that a test looks at: it keeps what would have failed it.
type recorder struct {
	testing.TB
	failures []string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Fatal(args ...any) { r.Fatalf("%s", fmt.Sprintln(args...)) }
func (r *recorder) Error(args ...any) { r.Errorf("%s", fmt.Sprintln(args...)) }

// recorded runs f as a test of its own and returns what failed it.
func recorded(t *testing.T, f func(t testing.TB)) string {
	t.Helper()
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(r)
	}()
	<-done
	return strings.Join(r.failures, "\n")
}

func passes(t *testing.T, name string, f func(t testing.TB)) {
	t.Helper()
	if text := recorded(t, f); text != "" {
		t.Errorf("%s: failed with %s", name, text)
	}
}

func fails(t *testing.T, name, with string, f func(t testing.TB)) {
	t.Helper()
	text := recorded(t, f)
	if text == "" || !strings.Contains(text, with) {
		t.Errorf("%s: failed with %q, want %q", name, text, with)
	}
}
