package deed

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// memoryViews keeps the rows of views in memory, for as long as they are wanted. Lists look at all rows.
type memoryViews struct {
	now   func() time.Time
	mu    sync.Mutex
	views map[ViewRef]*memoryView
	read  map[string]ViewVersion
}

type memoryView struct {
	index      []string
	checkpoint Checkpoint
	rows       map[string]RowChange // without data: a tombstone
	removed    map[string]time.Time // when tombstones were rows
	dropped    ChangeCursor         // of the last tombstone dropped
	parked     map[string][]ParkedRecord
}

func newMemoryViews(now func() time.Time) *memoryViews {
	return &memoryViews{now: now, views: map[ViewRef]*memoryView{}, read: map[string]ViewVersion{}}
}

func (m *memoryViews) OpenView(_ context.Context, spec ViewSpec) (Checkpoint, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v := m.views[spec.ViewRef]
	if v == nil || !slices.Equal(v.index, spec.Index) {
		v = &memoryView{index: spec.Index, rows: map[string]RowChange{}, removed: map[string]time.Time{}, parked: map[string][]ParkedRecord{}}
		m.views[spec.ViewRef] = v
	}
	return v.checkpoint, nil
}

func (m *memoryViews) DropView(_ context.Context, view ViewRef) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.views, view)
	return nil
}

// with looks at a view under the lock.
func (m *memoryViews) with(view ViewRef, f func(v *memoryView) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	v := m.views[view]
	if v == nil {
		return fmt.Errorf("view %s/%d: %w", view.Name, view.Version, ErrNotFound)
	}
	return f(v)
}

func (m *memoryViews) CommitView(_ context.Context, c ViewCommit) error {
	return m.with(c.View, func(v *memoryView) error {
		if v.checkpoint.Position != c.From {
			return fmt.Errorf("view %s is at position %d, not %d: %w", c.View.Name, v.checkpoint.Position, c.From, ErrConflict)
		}
		v.checkpoint = c.Checkpoint
		for _, r := range c.Rows {
			delete(v.removed, r.Key)
			if r.Data == nil {
				v.removed[r.Key] = m.now()
			}
			v.rows[r.Key] = r
		}
		for _, change := range c.Parked {
			v.park(change)
		}
		return nil
	})
}

func (v *memoryView) park(change ParkChange) {
	records := slices.DeleteFunc(v.parked[change.Key], func(r ParkedRecord) bool {
		return r.Position <= change.Until || slices.ContainsFunc(change.Records, func(put ParkedRecord) bool { return put.Position == r.Position })
	})
	records = append(records, change.Records...)
	slices.SortFunc(records, func(a, b ParkedRecord) int { return cmp.Compare(a.Position, b.Position) })
	v.parked[change.Key] = records
	if len(records) == 0 {
		delete(v.parked, change.Key)
	}
}

// mark says what a row of this key lacks first.
func (v *memoryView) mark(key string) Position {
	var first Position
	for parked, records := range v.parked {
		if at := records[0].Position; (parked == key || isLost(parked)) && (first == 0 || at < first) {
			first = at
		}
	}
	return first
}

// reached is how far a view is; 0 if it was never opened.
func (m *memoryViews) reached(view ViewRef) Position {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v := m.views[view]; v != nil {
		return v.checkpoint.Position
	}
	return 0
}

func (m *memoryViews) WaitView(_ context.Context, view ViewRef, reach Position) (Position, error) {
	at := m.reached(view)
	if at >= reach {
		return at, nil
	}
	return at, &BehindError{View: view.Name, Want: reach, Reached: at}
}

func (m *memoryViews) Row(_ context.Context, view ViewRef, key string) (row Row, at Position, err error) {
	err = m.with(view, func(v *memoryView) error {
		row, at = v.rows[key].Row, v.checkpoint.Position
		row.Key, row.Parked = key, v.mark(key)
		if row.Data == nil {
			return fmt.Errorf("row %q of view %s: %w", key, view.Name, ErrNotFound)
		}
		return nil
	})
	return row, at, err
}

func (m *memoryViews) Rows(_ context.Context, view ViewRef, keys []string) (map[string]Row, error) {
	rows := map[string]Row{}
	err := m.with(view, func(v *memoryView) error {
		for _, key := range keys {
			if r := v.rows[key]; r.Data != nil {
				rows[key] = r.Row
			}
		}
		return nil
	})
	return rows, err
}

func (m *memoryViews) ListRows(_ context.Context, view ViewRef, q RowQuery) (rows []Row, at Position, err error) {
	err = m.with(view, func(v *memoryView) error {
		at = v.checkpoint.Position
		rows, err = v.list(q)
		return err
	})
	return rows, at, err
}

