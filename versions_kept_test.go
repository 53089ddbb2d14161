package deed_test

import (
	"context"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

// slowList takes its time for lists.
type slowList struct {
	*sqlite.DB
	takes time.Duration
}

func (s *slowList) ListRows(ctx context.Context, v deed.ViewRef, q deed.RowQuery) ([]deed.Row, deed.Position, error) {
	if s.takes > 0 {
		select {
		case <-time.After(s.takes):
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		}
	}
	return s.DB.ListRows(ctx, v, q)
}

// While a view is waited for it is looked every now and then whether another version is read. That is no bound for reading.
func TestAReadThatTakesLongIsNotCutOff(t *testing.T) {
	db, _ := memory(t)
	store := &slowList{DB: db}
	s := start(t, store, accounts, tallies(1))
	receipt := s.send(accounts.Send("1", open{"ann"}))
	s.settle()
	store.takes = 1200 * time.Millisecond
	_, err := s.Views().List(bounded(t), "tallies", nil, deed.Page{}, receipt.Position)
	must(t, err)
}

// A version that lags is not taken to be the same, whatever its rows happen to say.
func TestCompareOfAVersionThatLags(t *testing.T) {
	db, _ := memory(t)
	name := func(version int, until deed.Version) talliesOf {
		p := tallies(version)
		p.Evolve = func(v count, r deed.Recorded[deed.Event]) count {
			switch e := r.Event.(type) {
			case opened:
				v.By = e.Owner
			case renamed:
				if r.Version <= until {
					v.By = e.Owner
				}
			}
			return v
		}
		return p
	}
	v1, v2 := name(1, 100), name(2, 2) // which forgets later names
	s := start(t, db, accounts, v1, v2)
	s.send(accounts.Send("1", open{"ann"}))
	s.settle()
	// v2 alone is held up: commits of it wait
	hook := &hooked{DB: db}
	s.stop()
	wait := make(chan struct{})
	hook.onCommitView = func(c deed.ViewCommit) error {
		if c.View.Version == 2 {
			<-wait
		}
		return nil
	}
	s = start(t, hook, accounts, v1, v2)
	r := s.send(accounts.Send("1", rename{"bob"}), accounts.Send("1", rename{"ann"}))
	_, err := v1.View(db).Get(bounded(t), "1", r.Position)
	must(t, err)
	c, err := s.Views().Compare(bounded(t), "tallies", 1, 2, 10)
	must(t, err)
	if c.Same != 0 || c.Moving != 1 {
		t.Errorf("a row of different positions was called the same: %+v", c)
	}
	close(wait)
	s.settle()
	c, err = s.Views().Compare(bounded(t), "tallies", 1, 2, 10)
	must(t, err)
	if c.Different != 1 {
		t.Errorf("both are there, and differ: %+v", c)
	}
}

// Which version is read is kept with the rows, which may be thrown away; that somebody switched is in the log.
func TestASwitchOutlivesTheViews(t *testing.T) {
	log, _ := memory(t)
	for i := range 2 {
		views, _ := memory(t) // disposable
		s, err := deed.NewService(deed.Config{Store: log, Views: views}, accounts, tallies(1), tallies(2))
		must(t, err)
		r := startService(t, log, s)
		r.settle()
		if i == 0 {
			r.send(accounts.Send("1", open{"ann"}))
			r.settle()
			r.switchTo(2)
		}
		reading, err := r.Views().Reading(bounded(t), "tallies")
		must(t, err)
		want(t, "read", reading.Version, 2)
		r.stop()
	}
}
