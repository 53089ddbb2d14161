package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/deed-es/deed"
)

func TestAQueueGivesGroupsInOrderAndInBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue[int]()
		const jobs = 300
		var done []int
		for i := range jobs {
			go func() {
				if err := q.Do(t.Context(), i, groupBytes/100); err != nil {
					t.Error(err)
				}
			}()
			synctest.Wait()
		}
		first := q.Next(nil)
		for group := first; ; group = q.Next(nil) {
			if len(group) > 100 {
				t.Errorf("a group of %d is larger than its bytes allow", len(group))
			}
			for _, j := range group {
				done = append(done, j.Task)
			}
			AnswerAll(group, nil)
			if q.Waiting() == 0 {
				break
			}
		}
		if len(done) != jobs || !slices.IsSorted(done) {
			t.Errorf("%d jobs were done, in order: %v", len(done), slices.IsSorted(done))
		}
	})
}

func TestAQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue[int]()
		for range queueBatches {
			go func() { _ = q.Do(t.Context(), 0, 0) }()
		}
		synctest.Wait()
		if err := q.Do(t.Context(), 0, 0); !errors.Is(err, deed.ErrBusy) {
			t.Errorf("one more: %v", err)
		}
		group := q.Next(nil)
		if len(group) != groupBatches {
			t.Errorf("a group has %d", len(group))
		}
		if more := q.More(group); len(more) != groupBatches {
			t.Errorf("a full group came to have %d", len(more))
		}
		AnswerAll(group, nil)
		q.Close()
		if group = q.Next(nil); group != nil {
			t.Errorf("a closed queue gives %d", len(group))
		}
		if err := q.Do(t.Context(), 0, 0); !errors.Is(err, deed.ErrClosed) {
			t.Errorf("after the end: %v", err)
		}
	})
}

// Who gives up while it waits has done nothing; while it is under way, it does not know.
func TestAQueueTellsWhoGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue[int]()
		ends := make(chan error, 1)
		begin := func() context.CancelFunc {
			ctx, cancel := context.WithCancel(t.Context())
			go func() { ends <- q.Do(ctx, 0, 1) }()
			synctest.Wait()
			return cancel
		}
		begin()()
		if err := <-ends; !errors.Is(err, context.Canceled) || errors.Is(err, deed.ErrUnknown) {
			t.Errorf("while it waits: %v", err)
		}
		if n := q.Waiting(); n != 0 {
			t.Errorf("%d wait still", n)
		}
		cancel := begin()
		group := q.Next(nil)
		cancel()
		if err := <-ends; !errors.Is(err, deed.ErrUnknown) {
			t.Errorf("while it is under way: %v", err)
		}
		AnswerAll(group, nil) // blocks nobody
	})
}

func TestATailHasNoGap(t *testing.T) {
	records := func(from, to deed.Position) (all []deed.Record) {
		for p := from; p <= to; p++ {
			all = append(all, deed.Record{NewEvent: deed.NewEvent{ID: fmt.Sprint(p), Type: "noted"}, Stream: "a-1", Position: p})
		}
		return all
	}
	var tail Tail
	read := func(after, until deed.Position) (from, to deed.Position, served bool) {
		p := Page{Passed: after, Until: until, Limit: pageRecords}
		if !tail.Read(&deed.Query{}, &p) {
			return 0, 0, false
		}
		if len(p.Records) > 0 {
			from, to = p.Records[0].Position, p.Records[len(p.Records)-1].Position
		}
		return from, to, true
	}
	if _, _, served := read(0, 0); served {
		t.Error("an empty tail serves")
	}
	tail.Add(records(5, 10))
	for _, c := range []struct {
		after, until, from, to deed.Position
		served                 bool
	}{{4, 10, 5, 10, true}, {6, 8, 7, 8, true}, {3, 10, 0, 0, false}, {4, 11, 0, 0, false}} {
		if from, to, served := read(c.after, c.until); from != c.from || to != c.to || served != c.served {
			t.Errorf("after %d until %d: %d to %d, %v", c.after, c.until, from, to, served)
		}
	}
	tail.Add(records(20, 22)) // others have stored in between
	if _, _, served := read(9, 10); served {
		t.Error("what lies before a gap is served")
	}
	if from, to, served := read(19, 22); from != 20 || to != 22 || !served {
		t.Errorf("behind the gap: %d to %d, %v", from, to, served)
	}
	tail.Add(records(23, 22+2*tailRecords))
	if _, _, served := read(22, 30); served {
		t.Error("what has no room any more is served")
	}
}

// A view may go back where others have dropped it, but not behind what was said in the meantime.
func TestWaitingBelievesTheLatest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w Waiting
		view := deed.ViewRef{Name: "carts", Version: 1}
		since := w.Since()
		w.Reached(view, 7)
		w.Found(view, 3, since)
		if at, _ := w.Join(view, 0); at != 7 {
			t.Errorf("what was looked up before it was said is believed: %d", at)
		}
		w.Found(view, 3, w.Since())
		at, waiter := w.Join(view, 5)
		if at != 3 || waiter == nil || !w.Some() {
			t.Fatalf("it is at %d, somebody waits: %v", at, w.Some())
		}
		there := make(chan deed.Position)
		go func() {
			at, err := waiter.Wait(t.Context(), nil)
			if err != nil {
				t.Error(err)
			}
			there <- at
		}()
		w.Reached(view, 4)
		synctest.Wait()
		w.Reached(view, 9)
		if at := <-there; at != 9 || w.Some() {
			t.Errorf("woken at %d, somebody waits: %v", at, w.Some())
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, waiter = w.Join(view, 10)
		if at, err := waiter.Wait(ended, nil); at != 9 || !errors.Is(err, deed.ErrBehind) {
			t.Errorf("who gives up is told %d, %v", at, err)
		}
	})
}

func TestKindsAreNumberedFromOne(t *testing.T) {
	a, b := Kind{Category: "cart", Type: "opened", Schema: 1}, Kind{Category: "cart", Type: "opened", Schema: 2}
	none := &Kinds{}
	one := none.Add(a)
	both := one.Add(b)
	if none.Number(a) != 0 || one.Number(b) != 0 || both.Number(a) != 1 || both.Number(b) != 2 {
		t.Errorf("%d %d %d %d", none.Number(a), one.Number(b), both.Number(a), both.Number(b))
	}
	if both.Get(0) != nil || both.Get(3) != nil || *both.Get(2) != b || one.Len() != 1 {
		t.Errorf("%v %v %v", both.Get(0), both.Get(3), both.Get(2))
	}
}

func TestStreamsAreReadAsWritten(t *testing.T) {
	for _, streams := range [][]deed.StreamVersion{nil, {{Stream: "a-1", Version: 3}}, {{Stream: "a-b c", Version: 1}, {Stream: "ü-2", Version: 1 << 40}}} {
		if got := ParseStreams(FormatStreams(streams)); !slices.Equal(got, streams) {
			t.Errorf("%v is read as %v", streams, got)
		}
	}
}
