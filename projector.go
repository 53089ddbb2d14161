package deed

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
)

// projector is the running side of a projection: it folds what comes in the log into rows, and commits rows, mark, and what is
// parked.
type projector[V any, E Event] struct {
	projection Projection[V, E]
	events     eventTypes[E]
	view       rawView // of the partition
	part       partition
	log        Reader
	info       LogInfo
	codec      Codec
	progress   *progress

	tx         ViewTx
	checkpoint Checkpoint
	rows       map[string]*heldRow[V] // committed rows and those of the step under way
	dirty      []string               // keys of the rows that the step has changed
	parking
}

// heldRow is a row in memory.
type heldRow[V any] struct {
	value    V
	data     []byte // what was stored, of which value is still to be made; nil: value is there
	exists   bool
	position Position
	dirty    bool
}

// newHeldRow is a row as an event at a position has made it; the zero value is none.
func newHeldRow[V any](value V, position Position) heldRow[V] {
	return heldRow[V]{value: value, exists: !reflect.ValueOf(&value).Elem().IsZero(), position: position, dirty: true}
}

// heldRows bounds what a projector keeps in memory between steps.
const heldRows = 10_000

// storeTx is a view's store beside its log.
type storeTx struct {
	ViewStore
	log Reader
}

func (s storeTx) RecordAt(ctx context.Context, position Position) (Record, error) {
	return recordAt(ctx, s.log, position)
}

// fold runs until ctx is done or something fails.
func (p *projector[V, E]) fold(ctx context.Context) error {
	checkpoint, err := p.open(ctx)
	if err != nil {
		return err
	}
	if err := p.begin(ctx, storeTx{p.view.store, p.log}, checkpoint); err != nil {
		return err
	}
	p.progress.begins(p.checkpoint.Position, len(p.keys))
	return follow(ctx, p.log, p.match(), p.checkpoint.Position, func(records []Record, to Position) error {
		return p.step(ctx, records, to)
	})
}

func (p *projector[V, E]) openView(ctx context.Context) (Checkpoint, error) {
	return p.view.store.OpenView(ctx, ViewSpec{ViewRef: p.view.ref, Index: p.projection.Index, Log: p.info})
}

// open finds out how far the view is, and whether that is a place in this log.
func (p *projector[V, E]) open(ctx context.Context) (Checkpoint, error) {
	checkpoint, err := p.openView(ctx)
	if err != nil {
		return checkpoint, err
	}
	if engine, ok := p.log.(Engine); ok {
		err = checkpoint.verify(ctx, engine)
	}
	return checkpoint, err
}

func (p *projector[V, E]) match() []Match {
	said := controlMatch(p.codec, p.projection.Name)
	said.Types = append(said.Types, typeRebuilt)
	return []Match{{Types: p.events.names}, said}
}

// begin takes what is stored for all that is known.
func (p *projector[V, E]) begin(ctx context.Context, tx ViewTx, checkpoint Checkpoint) error {
	p.tx, p.checkpoint = tx, checkpoint
	p.rows, p.dirty = map[string]*heldRow[V]{}, nil
	return p.parking.load(func(after string, limit int) ([]ParkedKey, error) {
		return tx.ViewParked(ctx, p.view.ref, after, limit)
	})
}

// routed is a record with the rows it goes to, or why that is not known.
type routed[E Event] struct {
	Recorded[E]
	targets []Target
	fault   error
}

// step folds records and commits. What somebody has said about the part is a step of its own.
func (p *projector[V, E]) step(ctx context.Context, records []Record, to Position) error {
	return inSteps(records, to, func(records []Record, to Position) error { return p.several(ctx, records, to) },
		func(r Record) error { return p.controlled(ctx, r) })
}

// several folds records together, or one by one where a row of theirs cannot be stored, to find the one it is about.
func (p *projector[V, E]) several(ctx context.Context, records []Record, to Position) error {
	err := p.together(ctx, records, to)
	if !errors.As(err, new(*unstorable)) {
		return err
	}
	if err := p.begin(ctx, p.tx, p.checkpoint); err != nil {
		return err
	}
	return oneByOne(records, to, func(records []Record, to Position) error { return p.together(ctx, records, to) })
}

