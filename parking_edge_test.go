package deed_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/deed-es/deed"
)

// Records of a stream whose rows are not known go to several rows on retry. Where one of those cannot take it, the others have
// not had it either, and do not have it twice later.
func TestParkedStreamIsRetriedWhole(t *testing.T) {
	db, _ := memory(t)
	var lost, broken atomic.Bool
	p := deed.Projection[line, deed.Event]{Name: "pairs", Events: accountEvents, Evolve: func(l line, r deed.Recorded[deed.Event]) line {
		if broken.Load() && l.Owner == "bob" || r.Position == 2 && lost.Load() {
			panic("unlucky")
		}
		return l.evolve(r)
	}}
	p.Route = func(r deed.Recorded[deed.Event]) []deed.Target {
		switch {
		case r.Type == "account-opened":
			return []deed.Target{deed.ToKey(r.Stream.ID())}
		case r.Stream == "account-both" && lost.Load():
			panic("where to?")
		case r.Stream == "account-both":
			return []deed.Target{deed.ToKey("1"), deed.ToKey("2")}
		}
		return []deed.Target{deed.ToKey(r.Stream.ID())}
	}
	s := start(t, db, accounts, p)
	s.send(accounts.Send("2", open{"bob"}))
	lost.Store(true)
	s.send(accounts.Send("1", open{"ann"}), accounts.Send("both", open{"cay"}), accounts.Send("both", pay{5}))
	s.settle()
	want(t, "parked", len(s.parked("pairs")), 2)
	lost.Store(false)
	broken.Store(true)
	s.retry("pairs", "/account-both") // row 1 is held back, row 2 cannot take it
	s.retry("pairs", "1")
	s.settle()
	want(t, "parked", s.parked("pairs")[0].Key, "/account-both")
	broken.Store(false)
	s.retry("pairs", "/account-both")
	s.settle()
	for key, owner := range map[string]string{"1": "ann", "2": "bob"} {
		got, err := p.View(db).Get(bounded(t), key, 0)
		must(t, err)
		want(t, "row "+key, got, line{owner, 5, 1})
	}
}

// A row that was removed stays where its removal is in the changes, though a retry of it fails.
func TestParkedRemovedRowKeepsItsPlace(t *testing.T) {
	db, _ := memory(t)
	type sum struct{ Sum float64 }
	p := deed.Projection[sum, deed.Event]{Name: "sums", Events: accountEvents, Key: ownID[deed.Event], Evolve: func(s sum, r deed.Recorded[deed.Event]) sum {
		switch e := r.Event.(type) {
		case paid:
			s.Sum += float64(e.Amount)
			if e.Amount == 13 {
				s.Sum = math.NaN()
			}
		case closed:
			return sum{}
		}
		return s
	}}
	s := start(t, db, accounts, p)
	s.send(accounts.Send("1", open{"ann"}), accounts.Send("1", pay{1}))
	s.settle()
	write(t, db, "account-1", "account-closed", `{}`)
	s.settle()
	s.stop()
	s = start(t, db, accounts, p)
	write(t, db, "account-1", "account-paid", `{"amount":13}`)
	s.settle()
	s.retry("sums", "1")
	s.settle()
	changed, _, err := db.Changes(bounded(t), deed.ViewRef{Name: "sums", Version: 1}, deed.ChangeCursor{Position: 2}, 10)
	must(t, err)
	want(t, "changes", changed, []deed.Row{{Key: "1", Position: 3}})
}

// What a record brings about is not stored while the record stays parked because its state cannot be.
func TestParkedStateMakesNoEffects(t *testing.T) {
	db, _ := memory(t)
	var broken atomic.Bool
	broken.Store(true)
	p := keeps(func(_ diary, r deed.Recorded[deed.Event]) []deed.Effect {
		return []deed.Effect{deed.Wake().In(time.Hour)}
	})
	p.Evolve = func(d diary, r deed.Recorded[deed.Event]) diary {
		if broken.Load() {
			return d.note("\xff")
		}
		return d.note("%s", r.Type)
	}
	s := start(t, db, accounts, p)
	s.send(accounts.Send("1", open{"ann"}))
	s.settle()
	s.retry("keeper", "1")
	s.settle()
	want(t, "parked", len(s.parked("keeper")), 1)
	want(t, "effects", len(s.pending("keeper")), 0)
	broken.Store(false)
	s.retry("keeper", "1")
	s.settle()
	want(t, "parked", len(s.parked("keeper")), 0)
	want(t, "effects", len(s.pending("keeper")), 1)
}

// A process whose old version could not tell whose the records of a stream were makes their effects in the new one.
func TestRaisedVersionKnowsParkedStreams(t *testing.T) {
	db, _ := memory(t)
	version := func(v int) deed.Part {
		p := keeps(when("account-paid", deed.Wake().In(time.Hour)))
		p.Version, p.From = v, deed.FromStart()
		p.Key = func(r deed.Recorded[deed.Event]) string {
			if v == 1 && r.Type == "account-paid" {
				panic("whose?")
			}
			return r.Stream.ID()
		}
		return p
	}
	s := start(t, db, accounts, version(1))
	s.send(accounts.Send("1", open{"ann"}), accounts.Send("1", pay{1}), accounts.Send("1", pay{2}), accounts.Send("2", open{"bob"}))
	s.settle()
	want(t, "parked", s.parked("keeper")[0].Key, "/account-1")
	for v := 2; v < 4; v++ {
		s.stop()
		s = start(t, db, accounts, version(v))
		s.settle()
		want(t, "parked", len(s.parked("keeper")), 0)
		var made []deed.Position
		for _, e := range s.pending("keeper") {
			made = append(made, e.Position)
		}
		want(t, "effects", made, []deed.Position{2, 3})
	}
}

