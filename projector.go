package deed

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
)

// projector is the running side of a projection: it folds what comes in the log into rows, and commits rows and mark.
type projector[V any, E Event] struct {
	projection Projection[V, E]
	events     eventTypes[E]
	view       rawView
	log        Reader
	info       LogInfo
	codec      Codec
	progress   *progress

	checkpoint Checkpoint
	rows       map[string]*heldRow[V] // committed rows and those of the step under way
	dirty      []string               // keys of the rows that the step has changed
}

// heldRow is a row in memory.
type heldRow[V any] struct {
	value    V
	data     []byte // what was stored, of which value is still to be made; nil: value is there
	exists   bool
	position Position
	dirty    bool
}

// heldRows bounds what a projector keeps in memory between steps.
const heldRows = 10_000

// fold runs until ctx is done or something fails.
func (p *projector[V, E]) fold(ctx context.Context) error {
	p.rows, p.dirty = map[string]*heldRow[V]{}, nil
	var err error
	spec := ViewSpec{ViewRef: p.view.ref, Index: p.projection.Index, Log: p.info}
	if p.checkpoint, err = p.view.store.OpenView(ctx, spec); err != nil {
		return err
	}
	if engine, ok := p.log.(Engine); ok {
		if err := p.checkpoint.verify(ctx, engine); err != nil {
			return err
		}
	}
	p.progress.begins(p.checkpoint.Position)
	match := []Match{{Types: p.events.names}}
	return follow(ctx, p.log, match, p.checkpoint.Position, func(records []Record, to Position) error {
		return p.step(ctx, records, to)
	})
}

// routed is a record with the rows it goes to.
type routed[E Event] struct {
	Recorded[E]
	targets []Target
}

// step folds records and commits. Where one fails for good, those before it are committed.
func (p *projector[V, E]) step(ctx context.Context, records []Record, to Position) error {
	err := p.together(ctx, records, to)
	if !errors.As(err, new(*unstorable)) {
		return err
	}
	p.rows, p.dirty = map[string]*heldRow[V]{}, nil
	return oneByOne(records, to, func(records []Record, to Position) error { return p.together(ctx, records, to) })
}

// together folds records and commits what became of all of them.
func (p *projector[V, E]) together(ctx context.Context, records []Record, to Position) error {
	events, failed := p.route(ctx, records)
	if failed != nil && !errors.As(failed, new(*recordError)) {
		return failed
	}
	if err := p.load(ctx, events); err != nil {
		return err
	}
	for i, r := range events {
		if err := p.apply(ctx, r); err != nil {
			if !errors.As(err, new(*recordError)) {
				return err
			}
			failed, events = err, events[:i]
			break
		}
	}
	if failed != nil {
		to = p.checkpoint.Position
		if len(events) > 0 {
			to = events[len(events)-1].Position
		}
	}
	if err := p.commit(ctx, records[:len(events)], to); err != nil {
		return err
	}
	return failed
}

// route decodes records up to the first that fails.
func (p *projector[V, E]) route(ctx context.Context, records []Record) ([]routed[E], error) {
	events := make([]routed[E], 0, len(records))
	for _, record := range records {
		decoded, err := p.codec.Decode(ctx, record)
		if err != nil {
			return events, err
		}
		r := routed[E]{Recorded: Recorded[E]{Record: decoded}}
		if r.Event, err = p.events.decode(decoded); err == nil {
			err = guard(func() error { r.targets = p.projection.targets(r.Recorded); return nil })
		}
		for _, t := range r.targets {
			if t.field == "" && err == nil {
				err = ValidID(t.key)
			}
		}
		if err != nil {
			return events, &recordError{record, err}
		}
		events = append(events, r)
	}
	return events, nil
}

