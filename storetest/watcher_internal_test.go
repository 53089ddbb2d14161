package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/deed-es/deed"
)

// lines makes records of one stream and one of two categories at the given positions; -p is a mark at p.
func lines(positions ...int) []deed.Record {
	var records []deed.Record
	for _, p := range positions {
		if p < 0 {
			records = append(records, deed.Record{Position: deed.Position(-p)})
			continue
		}
		r := deed.Record{Stream: "order-1", Version: deed.Version(p), Position: deed.Position(p)}
		r.NewEvent = typed(fmt.Sprint("e", p), "noted")
		if p == 9 {
			r.Type = endType
		}
		records = append(records, r)
	}
	return records
}

// watched shows records to a watcher, and then the log of positions 1 to 9.
func watched(records []deed.Record, q deed.Query) error {
	w := newWatcher("the reader", q)
	for _, r := range records {
		if err := w.take(r); err != nil {
			return err
		}
	}
	return w.compare(lines(1, 2, 3, 4, 5, 6, 7, 8, 9))
}

func TestWatcherBites(t *testing.T) {
	all := deed.Query{Match: []deed.Match{{}}}
	for _, c := range []struct {
		name    string
		q       deed.Query
		records []deed.Record
		want    string // empty: nothing is wrong
	}{
		{"right", deed.Query{}, lines(1, 2, 3, 4, 5, 6, 7, 8, 9), ""},
		{"right, with marks", deed.Query{}, lines(1, 2, -2, -2, 3, 4, 5, 6, -6, 7, 8, 9, -9), ""},
		{"skips", all, lines(1, 2, 3, 5, 6, 7, 8, 9), "e4 order-1@4 at 4 is missing"},
		{"skips in a stream", deed.Query{}, lines(1, 2, 3, 5), "one is skipped"},
		{"skips the first", all, lines(2, 3, 4, 5, 6, 7, 8, 9), "is missing"},
		{"skips before the end", all, lines(1, 2, 3, 4, 5, 6, 7, 9), "is missing"},
		{"repeats", all, lines(1, 2, 2), "a second time"},
		{"repeats from the start", all, lines(1, 2, 3, 1), "a second time"},
		{"swaps", all, lines(1, 3, 2), "after position 3 was seen"},
		{"never ends", all, lines(1, 2, 3, 4, 5, 6, 7, 8), "never came to the end"},
		{"yields what is not in the log", all, lines(1, 2, 3, 4, 5, 6, 7, 8, 9, 10), ""},
		{"yields what is not selected", deed.Query{Category: "customer"}, lines(1), "is not selected"},
		{"marks too early", all, lines(1, 2, -5, 4), "after position 5 was seen"},
		{"marks at what comes next", all, lines(1, 2, -3, 3), "after position 3 was seen"},
		{"marks back", all, lines(1, 2, 3, -2), "a mark at 2 after position 3"},
		{"invents", all, append(lines(1, 2, 3, 4, 5, 6, 7, 8), invented()...), "is missing"},
	} {
		err := watched(c.records, c.q)
		switch {
		case c.name == "yields what is not in the log":
			if err == nil {
				t.Errorf("%s: nothing was found", c.name)
			}
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: found %v, want %q", c.name, err, c.want)
		}
	}
}

// invented is a last record that the log has under another id.
func invented() []deed.Record {
	records := lines(9)
	records[0].ID = "invented"
	return records
}

// A sequence is a table whose positions come from a sequence when a row is written, while it becomes visible when its
// transaction commits, as in stores that skip events.
type sequence struct {
	mu   sync.Mutex
	next deed.Position
	rows []deed.Record // visible, in no order
}

func (s *sequence) begin(id string) deed.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	return deed.Record{NewEvent: typed(id, "noted"), Stream: deed.StreamID("order-" + id), Version: 1, Position: s.next}
}

func (s *sequence) commit(r deed.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows = append(s.rows, r)
}

// after is what a naive reader asks: select … where position > $1 order by position.
func (s *sequence) after(p deed.Position) []deed.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	var rows []deed.Record
	for _, r := range s.rows {
		if r.Position > p {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, func(a, b deed.Record) int { return int(a.Position - b.Position) })
	return rows
}

// TestNaiveReaderFails lets a naive reader read a sequence while writers commit late, and sees it fail.
func TestNaiveReaderFails(t *testing.T) {
	s := &sequence{}
	first := s.begin("first")
	s.commit(s.begin("second"))
	w := newWatcher("a naive reader", deed.Query{})
	see := func() {
		for _, r := range s.after(w.last) {
			if err := w.take(r); err != nil {
				t.Fatalf("%v", err)
			}
		}
	}
	see()
	s.commit(first)
	end := s.begin("end")
	end.Type = endType
	s.commit(end)
	see()
	if err := w.compare(s.after(0)); err == nil || !strings.Contains(err.Error(), "first order-first@1 at 1 is missing") {
		t.Errorf("found %v", err)
	}
}

// A lateStore is a memory whose naive readers are those of a sequence: an append now and then becomes visible only after
// the next ones.
type lateStore struct {
	*memory
	guard sync.Mutex
	late  map[deed.Position]bool
	rng   *rand.Rand
}

func (s *lateStore) Append(ctx context.Context, b deed.Batch) (deed.Receipt, error) {
	receipt, err := s.memory.Append(ctx, b)
	s.guard.Lock()
	defer s.guard.Unlock()
	clear(s.late)
	if err == nil && !receipt.Again && s.rng.IntN(10) == 0 && b.Writes[0].Events[0].Type != endType {
		s.late[receipt.Position] = true
	}
	return receipt, err
}

func (s *lateStore) hides(r deed.Record) bool {
	s.guard.Lock()
	defer s.guard.Unlock()
	return s.late[r.Position]
}

// TestRacesBite lets the readers of the races read a store that skips as a sequence does.
func TestRacesBite(t *testing.T) {
	for _, way := range []reading{followOn, followMarks, stopAndResume, resumeAtMarks, poll} {
		found := newDisks()
		bitten := bites(t, func(rec tester) {
			open := func(c Config) deed.Engine {
				late := &lateStore{memory: found.open(c), late: map[deed.Position]bool{}, rng: rand.New(rand.NewPCG(3, 4))}
				return &mutant{memory: late.memory, append: late.Append, hides: late.hides}
			}
			race(newBed(rec, open, Claims{}), way)
		})
		if !bitten {
			t.Errorf("%s saw nothing wrong in a store that skips", way.name)
		}
	}
}

func TestRecorderCatchesFatal(t *testing.T) {
	got := failure(t, func(r tester) {
		newBed(r, func(Config) deed.Engine { return newDisks().open(Config{Dir: "d", Clock: newHandClock()}) }, Claims{}).crowd(2,
			func(i int) error { return errors.New("no") })
		t.Error("Fatalf returned")
	})
	if got != "no\nno" {
		t.Errorf("recorded %q", got)
	}
}
