package deed

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
)

// Views reads a service's views by name, as JSON: for gateways and consoles.
type Views struct{ service *Service }

// Views returns the reading side of the service's views.
func (s *Service) Views() Views { return Views{s} }

func (v Views) named(name string) (rawView, error) {
	view, ok := v.service.views[name]
	if !ok {
		return rawView{}, fmt.Errorf("view %.80q: %w", name, ErrNotFound)
	}
	return view, nil
}

// placed is a view or tables.
func (v Views) placed(name string) (rawView, error) {
	if tables, ok := v.service.tables[name]; ok {
		return tables, nil
	}
	return v.named(name)
}

// Version is the version of the view or tables that are read; ErrNotFound if there are none of that name.
func (v Views) Version(name string) (int, error) {
	view, err := v.placed(name)
	return view.ref.Version, err
}

// Get returns a row and the view's position that it was read at; see View.Get. A missing row is ErrNotFound, with the
// position. What is parked is said in KeyedRow.Parked, also of a missing row, and is no error.
func (v Views) Get(ctx context.Context, name, key string, after Position) (KeyedRow[json.RawMessage], Position, error) {
	view, err := v.named(name)
	if err != nil {
		return KeyedRow[json.RawMessage]{}, 0, err
	}
	row, position, err := view.get(ctx, key, after)
	return KeyedRow[json.RawMessage]{Key: row.Key, Position: row.Position, Parked: row.Parked, Row: row.Data}, position, err
}

// List returns a page of a view; see View.List. Values of conditions may be text, read as the field's kind.
func (v Views) List(ctx context.Context, name string, where []Where, page Page, after Position) (Rows[json.RawMessage], error) {
	view, err := v.named(name)
	if err != nil {
		return Rows[json.RawMessage]{}, err
	}
	return view.list(ctx, where, page, after)
}

// Position returns the position of a view or tables once it is at or after reach; *BehindError if ctx ends first.
func (v Views) Position(ctx context.Context, name string, reach Position) (Position, error) {
	view, err := v.placed(name)
	if err != nil {
		return 0, err
	}
	return view.store.WaitView(ctx, view.ref, reach)
}

// Changes yields the rows that changed after a cursor, each as it is when it is read, in the order of (Position, Key), and
// waits for more until ctx is done. ErrCursor if rows removed since the cursor are not remembered any more.
func (v Views) Changes(ctx context.Context, name string, after ChangeCursor) iter.Seq2[Change, error] {
	view, err := v.named(name)
	if err != nil {
		return func(yield func(Change, error) bool) { yield(Change{}, err) }
	}
	return view.changes(ctx, after)
}

// Processes looks into a service's processes and reactors.
type Processes struct{ service *Service }

// Processes returns a look into the service's processes and reactors.
func (s *Service) Processes() Processes { return Processes{s} }

func (p Processes) known(part string) error {
	if kind := p.service.names[part]; kind != kindProcess && kind != kindReactor {
		return fmt.Errorf("process %.80q: %w", part, ErrNotFound)
	}
	return nil
}

// States returns the states of a process's instances in the order of their keys, after a key, at most limit.
func (p Processes) States(ctx context.Context, part, after string, limit int) ([]StateChange, error) {
	if err := p.known(part); err != nil {
		return nil, err
	}
	return p.service.engine.PartStates(ctx, part, after, limit)
}

// Effects returns the pending effects of a process or reactor in the order in which they are due; of one key, unless it is
// empty.
func (p Processes) Effects(ctx context.Context, part, key string, after *EffectCursor, limit int) ([]PendingEffect, error) {
	if err := p.known(part); err != nil {
		return nil, err
	}
	return p.service.engine.Effects(ctx, EffectQuery{Parts: []string{part}, Key: key, After: after, Limit: limit})
}
