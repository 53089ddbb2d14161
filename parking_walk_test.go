package deed_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/deedtest"
	"github.com/deed-es/deed/sqlite"
)

var (
	walksWanted = flag.Int("walks", 0, "how many walks TestParkingWalk and TestModeWalk make each; 0: some")
	walkSeed    = flag.Uint64("walkseed", 0, "the seed of the first walk; 0: another each time")
)

// rambling is a service over a file that things are done to at random, while its parts break, and the model of each part.
type rambling struct {
	t       *testing.T
	rng     *rand.Rand
	path    string
	clock   *deedtest.Clock
	limit   int
	oracle  *oracle
	modes   []deed.Mode // of the projections
	others  bool        // a process, tables and a reactor too
	flaky   atomic.Bool
	version int // of the process

	db      *hooked
	service *running
	models  map[string]*walker
	follows map[string]*follower
	n       int

	mu      sync.Mutex
	dice    *rand.Rand // for the loops
	effects map[string]string
	reacted []int
}

// follower is a client of a view's changes.
type follower struct {
	cursor deed.ChangeCursor
	rows   map[string]string
}

// walkEngine notices effects that are stored twice.
type walkEngine struct {
	*hooked
	w *rambling
}

func (e walkEngine) CommitPart(ctx context.Context, c deed.PartCommit) error {
	err := e.hooked.CommitPart(ctx, c)
	if err != nil {
		return err
	}
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	for _, effect := range c.Effects {
		at := fmt.Sprint(effect.Put.Position)
		if key, twice := e.w.effects[at]; twice {
			e.w.t.Errorf("the record at %s brought about effects twice, of %s and of %s", at, key, effect.Key)
		}
		e.w.effects[at] = effect.Key
	}
	return nil
}

func newRambling(t *testing.T, seed uint64, others bool, modes ...deed.Mode) *rambling {
	rng := rand.New(rand.NewPCG(seed, 1))
	w := &rambling{
		t: t, rng: rng, path: filepath.Join(t.TempDir(), "log.db"), clock: deedtest.NewClock(deedtest.Start),
		limit: []int{1, 2, 4, 100, -1}[rng.IntN(5)], oracle: &oracle{flaws: map[int]flaw{}}, modes: modes, others: others, version: 1,
		models: map[string]*walker{}, follows: map[string]*follower{}, dice: rand.New(rand.NewPCG(seed, 2)), effects: map[string]string{},
	}
	limit := max(w.limit, 0)
	add := func(name string, handle func(*walker, deed.Record, walked) bool, again func(*walker, string, deed.Record, deed.Position, waits) bool) {
		m := newWalker(w.oracle, name, limit)
		m.handle, m.again, m.version = handle, again, 1
		m.log = func(after deed.Position) []deed.Record { return records(t, w.db, deed.Query{After: after}) }
		w.models[name] = m
	}
	for i, mode := range modes {
		add(w.view(i), projects, projectsAgain)
		if mode != deed.Live {
			w.follows[w.view(i)] = &follower{rows: map[string]string{}}
		}
	}
	if others {
		add("process", processes, processesAgain)
		add("tables", writes(badTables), writesAgain(badTables))
		add("reactor", writes(badReactor), writesAgain(badReactor))
	}
	return w
}

func badTables(f flaw) bool  { return f.routes || f.statement }
func badReactor(f flaw) bool { return f.reacts }

func (w *rambling) view(i int) string { return fmt.Sprintf("%s-%d", w.modes[i], i) }

func (w *rambling) chance(percent int) bool { return w.rng.IntN(100) < percent }

// begin opens the file and runs a service over it.
func (w *rambling) begin() {
	db, err := sqlite.Open(w.path, &sqlite.Options{Clock: w.clock})
	must(w.t, err)
	fail := func() error {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.flaky.Load() && w.dice.IntN(100) < 15 {
			return errors.New("the disk is away")
		}
		return nil
	}
	w.db = &hooked{DB: db, onCommitView: func(deed.ViewCommit) error { return fail() }, onCommitPart: func(deed.PartCommit) error { return fail() }}
	service, err := deed.NewService(deed.Config{Store: walkEngine{w.db, w}, Views: w.db, MaxParked: w.limit}, w.parts()...)
	must(w.t, err)
	w.service = startService(w.t, w.db, service)
	for _, m := range w.models {
		m.stopped = false
	}
}

// end stops the service and closes the file.
func (w *rambling) end() {
	w.service.stop()
	must(w.t, w.db.Close())
}

