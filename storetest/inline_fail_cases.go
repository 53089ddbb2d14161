package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/deed-es/deed"
)

// inlineLagCases are about views that are not where the log is.
func inlineLagCases() []inlineCase {
	return []inlineCase{
		{"a view that lags is folded without a gap or not at all", lagsWithoutGap},
		{"a view that lags goes on inline once somebody has brought it up", lagGoesOn},
		{"a view that lags can be brought up while others append", broughtUpUnderLoad},
		{"a fold that stops lets the append through, and what it has committed stays", stopLetsThrough},
		{"a fold that has stopped is not called again until somebody has committed to the view", stoppedIsLeft},
		{"a fold that stops in an append that fails has not stopped", stopIsRolledBack},
	}
}

// inlineErrorCases are about folds that fail.
func inlineErrorCases() []inlineCase {
	return []inlineCase{
		{"an error of a fold fails the append and leaves nothing behind", errorLeavesNothing},
		{"of appends at once only those fail whose fold fails", onlyTheOffenders},
	}
}

var errNoGood = errors.New("that is no good")

// unless is the tally's fold, which fails at events whose ids begin so: after it has committed.
func (t *tally) unless(bad string) deed.InlineFold {
	return func(ctx context.Context, tx deed.ViewTx, from deed.Checkpoint, records []deed.Record, to deed.Position) (bool, error) {
		if stopped, err := t.fold(ctx, tx, from, records, to); stopped || err != nil {
			return stopped, err
		}
		for _, r := range records {
			if strings.HasPrefix(r.ID, bad) {
				return false, fmt.Errorf("event %s: %w", r.ID, errNoGood)
			}
		}
		return false, nil
	}
}

// until is the tally's fold, which stops at events whose ids begin so.
func (t *tally) until(bad string) deed.InlineFold {
	return func(ctx context.Context, tx deed.ViewTx, from deed.Checkpoint, records []deed.Record, to deed.Position) (bool, error) {
		t.called(from, records, to)
		for i, r := range records {
			if !strings.HasPrefix(r.ID, bad) {
				continue
			}
			if i == 0 {
				return true, nil
			}
			_, err := t.step(ctx, tx, from, records[:i], records[i-1].Position)
			return true, err
		}
		_, err := t.step(ctx, tx, from, records, to)
		return false, err
	}
}

// lagging appends so many events before there is a view.
func (b *inlineBed) lagging(stream deed.StreamID, events int) *tally {
	b.Helper()
	for n := 0; n < events; n += 500 {
		var ids []string
		for i := range min(500, events-n) {
			ids = append(ids, fmt.Sprint("e", n+i))
		}
		b.ok(put(stream, deed.Version(n), ids...))
	}
	return b.tally("tally")
}

func lagsWithoutGap(b *inlineBed) {
	for round, events := range []int{3, 1500} { // an engine may bring up what is little itself
		t := b.lagging(deed.StreamID(fmt.Sprint("order-", round)), events)
		for i := range 3 {
			b.ok(put(deed.StreamID(fmt.Sprint("user-", round)), deed.Version(i), fmt.Sprint("f", events, ".", i)))
			if at := b.where(t); at != 0 && at != b.head() {
				b.Fatalf("%d events behind it is brought to %d, and the log is at %d", events, at, b.head())
			}
		}
		b.drop(t)
	}
}

func lagGoesOn(b *inlineBed) {
	t := b.lagging("order-1", 1500)
	b.ok(put("order-2", 0, "f"))
	if err := b.catchUp(t); err != nil {
		b.Fatalf("catch up: %v", err)
	}
	b.isCurrent(t)
	for i := range 3 {
		b.ok(put("order-2", deed.Version(i+1), fmt.Sprint("g", i)))
		b.isCurrent(t)
	}
}

func broughtUpUnderLoad(b *inlineBed) {
	t := b.lagging("order-1", 1500)
	b.crowd(4, func(i int) error {
		if i == 0 {
			return b.catchUp(t)
		}
		for k := range scaled(60) {
			if _, err := b.store.Append(b.ctx, put(deed.StreamID(fmt.Sprint("user-", i)), deed.Version(k), fmt.Sprint("u", i, ".", k))); err != nil {
				return err
			}
		}
		return nil
	})
	if err := b.catchUp(t); err != nil {
		b.Fatalf("catch up: %v", err)
	}
	b.isCurrent(t)
	b.ok(put("order-2", 0, "f"))
	b.isCurrent(t)
}

