package deed_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/deed-es/deed"
)

// A task that fails soon after its start is tried again ever more seldom, and is retrying all the while; one that has run well for
// long starts anew.
func TestTaskBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, _ := memory(t)
		var runs atomic.Int64
		var well atomic.Bool
		begun, breaks := make(chan struct{}), make(chan struct{})
		s := start(t, db, deed.Task{Name: "faulty", Run: func(context.Context, deed.Lease) error {
			runs.Add(1)
			if well.Load() {
				begun <- struct{}{}
				<-breaks
			}
			return errors.New("not now")
		}})
		during := func(d time.Duration, state string) {
			t.Helper()
			for end := time.Now().Add(d); time.Now().Before(end); {
				<-time.After(100 * time.Millisecond)
				want(t, "state", s.part("faulty").State, state)
			}
		}
		during(10*time.Minute, deed.StateRetrying)
		if n := runs.Load(); n < 20 || n > 60 { // in the end every 30 s, of which up to a half is taken off
			t.Errorf("%d runs in 10 minutes", n)
		}
		want(t, "tries", s.part("faulty").Attempts, int(runs.Load()))

		well.Store(true)
		<-begun
		during(29*time.Second, deed.StateRetrying)
		<-time.After(2 * time.Second)
		during(time.Minute, deed.StateLive)
		part := s.part("faulty")
		want(t, "error", part.Error, "")
		want(t, "tries", part.Attempts, 0)

		well.Store(false)
		runs.Store(0)
		breaks <- struct{}{}
		during(time.Second, deed.StateRetrying)
		if n := runs.Load(); n < 4 {
			t.Errorf("%d runs in the first second after it broke, want it to be tried again soon", n)
		}
		s.stop()
		must(t, db.Close())
	})
}

// What a task tells of a log or a broker of its own is no reason to stop the service.
func TestTaskErrorsAreItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, _ := memory(t)
		errs := []error{deed.ErrClosed, deed.ErrForked, deed.ErrForeignPosition}
		done := make(chan struct{})
		s := start(t, db, accounts, lines, deed.Task{Name: "relay", Run: func(ctx context.Context, _ deed.Lease) error {
			if len(errs) == 0 {
				close(done)
				<-ctx.Done()
				return nil
			}
			err := fmt.Errorf("the broker: %w", errs[0])
			errs = errs[1:]
			return err
		}})
		select {
		case <-done:
		case <-time.After(time.Minute):
			t.Fatal("it is not tried again")
		}
		at := s.send(accounts.Send("1", open{"ann"})).Position
		_, err := lines.View(db).Get(bounded(t), "1", at)
		must(t, err)
		want(t, "state", s.part("relay").State, deed.StateRetrying)
		<-time.After(time.Minute)
		want(t, "state", s.part("relay").State, deed.StateLive)
		s.stop()
		must(t, db.Close())
	})
}