func (w *rambling) parts() []deed.Part {
	var parts []deed.Part
	for i := range w.modes {
		parts = append(parts, w.projection(i))
	}
	if !w.others {
		return parts
	}
	version := w.version
	return append(parts, deed.Process[journey, walked]{
		Name: "process", Version: version, Events: []walked{{}}, From: deed.FromStart(), Evolve: w.oracle.evolve,
		Key: func(r deed.Recorded[walked]) string {
			if w.oracle.of(r.Event.N).routes {
				panic("whose?")
			}
			return keyIn(version, r.Event)
		},
		React: func(_ journey, r deed.Recorded[walked]) []deed.Effect {
			if w.oracle.of(r.Event.N).reacts {
				panic("what now?")
			}
			return []deed.Effect{deed.Wake().In(10_000 * time.Hour)}
		},
	}, w.tables(), deed.Reactor[walked]{
		Name: "reactor", Events: []walked{{}}, From: deed.FromStart(),
		React: func(_ context.Context, r deed.Recorded[walked], _ string) ([]deed.Effect, error) {
			if w.oracle.of(r.Event.N).reacts {
				return nil, deed.Permanent(errors.New("no"))
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			w.reacted = append(w.reacted, r.Event.N)
			return nil, nil
		},
	})
}

func (w *rambling) tables() deed.Tables[walked] {
	return deed.Tables[walked]{
		Name: "tables", Events: []walked{{}},
		Create: []string{`CREATE TABLE {seen} (seq INTEGER PRIMARY KEY, n INTEGER NOT NULL CHECK (n > 0) UNIQUE)`},
		Write: func(r deed.Recorded[walked]) []deed.Statement {
			n, f := r.Event.N, w.oracle.of(r.Event.N)
			if f.routes {
				panic("where?")
			}
			statements := []deed.Statement{deed.SQL(`INSERT INTO {seen} (n) VALUES (?)`, n)}
			if f.statement {
				statements = append(statements, deed.SQL(`INSERT INTO {seen} (n) VALUES (-1)`))
			}
			return statements
		},
	}
}

func (w *rambling) projection(i int) deed.Projection[journey, walked] {
	return deed.Projection[journey, walked]{
		Name: w.view(i), Events: []walked{{}}, Index: []string{"owner"}, Mode: w.modes[i], Evolve: w.oracle.evolve,
		Route: func(r deed.Recorded[walked]) []deed.Target {
			if w.oracle.of(r.Event.N).routes {
				panic("where to?")
			}
			var targets []deed.Target
			for _, key := range r.Event.Keys {
				targets = append(targets, deed.ToKey(key))
			}
			for _, owner := range r.Event.From {
				targets = append(targets, deed.ToWhere("owner", owner))
			}
			return targets
		},
	}
}

func (w *rambling) pick(of ...string) string { return of[w.rng.IntN(len(of))] }

// event is a new one, broken or not.
func (w *rambling) event() walked {
	w.n++
	e := walked{N: w.n, Kind: w.pick("put", "put", "put", "rename", "drop")}
	for range w.rng.IntN(3) {
		e.Keys = append(e.Keys, w.pick("a", "b", "c", "d", "e"))
	}
	if e.Kind != "drop" {
		e.To = w.pick("", "x", "y")
	}
	if e.Kind == "rename" {
		for range w.rng.IntN(3) {
			e.From = append(e.From, w.pick("x", "y"))
		}
	}
	w.oracle.set(e.N, flaw{routes: w.chance(4), folds: w.chance(15), stores: w.chance(4), reacts: w.chance(7), statement: w.chance(7)})
	return e
}

// append stores some events, one by one or several in a batch.
func (w *rambling) append() {
	for range 1 + w.rng.IntN(5) {
		b := deed.Batch{}
		for _, stream := range []deed.StreamID{"walk-1", "walk-2", "walk-3"}[:1+w.rng.IntN(3)] {
			data, err := json.Marshal(w.event())
			must(w.t, err)
			b.Writes = append(b.Writes, deed.Write{Stream: stream, Version: deed.Any, Events: []deed.NewEvent{{ID: deed.NewID(), Type: "walked", Data: data}}})
		}
		must(w.t, second(w.db.Append(bounded(w.t), b)))
	}
}

// mend mends some of what is broken, and breaks something else.
func (w *rambling) mend() {
	for range 1 + w.rng.IntN(8) {
		if w.n > 0 {
			w.oracle.set(1+w.rng.IntN(w.n), flaw{})
		}
	}
	if w.n > 0 && w.chance(30) {
		w.oracle.set(1+w.rng.IntN(w.n), flaw{folds: true})
	}
}

// say tells a part to try again or to leave out something that it has parked.
func (w *rambling) say(name string) {
	held := w.service.parked(name)
	if len(held) == 0 {
		return
	}
	key := held[w.rng.IntN(len(held))].Key
	do := w.service.Control().Retry
	if w.chance(30) {
		do = w.service.Control().Skip
	}
	must(w.t, second(do(bounded(w.t), name, key)))
}

func (w *rambling) pause(name string) {
	m, do := w.models[name], w.service.Control().Pause
	if m.paused {
		do = w.service.Control().Resume
	}
	if _, err := do(bounded(w.t), name); errors.As(err, new(*deed.InvalidError)) {
		return // there is no loop
	} else if must(w.t, err); m.paused {
		m.stopped = false
	}
	m.paused = !m.paused
}

func (w *rambling) rebuild(name string) {
	m := w.models[name]
	if _, err := w.service.Control().Rebuild(bounded(w.t), name); m.paused || errors.As(err, new(*deed.InvalidError)) {
		return
	} else if must(w.t, err); w.follows[name] != nil {
		w.follows[name] = &follower{rows: map[string]string{}}
	}
	m.reset()
}

func (w *rambling) restart() {
	raise := w.others && w.chance(40)
	if raise { // how far the old version came is to be known
		w.check()
	}
	w.end()
	if raise {
		w.version++
		w.models["process"].raise()
	}
	for i, mode := range w.modes {
		if mode == deed.Live { // it has forgotten everything
			w.models[w.view(i)].reset()
		}
	}
	w.begin()
}

// run takes so many steps.
func (w *rambling) run(steps int) {
	w.begin()
	names := slices.Sorted(maps.Keys(w.models))
	for range steps {
		w.flaky.Store(w.chance(50))
		w.append()
		if w.chance(15) {
			w.restart()
		}
		w.check()
		if w.t.Failed() {
			break
		}
		w.flaky.Store(w.chance(50))
		for range w.rng.IntN(4) {
			switch name := w.pick(names...); w.rng.IntN(12) {
			case 0, 1:
				w.mend()
			case 2, 3, 4, 5, 6, 7:
				w.say(name)
			case 8, 9:
				w.pause(name)
			case 10:
				if !w.models[name].paused {
					w.rebuild(name)
				}
			case 11:
				w.restart()
			}
			w.check()
		}
	}
	w.end()
}
