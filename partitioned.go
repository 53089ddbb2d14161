package deed

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
)

// partitioned reads the partitions of views as one view. They are written one by one, past it.
type partitioned struct {
	ViewStore
	of    int
	index indexing
}

// whole makes a view of its partitions.
func whole(store ViewStore, of int, index indexing) ViewStore {
	if of <= 1 {
		return store
	}
	return &partitioned{ViewStore: store, of: of, index: index}
}

func (p *partitioned) refs(view ViewRef) []ViewRef {
	refs := make([]ViewRef, p.of)
	for i, part := range partitions(p.of) {
		refs[i] = ViewRef{Name: part.name(view.Name), Version: view.Version}
	}
	return refs
}

// at is the view that the rows of a key are in.
func (p *partitioned) at(view ViewRef, key string) ViewRef {
	return ViewRef{Name: partitionOf(key, p.of).name(view.Name), Version: view.Version}
}

// DropView drops all partitions.
func (p *partitioned) DropView(ctx context.Context, view ViewRef) error {
	var errs []error
	for _, ref := range p.refs(view) {
		errs = append(errs, p.ViewStore.DropView(ctx, ref))
	}
	return errors.Join(errs...)
}

// WaitView waits for the last of the partitions.
func (p *partitioned) WaitView(ctx context.Context, view ViewRef, reach Position) (least Position, err error) {
	for i, ref := range p.refs(view) {
		at, waited := p.ViewStore.WaitView(ctx, ref, reach)
		var behind *BehindError
		switch {
		case errors.As(waited, &behind):
			err = &BehindError{View: view.Name, Want: reach, Reached: behind.Reached}
		case waited != nil:
			return 0, waited
		}
		if i == 0 || at < least {
			least = at
		}
	}
	if behind, ok := err.(*BehindError); ok { //nolint:errorlint // made above
		behind.Reached = least
	}
	return least, err
}

// waitFor waits for the key's partition.
func (p *partitioned) waitFor(ctx context.Context, view ViewRef, key string, reach Position) error {
	_, err := p.ViewStore.WaitView(ctx, p.at(view, key), reach)
	var behind *BehindError
	if errors.As(err, &behind) {
		return &BehindError{View: view.Name, Want: reach, Reached: behind.Reached}
	}
	return err
}

// Row reads the key's partition.
func (p *partitioned) Row(ctx context.Context, view ViewRef, key string) (Row, Position, error) {
	return p.ViewStore.Row(ctx, p.at(view, key), key)
}

// Rows reads each key's partition.
func (p *partitioned) Rows(ctx context.Context, view ViewRef, keys []string) (map[string]Row, error) {
	byRef := map[ViewRef][]string{}
	for _, key := range keys {
		ref := p.at(view, key)
		byRef[ref] = append(byRef[ref], key)
	}
	all := map[string]Row{}
	for ref, keys := range byRef {
		rows, err := p.ViewStore.Rows(ctx, ref, keys)
		if err != nil {
			return nil, err
		}
		for key, row := range rows {
			all[key] = row
		}
	}
	return all, nil
}

// ListRows merges the partitions' lists. The position is the least of theirs.
func (p *partitioned) ListRows(ctx context.Context, view ViewRef, q RowQuery) (all []Row, least Position, err error) {
	for i, ref := range p.refs(view) {
		rows, at, err := p.ViewStore.ListRows(ctx, ref, q)
		if err != nil {
			return nil, 0, err
		}
		if i == 0 || at < least {
			least = at
		}
		all = append(all, rows...)
	}
	if err := p.sort(all, q); err != nil {
		return nil, 0, err
	}
	return limited(all, q.Limit), least, nil
}

// sort puts rows in the order of a list.
func (p *partitioned) sort(rows []Row, q RowQuery) error {
	values := map[string]any{}
	for _, row := range rows {
		if q.Order != "" {
			value, err := p.index.valueIn(q.Order, row)
			if err != nil {
				return err
			}
			values[row.Key] = value
		}
	}
	slices.SortFunc(rows, func(a, b Row) int {
		order := cmp.Or(compareIndexed(values[a.Key], values[b.Key]), strings.Compare(a.Key, b.Key))
		if q.Desc {
			return -order
		}
		return order
	})
	return nil
}

// Changes merges the partitions' changes, as far as all of them have come: what is behind the last of a page that is full is behind
// the last of the merged one too.
func (p *partitioned) Changes(ctx context.Context, view ViewRef, after ChangeCursor, limit int) (all []Row, least Position, err error) {
	for i, ref := range p.refs(view) {
		rows, at, err := p.ViewStore.Changes(ctx, ref, after, limit)
		if err != nil {
			return nil, 0, err
		}
		if i == 0 || at < least {
			least = at
		}
		all = append(all, rows...)
	}
	all = slices.DeleteFunc(all, func(r Row) bool { return r.Position > least })
	slices.SortFunc(all, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.Position, b.Position), strings.Compare(a.Key, b.Key))
	})
	return limited(all, limit), least, nil
}

// ViewParked merges the partitions' parked keys.
func (p *partitioned) ViewParked(ctx context.Context, view ViewRef, after string, limit int) ([]ParkedKey, error) {
	return parkedIn(p.refs(view), limit, func(ref ViewRef) ([]ParkedKey, error) { return p.ViewStore.ViewParked(ctx, ref, after, limit) })
}

// ViewParkedRecords reads what is parked of a key: that of a stream whose keys are not known may be in any partition.
func (p *partitioned) ViewParkedRecords(ctx context.Context, view ViewRef, key string, after Position, limit int) ([]ParkedRecord, error) {
	var all []ParkedRecord
	for _, ref := range p.refs(view) {
		if !isLost(key) && ref != p.at(view, key) {
			continue
		}
		records, err := p.ViewStore.ViewParkedRecords(ctx, ref, key, after, limit)
		if err != nil {
			return nil, err
		}
		all = append(all, records...)
	}
	slices.SortStableFunc(all, func(a, b ParkedRecord) int { return cmp.Compare(a.Position, b.Position) })
	all = slices.CompactFunc(all, func(a, b ParkedRecord) bool { return a.Position == b.Position })
	return limited(all, limit), nil
}

// parkedIn merges the parked keys of partitions. One of a stream whose keys are not known is parked in each of them.
func parkedIn[P any](partitions []P, limit int, list func(P) ([]ParkedKey, error)) ([]ParkedKey, error) {
	all, err := merged(partitions, 0, func(a, b ParkedKey) int {
		return cmp.Or(strings.Compare(a.Key, b.Key), cmp.Compare(a.Position, b.Position))
	}, list)
	all = slices.CompactFunc(all, func(a, b ParkedKey) bool { return a.Key == b.Key })
	return limited(all, limit), err
}

// merged are the lists of partitions as one.
func merged[P, T any](partitions []P, limit int, compare func(a, b T) int, list func(P) ([]T, error)) ([]T, error) {
	var all []T
	for _, p := range partitions {
		some, err := list(p)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	slices.SortStableFunc(all, compare)
	return limited(all, limit), nil
}

func limited[T any](all []T, limit int) []T {
	if limit > 0 && len(all) > limit {
		return all[:limit]
	}
	return all
}
