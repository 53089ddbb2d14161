package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

// said is what a logger was told.
type said struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.Write(p)
}

func (s *said) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.String()
}

func (s *said) logger() *slog.Logger { return slog.New(slog.NewTextHandler(s, nil)) }

// mayPanic is a clock and an observer, which panic from when they are told to.
type mayPanic struct {
	*handClock
	clock, observer atomic.Bool
	wrote           atomic.Int64
}

func (m *mayPanic) Now() time.Time {
	if m.clock.Load() {
		panic("bang in Now")
	}
	return m.handClock.Now()
}

func (m *mayPanic) Begin(ctx context.Context, _ deed.Operation) (context.Context, func(error)) {
	return ctx, func(error) {}
}

func (m *mayPanic) Wrote(deed.Group) {
	m.wrote.Add(1)
	if m.observer.Load() {
		panic("bang in Wrote")
	}
}

// What is called by the writer and panics does not end it.
func TestPanicsUnderTheWriter(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T, *sqlite.Options) *sqlite.DB{
		"in a file": func(t *testing.T, o *sqlite.Options) *sqlite.DB {
			return opened(t, filepath.Join(t.TempDir(), "log.db"), o)
		},
		"in memory": inMemory,
	} {
		t.Run("of a clock is the answer, "+name, func(t *testing.T) {
			t.Parallel()
			m, logged := &mayPanic{handClock: newHandClock()}, &said{}
			db := open(t, &sqlite.Options{Clock: m, Logger: logged.logger()})
			appended(t, db, write("a-1", 0, "1"))
			m.clock.Store(true)
			_, err := db.Append(within(t), write("a-1", 1, "2"))
			var panicked *deed.PanicError
			if !errors.As(err, &panicked) || panicked.Value != "bang in Now" || errors.Is(err, deed.ErrUnknown) {
				t.Errorf("got %v, want a *PanicError with its value, and not an unknown outcome", err)
			}
			for _, want := range []string{"a transaction could not begin", "bang in Now", "panic_test.go", "store=log"} {
				if !strings.Contains(logged.text(), want) {
					t.Errorf("%q is not logged, but\n%s", want, logged.text())
				}
			}
			m.clock.Store(false)
			appended(t, db, write("a-1", 1, "2"))
			if got := strings.Join(ids(t, db, deed.Query{}), " "); got != "1 2" {
				t.Errorf("the log has %s", got)
			}
		})
		t.Run("of an observer is nothing to who appends, and logged once, "+name, func(t *testing.T) {
			t.Parallel()
			m, logged := &mayPanic{handClock: newHandClock()}, &said{}
			db := open(t, &sqlite.Options{Logger: logged.logger()})
			db.Observe(m)
			m.observer.Store(true)
			for i, id := range []string{"1", "2", "3"} {
				appended(t, db, write("a-1", deed.Version(i), id))
			}
			if err := db.Close(); err != nil { // who appends is answered before the observer
				t.Fatal(err)
			}
			if n := m.wrote.Load(); n != 3 {
				t.Errorf("the observer was told %d times", n)
			}
			if n := strings.Count(logged.text(), "an observer panicked"); n != 1 || !strings.Contains(logged.text(), "bang in Wrote") {
				t.Errorf("it is logged %d times:\n%s", n, logged.text())
			}
		})
	}
}
