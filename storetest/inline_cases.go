package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/deed-es/deed"
)

// inlineCases are the promises of deed.InlineStore.
func inlineCases() []inlineCase {
	return append([]inlineCase{
		{"rows are there when the append is acknowledged", rowsAreThere},
		{"a fold gets the records as they are read, from where the view is up to where the log will be", foldGetsRecords},
		{"each of several views is folded", severalAreFolded},
		{"what is refused or a repetition is not folded", refusedIsNotFolded},
		{"inline views are listed until they are dropped", listedUntilDropped},
		{"appends are refused while the fold of an inline view is not known", unknownFoldRefuses},
		{"RecordAt returns the records of the group under way too", recordAtSeesGroup},
		{"a fold reads what it has committed", foldReadsOwn},
		{"who waits for an inline view is woken by the append", appendWakes},
		{"inline views are there after the opening again, and are folded on", inlineOutlivesReopen},
		{"the rows of what is acknowledged are there, and no others, whatever appends", inlineCrowd},
	}, append(inlineLagCases(), inlineErrorCases()...)...)
}

func rowsAreThere(b *inlineBed) {
	first := b.tally("first")
	later := &tally{view: deed.ViewRef{Name: "later", Version: 1}, log: b.store.Info()}
	b.folds(later, later.fold) // may be known before the view is opened
	b.stands(later)
	for i := range 5 {
		receipt := b.ok(batch(write("order-1", deed.Version(2*i), fmt.Sprint("a", i), fmt.Sprint("b", i)), write("order-2", deed.Version(i), fmt.Sprint("c", i))))
		for _, t := range []*tally{first, later} {
			r, at, err := b.views().Row(b.ctx, t.view, "order-2")
			if err != nil || at != receipt.Position || !strings.HasSuffix(string(r.Data), fmt.Sprint("c", i, `"`)) {
				b.Fatalf("after the append at %d the row is %s at %d, %v", receipt.Position, r.Data, at, err)
			}
			b.isCurrent(t)
		}
	}
}

func foldGetsRecords(b *inlineBed) {
	t := b.tally("tally")
	large := of("order-2", deed.Any, event("large", "x:1", "y:2"))
	large.Writes[0].Events[0].Data = sized("large", 20_000).Data
	before := deed.Checkpoint{}
	for _, batch := range []deed.Batch{put("order-1", 0, "a", "b"), large, batch(write("order-3", 0, "c"), write("order-1", 2, "d"))} {
		was := b.head()
		b.ok(batch)
		call, head := t.lastCall(), b.head()
		if call.from != before || call.to != head {
			b.Errorf("the fold is called from %+v to %d, want %+v and %d", call.from, call.to, before, head)
		}
		if diff := diffRecords(call.records, b.read(deed.Query{After: was})); diff != "" {
			b.Errorf("the fold is called with other records: %s", diff)
		}
		before = b.stands(t)
	}
}

func severalAreFolded(b *inlineBed) {
	tallies := []*tally{b.tally("b"), b.tally("a")}
	b.ok(put("order-1", 0, "a"))
	b.isCurrent(tallies...)
	late := b.tally("late") // at 0 still
	b.ok(put("order-2", 0, "b"))
	b.ok(put("order-1", 1, "c"))
	b.isCurrent(tallies...)
	if err := b.catchUp(late); err != nil {
		b.Fatalf("catch up: %v", err)
	}
	b.ok(put("order-1", 2, "d"))
	b.isCurrent(append(tallies, late)...)
}

func refusedIsNotFolded(b *inlineBed) {
	t := b.tally("tally")
	first := answering(put("order-1", 0, "a"), "command", "hash")
	receipt := b.ok(first)
	plain := put("order-2", 0, "b")
	second := b.ok(plain)
	b.conflict(put("order-1", 0, "c"), "order-1", 0, 1)
	b.unmet(under(put("order-3", 0, "d"), without(0, deed.Match{})))
	b.invalid("an event without a type", of("order-3", 0, deed.NewEvent{ID: "e"}))
	b.again(first, receipt)
	b.again(plain, second)
	b.isCurrent(t)
	b.ok(put("order-1", 1, "f"))
	b.isCurrent(t)
}

func (b *inlineBed) listed(tallies ...*tally) {
	b.Helper()
	got, err := b.engine().ListInline(b.ctx)
	if err != nil {
		b.Fatalf("list inline views: %v", err)
	}
	var names, want []string
	for _, ref := range got {
		names = append(names, fmt.Sprint(ref))
	}
	for _, t := range tallies {
		want = append(want, fmt.Sprint(t.view))
	}
	if fmt.Sprint(sorted(names)) != fmt.Sprint(sorted(want)) {
		b.Fatalf("inline views are %v, want %v", names, want)
	}
}

func (b *inlineBed) drop(t *tally) {
	b.Helper()
	if err := b.views().DropView(b.ctx, t.view); err != nil {
		b.Fatalf("drop %s: %v", t.view.Name, err)
	}
}