func stopLetsThrough(b *inlineBed) {
	t, other := b.unfolded("tally"), b.tally("other")
	b.folds(t, t.until("bad"))
	b.ok(put("order-1", 0, "a"))
	b.isCurrent(t, other)
	b.ok(batch(write("order-1", 1, "b"), write("order-2", 0, "c", "bad", "d"), write("order-1x", 0, "e")))
	b.isCurrent(other)
	b.holds(t, b.positions()["c"])
	b.ok(put("order-1", 2, "f"))
	b.isCurrent(other)
	b.holds(t, b.positions()["c"])
	b.reopen()
	b.holds(t, b.positions()["c"])
}

// stoppedIsLeft is about a stop at the first event of all and, after the view went on, about another.
func stoppedIsLeft(b *inlineBed) {
	t := b.unfolded("tally")
	b.folds(t, t.until("bad"))
	for round := range deed.Version(2) {
		before := b.head()
		b.ok(put("order-1", 4*round, fmt.Sprint("bad", round)))
		calls := t.count()
		if calls == 0 {
			b.Fatalf("the fold was not called")
		}
		for i := range deed.Version(2) {
			b.ok(put("order-1", 4*round+i+1, fmt.Sprint("a", round, i)))
			b.holds(t, before)
		}
		if n := t.count() - calls; n > 0 {
			b.Fatalf("stopped at position %d the fold was called %d times more", before, n)
		}
		if err := b.catchUp(t); err != nil {
			b.Fatalf("catch up: %v", err)
		}
		b.ok(put("order-1", 4*round+3, fmt.Sprint("b", round)))
		b.isCurrent(t)
	}
}

func stopIsRolledBack(b *inlineBed) {
	t, other := b.unfolded("a"), b.unfolded("b") // in whichever order they are folded
	last := b.unfolded("c")
	b.folds(t, t.until("stop"))
	b.folds(other, other.unless("stop"))
	b.folds(last, last.until("stop"))
	for i := range deed.Version(2) {
		b.fails(put("order-1", i, fmt.Sprint("stop", i)))
		b.isCurrent(t, other, last)
		b.ok(put("order-1", i, fmt.Sprint("b", i)))
		b.isCurrent(t, other, last)
	}
}

func errorLeavesNothing(b *inlineBed) {
	t, first, last := b.unfolded("tally"), b.tally("a"), b.tally("z")
	b.folds(t, t.unless("bad"))
	b.ok(put("order-1", 0, "a"))
	before := b.head()
	bad := answering(batch(write("order-1", 1, "b"), write("order-2", 0, "c", "bad")), "command", "hash")
	for range 2 {
		if err := b.refused(bad); !errors.Is(err, errNoGood) {
			b.Errorf("error is %v, want the fold's", err)
		}
		if head := b.head(); head != before {
			b.Errorf("the head is %d, want %d", head, before)
		}
		b.outcomeIs("command", "hash", nil)
		b.isCurrent(t, first, last)
	}
	ended, cancel := context.WithCancel(b.ctx)
	cancel()
	if at, err := b.views().WaitView(ended, t.view, before+1); at != before || !errors.Is(err, deed.ErrBehind) {
		b.Errorf("waited for beyond %d the view is at %d, %v", before, at, err)
	}
	b.ok(answering(put("order-1", 1, "b"), "command", "hash"))
	b.isCurrent(t, first, last)
	b.fails(put("order-2", 0, "bad"))
	b.reopen()
	b.isCurrent(t, first, last)
}

func onlyTheOffenders(b *inlineBed) {
	t := b.unfolded("tally")
	const n = 24
	fold := t.unless("bad")
	for round := range scaled(20) {
		var begun atomic.Int32
		all := make(chan struct{})
		b.folds(t, func(ctx context.Context, tx deed.ViewTx, from deed.Checkpoint, records []deed.Record, to deed.Position) (bool, error) {
			select { // the first of them waits for the others to queue behind it
			case <-all:
			case <-b.ctx.Done():
			}
			giveWay()
			return fold(ctx, tx, from, records, to)
		})
		b.crowd(n, func(i int) error {
			if begun.Add(1) == n {
				close(all)
			}
			bad := i%8 == 5
			id := fmt.Sprint("a", round, ".", i)
			if bad {
				id = "bad" + id
			}
			_, err := b.store.Append(b.ctx, put(deed.StreamID(fmt.Sprint("order-", round, ".", i)), 0, id))
			if bad != (err != nil) || bad && !errors.Is(err, errNoGood) {
				return fmt.Errorf("append of %s: %w", id, err)
			}
			return nil
		})
		b.isCurrent(t)
	}
}
