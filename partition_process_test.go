package deed_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/deedtest"
	"github.com/deed-es/deed/sqlite"
)

// busy is a process with an effect of each kind: a payment makes one more on an account beside it, which is refused where that is not
// open, and a wake-up.
func busy(of int) keeper {
	p := keeps(func(_ diary, r deed.Recorded[deed.Event]) []deed.Effect {
		if e, ok := r.Event.(paid); ok && e.Amount > 1 {
			return []deed.Effect{accounts.Send("twin-"+r.Stream.ID(), pay{e.Amount - 1}), deed.Wake().In(time.Hour).Named("later")}
		}
		return nil
	})
	p.Partitions, p.From = of, deed.FromStart()
	return p
}

// storyOf is what becomes of a log in which a process does its work, cut or not: all events of all streams, and all notes.
func storyOf(t *testing.T, of int) (events map[string][]string, notes map[string][]string) {
	clock := deedtest.NewClock(deedtest.Start)
	db, err := sqlite.OpenMemory(&sqlite.Options{Clock: clock})
	must(t, err)
	t.Cleanup(func() { _ = db.Close() })
	s := start(t, db, accounts, busy(of))
	for i := range 9 {
		s.send(accounts.Send(id(i), open{"ann"}))
		if i%3 > 0 {
			s.send(accounts.Send("twin-"+id(i), open{"bob"}))
		}
	}
	for i := range 9 {
		s.send(accounts.Send(id(i), pay{1 + i%4}), accounts.Send(id(i), pay{3}))
	}
	s.settle()
	clock.Advance(time.Hour)
	s.settle()
	want(t, "pending", len(s.pending("keeper")), 0)
	events, notes = map[string][]string{}, map[string][]string{}
	for _, r := range records(t, db, deed.Query{}) {
		data := string(r.Data)
		if r.Stream.Category() == "process" { // names the effect, whose id has the position in it
			data = ""
		}
		events[string(r.Stream)] = append(events[string(r.Stream)], r.Type+data)
	}
	for _, key := range slices.Sorted(func(yield func(string) bool) {
		for stream := range events {
			if id, ok := strings.CutPrefix(stream, "account-"); ok && !yield(id) {
				return
			}
		}
	}) {
		notes[key] = s.notes("keeper", key)
	}
	states, err := s.Processes().States(bounded(t), "keeper", "", 1000)
	must(t, err)
	for i, state := range states {
		if i > 0 && state.Key <= states[i-1].Key {
			t.Errorf("the states of %s and %s are listed in this order, want each key once", states[i-1].Key, state.Key)
		}
	}
	if of > 1 {
		want(t, "partitions", len(s.part("keeper").Partitions), of)
	}
	return events, notes
}

// A process that is cut does what one that is not does: each effect once, and what comes back of it reaches its instance.
func TestPartitionsOfAProcess(t *testing.T) {
	events, notes := storyOf(t, 0)
	cut, same := storyOf(t, 4)
	for _, list := range []map[string][]string{events, cut} { // streams of twins get payments of effects in their order
		for stream := range list {
			slices.Sort(list[stream])
		}
	}
	want(t, "events", cut, events)
	for _, list := range []map[string][]string{notes, same} { // a twin's wake-up, and what it is told, have no order between streams
		for key := range list {
			slices.Sort(list[key])
		}
	}
	want(t, "notes", same, notes)
	woken, refused := 0, 0
	for _, list := range same {
		for _, note := range list {
			if strings.HasPrefix(note, "woken") {
				woken++
			}
			if strings.HasPrefix(note, "refused") {
				refused++
			}
		}
	}
	if woken < 9 || refused < 5 {
		t.Errorf("%d wake-ups and %d refusals, want some of each", woken, refused)
	}
}