// Effects that are stored by a commit of which nobody learned how it ended are carried out, without anything else happening.
func TestEffectsOfUnknownCommits(t *testing.T) {
	db, _ := memory(t)
	var once atomic.Bool
	store := &hooked{DB: db}
	store.onCommitPart = func(c deed.PartCommit) error {
		if len(c.Effects) == 0 || once.Swap(true) {
			return nil
		}
		must(t, db.CommitPart(bounded(t), c))
		return deed.ErrUnknown
	}
	p := keeps(func(_ diary, r deed.Recorded[deed.Event]) []deed.Effect {
		if r.Stream == "account-1" {
			return []deed.Effect{accounts.Send("fee", open{"x"})}
		}
		return nil
	})
	s := start(t, store, accounts, p)
	s.send(accounts.Send("1", open{"ann"}))
	for r, err := range db.Read(bounded(t), deed.Query{Stream: "account-fee", Follow: true, Limit: 1}) {
		must(t, err)
		want(t, "event", r.Type, "account-opened")
	}
}

// inlineStore hands out the fold that an engine is given.
type inlineStore struct {
	*hooked
	fold deed.InlineFold
}

func (s *inlineStore) FoldInline(ctx context.Context, view deed.ViewRef, fold deed.InlineFold) error {
	s.fold = fold
	return s.hooked.FoldInline(ctx, view, fold)
}

// failingTx is a transaction that cannot be written to.
type failingTx struct{ deed.ViewTx }

func (failingTx) ViewParked(context.Context, deed.ViewRef, string, int) ([]deed.ParkedKey, error) {
	return nil, nil
}

func (failingTx) CommitView(context.Context, deed.ViewCommit) error {
	return errors.New("the disk is away")
}

// A fold that stops its view at a record and cannot store what came before fails the appends: rows may have been written.
func TestInlineStopThatCannotBeStored(t *testing.T) {
	db, _ := memory(t)
	store := &inlineStore{hooked: &hooked{DB: db}}
	p := lines
	p.Mode = deed.Inline
	p.Evolve = func(l line, r deed.Recorded[deed.Event]) line {
		if r.Position == 2 {
			panic("unlucky")
		}
		return l.evolve(r)
	}
	_, err := deed.NewService(deed.Config{Store: store, Views: db, MaxParked: -1}, accounts, p)
	must(t, err)
	record := deed.Record{Stream: "account-1", Version: 1, Position: 1}
	record.Type, record.Schema, record.Data = "account-opened", 1, []byte(`{"owner":"ann"}`)
	next := record
	next.Position = 2
	stopped, err := store.fold(bounded(t), failingTx{}, deed.Checkpoint{}, []deed.Record{record, next}, 2)
	if stopped || err == nil {
		t.Errorf("got stopped %t and %v, want an error", stopped, err)
	}
}

// heldViews is a store that holds up the opening of views, and says that one is to be dropped.
type heldViews struct {
	*hooked
	hold atomic.Pointer[chan struct{}]
	drop func()
}

func (h *heldViews) DropView(ctx context.Context, view deed.ViewRef) error {
	h.drop()
	return h.hooked.DropView(ctx, view)
}

func (h *heldViews) OpenView(ctx context.Context, spec deed.ViewSpec) (deed.Checkpoint, error) {
	if hold := h.hold.Load(); hold != nil {
		<-*hold
	}
	return h.hooked.OpenView(ctx, spec)
}

// Settle does not take a view that is to be made anew for one that is up to date.
func TestSettleWaitsForRebuilds(t *testing.T) {
	db, _ := memory(t)
	store := &heldViews{hooked: &hooked{DB: db}}
	s := start(t, store, accounts, lines)
	s.send(accounts.Send("1", open{"ann"}))
	s.settle()
	hold := make(chan struct{})
	store.drop = func() { store.hold.Store(&hold) } // the rows are still there, and up to date
	at, err := s.Control().Rebuild(bounded(t), "lines")
	must(t, err)
	ctx, cancel := context.WithTimeout(bounded(t), 50*time.Millisecond)
	defer cancel()
	wantErr(t, s.Settle(ctx), context.DeadlineExceeded)
	store.hold.Store(nil)
	close(hold)
	s.settle()
	rows, err := lines.View(db).List(bounded(t), nil, deed.Page{}, 0)
	must(t, err)
	want(t, "rows", []any{len(rows.Rows), rows.Position}, []any{1, at.Position})
}

// A paused part says how many keys it holds back, also after a restart.
func TestPausedPartsSayWhatIsParked(t *testing.T) {
	db, _ := memory(t)
	var broken atomic.Bool
	broken.Store(true)
	p := fragile(&broken)
	s := start(t, db, accounts, p)
	s.send(accounts.Send("1", open{"ann"}), accounts.Send("1", pay{13}))
	s.settle()
	must(t, second(s.Control().Pause(bounded(t), "lines")))
	s.stop()
	s = start(t, db, accounts, p)
	want(t, "parked", s.part("lines").Parked, 1)
	if names := []string{deed.StatePaused, deed.StateOff}; !slices.Contains(names, s.part("lines").State) {
		t.Errorf("it is %s", s.part("lines").State)
	}
}