func listedUntilDropped(b *inlineBed) {
	b.listed()
	one, two := b.tally("tally"), b.unfolded("tally of others")
	b.listed(one, two)
	b.reopen()
	b.listed(one, two)
	b.drop(one)
	b.listed(two)
	b.drop(two)
	b.listed()
	b.ok(put("order-1", 0, "a"))
}

func unknownFoldRefuses(b *inlineBed) {
	b.ok(put("order-1", 0, "a"))
	one, two := b.unfolded("one"), b.unfolded("two")
	b.fails(put("order-1", 1, "b"))
	b.folds(one, one.fold)
	b.fails(put("order-1", 1, "b"))
	b.folds(two, two.fold)
	b.ok(put("order-1", 1, "b"))
	other := &tally{view: deed.ViewRef{Name: one.view.Name, Version: 2}, log: one.log}
	b.stands(other)
	b.fails(put("order-1", 2, "c")) // the fold of another version is not known
	b.drop(other)
	b.ok(put("order-1", 2, "c"))
}

func recordAtSeesGroup(b *inlineBed) {
	t := b.unfolded("tally")
	var before []deed.Record
	b.folds(t, func(ctx context.Context, tx deed.ViewTx, from deed.Checkpoint, records []deed.Record, to deed.Position) (bool, error) {
		for _, want := range append(slices.Clone(before), records...) {
			r, err := tx.RecordAt(ctx, want.Position)
			if err != nil {
				return false, fmt.Errorf("record at %d: %w", want.Position, err)
			}
			if diff := diffRecord(r, want); diff != "" {
				return false, fmt.Errorf("record at %d: %s", want.Position, diff)
			}
		}
		if r, err := tx.RecordAt(ctx, to+1); err == nil {
			return false, fmt.Errorf("behind the group there is %s", brief(r))
		}
		return t.fold(ctx, tx, from, records, to)
	})
	for i := range 3 {
		b.ok(batch(write("order-1", deed.Version(2*i), fmt.Sprint("a", i), fmt.Sprint("b", i)), write("order-2", deed.Version(i), fmt.Sprint("c", i))))
		before = b.log()
	}
	if t.count() < 3 {
		b.Errorf("the fold was called %d times for 3 appends", t.count())
	}
}

func foldReadsOwn(b *inlineBed) {
	t, p := b.unfolded("tally"), &parkBed{now: b.clock.Now()}
	b.folds(t, func(ctx context.Context, tx deed.ViewTx, from deed.Checkpoint, records []deed.Record, to deed.Position) (bool, error) {
		for _, r := range records {
			if err := t.sees(ctx, tx, from, p, &r); err != nil {
				return false, fmt.Errorf("at %s: %w", brief(r), err)
			}
			next, err := t.step(ctx, tx, from, []deed.Record{r}, r.Position)
			if err != nil {
				return false, err
			}
			if err := tx.CommitView(ctx, t.commit(from, nil, to)); !errors.Is(err, deed.ErrConflict) {
				return false, fmt.Errorf("a commit from %d to a view at %d: error is %w, want ErrConflict", from.Position, r.Position, err)
			}
			parked := t.commit(next, nil, r.Position)
			parked.Parked = []deed.ParkChange{puts("k", p.failed(r.Position)), puts("/"+string(r.Stream), p.waits(1))}
			if err := tx.CommitView(ctx, parked); err != nil {
				return false, err
			}
			from = next
		}
		return false, nil
	})
	b.ok(put("order-1", 0, "a", "b", "c"))
	b.ok(batch(write("order-1", 3, "d"), write("order-1x", 0, "e")))
	keys, err := b.views().ViewParked(b.ctx, t.view, "", 0)
	if err != nil || len(keys) != 3 || keys[2].Key != "k" || keys[2].Records != 5 {
		b.Errorf("parked keys are %+v, %v", keys, err)
	}
	r, at, err := b.views().Row(b.ctx, t.view, "order-1")
	if err != nil || at != b.head() || string(r.Data) != `"a b c d"` || r.Parked != 1 {
		b.Errorf("the row is %+v %s at %d, %v", r, r.Data, at, err)
	}
}

// sees checks that what a fold reads is what it has committed before a record.
func (t *tally) sees(ctx context.Context, tx deed.ViewTx, from deed.Checkpoint, p *parkBed, r *deed.Record) error {
	rows, err := tx.Rows(ctx, t.view, []string{string(r.Stream), "never"})
	if err != nil {
		return err
	}
	listed, at, err := tx.ListRows(ctx, t.view, deed.RowQuery{Limit: 10})
	if err != nil || at != from.Position {
		return fmt.Errorf("rows are listed at %d, want %d: %w", at, from.Position, err)
	}
	data := ""
	for _, row := range listed {
		if row.Key == string(r.Stream) {
			data = string(row.Data)
		}
	}
	if n := len(strings.Fields(data)); n != int(r.Version)-1 || data != string(rows[string(r.Stream)].Data) {
		return fmt.Errorf("of version %d there is a row %s, listed as %s", r.Version-1, rows[string(r.Stream)].Data, data)
	}
	records, err := tx.ViewParkedRecords(ctx, t.view, "k", 0, 0)
	if err != nil || len(records) > 0 && !sameParked(records[len(records)-1], p.failed(from.Position)) || from.Position > 0 && len(records) == 0 {
		return fmt.Errorf("parked records are %+v: %w", records, err)
	}
	keys, err := tx.ViewParked(ctx, t.view, "", 0)
	if err != nil || len(keys) > 0 && keys[len(keys)-1].Records != len(records) || from.Position > 0 && len(keys) == 0 {
		return fmt.Errorf("parked keys are %+v, and of the last there is %+v: %w", keys, records, err)
	}
	return nil
}

