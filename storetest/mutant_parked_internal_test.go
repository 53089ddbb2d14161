package storetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/deed-es/deed"
)

// A parkFlaw breaks one promise about what is parked, of parts and of views alike.
type parkFlaw struct {
	changes   func(p parkedModel, changes []deed.ParkChange) []deed.ParkChange // what is applied to p instead
	conflicts bool                                                             // what conflicts is parked all the same
	owner     func(name string) string                                         // of whom is read instead
	keys      func(p parkedModel, keys []deed.ParkedKey) []deed.ParkedKey      // what is answered instead
	after     func(after string) string
	records   func(records []deed.ParkedRecord, after deed.Position, limit int) []deed.ParkedRecord // the same, of all of a key
	forgets   bool                                                                                  // what is parked is not there after the opening again
	marks     func(v *memoryView, key string, there bool, mark deed.Position) deed.Position
	keeps     bool // a view made anew has parked what the old one had
}

func (f parkFlaw) changed(p parkedModel, changes []deed.ParkChange) []deed.ParkChange {
	if f.changes == nil {
		return changes
	}
	return f.changes(p, changes)
}

func (f parkFlaw) keysOf(owner func(string) parkedModel, name, after string, limit int) []deed.ParkedKey {
	if f.owner != nil {
		name = f.owner(name)
	}
	if f.after != nil {
		after = f.after(after)
	}
	keys := owner(name).keys(after, limit)
	if f.keys != nil {
		keys = f.keys(owner(name), keys)
	}
	return keys
}

func (f parkFlaw) recordsOf(owner func(string) parkedModel, name, key string, after deed.Position, limit int) []deed.ParkedRecord {
	if f.owner != nil {
		name = f.owner(name)
	}
	if f.records != nil {
		return f.records(owner(name).records(key, 0, 0), after, limit)
	}
	return owner(name).records(key, after, limit)
}

// parkMutant is a memory with a parkFlaw.
type parkMutant struct {
	*memory
	parkFlaw
}

func (m parkMutant) owned(part string) parkedModel { return m.parts.known[part].parked }

func (m parkMutant) CommitPart(ctx context.Context, c deed.PartCommit) error {
	c.Parked = m.changed(m.owned(c.Part), c.Parked)
	err := m.memory.CommitPart(ctx, c)
	if err != nil && m.conflicts {
		m.owned(c.Part).change(c.Parked)
	}
	return err
}

func (m parkMutant) PartParked(_ context.Context, part, after string, limit int) ([]deed.ParkedKey, error) {
	return m.keysOf(m.owned, part, after, limit), nil
}

func (m parkMutant) PartParkedRecords(_ context.Context, part, key string, after deed.Position, limit int) ([]deed.ParkedRecord, error) {
	return m.recordsOf(m.owned, part, key, after, limit), nil
}

// parkViewMutant is a memoryViews with a parkFlaw.
type parkViewMutant struct {
	*memoryViews
	parkFlaw
	last map[string]parkedModel // by the name of the view
}

func (m parkViewMutant) owned(view string) parkedModel {
	return m.views[deed.ViewRef{Name: view, Version: 1}].parked
}

func (m parkViewMutant) OpenView(ctx context.Context, spec deed.ViewSpec) (deed.Checkpoint, error) {
	checkpoint, err := m.memoryViews.OpenView(ctx, spec)
	v := m.views[spec.ViewRef]
	if m.keeps && m.last[spec.Name] != nil {
		v.parked = m.last[spec.Name]
	}
	m.last[spec.Name] = v.parked
	return checkpoint, err
}

func (m parkViewMutant) CommitView(ctx context.Context, c deed.ViewCommit) error {
	c.Parked = m.changed(m.owned(c.View.Name), c.Parked)
	err := m.memoryViews.CommitView(ctx, c)
	if err != nil && m.conflicts {
		m.owned(c.View.Name).change(c.Parked)
	}
	return err
}

func (m parkViewMutant) ViewParked(_ context.Context, view deed.ViewRef, after string, limit int) ([]deed.ParkedKey, error) {
	return m.keysOf(m.owned, view.Name, after, limit), nil
}

func (m parkViewMutant) ViewParkedRecords(_ context.Context, view deed.ViewRef, key string, after deed.Position, limit int) ([]deed.ParkedRecord, error) {
	return m.recordsOf(m.owned, view.Name, key, after, limit), nil
}

func (m parkViewMutant) Row(ctx context.Context, view deed.ViewRef, key string) (deed.Row, deed.Position, error) {
	r, at, err := m.memoryViews.Row(ctx, view, key)
	if m.marks != nil {
		r.Parked = m.marks(m.views[view], key, err == nil, r.Parked)
	}
	return r, at, err
}

func (m parkViewMutant) ListRows(ctx context.Context, view deed.ViewRef, q deed.RowQuery) ([]deed.Row, deed.Position, error) {
	rows, at, err := m.memoryViews.ListRows(ctx, view, q)
	for i := range rows {
		if m.marks != nil {
			rows[i].Parked = m.marks(m.views[view], rows[i].Key, true, rows[i].Parked)
		}
	}
	return rows, at, err
}

