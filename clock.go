package deed

import "time"

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
	due := make(chan struct{})
	timer := time.AfterFunc(time.Until(t), func() { close(due) })
	return due, func() { timer.Stop() }
}