// together folds records and commits what became of all of them; where one stops the part, of those before it.
func (p *projector[V, E]) together(ctx context.Context, records []Record, to Position) (err error) {
	ctx, end := p.progress.begin(ctx, records)
	defer func() { end(err) }()
	events, err := p.route(ctx, records)
	if err != nil {
		return err
	}
	if err := p.load(ctx, events); err != nil {
		return err
	}
	var stopped error
	for i, r := range events {
		if err := p.apply(ctx, r); err != nil {
			if !errors.As(err, new(*recordError)) {
				return err
			}
			stopped, records, to = err, records[:i], p.checkpoint.Position
			if i > 0 {
				to = records[i-1].Position
			}
			break
		}
	}
	if err := p.commit(ctx, records, to); err != nil {
		return err
	}
	return stopped
}

// route decodes records and finds out where they go.
func (p *projector[V, E]) route(ctx context.Context, records []Record) ([]routed[E], error) {
	events := make([]routed[E], len(records))
	for i, record := range records {
		decoded, err := p.codec.Decode(ctx, record)
		if err != nil {
			return nil, err
		}
		events[i] = p.routed(decoded)
	}
	return events, nil
}

func (p *projector[V, E]) routed(record Record) routed[E] {
	r := routed[E]{Recorded: Recorded[E]{Record: record}}
	if r.Event, r.fault = p.events.decode(record); r.fault == nil {
		r.fault = guard(func() error { r.targets = p.projection.targets(r.Recorded); return nil })
	}
	for _, t := range r.targets {
		if r.fault == nil && t.field == "" {
			r.fault = ValidID(t.key)
		}
	}
	if p.part.of > 1 {
		r.targets = slices.DeleteFunc(slices.Clone(r.targets), func(t Target) bool { return t.field == "" && !p.part.has(t.key) })
	}
	return r
}

// load reads the rows that events name by key and that are not held.
func (p *projector[V, E]) load(ctx context.Context, events []routed[E]) error {
	var keys []string
	for _, r := range events {
		if r.fault != nil {
			continue
		}
		for _, t := range r.targets {
			if _, held := p.rows[t.key]; t.field == "" && !held {
				p.rows[t.key] = &heldRow[V]{}
				keys = append(keys, t.key)
			}
		}
	}
	return p.hold(ctx, keys)
}

func (p *projector[V, E]) hold(ctx context.Context, keys []string) error {
	if len(keys) == 0 || p.checkpoint.Position == 0 {
		return nil
	}
	stored, err := p.tx.Rows(ctx, p.view.ref, keys)
	if err != nil {
		return err
	}
	for key, row := range stored {
		value, err := decodeRow[V](p.view.ref.Name, row)
		if err != nil {
			return err
		}
		p.rows[key] = &heldRow[V]{value: value, exists: true, position: row.Position}
	}
	return nil
}

// apply folds one event into each of the rows it goes to, and parks it for those that cannot take it. A *recordError says that
// this is one row too many; nothing has changed then.
func (p *projector[V, E]) apply(ctx context.Context, r routed[E]) error {
	stream := lost(r.Stream)
	if p.holds(stream) {
		p.park(stream, r.Record, nil)
		return nil
	}
	var keys []string
	if r.fault == nil {
		var err error
		if keys, r.fault, err = p.targets(ctx, r); err != nil {
			return err
		}
	}
	if r.fault != nil {
		if p.full(1) {
			return p.tooMany(r.Record, r.fault)
		}
		p.park(stream, r.Record, r.fault)
		return nil
	}
	next, faults := make([]V, len(keys)), map[string]error{}
	for i, key := range keys {
		if p.holds(key) {
			continue
		}
		value, fault, err := p.evolved(key, r.Recorded)
		if err != nil {
			return err
		}
		if next[i] = value; fault != nil {
			if faults[key] = fault; p.full(len(faults)) {
				return p.tooMany(r.Record, fault)
			}
		}
	}
	for i, key := range keys {
		if fault := faults[key]; fault != nil || p.holds(key) {
			p.park(key, r.Record, fault)
			continue
		}
		p.set(key, next[i], r.Position)
	}
	return nil
}

