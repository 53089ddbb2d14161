package deed_test

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/deed-es/deed"
)

// What the parts of the walks have to come to, said a second time and without any of their code: one record after the other, in
// the order of the log, with maps for rows and for what is parked.

// walked is the event of the walks. N tells one from another, whatever positions they get.
type walked struct {
	N    int      `json:"n"`
	Kind string   `json:"kind"` // put, rename or drop
	Keys []string `json:"keys"` // of the rows
	From []string `json:"from"` // also the rows of these owners
	To   string   `json:"to"`   // who owns them then
}

func (walked) EventType() string { return "walked" }

// journey is a row, and a process's state: what has been there, in order.
type journey struct {
	Owner string  `json:"owner"`
	Seen  []int   `json:"seen"`
	Bad   float64 `json:"bad,omitempty"`
}

// flaw is what an event breaks.
type flaw struct {
	routes    bool // its keys cannot be told
	folds     bool // where the row has seen an odd number of events
	stores    bool // what it makes cannot be encoded
	reacts    bool
	statement bool
}

// oracle says what is broken now.
type oracle struct {
	mu    sync.Mutex
	flaws map[int]flaw
}

func (o *oracle) of(n int) flaw {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.flaws[n]
}

func (o *oracle) set(n int, f flaw) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.flaws[n] = f
}

func (o *oracle) evolve(p journey, r deed.Recorded[walked]) journey {
	e, f := r.Event, o.of(r.Event.N)
	if math.IsNaN(p.Bad) { // several events are stored in one step: what comes after one does not hide it
		return p
	}
	if f.folds && len(p.Seen)%2 == 1 {
		panic("odd")
	}
	if e.Kind == "drop" {
		return journey{}
	}
	p.Seen = append(slices.Clone(p.Seen), e.N)
	if e.To != "" {
		p.Owner = e.To
	}
	if f.stores {
		p.Bad = math.NaN()
	}
	return p
}

// try is a fold that says whether it is possible.
func (o *oracle) try(p journey, e walked) (next journey, ok bool) {
	defer func() { ok = recover() == nil && !math.IsNaN(next.Bad) }()
	next = o.evolve(p, deed.Recorded[walked]{Event: e})
	return next, true
}

// waits is a record that is parked.
type waits struct {
	at             deed.Position
	failed, folded bool
}

// lot is what a part has parked.
type lot map[string][]waits

func (l lot) put(key string, e waits) {
	rest := slices.DeleteFunc(l[key], func(old waits) bool { return old.at == e.at })
	i, _ := slices.BinarySearchFunc(rest, e, func(a, b waits) int { return int(a.at - b.at) })
	l[key] = slices.Insert(rest, i, e)
}

// parkedKey is what Control.Parked is to say of a key.
type parkedKey struct {
	Key      string
	Position deed.Position
	Records  int
}

func (l lot) list() (keys []parkedKey) {
	for key, entries := range l {
		first := entries[max(0, slices.IndexFunc(entries, func(e waits) bool { return e.failed }))]
		keys = append(keys, parkedKey{key, first.at, len(entries)})
	}
	slices.SortFunc(keys, func(a, b parkedKey) int { return strings.Compare(a.Key, b.Key) })
	return keys
}

// walker is a part as the model has it.
type walker struct {
	oracle  *oracle
	name    string
	limit   int
	log     func(after deed.Position) []deed.Record
	handle  func(w *walker, r deed.Record, e walked) (fits bool)                         // false: it stops there
	again   func(w *walker, key string, r deed.Record, at deed.Position, was waits) bool // false: it fails
	at      deed.Position
	stopped bool
	paused  bool
	parked  lot

	// of projections and processes
	rows   map[string]journey
	places map[string]deed.Position
	// of a process
	version int
	raised  bool // and was not run since
	live    deed.Position
	unmade  map[deed.Position]bool
	made    map[int]string
	// of tables and reactors
	written []int
}

func newWalker(o *oracle, name string, limit int) *walker {
	w := &walker{oracle: o, name: name, limit: limit, made: map[int]string{}}
	w.reset()
	return w
}

func (w *walker) reset() {
	w.at, w.stopped, w.parked, w.written = 0, false, lot{}, nil
	w.rows, w.places = map[string]journey{}, map[string]deed.Position{}
}

func (w *walker) full(more int) bool { return len(w.parked)+more > w.limit }

func (w *walker) held(key string) bool { return len(w.parked[key]) > 0 }

