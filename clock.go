package deed

import (
	"sync"
	"time"
)

// Clock tells the time that is written into the log and that timers fall due by. The engine has it; tests move one by
// hand (deedtest.NewClock).
type Clock interface {
	// Now is the time, in UTC.
	Now() time.Time
	// Timer returns a channel that is closed once Now is t or later, and a function that releases it before.
	Timer(t time.Time) (due <-chan struct{}, stop func())
}

// SystemClock is the machine's clock.
func SystemClock() Clock { return systemClock{} }

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now().UTC() }

func (systemClock) Timer(t time.Time) (<-chan struct{}, func()) {
	w := &wallTimer{at: t.Round(0), due: make(chan struct{})}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(w.wait(), w.look)
	return w.due, w.stop
}

// wallTimer is due by the wall clock, which may be set, and goes on while the machine sleeps; so it looks again and again.
type wallTimer struct {
	at    time.Time // without a monotonic reading
	due   chan struct{}
	mu    sync.Mutex
	timer *time.Timer
	over  bool
}

func (w *wallTimer) wait() time.Duration { return min(time.Until(w.at), time.Minute) }

func (w *wallTimer) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.over:
	case time.Now().Before(w.at):
		w.timer.Reset(w.wait())
	default:
		w.over = true
		close(w.due)
	}
}

func (w *wallTimer) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	w.timer.Stop()
}
