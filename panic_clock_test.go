package deed_test

import (
	"context"
	"errors"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/deedtest"
	"github.com/deed-es/deed/sqlite"
)

// An observer that panics hurts nothing of what it observes.
func TestPanicsOfAnObserver(t *testing.T) {
	for _, in := range []string{"Begin of the observer", "end of the observer", "Wrote of the observer"} {
		t.Run(in, func(t *testing.T) {
			r := newRisky(t)
			defer lit.Store("")
			lit.Store(in)
			for _, how := range []string{"calmly", "asleep", "boldly", "again"} {
				must(t, r.take("risk-1", how))
			}
			r.othersGoOn()
			for _, p := range []string{"by-key", "saga", "hook"} {
				want(t, p, r.part(p).State, deed.StateLive)
			}
			if n := strings.Count(r.logged.text(), "bang in "+in); n != 1 {
				t.Errorf("it is logged %d times:\n%s", n, r.logged.text())
			}
			lit.Store("")
			r.recovers()
		})
	}
}

// A clock that panics ends nothing: what needs it is tried again.
func TestPanicsOfTheClock(t *testing.T) {
	woken := func(t *testing.T, r *risky) {
		t.Helper()
		lit.Store("")
		r.settle()
		want(t, "the process's own events", types(t, r.db, deed.Query{Category: "process"}), []string{"process-woken"})
		r.recovers()
	}
	const looking = "could not look for pending effects"
	t.Run("when a timer is made", func(t *testing.T) {
		r := newRisky(t)
		defer lit.Store("")
		lit.Store("Timer of the clock")
		must(t, r.take("risk-1", "for an hour"))
		want(t, "says so", strings.Contains(r.logged.line(t, looking), "bang in Timer of the clock"), true)
		r.clock.Advance(2 * time.Hour)
		woken(t, r)
	})
	t.Run("when effects are looked for", func(t *testing.T) {
		r := newRisky(t)
		defer lit.Store("")
		must(t, r.take("risk-1", "for an hour"))
		r.settle()
		lit.Store("Now of the clock")
		r.clock.Advance(2 * time.Hour)
		want(t, "says so", strings.Contains(r.logged.line(t, looking), "bang in Now of the clock"), true)
		woken(t, r)
	})
	t.Run("when it is told what time it is to remove what is old", func(t *testing.T) {
		r := newRisky(t)
		r.stop()
		s := r.service()
		defer lit.Store("")
		lit.Store("Now of the clock")
		r.running = startService(t, r.db, s)
		r.logged.line(t, "could not remove outcomes and tombstones")
		lit.Store("")
		r.recovers()
	})
	t.Run("when an effect is done and the next is looked for", func(t *testing.T) {
		logged := &logged{}
		db, err := sqlite.OpenMemory(&sqlite.Options{Clock: riskyClock{deedtest.NewClock(deedtest.Start)}})
		must(t, err)
		t.Cleanup(func() { _ = db.Close() })
		store := afterFinish{db, func() { lit.Store("Now of the clock") }}
		service, err := deed.NewService(deed.Config{Store: store, Logger: logged.logger()}, accounts, keeps(when("account-opened", accounts.Send("1", pay{5}))))
		must(t, err)
		defer lit.Store("")
		s := startService(t, db, service)
		s.send(accounts.Send("1", open{"ann"}))
		logged.line(t, looking)
		lit.Store("")
		s.settle()
		want(t, "payments", len(payments(t, db, "1")), 1)
	})
	t.Run("when Settle looks whether an effect is due", func(t *testing.T) {
		db, err := sqlite.OpenMemory(&sqlite.Options{Clock: settlesBadly{deedtest.NewClock(deedtest.Start)}})
		must(t, err)
		t.Cleanup(func() { _ = db.Close() })
		s := start(t, db, accounts, keeps(when("account-opened", deed.Wake().In(time.Hour))))
		defer lit.Store("")
		lit.Store("Now in Settle")
		s.send(accounts.Send("1", open{"ann"}))
		err = s.Settle(bounded(t))
		if !errors.As(err, new(*deed.PanicError)) {
			t.Errorf("Settle returns %v", err)
		}
		lit.Store("")
		s.settle() // nobody holds a lock
	})
}

// afterFinish does something when an effect is marked done.
type afterFinish struct {
	*sqlite.DB
	do func()
}

func (a afterFinish) FinishEffects(ctx context.Context, ids []string) error {
	err := a.DB.FinishEffects(ctx, ids)
	a.do()
	return err
}

// settlesBadly panics where Settle asks for the time, and nowhere else.
type settlesBadly struct{ *deedtest.Clock }

func (c settlesBadly) Now() time.Time {
	if strings.Contains(string(debug.Stack()), ".(*Service).Settle") {
		may("Now in Settle")
	}
	return c.Clock.Now()
}
