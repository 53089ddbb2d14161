package deed_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

// keysIn returns keys, of which the i-th is in partition i.
func keysIn(of int) []string {
	keys, missing := make([]string, of), of
	for i := 0; missing > 0; i++ {
		if p := deed.PartitionOf(id(i), of); keys[p] == "" {
			keys[p] = id(i)
			missing--
		}
	}
	return keys
}

// held is a store in which a view's commits can be held back.
type held struct {
	*hooked
	mu   sync.Mutex
	gate map[string]chan struct{}
}

func holding(t testing.TB) *held {
	db, _ := memory(t)
	h := &held{hooked: &hooked{DB: db}, gate: map[string]chan struct{}{}}
	h.onCommitView = func(c deed.ViewCommit) error {
		h.mu.Lock()
		gate := h.gate[c.View.Name]
		h.mu.Unlock()
		if gate != nil {
			<-gate
		}
		return nil
	}
	return h
}

// hold has the view's commits wait until the function returned is called.
func (h *held) hold(view string) (release func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	gate := make(chan struct{})
	h.gate[view] = gate
	return sync.OnceFunc(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.gate, view)
		close(gate)
	})
}

// A row is waited for until its own partition has come so far; what is about all rows, until the last has.
func TestPartitionsAreWaitedFor(t *testing.T) {
	h := holding(t)
	cut := lines
	cut.Partitions = 3
	s := start(t, h, accounts, cut)
	keys := keysIn(3)
	for _, key := range keys {
		s.send(accounts.Send(key, open{"ann"}))
	}
	s.settle()
	release := h.hold("lines.1of3")
	defer release()
	var at deed.Position
	for _, key := range keys {
		at = s.send(accounts.Send(key, pay{1})).Position
	}
	view := cut.View(h)
	for _, i := range []int{0, 2} {
		row, err := view.Get(bounded(t), keys[i], at)
		must(t, err)
		want(t, "row", row, line{"ann", 1, 1})
	}
	stale, cancel := context.WithCancel(bounded(t))
	cancel()
	_, err := view.Get(stale, keys[1], at)
	var behind *deed.BehindError
	if !errors.As(err, &behind) || *behind != (deed.BehindError{View: "lines", Want: at, Reached: 3}) {
		t.Errorf("the row of the partition that lags: %v", err)
	}
	_, err = view.List(stale, nil, deed.Page{}, at)
	if !errors.As(err, &behind) || *behind != (deed.BehindError{View: "lines", Want: at, Reached: 3}) {
		t.Errorf("the list: %v", err)
	}
	position, err := s.Views().Position(bounded(t), "lines", 0)
	must(t, err)
	want(t, "position", position, 3)
	want(t, "status", s.part("lines").Position, 3)
	rows, err := view.List(bounded(t), nil, deed.Page{}, 0)
	must(t, err)
	want(t, "the list's position", rows.Position, 3)
	done := make(chan error, 1)
	go func() {
		_, err := view.List(bounded(t), nil, deed.Page{}, at)
		done <- err
	}()
	release()
	must(t, <-done)
}

// Who follows a view that is cut is told of changes in order, and of none before all partitions have come to it.
func TestPartitionsFollowed(t *testing.T) {
	h := holding(t)
	cut := lines
	cut.Partitions = 3
	s := start(t, h, accounts, cut)
	keys := keysIn(3)
	var released []func()
	for round := range 12 {
		for i := range 3 {
			s.send(accounts.Send(keys[(i+round)%3], open{"ann"}), accounts.Send(keys[(i+round)%3], pay{1}))
		}
		if round%3 == 0 {
			for _, release := range released {
				release()
			}
			released = append(released, h.hold(fmt.Sprintf("lines.%dof3", round/3%3)))
		}
	}
	for _, release := range released {
		release()
	}
	at := s.send(accounts.Send(keys[0], pay{1})).Position
	ctx, cancel := context.WithCancel(bounded(t))
	defer cancel()
	rows, last := map[string]string{}, deed.Position(0)
	for c, err := range s.Views().Changes(ctx, "lines", 1, deed.ChangeCursor{}) {
		must(t, err)
		if c.Position <= last || c.View != "lines" {
			t.Fatalf("told of %+v after %d", c, last)
		}
		rows[c.Key], last = string(c.Row), c.Position
		if last == at {
			break
		}
	}
	want(t, "rows", rows, map[string]string{
		keys[0]: `{"owner":"ann","balance":13,"payments":13}`, keys[1]: `{"owner":"ann","balance":12,"payments":12}`, keys[2]: `{"owner":"ann","balance":12,"payments":12}`,
	})
}

