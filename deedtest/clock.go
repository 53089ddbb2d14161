package deedtest

import (
	"slices"
	"sync"
	"time"

	"github.com/deed-es/deed"
)

// Clock is a deed.Clock that stands still until it is moved. All methods may be called by many goroutines at once.
type Clock struct {
	mu     sync.Mutex
	now    time.Time
	timers []*timer
}

type timer struct {
	at  time.Time
	due chan struct{}
}

var _ deed.Clock = (*Clock)(nil)

// NewClock returns a clock that stands at now.
func NewClock(now time.Time) *Clock { return &Clock{now: now.UTC()} }

// Now is the time that the clock stands at.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock and lets the timers fall due that it passes.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	c.timers = slices.DeleteFunc(c.timers, func(t *timer) bool {
		passed := !t.at.After(c.now)
		if passed {
			close(t.due)
		}
		return passed
	})
}

// Timer returns a channel that is closed once the clock has been moved to at or beyond.
func (c *Clock) Timer(at time.Time) (<-chan struct{}, func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &timer{at: at, due: make(chan struct{})}
	if !at.After(c.now) {
		close(t.due)
		return t.due, func() {}
	}
	c.timers = append(c.timers, t)
	return t.due, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.timers = slices.DeleteFunc(c.timers, func(other *timer) bool { return other == t })
	}
}
