package storetest

import (
	"sync"
	"time"
)

// A handClock is a deed.Clock that stands still until it is moved, in either direction.
type handClock struct {
	mu     sync.Mutex
	now    time.Time
	timers map[*handTimer]struct{}
}

type handTimer struct {
	at  time.Time
	due chan struct{}
}

func newHandClock() *handClock {
	return &handClock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), timers: map[*handTimer]struct{}{}}
}

func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *handClock) Timer(t time.Time) (<-chan struct{}, func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	timer := &handTimer{at: t, due: make(chan struct{})}
	if !t.After(c.now) {
		close(timer.due)
		return timer.due, func() {}
	}
	c.timers[timer] = struct{}{}
	return timer.due, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.timers, timer)
	}
}

// move sets the clock forward by d, or back where d is negative.
func (c *handClock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	for timer := range c.timers {
		if !timer.at.After(c.now) {
			close(timer.due)
			delete(c.timers, timer)
		}
	}
}
