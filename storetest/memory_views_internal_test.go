package storetest

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/deed-es/deed"
)

// memoryViews is deed.ViewStore in the plainest code. Its rows are all that it ever had; removed ones have no data.
type memoryViews struct {
	mu    sync.Mutex
	views map[deed.ViewRef]*memoryView
	read  map[string]deed.ViewVersion
	news  chan struct{}
}

type memoryView struct {
	index      []string
	checkpoint deed.Checkpoint
	rows       map[string]deed.RowChange
	removed    map[string]time.Time
	parked     parkedModel
	dropped    deed.ChangeCursor // the last tombstone that was dropped
}

func newMemoryViews() *memoryViews {
	return &memoryViews{views: map[deed.ViewRef]*memoryView{}, read: map[string]deed.ViewVersion{}, news: make(chan struct{})}
}

func (m *memoryViews) Close() error { return nil }

func (m *memoryViews) OpenView(_ context.Context, spec deed.ViewSpec) (deed.Checkpoint, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v := m.views[spec.ViewRef]
	if v == nil || !slices.Equal(v.index, spec.Index) {
		v = &memoryView{index: spec.Index, rows: map[string]deed.RowChange{}, removed: map[string]time.Time{}, parked: parkedModel{}}
		m.views[spec.ViewRef] = v
	}
	return v.checkpoint, nil
}

func (m *memoryViews) CommitView(_ context.Context, c deed.ViewCommit) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	v := m.views[c.View]
	if v == nil || v.checkpoint.Position != c.From {
		return deed.ErrConflict
	}
	v.checkpoint = c.Checkpoint
	for _, r := range c.Rows {
		if delete(v.removed, r.Key); r.Data == nil {
			v.removed[r.Key] = time.Now()
		}
		v.rows[r.Key] = r
	}
	v.parked.change(c.Parked)
	close(m.news)
	m.news = make(chan struct{})
	return nil
}

func (m *memoryViews) DropView(_ context.Context, view deed.ViewRef) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.views, view)
	return nil
}

func (m *memoryViews) reached(view deed.ViewRef) (deed.Position, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v := m.views[view]; v != nil {
		return v.checkpoint.Position, m.news
	}
	return 0, m.news
}

func (m *memoryViews) WaitView(ctx context.Context, view deed.ViewRef, reach deed.Position) (deed.Position, error) {
	for {
		at, news := m.reached(view)
		if at >= reach {
			return at, nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			at, _ = m.reached(view)
			return at, &deed.BehindError{View: view.Name, Want: reach, Reached: at}
		}
	}
}

func (m *memoryViews) Row(_ context.Context, view deed.ViewRef, key string) (deed.Row, deed.Position, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v := m.views[view]
	r, found := v.rows[key]
	if r.Parked = v.parked.mark(key); !found || r.Data == nil {
		return deed.Row{Key: key, Parked: r.Parked}, v.checkpoint.Position, deed.ErrNotFound
	}
	return r.Row, v.checkpoint.Position, nil
}

func (m *memoryViews) Rows(ctx context.Context, view deed.ViewRef, keys []string) (map[string]deed.Row, error) {
	rows := map[string]deed.Row{}
	for _, key := range keys {
		if r, _, err := m.Row(ctx, view, key); err == nil {
			rows[key] = r
		}
	}
	return rows, nil
}

func (m *memoryViews) ListRows(_ context.Context, view deed.ViewRef, q deed.RowQuery) ([]deed.Row, deed.Position, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v := m.views[view]
	if q.Order != "" && !slices.Contains(v.index, q.Order) {
		return nil, 0, errors.New("no such index")
	}
	direction := 1
	if q.Desc {
		direction = -1
	}
	order := func(a, b deed.RowCursor) int {
		return direction * cmp.Or(compareAny(a.Value, b.Value), strings.Compare(a.Key, b.Key))
	}
	var places []deed.RowCursor
	for key, r := range v.rows {
		place := deed.RowCursor{Key: key}
		if q.Order != "" && r.Data != nil {
			place.Value = r.Index[slices.Index(v.index, q.Order)]
		}
		selects, err := v.holds(r, q.Where)
		if err != nil {
			return nil, 0, err
		}
		if selects && (q.After == nil || order(place, *q.After) > 0) {
			places = append(places, place)
		}
	}
	slices.SortFunc(places, order)
	var rows []deed.Row
	for _, place := range places[:min(q.Limit, len(places))] {
		row := v.rows[place.Key].Row
		row.Parked = v.parked.mark(place.Key)
		rows = append(rows, row)
	}
	return rows, v.checkpoint.Position, nil
}

func (v *memoryView) holds(r deed.RowChange, where []deed.RowWhere) (bool, error) {
	for _, w := range where {
		i := slices.Index(v.index, w.Field)
		if i < 0 {
			return false, errors.New("no such index")
		}
		if r.Data == nil || r.Index[i] != w.Value {
			return false, nil
		}
	}
	return r.Data != nil, nil
}

// compareAny orders by type, then by value; nil is first.
func compareAny(a, b any) int {
	rank := func(v any) int {
		switch v.(type) {
		case nil:
			return 0
		case bool:
			return 1
		case int64:
			return 2
		case float64:
			return 3
		}
		return 4
	}
	if byType := cmp.Compare(rank(a), rank(b)); byType != 0 || a == nil {
		return byType
	}
	switch a := a.(type) {
	case int64:
		return cmp.Compare(a, b.(int64))
	case float64:
		return cmp.Compare(a, b.(float64))
	case string:
		return cmp.Compare(a, b.(string))
	}
	return map[bool]int{true: 1}[a.(bool)] - map[bool]int{true: 1}[b.(bool)]
}

func (m *memoryViews) Changes(_ context.Context, view deed.ViewRef, after deed.ChangeCursor, limit int) ([]deed.Row, deed.Position, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v := m.views[view]
	if compareChanges(v.dropped, after) > 0 {
		return nil, 0, deed.ErrCursor
	}
	var rows []deed.Row
	for _, r := range v.rows {
		if compareChanges(deed.ChangeCursor{Position: r.Position, Key: r.Key}, after) > 0 {
			rows = append(rows, r.Row)
		}
	}
	slices.SortFunc(rows, func(a, b deed.Row) int {
		return cmp.Or(cmp.Compare(a.Position, b.Position), strings.Compare(a.Key, b.Key))
	})
	return rows[:min(limit, len(rows))], v.checkpoint.Position, nil
}

// compareChanges orders places in changes; a cursor without a key is behind all of its position.
func compareChanges(place, cursor deed.ChangeCursor) int {
	if byPosition := cmp.Compare(place.Position, cursor.Position); byPosition != 0 {
		return byPosition
	}
	if cursor.Key == "" {
		return -1
	}
	return strings.Compare(place.Key, cursor.Key)
}

func (m *memoryViews) DropTombstones(_ context.Context, t time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, v := range m.views {
		for key, removed := range v.removed {
			if !removed.Before(t) {
				continue
			}
			if place := (deed.ChangeCursor{Position: v.rows[key].Position, Key: key}); compareChanges(place, v.dropped) > 0 || v.dropped.Key == "" {
				v.dropped = place
			}
			delete(v.rows, key)
			delete(v.removed, key)
		}
	}
	return nil
}