// An event that goes to all rows with a value goes to them in every partition.
func TestPartitionsRoute(t *testing.T) {
	db, _ := memory(t)
	p := deed.Projection[line, deed.Event]{
		Name: "owned", Events: accountEvents, Index: []string{"owner"}, Partitions: 3, Evolve: line.evolve,
		Route: func(r deed.Recorded[deed.Event]) []deed.Target {
			if _, all := r.Event.(renamed); all {
				return []deed.Target{deed.ToWhere("owner", "ann")}
			}
			return []deed.Target{deed.ToKey(r.Stream.ID())}
		},
	}
	s := start(t, db, accounts, p)
	for i := range 12 {
		s.send(accounts.Send(id(i), open{[]string{"ann", "bob"}[i%2]}))
	}
	at := s.send(accounts.Send("1", rename{"eve"})).Position
	rows, err := p.View(db).List(bounded(t), []deed.Where{{Field: "owner", Value: "eve"}}, deed.Page{}, at)
	must(t, err)
	want(t, "who is renamed", keysOf(rows), "010"+"2468")
}

// A stream whose rows are not known is parked in every partition, and is one thing to people: listed, left out and tried again once.
func TestPartitionsPark(t *testing.T) {
	db, _ := memory(t)
	var lost atomic.Bool
	lost.Store(true)
	p := lines
	p.Partitions = 3
	p.Key = func(r deed.Recorded[deed.Event]) string {
		if lost.Load() && r.Type == "account-paid" {
			panic("whose?")
		}
		return r.Stream.ID()
	}
	s := start(t, db, accounts, p)
	keys := keysIn(3)
	for _, key := range keys {
		s.send(accounts.Send(key, open{"ann"}), accounts.Send(key, pay{1}), accounts.Send(key, pay{2}))
	}
	s.settle()
	all := s.parked("lines")
	want(t, "how many", len(all), 3)
	want(t, "status", s.part("lines").Parked, 9) // of all partitions
	for i, a := range all {
		if !strings.HasPrefix(a.Key, "/account-") || a.Records != 2 || i > 0 && a.Key <= all[i-1].Key {
			t.Errorf("parked is %+v", a)
		}
	}
	page, err := s.Control().Parked(bounded(t), "lines", all[0].Key, 1)
	must(t, err)
	want(t, "the next page", []any{len(page), page[0].Key}, []any{1, all[1].Key})
	s.skip("lines", "/account-"+keys[0])
	s.settle()
	want(t, "how many are left", len(s.parked("lines")), 3)
	lost.Store(false)
	for _, key := range keys {
		s.retry("lines", "/account-"+key)
	}
	s.settle()
	want(t, "how many", len(s.parked("lines")), 0)
	want(t, "status", s.part("lines").Parked, 0)
	for i, key := range keys {
		row, err := p.View(db).Get(bounded(t), key, 0)
		must(t, err)
		want(t, "row", row, []line{{"ann", 2, 1}, {"ann", 3, 2}, {"ann", 3, 2}}[i])
	}
}

// A view with another number of partitions is made anew.
func TestPartitionsMadeAnew(t *testing.T) {
	file := inFile(t)
	var folded atomic.Int64
	for round, of := range []int{1, 3, 3, 2, 0} {
		p := folds(lines, &folded)
		p.Partitions = of
		parts := []deed.Part{accounts, p}
		file.during(func(db *sqlite.DB) {
			s := start(t, db, parts...)
			defer s.stop()
			for i := range 6 {
				s.send(accounts.Send(id(i), open{"ann"}), accounts.Send(id(i), pay{1}))
			}
			s.settle()
			for i := range 6 {
				row, err := p.View(db).Get(bounded(t), id(i), 0)
				must(t, err)
				want(t, fmt.Sprintf("row with %d", of), row, line{"ann", round + 1, round + 1})
			}
		})
	}
}
