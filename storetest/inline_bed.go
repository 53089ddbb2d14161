package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/deed-es/deed"
)

// RunInline checks the promises of deed.InlineStore. It is for engines that are one; RunViews is to be run over the store that
// their InlineViews returns too.
func RunInline(t *testing.T, open Open) {
	for _, c := range inlineCases() {
		t.Run(c.sentence, func(t *testing.T) {
			t.Parallel()
			c.run(newInlineBed(t, func(config Config) deed.Engine { return open(t, config) }))
		})
	}
}

type inlineCase struct {
	sentence string
	run      func(b *inlineBed)
}

// inlineBed is for inline views what bed is for the log.
type inlineBed struct{ *bed }

func newInlineBed(t tester, open func(Config) deed.Engine) *inlineBed {
	t.Helper()
	b := &inlineBed{newBed(t, open, Claims{})}
	b.engine()
	return b
}

func (b *inlineBed) engine() deed.InlineStore {
	b.Helper()
	engine, ok := b.store.(deed.InlineStore)
	if !ok {
		b.Fatalf("a %T is no deed.InlineStore", b.store)
	}
	return engine
}

func (b *inlineBed) views() deed.ViewStore {
	b.Helper()
	return b.engine().InlineViews()
}

// fails appends what must be refused, and not for what it is.
func (b *inlineBed) fails(batch deed.Batch) {
	b.Helper()
	if err := b.refused(batch); errors.Is(err, deed.ErrConflict) || isInvalid(err) {
		b.Fatalf("append %s: error is %v, and there is nothing wrong with it", describe(batch), err)
	}
}

// tally is a projection: for each stream a row with the ids of its events. It keeps what it was called with.
type tally struct {
	view deed.ViewRef
	log  deed.LogInfo

	mu    sync.Mutex
	calls []inlineCall
}

// inlineCall is what a fold was called with.
type inlineCall struct {
	from    deed.Checkpoint
	records []deed.Record
	to      deed.Position
}

// rowStore is where a step of a tally reads and writes: a transaction, or the views themselves.
type rowStore interface {
	Rows(ctx context.Context, view deed.ViewRef, keys []string) (map[string]deed.Row, error)
	CommitView(ctx context.Context, c deed.ViewCommit) error
}

// tally opens an inline view and makes its fold known.
func (b *inlineBed) tally(name string) *tally {
	b.Helper()
	t := b.unfolded(name)
	b.folds(t, t.fold)
	return t
}

// unfolded opens an inline view whose fold is not known.
func (b *inlineBed) unfolded(name string) *tally {
	b.Helper()
	t := &tally{view: deed.ViewRef{Name: name, Version: 1}, log: b.store.Info()}
	b.stands(t)
	return t
}

// stands opens a tally's view and returns where it is.
func (b *inlineBed) stands(t *tally) deed.Checkpoint {
	b.Helper()
	checkpoint, err := b.views().OpenView(b.ctx, deed.ViewSpec{ViewRef: t.view, Log: t.log})
	if err != nil {
		b.Fatalf("open view %s: %v", t.view.Name, err)
	}
	return checkpoint
}

func (b *inlineBed) folds(t *tally, fold deed.InlineFold) {
	b.Helper()
	if err := b.engine().FoldInline(b.ctx, t.view, fold); err != nil {
		b.Fatalf("fold %s: %v", t.view.Name, err)
	}
}

func (t *tally) fold(ctx context.Context, tx deed.ViewTx, from deed.Checkpoint, records []deed.Record, to deed.Position) (bool, error) {
	t.called(from, records, to)
	_, err := t.step(ctx, tx, from, records, to)
	return false, err
}

func (t *tally) called(from deed.Checkpoint, records []deed.Record, to deed.Position) {
	t.mu.Lock()
	defer t.mu.Unlock()
	call := inlineCall{from: from, to: to}
	for _, r := range records {
		r.NewEvent = cloned(r.NewEvent)
		call.records = append(call.records, r)
	}
	t.calls = append(t.calls, call)
}

// count is how often the fold was called.
func (t *tally) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.calls)
}