// A raised version of a process that is cut is folded anew without effects, in every partition.
func TestPartitionsOfARaisedProcess(t *testing.T) {
	file := inFile(t)
	before := 0
	for version := 1; version <= 3; version++ {
		p := busy(4)
		p.Version = version
		file.served([]deed.Part{accounts, p}, func(s *running, db *sqlite.DB) {
			if version == 1 {
				for i := range 6 {
					s.send(accounts.Send(id(i), open{"ann"}), accounts.Send(id(i), pay{2}))
				}
			}
			s.settle()
			if n := len(records(t, db, deed.Query{})); version > 1 {
				want(t, "events", n, before)
			} else {
				before = n
			}
			for i := range 6 {
				want(t, "notes", len(s.notes("keeper", id(i))), 3) // opened, paid, refused
			}
			want(t, "pending", len(s.pending("keeper")), 6)
		})
	}
}

// How many partitions a process or reactor has is fixed once it has begun.
func TestPartitionsAreFixed(t *testing.T) {
	for _, c := range [][2]int{{1, 4}, {0, 2}, {4, 1}, {4, 0}, {4, 2}, {2, 4}} {
		for kind, part := range map[string]func(of int) deed.Part{
			"process": func(of int) deed.Part { return busy(of) },
			"reactor": func(of int) deed.Part {
				return deed.Reactor[deed.Event]{Name: "keeper", Events: accountEvents, React: noReaction, From: deed.FromStart(), Partitions: of}
			},
		} {
			db, _ := memory(t)
			newService(t, db, part(c[0]))
			newService(t, db, part(c[0])) // the same again
			_, err := deed.NewService(deed.Config{Store: db, Views: db}, part(c[1]))
			if text := fmt.Sprintf("%s keeper: it has begun with %d partitions and cannot have %d", kind, max(c[0], 1), max(c[1], 1)); err == nil || !strings.Contains(err.Error(), text) {
				t.Errorf("from %d to %d: %v, want %q", c[0], c[1], err, text)
			}
			newService(t, db, part(c[0])) // and still
		}
	}
}

// A reactor that is cut is called for the events of a stream in their order, and for all.
func TestPartitionsOfAReactor(t *testing.T) {
	db, _ := memory(t)
	var mu sync.Mutex
	calls := map[deed.StreamID][]deed.Version{}
	reactor := deed.Reactor[deed.Event]{
		Name: "notary", Events: accountEvents, Partitions: 4,
		React: func(_ context.Context, r deed.Recorded[deed.Event], _ string) ([]deed.Effect, error) {
			mu.Lock()
			defer mu.Unlock()
			calls[r.Stream] = append(calls[r.Stream], r.Version)
			if r.Type == "account-closed" {
				return []deed.Effect{accounts.Send("after-"+r.Stream.ID(), open{"heir"})}, nil
			}
			return nil, nil
		},
	}
	s := start(t, db, accounts, reactor)
	for i := range 10 {
		s.send(accounts.Send(id(i), open{"ann"}), accounts.Send(id(i), pay{1}), accounts.Send(id(i), rename{"bob"}), accounts.Send(id(i), shut{}))
	}
	s.settle()
	mu.Lock()
	defer mu.Unlock()
	want(t, "streams", len(calls), 20)
	for i := range 10 {
		want(t, "calls", calls[deed.Stream("account", id(i))], []deed.Version{1, 2, 3, 4, 5})
		want(t, "calls", calls[deed.Stream("account", "after-"+id(i))], []deed.Version{1})
	}
}

// Numbers of partitions that are none are refused, and so are partitions of what has none.
func TestPartitionsThatAreNone(t *testing.T) {
	db, _ := memory(t)
	for name, part := range map[string]func() deed.Part{
		"too few":  func() deed.Part { p := lines; p.Partitions = -1; return p },
		"too many": func() deed.Part { p := lines; p.Partitions = 65; return p },
		"inline":   func() deed.Part { p := lines; p.Partitions, p.Mode = 2, deed.Inline; return p },
		"live":     func() deed.Part { p := lines; p.Partitions, p.Mode = 2, deed.Live; return p },
		"process":  func() deed.Part { return busy(65) },
		"reactor": func() deed.Part {
			return deed.Reactor[deed.Event]{Name: "notary", Events: accountEvents, React: noReaction, Partitions: -1}
		},
	} {
		if _, err := deed.NewService(deed.Config{Store: db, Views: db}, part()); err == nil || !strings.Contains(err.Error(), "Partitions:") {
			t.Errorf("%s: %v, want an error about Partitions", name, err)
		}
	}
}