// evolved is a row after an event; fault is that the projection cannot tell.
func (p *projector[V, E]) evolved(key string, r Recorded[E]) (next V, fault, err error) {
	row := p.rows[key]
	if err := p.decode(key, row); err != nil {
		return next, nil, err
	}
	fault = guard(func() error { next = p.projection.Evolve(row.value, r); return nil })
	if fault != nil {
		fault = fmt.Errorf("evolve row %s: %w", key, fault)
	}
	return next, fault, nil
}

// decode makes the value of a row that is held as it was stored.
func (p *projector[V, E]) decode(key string, row *heldRow[V]) (err error) {
	if row.data == nil {
		return nil
	}
	row.value, err = decodeRow[V](p.view.ref.Name, Row{Key: key, Data: row.data})
	if err == nil {
		row.data = nil
	}
	return err
}

// targets returns the rows that an event goes to, each once. Where it goes to all rows with a value, nobody knows whether those
// that are parked have it; they are among them.
func (p *projector[V, E]) targets(ctx context.Context, r routed[E]) (keys []string, fault, err error) {
	if len(r.targets) == 1 && r.targets[0].field == "" {
		return []string{r.targets[0].key}, nil, nil
	}
	for _, t := range r.targets {
		if t.field == "" {
			keys = append(keys, t.key)
			continue
		}
		found, err := p.where(ctx, t)
		if errors.As(err, new(*InvalidError)) {
			return nil, err, nil
		}
		if err != nil {
			return nil, nil, err
		}
		keys = append(append(keys, found...), p.instances()...)
	}
	slices.Sort(keys)
	return slices.Compact(keys), nil, nil
}

func (p *projector[V, E]) set(key string, next V, position Position) {
	row := p.rows[key]
	changed := newHeldRow(next, position)
	if !changed.exists && !row.exists { // nothing there, before and after; one that was removed keeps its place
		return
	}
	if !row.dirty {
		p.dirty = append(p.dirty, key)
	}
	*row = changed
}

// commit stores the changed rows, the mark, and what is parked. Of a record alone, a row that cannot be stored is parked.
func (p *projector[V, E]) commit(ctx context.Context, records []Record, to Position) error {
	if to == p.checkpoint.Position {
		p.progress.reached(to, len(p.keys))
		return nil
	}
	c := ViewCommit{View: p.view.ref, Lease: p.progress.lease, From: p.checkpoint.Position, Checkpoint: p.checkpoint.after(p.info, records, to)}
	stored := p.dirty[:0]
	for _, key := range p.dirty {
		change, err := p.change(key, *p.rows[key])
		switch {
		case err == nil:
			c.Rows, stored = append(c.Rows, change), append(stored, key)
		case len(records) != 1:
			return &unstorable{err}
		case p.full(1):
			return p.tooMany(records[0], err)
		default:
			p.park(key, records[0], err)
			delete(p.rows, key)
		}
	}
	c.Parked = p.changes
	if err := p.tx.CommitView(ctx, c); err != nil {
		return err
	}
	for i, key := range stored {
		// The next step goes on from what is stored, as it would after a restart.
		row := p.rows[key]
		*row = heldRow[V]{data: c.Rows[i].Data, exists: row.exists, position: row.position}
	}
	p.dirty, p.checkpoint = p.dirty[:0], c.Checkpoint
	p.forget()
	if len(p.rows) > heldRows {
		clear(p.rows)
	}
	p.progress.reached(to, len(p.keys))
	return nil
}

// change is what is stored of a row.
func (p *projector[V, E]) change(key string, row heldRow[V]) (change RowChange, err error) {
	change.Row = Row{Key: key, Position: row.position}
	if !row.exists {
		return change, nil
	}
	err = guard(func() (err error) {
		if change.Data, err = encodeJSON(row.value); err != nil {
			return fmt.Errorf("encode row %s: %w", key, err)
		}
		change.Index, err = p.view.index.values(reflect.ValueOf(&row.value).Elem())
		return err
	})
	return change, err
}