func (t *tally) lastCall() inlineCall {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.calls) == 0 {
		return inlineCall{}
	}
	return t.calls[len(t.calls)-1]
}

// step folds records and commits, and returns where the view is then.
func (t *tally) step(ctx context.Context, store rowStore, from deed.Checkpoint, records []deed.Record, to deed.Position) (deed.Checkpoint, error) {
	var keys []string
	for _, r := range records {
		keys = append(keys, string(r.Stream))
	}
	rows, err := store.Rows(ctx, t.view, keys)
	if err != nil {
		return from, err
	}
	for _, r := range records {
		rows[string(r.Stream)] = tallied(rows[string(r.Stream)], &r)
	}
	c := t.commit(from, records, to)
	for _, row := range rows {
		c.Rows = append(c.Rows, deed.RowChange{Row: row})
	}
	return c.Checkpoint, store.CommitView(ctx, c)
}

// commit is a step without rows.
func (t *tally) commit(from deed.Checkpoint, records []deed.Record, to deed.Position) deed.ViewCommit {
	c := deed.ViewCommit{View: t.view, From: from.Position, Checkpoint: from}
	c.Checkpoint.Log, c.Checkpoint.Incarnation, c.Checkpoint.Position = t.log.ID, t.log.Incarnation, to
	if n := len(records); n > 0 {
		c.Checkpoint.Last, c.Checkpoint.LastID = records[n-1].Position, records[n-1].ID
	}
	return c
}

func tallied(row deed.Row, r *deed.Record) deed.Row {
	ids := strings.Fields(strings.Trim(string(row.Data), `"`))
	return deed.Row{Key: string(r.Stream), Data: fmt.Appendf(nil, "%q", strings.Join(append(ids, r.ID), " ")), Position: r.Position}
}

// holds checks that a tally is at a position and has what the log has up to there.
func (b *inlineBed) holds(t *tally, at deed.Position) {
	b.Helper()
	want := map[string]deed.Row{}
	for _, r := range b.log() {
		if r.Position <= at {
			want[string(r.Stream)] = tallied(want[string(r.Stream)], &r)
		}
	}
	rows, reached, err := b.views().ListRows(b.ctx, t.view, deed.RowQuery{Limit: 1000})
	if err != nil {
		b.Fatalf("list %s: %v", t.view.Name, err)
	}
	got := map[string]deed.Row{}
	for _, row := range rows {
		got[row.Key] = row
	}
	if reached != at || fmt.Sprint(got) != fmt.Sprint(want) {
		b.Fatalf("view %s is %s at %d, want %s at %d", t.view.Name, briefRows(got), reached, briefRows(want), at)
	}
}

func briefRows(rows map[string]deed.Row) string {
	words := map[string]string{}
	for key, row := range rows {
		words[key] = fmt.Sprintf("%.200s@%d", row.Data, row.Position)
	}
	return fmt.Sprint(words)
}

// where is the position of a tally, which has what the log has up to there.
func (b *inlineBed) where(t *tally) deed.Position {
	b.Helper()
	at := b.stands(t).Position
	b.holds(t, at)
	return at
}

// isCurrent checks that a tally is where the log is.
func (b *inlineBed) isCurrent(tallies ...*tally) {
	b.Helper()
	for _, t := range tallies {
		b.holds(t, b.head())
	}
}

// catchUp commits to a tally from outside until it is where the log was.
func (b *inlineBed) catchUp(t *tally) error {
	head, err := b.store.Head(b.ctx)
	if err != nil {
		return err
	}
	for {
		from, err := b.engine().InlineViews().OpenView(b.ctx, deed.ViewSpec{ViewRef: t.view, Log: t.log})
		if err != nil || from.Position >= head {
			return err
		}
		records, err := collect(b.ctx, b.store, deed.Query{After: from.Position, Before: head + 1})
		if err != nil {
			return err
		}
		// The engine may have been first.
		if _, err := t.step(b.ctx, b.engine().InlineViews(), from, records, head); err != nil && !errors.Is(err, deed.ErrConflict) {
			return err
		}
	}
}