// eachParked alters all changes of what is parked.
func eachParked(alter func(c deed.ParkChange) deed.ParkChange) parkFlaw {
	return parkFlaw{changes: func(_ parkedModel, changes []deed.ParkChange) []deed.ParkChange {
		changes = slices.Clone(changes)
		for i := range changes {
			changes[i].Records = slices.Clone(changes[i].Records)
			changes[i] = alter(changes[i])
		}
		return changes
	}}
}

// eachParkedRecord alters all records that are parked.
func eachParkedRecord(alter func(r *deed.ParkedRecord)) parkFlaw {
	return eachParked(func(c deed.ParkChange) deed.ParkChange {
		for i := range c.Records {
			alter(&c.Records[i])
		}
		return c
	})
}

// parkMutation is a flaw and the sentences of the cases that catch it.
type parkMutation struct {
	name   string
	flaw   parkFlaw
	caught []string
}

func parkMutants() []parkMutation {
	return []parkMutation{
		{"parks nothing", parkFlaw{changes: func(parkedModel, []deed.ParkChange) []deed.ParkChange { return nil }}, []string{
			"a parked record comes back as it was parked", "what is parked is there after the opening again",
		}},
		{
			"takes times by the second", eachParkedRecord(func(r *deed.ParkedRecord) { r.Time = r.Time.Truncate(time.Second) }),
			[]string{"a parked record comes back as it was parked"},
		},
		{
			"forgets why", eachParkedRecord(func(r *deed.ParkedRecord) { r.Error = r.Error[:min(7, len(r.Error))] }),
			[]string{"a parked record comes back as it was parked"},
		},
		{"puts in before it takes out", eachParked(func(c deed.ParkChange) deed.ParkChange {
			c.Records = slices.DeleteFunc(c.Records, func(r deed.ParkedRecord) bool { return r.Position <= c.Until })
			return c
		}), []string{"parked records up to Until are taken out before others are put in"}},
		{"takes out what is before Until only", eachParked(func(c deed.ParkChange) deed.ParkChange {
			c.Until = max(c.Until-1, 0)
			return c
		}), []string{"parked records up to Until are taken out before others are put in", "changes of what is parked are applied in their order"}},
		{"takes all of a key out", eachParked(func(c deed.ParkChange) deed.ParkChange {
			if c.Until > 0 {
				c.Until = 1 << 50
			}
			return c
		}), []string{"parked records up to Until are taken out before others are put in"}},
		{"keeps what was parked before", parkFlaw{changes: func(p parkedModel, changes []deed.ParkChange) []deed.ParkChange {
			changes = slices.Clone(changes)
			for i, c := range changes {
				changes[i].Records = slices.DeleteFunc(slices.Clone(c.Records), func(r deed.ParkedRecord) bool {
					_, there := p[c.Key][r.Position]
					return there
				})
			}
			return changes
		}}, []string{"a record that is parked again takes the place of the one before, and stays folded"}},
		{"takes folded as it comes", parkFlaw{changes: func(p parkedModel, changes []deed.ParkChange) []deed.ParkChange {
			for _, c := range changes {
				for _, r := range c.Records {
					delete(p[c.Key], r.Position)
				}
			}
			return changes
		}}, []string{"a record that is parked again takes the place of the one before, and stays folded"}},
		{"takes out before all else", parkFlaw{changes: func(_ parkedModel, changes []deed.ParkChange) []deed.ParkChange {
			changes = slices.Clone(changes)
			slices.SortStableFunc(changes, func(a, b deed.ParkChange) int { return len(a.Records) - len(b.Records) })
			return changes
		}}, []string{"changes of what is parked are applied in their order"}},
		{"says no more than where a key failed", parkFlaw{keys: func(_ parkedModel, keys []deed.ParkedKey) []deed.ParkedKey {
			for i := range keys {
				keys[i].Time, keys[i].Error = time.Time{}, "failed"
			}
			return keys
		}}, []string{"a parked record comes back as it was parked", "the record of a parked key is the first that failed"}},
		{"says where a key's records begin", parkFlaw{keys: func(p parkedModel, keys []deed.ParkedKey) []deed.ParkedKey {
			for i, k := range keys {
				keys[i].ParkedRecord = p.records(k.Key, 0, 1)[0]
			}
			return keys
		}}, []string{"the record of a parked key is the first that failed"}},
		{"counts what failed", parkFlaw{keys: func(_ parkedModel, keys []deed.ParkedKey) []deed.ParkedKey {
			for i := range keys {
				keys[i].Records = 1
			}
			return keys
		}}, []string{"a parked record comes back as it was parked", "the record of a parked key is the first that failed"}},
		{
			"lists keys from the start",
			parkFlaw{after: func(string) string { return "" }},
			[]string{"parked keys come in their order, after a key, at most so many"},
		},
		{"lists keys backward", parkFlaw{keys: func(_ parkedModel, keys []deed.ParkedKey) []deed.ParkedKey {
			slices.Reverse(keys)
			return keys
		}}, []string{"parked keys come in their order, after a key, at most so many"}},
		{"lists records from a position on", parkFlaw{records: func(all []deed.ParkedRecord, after deed.Position, limit int) []deed.ParkedRecord {
			return firstOf(slices.DeleteFunc(all, func(r deed.ParkedRecord) bool { return r.Position < after }), limit)
		}}, []string{"parked records come in the order of positions, after a position, at most so many"}},
		{"lists all records", parkFlaw{records: func(all []deed.ParkedRecord, after deed.Position, _ int) []deed.ParkedRecord {
			return slices.DeleteFunc(all, func(r deed.ParkedRecord) bool { return r.Position <= after })
		}}, []string{"parked records come in the order of positions, after a position, at most so many"}},
		{"parks what conflicts", parkFlaw{conflicts: true}, []string{"a step that conflicts parks nothing and takes nothing out"}},
		{"parks for all", parkFlaw{owner: func(string) string { return parkOwner }}, []string{"what is parked of one is not parked of another"}},
		{"forgets what is parked", parkFlaw{forgets: true}, []string{"what is parked is there after the opening again"}},
	}
}

