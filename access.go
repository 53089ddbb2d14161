package deed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
)

// Views reads a service's views by name, as JSON: for gateways and consoles.
type Views struct{ service *Service }

// Views returns the reading side of the service's views.
func (s *Service) Views() Views { return Views{s} }

func (v Views) named(name string) (*viewVersions, error) {
	if err := v.service.must(RoleQueries); err != nil {
		return nil, err
	}
	view, ok := v.service.views[name]
	if !ok {
		return nil, fmt.Errorf("view %.80q: %w", name, ErrNotFound)
	}
	return view, nil
}

// choose returns what a view's name is read from by who needs a position, and which version is read: of one that nobody keeps, and that
// is not so far, the newest, which takes its place.
func (v Views) choose(ctx context.Context, view *viewVersions, after Position) (rawView, ViewVersion, error) {
	raw, version, err := view.reading(ctx)
	if err != nil || after <= 0 || v.service.keeps(view, version) {
		return raw, version, err
	}
	at, err := raw.store.WaitView(ctx, raw.ref, 0)
	if at < after {
		raw = view.known[view.newest]
	}
	return raw, version, err
}

// from has f read a view by its name, and once more where that fails while another version comes to be read: the one before may be gone.
// Who waits for a position looks every now and then what is read by then.
func (v Views) from(ctx context.Context, name string, after Position, f func(ctx context.Context, raw rawView) error) error {
	view, err := v.named(name)
	if err != nil {
		return err
	}
	for {
		raw, version, err := v.choose(ctx, view, after)
		if err != nil {
			return err
		}
		if after > 0 && !view.single {
			raw.patience = versionsEvery
		}
		err = f(ctx, raw)
		late := errors.Is(err, ErrBehind)
		if err == nil || ctx.Err() != nil || !late && !view.switched(ctx, version) {
			return err
		}
	}
}

// Reading is which version of a view is read by its name.
type Reading struct {
	Version int
	Stale   bool // nobody keeps it up to date any more; a new version is being made in its place
}

// Reading returns which version of a view is read, or of tables; ErrNotFound if there are none of that name.
func (v Views) Reading(ctx context.Context, name string) (Reading, error) {
	if tables, ok := v.service.tables[name]; ok {
		return Reading{Version: tables.ref.Version}, nil
	}
	view, err := v.named(name)
	if err != nil {
		return Reading{}, err
	}
	_, version, err := view.reading(ctx)
	return Reading{Version: version.Version, Stale: err == nil && !v.service.keeps(view, version)}, err
}

// Get returns a row and the view's position that it was read at; see View.Get. A missing row is ErrNotFound, with the
// position. What is parked is said in KeyedRow.Parked, also of a missing row, and is no error.
func (v Views) Get(ctx context.Context, name, key string, after Position) (keyed KeyedRow[json.RawMessage], position Position, err error) {
	err = v.from(ctx, name, after, func(ctx context.Context, raw rawView) error {
		row, at, err := raw.get(ctx, key, after)
		keyed, position = KeyedRow[json.RawMessage]{Key: row.Key, Position: row.Position, Parked: row.Parked, Row: row.Data}, at
		return err
	})
	return keyed, position, err
}

// List returns a page of a view; see View.List. Values of conditions may be text, read as the field's kind. ErrCursor, too, where
// another version of the view is read than the one that the cursor is of.
func (v Views) List(ctx context.Context, name string, where []Where, page Page, after Position) (rows Rows[json.RawMessage], err error) {
	err = v.from(ctx, name, after, func(ctx context.Context, raw rawView) error {
		rows, err = raw.list(ctx, where, page, after)
		return err
	})
	return rows, err
}

// Position returns the position of a view or tables once it is at or after reach; *BehindError if ctx ends first. Where nobody keeps
// the version that is read, and it is not so far, that of the one which takes its place: who then reads names the position again.
func (v Views) Position(ctx context.Context, name string, reach Position) (at Position, err error) {
	if tables, ok := v.service.tables[name]; ok {
		return tables.store.WaitView(ctx, tables.ref, reach)
	}
	err = v.from(ctx, name, reach, func(ctx context.Context, raw rawView) error {
		ctx, stop := raw.waits(ctx)
		defer stop()
		at, err = raw.store.WaitView(ctx, raw.ref, reach)
		return err
	})
	return at, err
}

// Changes yields the rows that changed after a cursor, each as it is when it is read, in the order of (Position, Key), and
// waits for more until ctx is done. ErrCursor if rows removed since the cursor are not remembered any more, and when another version
// of the view is read than this one, from the first or by now: then begin anew.
func (v Views) Changes(ctx context.Context, name string, version int, after ChangeCursor) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		view, err := v.named(name)
		if err != nil {
			yield(Change{}, err)
			return
		}
		raw, read, err := view.reading(ctx)
		switched := fmt.Errorf("changes of view %s: version %d is not the one that is read: %w", name, version, ErrCursor)
		if err == nil && read.Version != version {
			err = switched
		}
		if err != nil {
			yield(Change{}, err)
			return
		}
		following, stop := view.whileRead(ctx, read)
		defer stop()
		if view.switched(ctx, read) { // before it was said who follows
			yield(Change{}, switched)
			return
		}
		for change, err := range raw.changes(following, after) {
			if err != nil && ctx.Err() == nil && (following.Err() != nil || view.switched(ctx, read)) {
				err = switched
			}
			if !yield(change, err) {
				return
			}
		}
	}
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
	return merged(p.service.stored(part), limit, func(a, b StateChange) int { return strings.Compare(a.Key, b.Key) },
		func(name string) ([]StateChange, error) { return p.service.engine.PartStates(ctx, name, after, limit) })
}

// Effects returns the pending effects of a process or reactor in the order in which they are due; of one key, unless it is
// empty.
func (p Processes) Effects(ctx context.Context, part, key string, after *EffectCursor, limit int) ([]PendingEffect, error) {
	if err := p.known(part); err != nil {
		return nil, err
	}
	effects, err := p.service.engine.Effects(ctx, EffectQuery{Parts: p.service.stored(part), Key: key, After: after, Limit: limit})
	for i := range effects {
		effects[i].Part = part
	}
	return effects, err
}
