package storetest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/deed-es/deed"
)

// folding is what a memory knows of its inline views that does not outlive Close.
type folding struct {
	folds   map[deed.ViewRef]deed.InlineFold
	stopped map[deed.ViewRef]bool
	inlineFlaw
}

// inlineFlaw is what a memory does wrong with its inline views; each of its functions takes the place of what is right if it is
// not nil.
type inlineFlaw struct {
	// unknown is why nothing can be appended.
	unknown func(m *memory) error
	// due tells whether a view is folded.
	due func(m *memory, ref deed.ViewRef, v *memoryView, before deed.Position) bool
	// tx is where a fold works.
	tx func(m *memory, tx *memoryTx) deed.ViewTx
	// failed is what becomes of a fold's error.
	failed func(m *memory, tx *memoryTx, before deed.Position, b deed.Batch, err error) error
	// stop is what becomes of a fold that stops.
	stop func(m *memory, ref deed.ViewRef, tx *memoryTx)
	// committed is what a commit from outside does besides.
	committed func(m *memory, view deed.ViewRef)
	// publish makes known what was folded.
	publish func(m *memory, tx *memoryTx)
}

func newFolding() folding {
	return folding{folds: map[deed.ViewRef]deed.InlineFold{}, stopped: map[deed.ViewRef]bool{}}
}

// appendFolded appends to the model and folds what is new, or does neither.
func (m *memory) appendFolded(b deed.Batch) (deed.Receipt, error) {
	before := m.model.head()
	if err := m.unknownInline(); err != nil {
		return deed.Receipt{}, err
	}
	receipt, err := m.model.append(b)
	if err != nil || m.model.head() == before {
		return receipt, err
	}
	tx := &memoryTx{memoryViews: m.inline.copied(), m: m}
	if err := m.foldAll(tx, before); err != nil {
		if m.failed != nil {
			err = m.failed(m, tx, before, b, err)
		} else {
			m.model.undo(before, b)
		}
		return receipt, err
	}
	for _, ref := range tx.stops {
		m.stopped[ref] = true
	}
	if m.publish != nil {
		m.publish(m, tx)
	} else {
		m.inline.become(tx.memoryViews)
	}
	return receipt, nil
}

func (m *memory) unknownInline() error {
	if m.unknown != nil {
		return m.unknown(m)
	}
	for ref := range m.inline.views {
		if m.folds[ref] == nil {
			return fmt.Errorf("the fold of the inline view %s/%d is not known", ref.Name, ref.Version)
		}
	}
	return nil
}

// foldAll folds the records after a position into the views that were there.
func (m *memory) foldAll(tx *memoryTx, before deed.Position) error {
	refs := slices.SortedFunc(maps.Keys(tx.views), func(a, b deed.ViewRef) int { return cmp.Compare(a.Name, b.Name) })
	for _, ref := range refs {
		v, fold := tx.views[ref], m.folds[ref]
		due := v.checkpoint.Position == before && !m.stopped[ref]
		if m.due != nil {
			due = m.due(m, ref, v, before)
		}
		if fold == nil || !due {
			continue
		}
		var in deed.ViewTx = tx
		if m.tx != nil {
			in = m.tx(m, tx)
		}
		stopped, err := fold(context.Background(), in, v.checkpoint, selected(m.model.records[before:], deed.Query{}), m.model.head())
		switch {
		case err != nil:
			return err
		case stopped && m.stop != nil:
			m.stop(m, ref, tx)
		case stopped:
			tx.stops = append(tx.stops, ref)
		}
	}
	return nil
}

// undo takes a batch out again that was stored after a position.
func (m *model) undo(before deed.Position, b deed.Batch) {
	for _, r := range slices.Backward(m.records[before:]) {
		m.streams[r.Stream] = m.streams[r.Stream][:r.Version-1]
	}
	m.records = m.records[:before]
	delete(m.outcomes, b.Command.ID)
}

// copied is a store of its own with the same views.
func (m *memoryViews) copied() *memoryViews {
	m.mu.Lock()
	defer m.mu.Unlock()
	own := newMemoryViews()
	for ref, v := range m.views {
		w := *v
		w.rows, w.removed, w.parked = maps.Clone(v.rows), maps.Clone(v.removed), parkedModel{}
		for key, records := range v.parked {
			w.parked[key] = maps.Clone(records)
		}
		own.views[ref] = &w
	}
	return own
}

// become takes over another's views and wakes who waits.
func (m *memoryViews) become(other *memoryViews) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.views = other.views
	close(m.news)
	m.news = make(chan struct{})
}

// memoryTx is the transaction of an append: views of its own, and the log with what is appended.
type memoryTx struct {
	*memoryViews
	m     *memory
	stops []deed.ViewRef // views whose folds have stopped
}

func (t *memoryTx) RecordAt(_ context.Context, position deed.Position) (deed.Record, error) {
	if position < 1 || position > t.m.model.head() {
		return deed.Record{}, deed.ErrNotFound
	}
	r := t.m.model.records[position-1]
	r.NewEvent = cloned(r.NewEvent)
	return r, nil
}

func (m *memory) ListInline(ctx context.Context) ([]deed.ViewRef, error) {
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	return slices.Collect(maps.Keys(m.inline.views)), nil
}

func (m *memory) FoldInline(ctx context.Context, view deed.ViewRef, fold deed.InlineFold) error {
	if err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	m.folds[view], m.stopped[view] = fold, false
	return nil
}

func (m *memory) InlineViews() deed.ViewStore { return &inlineMemory{m.inline, m} }

// inlineMemory is the views in a memory's log. What changes them is done between appends.
type inlineMemory struct {
	*memoryViews
	m *memory
}

func (i *inlineMemory) between(ctx context.Context, change func() error) error {
	if err := i.m.enter(ctx); err != nil {
		return err
	}
	defer i.m.mu.Unlock()
	return change()
}

func (i *inlineMemory) OpenView(ctx context.Context, spec deed.ViewSpec) (checkpoint deed.Checkpoint, err error) {
	err = i.between(ctx, func() error {
		checkpoint, err = i.memoryViews.OpenView(ctx, spec)
		return err
	})
	return checkpoint, err
}

func (i *inlineMemory) CommitView(ctx context.Context, c deed.ViewCommit) error {
	return i.between(ctx, func() error {
		err := i.memoryViews.CommitView(ctx, c)
		switch {
		case i.m.committed != nil:
			i.m.committed(i.m, c.View)
		case err == nil:
			i.m.stopped[c.View] = false
		}
		return err
	})
}

func (i *inlineMemory) DropView(ctx context.Context, view deed.ViewRef) error {
	return i.between(ctx, func() error { return i.memoryViews.DropView(ctx, view) })
}

func (i *inlineMemory) DropTombstones(ctx context.Context, t time.Time) error {
	return i.between(ctx, func() error { return i.memoryViews.DropTombstones(ctx, t) })
}
