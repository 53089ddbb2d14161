package sqlite_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/deedtest"
	"github.com/deed-es/deed/sqlite"
)

// reminders wake an hour after an event is recorded, and count how often they are woken.
var reminders = deed.Process[int, noted]{
	Name: "reminders", Events: []noted{{}},
	Key:    func(r deed.Recorded[noted]) string { return r.Stream.ID() },
	Evolve: func(n int, _ deed.Recorded[noted]) int { return n },
	React: func(int, deed.Recorded[noted]) []deed.Effect {
		return []deed.Effect{deed.Wake().In(time.Hour).Named("later")}
	},
	Woken: func(n int, _ deed.Wakeup) (int, []deed.Effect) { return n + 1, nil },
}

// A machine's clock is set back by two hours while a timer waits. What is recorded is never before what was recorded, and
// the timer falls due when it was to, also one that is set meanwhile and one that is found after a restart.
func TestAClockThatIsSetBack(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log.db")
	start := deedtest.Start
	clock := deedtest.NewClock(start)
	due := start.Add(time.Hour)

	run := func(work func(db *sqlite.DB, s *deed.Service)) {
		t.Helper()
		db := opened(t, path, &sqlite.Options{Clock: clock})
		s, err := deed.NewService(deed.Config{Store: db, Views: db}, reminders)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		work(db, s)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	waits := func(db *sqlite.DB, s *deed.Service, want int) {
		t.Helper()
		if err := s.Settle(within(t)); err != nil {
			t.Fatal(err)
		}
		effects, err := db.Effects(t.Context(), deed.EffectQuery{Parts: []string{"reminders"}})
		if err != nil || len(effects) != want {
			t.Fatalf("at %v %d timers wait, %v, want %d", clock.Now(), len(effects), err, want)
		}
		for _, e := range effects {
			if !e.Due.Equal(due) {
				t.Errorf("at %v a timer of %s is due at %v, want %v", clock.Now(), e.Key, e.Due, due)
			}
		}
		status, err := s.Status(t.Context())
		if err != nil || want > 0 && !status.Effects.NextDue.Equal(due) {
			t.Errorf("the next is due at %v, %v, want %v", status.Effects.NextDue, err, due)
		}
	}

	run(func(db *sqlite.DB, s *deed.Service) {
		appended(t, db, write("a-1", 0, "before"))
		waits(db, s, 1)
		clock.Advance(-2 * time.Hour)
		appended(t, db, write("a-2", 0, "meanwhile"))
		waits(db, s, 2)
	})
	run(func(db *sqlite.DB, s *deed.Service) {
		appended(t, db, write("a-3", 0, "restarted"))
		waits(db, s, 3)
		clock.Advance(3*time.Hour - time.Microsecond)
		waits(db, s, 3)
		clock.Advance(time.Microsecond)
		waits(db, s, 0)
		last := start
		for i, r := range records(t, db) {
			if r.Time.Before(last) {
				t.Errorf("%s is recorded at %v, and the one before at %v", r.Type, r.Time, last)
			}
			if last = r.Time; i < 3 && !last.Equal(start) {
				t.Errorf("%s is recorded at %v, while the clock was set back from %v", r.ID, last, start)
			}
		}
		states, err := db.PartStates(t.Context(), "reminders", "", 10)
		if err != nil || len(states) != 3 {
			t.Errorf("%d were woken, %v", len(states), err)
		}
	})
}

// faultyClock is a clock that panics while it is told to.
type faultyClock struct {
	*deedtest.Clock
	broken atomic.Bool
}

func (c *faultyClock) Now() time.Time {
	if c.broken.Load() {
		panic("the clock is broken")
	}
	return c.Clock.Now()
}

func TestAClockThatPanicsRefusesWhatIsWritten(t *testing.T) {
	t.Parallel()
	clock := &faultyClock{Clock: deedtest.NewClock(deedtest.Start)}
	o := &sqlite.Options{Clock: clock}
	for _, db := range []*sqlite.DB{opened(t, filepath.Join(t.TempDir(), "log.db"), o), inMemory(t, o)} {
		appended(t, db, write("a-1", 0, "1"))
		clock.broken.Store(true)
		_, err := db.Append(within(t), write("a-1", 1, "2"))
		if err == nil || errors.Is(err, deed.ErrUnknown) || !strings.Contains(err.Error(), "the clock is broken") {
			t.Errorf("an append gets %v", err)
		}
		if err := project(within(t), db, deed.Query{}); err == nil || !strings.Contains(err.Error(), "the clock is broken") {
			t.Errorf("a view gets %v", err)
		}
		if got := strings.Join(ids(t, db, deed.Query{}), " "); got != "1" {
			t.Errorf("the log has %s", got)
		}
		clock.broken.Store(false)
		if r := appended(t, db, write("a-1", 1, "2")); r.Again || r.Position != 2 {
			t.Errorf("with the clock mended: %+v", r)
		}
		if err := project(within(t), db, deed.Query{}); err != nil {
			t.Error(err)
		}
	}
}
