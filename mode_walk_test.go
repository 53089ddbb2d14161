package deed_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/deed-es/deed"
)

// walks makes so many walks, one after the other.
func walks(t *testing.T, few, steps int, others bool, modes ...deed.Mode) {
	seed, n := *walkSeed, *walksWanted
	if seed == 0 {
		seed = rand.Uint64()
	}
	if n == 0 {
		n = few
	}
	for i := range uint64(n) {
		t.Run(fmt.Sprintf("seed %d", seed+i), func(t *testing.T) { newRambling(t, seed+i, others, modes...).run(steps) })
		if t.Failed() {
			t.Fatalf("it failed: go test -run %s -walks 1 -walkseed %d", t.Name(), seed+i)
		}
	}
}

// Whatever breaks, is mended, tried again and left out, and wherever the service ends: rows, marks, states, effects, tables,
// reactions and what is parked are what the log and the order of what was said make them.
func TestParkingWalk(t *testing.T) { walks(t, 4, 12, true, deed.Async) }

// The same in each mode, beside each other in one service.
func TestModeWalk(t *testing.T) {
	walks(t, 2, 12, false, deed.Inline, deed.Async, deed.Live, deed.Inline)
}

// check lets the service come to rest and compares.
func (w *rambling) check() {
	w.t.Helper()
	w.flaky.Store(false)
	w.rest()
	for name, m := range w.models {
		if m.stopped && w.isLive(name) { // it tries again whenever it is read
			m.stopped = false
		}
		m.advance()
		at := fmt.Sprintf("%s (limit %d, at %d): ", name, m.limit, m.at)
		part := w.service.part(name)
		want(w.t, at+"stopped", part.State == deed.StateStopped, m.stopped && !m.paused)
		if refolds := m.at < m.live; !refolds || !m.paused {
			want(w.t, at+"parked", w.parkedKeys(name, refolds), m.parked.list())
			want(w.t, at+"status", part.Parked, len(m.parked))
		}
		switch name {
		case "process":
			w.checkProcess(m)
		case "tables":
			w.checkTables(m)
		case "reactor":
			w.checkReactor(m)
		default:
			w.checkRows(name, m)
		}
	}
}

// parkedKeys are the keys that a part holds back. While a process folds anew it also keeps what an older version had parked.
func (w *rambling) parkedKeys(name string, refolds bool) (keys []parkedKey) {
	w.t.Helper()
	for _, p := range w.service.parked(name) {
		if p.Key != "//" || !refolds {
			keys = append(keys, parkedKey{p.Key, p.Position, p.Records})
		}
	}
	return keys
}

func (w *rambling) isLive(name string) bool {
	return w.follows[name] == nil && w.models[name].again != nil && !isOther(name)
}

func isOther(name string) bool { return name == "process" || name == "tables" || name == "reactor" }

// rest returns when nothing is left to do; what has failed for a while is tried until it goes well.
func (w *rambling) rest() {
	w.t.Helper()
	for range 1000 {
		w.service.settle()
		status, err := w.service.Status(bounded(w.t))
		must(w.t, err)
		behind := func(p deed.PartStatus) bool {
			return p.State != deed.StatePaused && p.State != deed.StateStopped && p.Position < status.Head
		}
		if !slices.ContainsFunc(status.Parts, behind) {
			return
		}
	}
	w.t.Fatalf("it does not come to rest: %+v", w.service.part(slices.Sorted(maps.Keys(w.models))[0]))
}

// modelRow is a row as it is read.
type modelRow struct {
	Position, Parked deed.Position
	Row              journey
}

func (w *rambling) checkRows(name string, m *walker) {
	w.t.Helper()
	got, wanted := map[string]modelRow{}, map[string]modelRow{}
	rows, err := w.service.Views().List(bounded(w.t), name, nil, deed.Page{Limit: 1000}, 0)
	if m.stopped && w.isLive(name) {
		if err == nil {
			w.t.Errorf("%s: it reads, though it has stopped", name)
		}
		return
	}
	must(w.t, err)
	for _, r := range rows.Rows {
		var p journey
		must(w.t, json.Unmarshal(r.Row, &p))
		got[r.Key] = modelRow{r.Position, r.Parked, p}
	}
	for key, p := range m.rows {
		wanted[key] = modelRow{m.places[key], m.mark(key), p}
	}
	want(w.t, name+": rows", got, wanted)
	if f := w.follows[name]; f != nil {
		w.follow(name, f)
		bare := map[string]string{}
		for key, p := range m.rows {
			data, err := json.Marshal(p)
			must(w.t, err)
			bare[key] = string(data)
		}
		want(w.t, name+": what a follower has", f.rows, bare)
	}
}

// follow reads on what has changed.
func (w *rambling) follow(name string, f *follower) {
	var views deed.ViewStore = w.db
	if w.models[name].name[:6] == "inline" {
		views = w.db.InlineViews()
	}
	for {
		rows, _, err := views.Changes(bounded(w.t), deed.ViewRef{Name: name, Version: 1}, f.cursor, 3)
		must(w.t, err)
		for _, r := range rows {
			if f.cursor = (deed.ChangeCursor{Position: r.Position, Key: r.Key}); r.Data == nil {
				delete(f.rows, r.Key)
			} else {
				f.rows[r.Key] = string(r.Data)
			}
		}
		if len(rows) < 3 {
			f.cursor.Key = ""
			return
		}
	}
}

func (w *rambling) checkProcess(m *walker) {
	w.t.Helper()
	states, err := w.service.Processes().States(bounded(w.t), "process", "", 1000)
	must(w.t, err)
	got := map[string]journey{}
	for _, s := range states {
		var p journey
		must(w.t, json.Unmarshal(s.Data, &p))
		got[s.Key] = p
	}
	want(w.t, "process: states", got, m.rows)
	pending, err := w.service.Processes().Effects(bounded(w.t), "process", "", nil, 10_000)
	must(w.t, err)
	made := map[int]string{}
	for _, e := range pending {
		made[event(m.log(e.Position - 1)[0]).N] = e.Key
	}
	want(w.t, "process: effects", made, m.made)
}

func (w *rambling) checkTables(m *walker) {
	w.t.Helper()
	rows, err := w.tables().View(w.db).Select(bounded(w.t), 0, `SELECT n FROM {seen} ORDER BY seq`)
	if len(m.parked) > 0 {
		wantErr(w.t, err, deed.ErrParked)
	} else {
		must(w.t, err)
	}
	var got []int
	for _, row := range rows {
		got = append(got, int(row[0].(int64)))
	}
	want(w.t, "tables: rows", got, m.written)
}

// checkReactor compares what was reacted to, each once: a reactor is called at least once.
func (w *rambling) checkReactor(m *walker) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	var first []int
	for _, n := range w.reacted {
		if !slices.Contains(first, n) {
			first = append(first, n)
		}
	}
	want(w.t, "reactor: reactions", first, m.written)
}
