package storetest

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/deed-es/deed"
)

// parkedModel is what is parked of an owner, by key and position.
type parkedModel map[string]map[deed.Position]deed.ParkedRecord

func (p parkedModel) change(changes []deed.ParkChange) {
	for _, c := range changes {
		maps.DeleteFunc(p[c.Key], func(at deed.Position, _ deed.ParkedRecord) bool { return at <= c.Until })
		for _, r := range c.Records {
			if p[c.Key] == nil {
				p[c.Key] = map[deed.Position]deed.ParkedRecord{}
			}
			if old, there := p[c.Key][r.Position]; there {
				r.Folded = old.Folded
			}
			p[c.Key][r.Position] = r
		}
		if len(p[c.Key]) == 0 {
			delete(p, c.Key)
		}
	}
}

func (p parkedModel) records(key string, after deed.Position, limit int) []deed.ParkedRecord {
	var records []deed.ParkedRecord
	for at, r := range p[key] {
		if at > after {
			records = append(records, r)
		}
	}
	slices.SortFunc(records, func(a, b deed.ParkedRecord) int { return cmp.Compare(a.Position, b.Position) })
	return firstOf(records, limit)
}

func firstOf[T any](list []T, limit int) []T {
	if limit == 0 {
		return list
	}
	return list[:min(limit, len(list))]
}

func (p parkedModel) keys(after string, limit int) []deed.ParkedKey {
	var keys []deed.ParkedKey
	for _, key := range slices.Sorted(maps.Keys(p)) {
		records := p.records(key, 0, 0)
		first := slices.IndexFunc(records, func(r deed.ParkedRecord) bool { return r.Error != "" })
		if key > after {
			keys = append(keys, deed.ParkedKey{Key: key, ParkedRecord: records[max(first, 0)], Records: len(records)})
		}
	}
	return firstOf(keys, limit)
}

// mark is what a row of this key lacks first.
func (p parkedModel) mark(key string) deed.Position {
	var marked deed.Position
	for parked, records := range p {
		if parked != key && parked[0] != '/' {
			continue
		}
		for at := range records {
			if marked == 0 || at < marked {
				marked = at
			}
		}
	}
	return marked
}

func (m *memory) PartParked(ctx context.Context, part, after string, limit int) ([]deed.ParkedKey, error) {
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	return m.parts.known[part].parked.keys(after, limit), nil
}

func (m *memory) PartParkedRecords(ctx context.Context, part, key string, after deed.Position, limit int) ([]deed.ParkedRecord, error) {
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	return m.parts.known[part].parked.records(key, after, limit), nil
}

func (m *memoryViews) ViewParked(_ context.Context, view deed.ViewRef, after string, limit int) ([]deed.ParkedKey, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.views[view].parked.keys(after, limit), nil
}

func (m *memoryViews) ViewParkedRecords(_ context.Context, view deed.ViewRef, key string, after deed.Position, limit int) ([]deed.ParkedRecord, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.views[view].parked.records(key, after, limit), nil
}
