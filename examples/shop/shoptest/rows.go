package shoptest

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"

	"github.com/deed-es/deed"
)

// table is a view in memory.
type table[V any, E deed.Event] struct {
	projection deed.Projection[V, E]
	rows       map[string]V
	past       map[string][]deed.Recorded[E] // what went to each row
}

// Rows are the rows of a view of the log, once the laws of folding have held for each of them, and for the view as a whole.
// Keys are those that events may go to besides the ids of what they are of.
func Rows[V any, E deed.Event](l *Log, p deed.Projection[V, E], keys ...string) map[string]V {
	l.t.Helper()
	for _, r := range l.Records {
		keys = append(keys, r.Stream.ID())
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	whole, halves, split := newTable(p), newTable(p), l.other.IntN(len(l.Records)+1)
	for i, r := range l.Records {
		if i == split {
			for key, row := range halves.rows {
				halves.rows[key] = stored(l, p.Name, row)
			}
		}
		if own, ok := narrowed(r, p.Events); ok {
			whole.apply(l, own, keys)
			halves.apply(l, own, keys)
		}
	}
	for key, past := range whole.past {
		row := fold(l, "view "+p.Name+", row "+key, p.Evolve, past)
		if got := halves.rows[key]; !same(got, row) {
			l.t.Fatalf("view %s, row %s: a fold of the log that went on after %d of %d events from stored rows came elsewhere:\n got %s\nwant %s",
				p.Name, key, split, len(l.Records), text(got), text(row))
		}
	}
	if len(halves.rows) != len(whole.rows) {
		l.t.Fatalf("view %s has the rows %v, and from stored rows %v", p.Name, slices.Sorted(maps.Keys(whole.rows)), slices.Sorted(maps.Keys(halves.rows)))
	}
	return whole.rows
}

func newTable[V any, E deed.Event](p deed.Projection[V, E]) *table[V, E] {
	return &table[V, E]{projection: p, rows: map[string]V{}, past: map[string][]deed.Recorded[E]{}}
}

func (t *table[V, E]) apply(l *Log, r deed.Recorded[E], keys []string) {
	l.t.Helper()
	for _, key := range t.targets(l, r, keys) {
		row := t.projection.Evolve(t.rows[key], r)
		t.past[key] = append(t.past[key], r)
		if t.rows[key] = row; reflect.ValueOf(&row).Elem().IsZero() {
			delete(t.rows, key)
		}
	}
}

// targets are the keys of the rows that r goes to. A deed.Target does not say what it is; it is held against what it may be.
func (t *table[V, E]) targets(l *Log, r deed.Recorded[E], keys []string) []string {
	l.t.Helper()
	if t.projection.Key != nil {
		if key := t.projection.Key(r); key != "" {
			return []string{key}
		}
		return nil
	}
	targets := t.projection.Route(r)
	var found []string
	for _, key := range keys {
		if slices.Contains(targets, deed.ToKey(key)) {
			found = append(found, key)
		}
	}
	for key, row := range t.rows {
		data, err := json.Marshal(row)
		if err != nil {
			l.t.Fatalf("view %s, row %s: %v", t.projection.Name, key, err)
		}
		var fields map[string]any
		if err := json.Unmarshal(data, &fields); err != nil {
			l.t.Fatalf("view %s, row %s: %v", t.projection.Name, key, err)
		}
		if slices.ContainsFunc(t.projection.Index, func(field string) bool { return slices.Contains(targets, deed.ToWhere(field, fields[field])) }) {
			found = append(found, key)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}