// advance goes on to the log's end, or to where the part stops.
func (w *walker) advance() {
	if w.paused || w.stopped {
		return
	}
	if w.raised {
		w.beginAnew()
	}
	for _, r := range w.log(w.at) {
		switch r.Type {
		case "walked":
			var e walked
			_ = json.Unmarshal(r.Data, &e)
			if !w.handle(w, r, e) {
				w.stopped = true
				return
			}
		case "part-retried", "part-skipped":
			w.control(r)
		}
		w.at = r.Position
		delete(w.unmade, r.Position)
	}
}

func (w *walker) control(r deed.Record) {
	var said struct {
		Part     string
		Key      string
		Position deed.Position
	}
	_ = json.Unmarshal(r.Data, &said)
	if said.Part != w.name || !w.held(said.Key) {
		return
	}
	for _, e := range slices.Clone(w.parked[said.Key]) {
		skipped := r.Type == "part-skipped" && e.at == said.Position
		if !skipped && !w.again(w, said.Key, w.log(e.at - 1)[0], r.Position, e) {
			w.parked.put(said.Key, waits{e.at, true, e.folded})
			return
		}
		if w.parked[said.Key] = w.parked[said.Key][1:]; len(w.parked[said.Key]) == 0 {
			delete(w.parked, said.Key)
		}
	}
}

func event(r deed.Record) (e walked) {
	_ = json.Unmarshal(r.Data, &e)
	return e
}

func streamKey(r deed.Record) string { return "/" + string(r.Stream) }

// projects handles records as a projection with Route.
func projects(w *walker, r deed.Record, e walked) bool {
	s := streamKey(r)
	if w.held(s) {
		w.parked.put(s, waits{at: r.Position})
		return true
	}
	if w.oracle.of(e.N).routes {
		if w.full(1) {
			return false
		}
		w.parked.put(s, waits{at: r.Position, failed: true})
		return true
	}
	next, faults := map[string]journey{}, []string{}
	keys := w.targets(e)
	for _, key := range keys {
		if p, ok := w.oracle.try(w.rows[key], e); ok {
			next[key] = p
		} else if !w.held(key) {
			faults = append(faults, key)
		}
	}
	if len(faults) > 0 && w.full(len(faults)) {
		return false
	}
	for _, key := range keys {
		switch failed := slices.Contains(faults, key); {
		case failed || w.held(key):
			w.parked.put(key, waits{at: r.Position, failed: failed})
		default:
			w.set(key, next[key], r.Position)
		}
	}
	return true
}

// targets are the rows of an event: those that it names, and those that are the owner's now, or may be.
func (w *walker) targets(e walked) []string {
	keys := slices.Clone(e.Keys)
	for _, owner := range e.From {
		for key, p := range w.rows {
			if p.Owner == owner {
				keys = append(keys, key)
			}
		}
		for key := range w.parked {
			if !strings.HasPrefix(key, "/") {
				keys = append(keys, key)
			}
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

func (w *walker) set(key string, p journey, at deed.Position) {
	if _, there := w.rows[key]; !there && len(p.Seen) == 0 {
		return
	}
	w.rows[key], w.places[key] = p, at
	if len(p.Seen) == 0 {
		delete(w.rows, key)
	}
}

func projectsAgain(w *walker, key string, r deed.Record, at deed.Position, _ waits) bool {
	e := event(r)
	if w.oracle.of(e.N).routes {
		return false
	}
	keys := w.targets(e)
	if !strings.HasPrefix(key, "/") {
		keys = nil
		if slices.Contains(e.Keys, key) || w.rows[key].Owner != "" && slices.Contains(e.From, w.rows[key].Owner) {
			keys = []string{key}
		}
	}
	next := map[string]journey{}
	for _, k := range keys {
		if k == key || !w.held(k) {
			p, ok := w.oracle.try(w.rows[k], e)
			if !ok {
				return false
			}
			next[k] = p
		}
	}
	for _, k := range keys {
		if p, ok := next[k]; ok {
			w.set(k, p, at)
		} else {
			w.parked.put(k, waits{at: r.Position})
		}
	}
	return true
}

// mark is the position of the first record that a row may lack.
func (w *walker) mark(key string) (first deed.Position) {
	for parked, entries := range w.parked {
		if at := entries[0].at; (parked == key || strings.HasPrefix(parked, "/")) && (first == 0 || at < first) {
			first = at
		}
	}
	return first
}