func (v *memoryView) list(q RowQuery) ([]Row, error) {
	columns := map[string]int{}
	for _, field := range append([]string{q.Order}, fieldsOf(q.Where)...) {
		columns[field] = slices.Index(v.index, field)
		if columns[field] < 0 && field != "" {
			return nil, invalid(field, "is not an index field of the view")
		}
	}
	direction := 1
	if q.Desc {
		direction = -1
	}
	value := func(key string) any {
		if q.Order == "" {
			return nil
		}
		return v.rows[key].Index[columns[q.Order]]
	}
	behind := func(key string, place RowCursor) int {
		if q.Order == "" {
			place.Value = nil
		}
		return direction * cmp.Or(compareIndexed(value(key), place.Value), strings.Compare(key, place.Key))
	}
	var keys []string
	for key, r := range v.rows {
		selected := r.Data != nil && (q.After == nil || behind(key, *q.After) > 0)
		for _, w := range q.Where {
			selected = selected && r.Index[columns[w.Field]] == w.Value
		}
		if selected {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b string) int { return behind(a, RowCursor{Value: value(b), Key: b}) })
	if q.Limit > 0 {
		keys = keys[:min(q.Limit, len(keys))]
	}
	rows := make([]Row, len(keys))
	for i, key := range keys {
		rows[i] = v.rows[key].Row
		rows[i].Parked = v.mark(key)
	}
	return rows, nil
}

func fieldsOf(where []RowWhere) []string {
	fields := make([]string, len(where))
	for i, w := range where {
		fields[i] = w.Field
	}
	return fields
}

// compareIndexed orders index values: nil, false, true, numbers, texts.
func compareIndexed(a, b any) int {
	rank := func(v any) (int, float64) {
		switch v := v.(type) {
		case nil:
			return 0, 0
		case bool:
			if v {
				return 2, 0
			}
			return 1, 0
		case int64:
			return 3, float64(v)
		case float64:
			return 3, v
		}
		return 4, 0
	}
	rankA, numberA := rank(a)
	rankB, numberB := rank(b)
	byRank := cmp.Or(cmp.Compare(rankA, rankB), cmp.Compare(numberA, numberB))
	if byRank != 0 || rankA < 3 {
		return byRank
	}
	if rankA == 4 {
		return strings.Compare(a.(string), b.(string))
	}
	intA, okA := a.(int64)
	intB, okB := b.(int64)
	if okA && okB { // beyond what a float64 tells apart
		return cmp.Compare(intA, intB)
	}
	return 0
}

func (m *memoryViews) Changes(_ context.Context, view ViewRef, after ChangeCursor, limit int) (rows []Row, at Position, err error) {
	err = m.with(view, func(v *memoryView) error {
		at = v.checkpoint.Position
		if after != (ChangeCursor{}) && after.before(v.dropped) {
			return fmt.Errorf("changes of view %s after %d: %w", view.Name, after.Position, ErrCursor)
		}
		for key, r := range v.rows {
			if after.before(ChangeCursor{Position: r.Position, Key: key}) {
				rows = append(rows, r.Row)
			}
		}
		slices.SortFunc(rows, func(a, b Row) int {
			return cmp.Or(cmp.Compare(a.Position, b.Position), strings.Compare(a.Key, b.Key))
		})
		if limit > 0 {
			rows = rows[:min(limit, len(rows))]
		}
		return nil
	})
	return rows, at, err
}

// before tells whether a row's place in the changes is behind the cursor.
func (c ChangeCursor) before(place ChangeCursor) bool {
	if place.Position != c.Position {
		return place.Position > c.Position
	}
	return c.Key != "" && place.Key > c.Key
}

func (m *memoryViews) DropTombstones(_ context.Context, t time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, v := range m.views {
		for key, removed := range v.removed {
			if !removed.Before(t) {
				continue
			}
			place := ChangeCursor{Position: v.rows[key].Position, Key: key}
			if v.dropped.Position < place.Position || v.dropped.Position == place.Position && v.dropped.Key < place.Key {
				v.dropped = place
			}
			delete(v.rows, key)
			delete(v.removed, key)
		}
	}
	return nil
}

func (m *memoryViews) ViewParked(_ context.Context, view ViewRef, after string, limit int) (keys []ParkedKey, err error) {
	err = m.with(view, func(v *memoryView) error {
		for _, key := range slices.Sorted(maps.Keys(v.parked)) {
			if key <= after || limit > 0 && len(keys) == limit {
				continue
			}
			records := v.parked[key]
			first := max(0, slices.IndexFunc(records, func(r ParkedRecord) bool { return r.Error != "" }))
			keys = append(keys, ParkedKey{Key: key, ParkedRecord: records[first], Records: len(records)})
		}
		return nil
	})
	return keys, err
}

func (m *memoryViews) ViewParkedRecords(_ context.Context, view ViewRef, key string, after Position, limit int) (records []ParkedRecord, err error) {
	err = m.with(view, func(v *memoryView) error {
		for _, r := range v.parked[key] {
			if r.Position > after && (limit == 0 || len(records) < limit) {
				records = append(records, r)
			}
		}
		return nil
	})
	return records, err
}

func (m *memoryViews) ListViews(context.Context) ([]ViewRef, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.SortedFunc(maps.Keys(m.views), func(a, b ViewRef) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version))
	}), nil
}

func (m *memoryViews) ViewRead(_ context.Context, name string) (ViewVersion, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.read[name], nil
}

func (m *memoryViews) ReadView(_ context.Context, name string, from, to ViewVersion) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.read[name] != from {
		return fmt.Errorf("version %d of view %s is read, not %d: %w", m.read[name].Version, name, from.Version, ErrConflict)
	}
	m.read[name] = to
	return nil
}