// load reads the rows that events name by key and that are not held.
func (p *projector[V, E]) load(ctx context.Context, events []routed[E]) error {
	var keys []string
	for _, r := range events {
		for _, t := range r.targets {
			if t.field != "" {
				continue
			}
			if _, held := p.rows[t.key]; !held {
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
	stored, err := p.view.store.Rows(ctx, p.view.ref, keys)
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

// apply folds one event into all of the rows it goes to, or none.
func (p *projector[V, E]) apply(ctx context.Context, r routed[E]) error {
	keys, err := p.keys(ctx, r)
	if err != nil {
		return err
	}
	next := make([]V, len(keys))
	for i, key := range keys {
		row := p.rows[key]
		if row.data != nil {
			if row.value, err = decodeRow[V](p.view.ref.Name, Row{Key: key, Data: row.data}); err != nil {
				return err
			}
			row.data = nil
		}
		err := guard(func() error { next[i] = p.projection.Evolve(row.value, r.Recorded); return nil })
		if err != nil {
			return &recordError{r.Record, fmt.Errorf("evolve row %s: %w", key, err)}
		}
	}
	for i, key := range keys {
		p.set(key, next[i], r.Position)
	}
	return nil
}

// keys returns the rows that an event goes to, each once.
func (p *projector[V, E]) keys(ctx context.Context, r routed[E]) ([]string, error) {
	var keys []string
	for _, t := range r.targets {
		if t.field == "" {
			keys = append(keys, t.key)
			continue
		}
		found, err := p.where(ctx, t)
		if errors.As(err, new(*InvalidError)) {
			return nil, &recordError{r.Record, err}
		}
		if err != nil {
			return nil, err
		}
		keys = append(keys, found...)
	}
	if len(r.targets) > 1 {
		slices.Sort(keys)
		keys = slices.Compact(keys)
	}
	return keys, nil
}

func (p *projector[V, E]) set(key string, next V, position Position) {
	row := p.rows[key]
	exists := !reflect.ValueOf(&next).Elem().IsZero()
	if !exists && !row.exists && !row.dirty {
		return
	}
	if !row.dirty {
		row.dirty = true
		p.dirty = append(p.dirty, key)
	}
	row.value, row.exists, row.position = next, exists, position
}

// where returns the keys of the rows whose field has the value now: of the stored ones and of those of the step under way.
func (p *projector[V, E]) where(ctx context.Context, t Target) ([]string, error) {
	value, err := p.view.index.value(t.field, t.value)
	if err != nil {
		return nil, err
	}
	var keys, missing []string
	q := RowQuery{Where: []RowWhere{{Field: t.field, Value: value}}, Limit: maxPage}
	for more := p.checkpoint.Position > 0; more; {
		rows, _, err := p.view.store.ListRows(ctx, p.view.ref, q)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			held := p.rows[row.Key]
			if held == nil {
				missing = append(missing, row.Key)
			}
			if held == nil || !held.dirty {
				keys = append(keys, row.Key)
			}
			q.After = &RowCursor{Key: row.Key}
		}
		more = len(rows) == maxPage
	}
	if err := p.hold(ctx, missing); err != nil {
		return nil, err
	}
	field := p.view.index.fields[t.field]
	for _, key := range p.dirty {
		row := p.rows[key]
		if !row.exists {
			continue
		}
		if now, err := field.of(reflect.ValueOf(&row.value).Elem()); err != nil {
			return nil, err
		} else if now == value {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// commit stores the changed rows and the mark.
func (p *projector[V, E]) commit(ctx context.Context, records []Record, to Position) error {
	if to == p.checkpoint.Position {
		p.progress.reached(to)
		return nil
	}
	c := ViewCommit{View: p.view.ref, From: p.checkpoint.Position, Checkpoint: p.checkpoint.after(p.info, records, to)}
	for _, key := range p.dirty {
		row := p.rows[key]
		var change RowChange
		err := guard(func() (err error) { change, err = p.change(key, row); return err })
		if err != nil {
			return &unstorable{err}
		}
		c.Rows = append(c.Rows, change)
	}
	if err := p.view.store.CommitView(ctx, c); err != nil {
		return err
	}
	for i, key := range p.dirty {
		// The next step goes on from what is stored, as it would after a restart.
		row := p.rows[key]
		*row = heldRow[V]{data: c.Rows[i].Data, exists: row.exists, position: row.position}
	}
	p.dirty, p.checkpoint = p.dirty[:0], c.Checkpoint
	if len(p.rows) > heldRows {
		clear(p.rows)
	}
	p.progress.reached(to)
	return nil
}

func (p *projector[V, E]) change(key string, row *heldRow[V]) (RowChange, error) {
	change := RowChange{Row: Row{Key: key, Position: row.position}}
	if !row.exists {
		return change, nil
	}
	var err error
	if change.Data, err = encodeJSON(row.value); err != nil {
		return change, fmt.Errorf("encode row %s: %w", key, err)
	}
	change.Index, err = p.view.index.values(reflect.ValueOf(&row.value).Elem())
	return change, err
}
