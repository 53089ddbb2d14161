package deed

import (
	"context"
	"log/slog"
	"runtime/debug"
	"sync"
)

// watched is an observer that may panic, which hurts nothing of what it observes.
type watched struct {
	observer Observer
	logger   *slog.Logger
	once     sync.Once
}

// observed is o as everybody here tells it; nil if there is none. A nil logger logs nothing.
func observed(o Observer, logger *slog.Logger) Observer {
	if _, is := o.(*watched); is || o == nil {
		return o
	}
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &watched{observer: o, logger: logger}
}

func (w *watched) Begin(ctx context.Context, o Operation) (_ context.Context, end func(error)) {
	within, tell := ctx, unobserved
	w.safely(func() {
		if c, e := w.observer.Begin(ctx, o); c != nil && e != nil {
			within, tell = c, e
		}
	})
	return within, func(err error) { w.safely(func() { tell(err) }) }
}

func (w *watched) Wrote(g Group) { w.safely(func() { w.observer.Wrote(g) }) }

// safely does f. That f panics is logged once, or an observer that always does would fill the log.
func (w *watched) safely(f func()) {
	defer func() {
		if v := recover(); v != nil {
			w.once.Do(func() {
				panicked := &PanicError{Value: v, Stack: debug.Stack()}
				w.logger.Error("an observer panicked, which is said once", "error", panicked, "stack", string(panicked.Stack))
			})
		}
	}()
	f()
}