// markMutants are about what only views have parked.
func markMutants() []parkMutation {
	const marks, streams = "Row.Parked is the first position that is parked of a row's key, of missing rows too", "what is parked of a stream is parked of all rows"
	marking := func(mark func(v *memoryView, key string, there bool, mark deed.Position) deed.Position) parkFlaw {
		return parkFlaw{marks: mark}
	}
	return []parkMutation{
		{
			"marks nothing", marking(func(*memoryView, string, bool, deed.Position) deed.Position { return 0 }),
			[]string{marks, streams},
		},
		{"does not mark missing rows", marking(func(_ *memoryView, _ string, there bool, mark deed.Position) deed.Position {
			if !there {
				return 0
			}
			return mark
		}), []string{marks, streams}},
		{"marks with the last position", marking(func(v *memoryView, key string, _ bool, mark deed.Position) deed.Position {
			for at := range v.parked[key] {
				mark = max(mark, at)
			}
			return mark
		}), []string{marks}},
		{"marks with what failed", marking(func(v *memoryView, key string, _ bool, mark deed.Position) deed.Position {
			if v.parked[key][mark].Error == "" {
				return 0
			}
			return mark
		}), []string{marks}},
		{"does not mark for streams", marking(func(v *memoryView, key string, _ bool, _ deed.Position) deed.Position {
			return parkedModel{key: v.parked[key]}.mark(key)
		}), []string{streams}},
		{"marks for streams first", marking(func(v *memoryView, _ string, _ bool, mark deed.Position) deed.Position {
			if all := v.parked.mark("/"); all > 0 {
				return all
			}
			return mark
		}), []string{streams}},
		{"keeps what was parked", parkFlaw{keeps: true}, []string{"a view that is dropped or made anew has nothing parked"}},
	}
}

// openings opens parkMutants.
func (f parkFlaw) openings() func(c Config) deed.Engine {
	found := newDisks()
	return func(c Config) deed.Engine {
		m := parkMutant{found.open(c), f}
		for _, part := range m.parts.known {
			if f.forgets {
				clear(part.parked)
			}
		}
		return m
	}
}

// viewOpenings opens parkViewMutants.
func (f parkFlaw) viewOpenings() func(dir string) deed.ViewStore {
	found := map[string]parkViewMutant{}
	return func(dir string) deed.ViewStore {
		m, there := found[dir]
		if !there {
			m = parkViewMutant{newMemoryViews(), f, map[string]parkedModel{}}
			found[dir] = m
		}
		for _, v := range m.views {
			if f.forgets {
				clear(v.parked)
			}
		}
		return m
	}
}

func TestParkSuiteBites(t *testing.T) {
	for _, m := range parkMutants() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			for _, sentence := range m.caught {
				c := caseOf(t, sentence)
				if !bites(t, func(r tester) { c.run(newBed(r, m.flaw.openings(), Claims{})) }) {
					t.Errorf("not caught by %q of parts", sentence)
				}
			}
		})
	}
	for _, m := range append(parkMutants(), markMutants()...) {
		t.Run("views: "+m.name, func(t *testing.T) {
			t.Parallel()
			for _, sentence := range m.caught {
				c := viewCaseOf(t, sentence)
				if !bites(t, func(r tester) { c.run(newViewBed(r, m.flaw.viewOpenings())) }) {
					t.Errorf("not caught by %q of views", sentence)
				}
			}
		})
	}
}

// The flaw that is none is not caught.
func TestParkSuiteIsFair(t *testing.T) {
	for _, c := range partParkCases() {
		if failed := failure(t, func(r tester) { c.run(newBed(r, parkFlaw{}.openings(), Claims{})) }); failed != "" {
			t.Errorf("%s: %s", c.sentence, failed)
		}
	}
	for _, c := range viewParkCases() {
		if failed := failure(t, func(r tester) { c.run(newViewBed(r, parkFlaw{}.viewOpenings())) }); failed != "" {
			t.Errorf("views: %s: %s", c.sentence, failed)
		}
	}
}
