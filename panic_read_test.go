package deed_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/deed-es/deed"
)

// logged is what a logger was told.
type logged struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

func (l *logged) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// line waits for a message, and returns it.
func (l *logged) line(t *testing.T, message string) string {
	t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for ctx := bounded(t); ; {
		for line := range strings.Lines(l.text()) {
			if strings.Contains(line, message) {
				return line
			}
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			t.Fatalf("%q is not logged, but\n%s", message, l.text())
		}
	}
}

// Who reads is answered with the panic of a function that reading needs.
func TestPanicsOfReading(t *testing.T) {
	options := &deed.HandlerOptions{Codec: riskyCodec{}}
	readings := map[string]func(ctx context.Context, r *risky) error{
		"Handler.Load": func(ctx context.Context, r *risky) error {
			_, _, err := risks.HandlerWith(r.db, options).Load(ctx, "2")
			return err
		},
		"Service.Load": func(ctx context.Context, r *risky) error {
			_, err := r.Load(ctx, "risk-2")
			return err
		},
		"DecisionHandler.Load": func(ctx context.Context, r *risky) error {
			_, _, err := deals.HandlerWith(r.db, options).Load(ctx, "1", take{})
			return err
		},
		"Log": func(ctx context.Context, r *risky) error {
			for _, err := range r.Log().Read(ctx, deed.Query{Match: []deed.Match{{Tags: []string{"risk:taken"}}}}) {
				if err != nil {
					return err
				}
			}
			return nil
		},
		"View.Get": func(ctx context.Context, r *risky) error {
			_, err := byKey.View(r.db).Get(ctx, "1", 0)
			return err
		},
		"View.List": func(ctx context.Context, r *risky) error {
			_, err := byKey.View(r.db).List(ctx, nil, deed.Page{}, 0)
			return err
		},
	}
	for reading, functions := range map[string][]string{
		"Handler.Load":         {"Decode of the codec", "UnmarshalJSON of an event", "Evolve of a decider"},
		"Service.Load":         {"Decode of the codec", "UnmarshalJSON of an event", "Evolve of a decider"},
		"DecisionHandler.Load": {"Decode of the codec", "Tag of the codec", "UnmarshalJSON of an event", "Query", "Evolve of a decision"},
		"Log":                  {"Decode of the codec", "Tag of the codec"},
		"View.Get":             {"UnmarshalJSON of a row or state"},
		"View.List":            {"UnmarshalJSON of a row or state"},
	} {
		for _, in := range functions {
			t.Run(reading+"/"+in, func(t *testing.T) {
				r := newRisky(t)
				write(t, r.db, "risk-2", "risk-taken", `{"how":"by somebody else"}`, "risk:taken")
				r.settle()
				defer lit.Store("")
				lit.Store(in)
				err := readings[reading](bounded(t), r)
				var panicked *deed.PanicError
				if !errors.As(err, &panicked) || panicked.Value != "bang in "+in {
					t.Fatalf("got %v, want a *PanicError with its value", err)
				}
				lit.Store("")
				must(t, readings[reading](bounded(t), r))
			})
		}
	}
}