func appendWakes(b *inlineBed) {
	t := b.tally("tally")
	for i := range 10 {
		reach, done := b.head()+1, make(chan error, 1)
		go func() {
			at, err := b.engine().InlineViews().WaitView(b.ctx, t.view, reach)
			if err == nil && at < reach {
				err = fmt.Errorf("woken at %d, and waited for %d", at, reach)
			}
			if head, _ := b.store.Head(b.ctx); err == nil && head < at {
				err = fmt.Errorf("woken at %d, and the log is at %d", at, head)
			}
			done <- err
		}()
		giveWay()
		receipt := b.ok(put("order-1", deed.Version(i), fmt.Sprint("a", i)))
		if err := <-done; err != nil {
			b.Fatalf("wait for %d: %v", reach, err)
		}
		ended, cancel := context.WithCancel(b.ctx)
		cancel()
		if at, err := b.views().WaitView(ended, t.view, receipt.Position); err != nil || at != receipt.Position {
			b.Fatalf("an append at %d is acknowledged, and the view waited for: %d, %v", receipt.Position, at, err)
		}
	}
}

func inlineOutlivesReopen(b *inlineBed) {
	t := b.tally("tally")
	b.ok(put("order-1", 0, "a"))
	b.ok(put("order-2", 0, "b"))
	before := b.stands(t)
	b.reopen()
	if found := b.stands(t); found != before {
		b.Fatalf("found again it stands at %+v, want %+v", found, before)
	}
	b.isCurrent(t)
	b.fails(put("order-1", 1, "c")) // its fold is to be made known again
	b.folds(t, t.fold)
	b.ok(put("order-1", 1, "c"))
	b.isCurrent(t)
	b.reopen()
	b.isCurrent(t)
	if at, err := b.views().WaitView(b.ctx, t.view, b.head()); err != nil || at != b.head() {
		b.Errorf("waited for after the opening it is at %d, %v", at, err)
	}
}

// inlineCrowd has many append, some of which fail, while readers look for rows without events.
func inlineCrowd(b *inlineBed) {
	t := b.unfolded("tally")
	b.folds(t, t.unless("bad"))
	appends := scaled(200)
	var ready atomic.Int32
	done := make(chan struct{})
	const writers, readers = 6, 2
	b.crowd(writers+readers, func(i int) error {
		if i < readers {
			return b.looking(t, done)
		}
		defer func() {
			if ready.Add(1) == writers {
				close(done)
			}
		}()
		return b.appending(t, i, appends/writers+1)
	})
	b.isCurrent(t)
}

// appending appends to a stream of its own, every third time what fails, and looks for its row at once.
func (b *inlineBed) appending(t *tally, i, n int) error {
	stream := deed.StreamID(fmt.Sprint("order-", i))
	stored := 0
	for k := range n {
		id := fmt.Sprint("a", i, ".", k)
		if k%3 == 2 {
			id = "bad" + id
		}
		receipt, err := b.store.Append(b.ctx, put(stream, deed.Version(stored), id))
		if bad := k%3 == 2; bad != (err != nil) {
			return fmt.Errorf("append of %s: %w", id, err)
		}
		if err != nil {
			continue
		}
		stored++
		row, at, err := b.engine().InlineViews().Row(b.ctx, t.view, string(stream))
		if err != nil || at < receipt.Position || row.Position != receipt.Position || len(strings.Fields(string(row.Data))) != stored {
			return fmt.Errorf("after the append at %d the row is %s of %d at %d: %w", receipt.Position, row.Data, row.Position, at, err)
		}
	}
	return nil
}

// looking reads rows until done, none of which may be of what is not in the log.
func (b *inlineBed) looking(t *tally, done <-chan struct{}) error {
	for {
		rows, at, err := b.engine().InlineViews().ListRows(b.ctx, t.view, deed.RowQuery{Limit: 100})
		if err != nil {
			return err
		}
		if head, err := b.store.Head(b.ctx); err != nil || head < at {
			return fmt.Errorf("the view is at %d, and the log at %d: %w", at, head, err)
		}
		for _, row := range rows {
			if strings.Contains(string(row.Data), "bad") || row.Position > at {
				return fmt.Errorf("at %d there is the row %s of %d", at, row.Data, row.Position)
			}
		}
		select {
		case <-done:
			return nil
		default:
		}
	}
}
