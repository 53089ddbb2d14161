package deed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
)

// processor is the running side of a process: it folds what comes in the log into states, and commits states, effects, mark, and
// what is parked.
type processor[S any, E Event] struct {
	process  Process[S, E]
	name     string // in the store: of the process's partition
	part     partition
	events   eventTypes[E]
	log      Reader
	store    Engine
	codec    Codec
	progress *progress
	executor *executor

	stored Checkpoint // what the store has; marks alone move it seldom
	live   Position
	states map[string]*S
	parking
	// While a new version folds anew, what the old one had parked and this one has not come to: effects of it were never made.
	unmade map[Position]bool
}

// storeMarkAfter is how far a mark moves, with nothing to store beside it, before it is stored.
const storeMarkAfter = 1000

// instance is a record with the key of the instance it belongs to, or why that is not known.
type instance[E Event] struct {
	Recorded[E]
	key   string
	fault error
}

func (p *processor[S, E]) spec(from *Position) PartSpec {
	p.progress.selects(p.match(), p.concerns)
	return PartSpec{Name: p.name, Kind: kindProcess, Version: p.process.version(), From: from, Log: p.store.Info()}
}

// fold runs until ctx is done or something fails.
func (p *processor[S, E]) fold(ctx context.Context) error {
	state, err := p.store.OpenPart(ctx, p.spec(nil))
	if err != nil {
		return err
	}
	if err := state.Checkpoint.verify(ctx, p.store); err != nil {
		return err
	}
	p.executor.notify() // a commit whose outcome nobody learned may have stored effects
	p.stored, p.live = state.Checkpoint, state.Live
	if err := p.begin(ctx); err != nil {
		return err
	}
	p.progress.begins(p.stored.Position, len(p.keys))
	defer p.rest(ctx)
	return follow(ctx, p.log, p.match(), p.stored.Position, func(records []Record, to Position) error {
		return p.step(ctx, records, to)
	})
}

// rest stores, when the loop is told to end, how far it has come: a new version makes no effects up to there.
func (p *processor[S, E]) rest(ctx context.Context) {
	at := p.progress.at()
	if ctx.Err() == nil || at <= p.stored.Position || len(p.unmade) > 0 {
		return
	}
	ctx, cancel := outliving(ctx, lastWords)
	defer cancel()
	_ = p.store.CommitPart(ctx, PartCommit{
		Part: p.name, Version: p.process.version(), Lease: p.progress.lease, From: p.stored.Position,
		Checkpoint: p.stored.after(p.store.Info(), nil, at),
	})
}

// concerns tells whether a record is for an instance of the partition, or may be.
func (p *processor[S, E]) concerns(ctx context.Context, record Record) bool {
	r, err := p.codec.Decode(ctx, record)
	if err != nil || isControl(record) {
		return true
	}
	in := p.instance(r)
	return in.fault != nil || in.key != ""
}

func (p *processor[S, E]) match() []Match {
	return append(p.process.match(p.events, p.codec), controlMatch(p.codec, p.process.Name))
}

// begin takes what is stored for all that is known.
func (p *processor[S, E]) begin(ctx context.Context) error {
	p.states, p.unmade = map[string]*S{}, map[Position]bool{}
	p.folded = func(position Position) bool { return !p.makes(position) }
	err := p.parking.load(func(after string, limit int) ([]ParkedKey, error) {
		return p.store.PartParked(ctx, p.name, after, limit)
	})
	if err == nil && p.stored.Position < p.live {
		err = p.inherit(ctx)
	}
	delete(p.keys, unmade)
	return err
}

// makes tells whether effects are made for the record at a position: they were not made before.
func (p *processor[S, E]) makes(position Position) bool {
	return position > p.live || p.unmade[position]
}

// step folds records and commits. What somebody has said about the part is a step of its own.
func (p *processor[S, E]) step(ctx context.Context, records []Record, to Position) error {
	return inSteps(records, to, func(records []Record, to Position) error { return p.several(ctx, records, to) },
		func(r Record) error { return p.controlled(ctx, r) })
}

// several folds records together, or one by one where a state of theirs cannot be stored, to find the one it is about.
func (p *processor[S, E]) several(ctx context.Context, records []Record, to Position) error {
	err := p.together(ctx, records, to)
	if !errors.As(err, new(*unstorable)) {
		return err
	}
	if err := p.begin(ctx); err != nil {
		return err
	}
	return oneByOne(records, to, func(records []Record, to Position) error { return p.together(ctx, records, to) })
}

// transition is what a step makes of a process.
type transition struct {
	changed map[string]Position // keys whose states have changed, and at which position last
	effects []EffectChange
}

// add says that a key's state has changed, and what that brings about.
func (t *transition) add(key string, at Position, effects []EffectChange) {
	t.changed[key] = at
	t.effects = append(t.effects, effects...)
}

// together folds records and commits what became of all of them; where one stops the part, of those before it.
func (p *processor[S, E]) together(ctx context.Context, records []Record, to Position) (err error) {
	ctx, end := p.progress.begin(ctx, records)
	defer func() { end(err) }()
	instances, err := p.decode(ctx, records)
	if err != nil {
		return err
	}
	if err := p.load(ctx, instances); err != nil {
		return err
	}
	t := transition{changed: map[string]Position{}}
	var stopped error
	for i, r := range instances {
		if stopped = p.apply(&t, r); stopped != nil {
			records, to = records[:i], p.progress.at()
			if i > 0 {
				to = records[i-1].Position
			}
			break
		}
	}
	if err := p.commit(ctx, t, records, to); err != nil {
		return err
	}
	return stopped
}

// apply folds one record into its instance, or parks it. An error says that this is one key too many; nothing has changed then.
func (p *processor[S, E]) apply(t *transition, r instance[E]) error {
	stream := lost(r.Stream)
	key := r.key
	if r.fault != nil || p.holds(stream) {
		key = stream
	}
	if key == "" {
		return nil
	}
	if p.holds(key) {
		p.park(key, r.Record, nil)
		return nil
	}
	fault := r.fault
	if fault == nil {
		var next S
		var effects []EffectChange
		if next, effects, fault = p.next(r, p.makes(r.Position)); fault == nil {
			*p.states[key] = next
			t.add(key, r.Position, effects)
			return nil
		}
	}
	if p.full(1) {
		return p.tooMany(r.Record, fault)
	}
	p.park(key, r.Record, fault)
	return nil
}

func (p *processor[S, E]) hold(key string, data []byte) error {
	p.states[key] = new(S)
	if data == nil {
		return nil
	}
	if err := json.Unmarshal(data, p.states[key]); err != nil {
		return fmt.Errorf("decode the state of %s: %w", key, err)
	}
	return nil
}

// commit stores states, effects, mark, and what is parked. Of a record alone, a state that cannot be stored is parked.
func (p *processor[S, E]) commit(ctx context.Context, t transition, records []Record, to Position) error {
	c := PartCommit{
		Part: p.name, Version: p.process.version(), Lease: p.progress.lease, From: p.stored.Position,
		Checkpoint: p.stored.after(p.store.Info(), records, to), Effects: t.effects,
	}
	for key, position := range t.changed {
		change, err := stateChange(key, *p.states[key], position)
		switch {
		case err == nil:
			c.States = append(c.States, change)
		case len(records) != 1:
			return &unstorable{err}
		case p.full(1):
			return p.tooMany(records[0], err)
		default:
			p.park(key, records[0], err)
			delete(p.states, key)
			c.Effects = nil
		}
	}
	inherited := len(p.unmade) > 0
	if inherited {
		p.release(unmade, to, false)
	}
	c.Parked = p.changes
	if len(c.States) > 0 || len(c.Effects) > 0 || len(c.Parked) > 0 || to >= p.stored.Position+storeMarkAfter {
		if err := p.store.CommitPart(ctx, c); err != nil {
			return err
		}
		p.stored = c.Checkpoint
	}
	p.forget()
	if inherited {
		maps.DeleteFunc(p.unmade, func(position Position, _ bool) bool { return position <= to })
	}
	for _, change := range c.States { // the next step goes on from what is stored, as it would after a restart
		if err := p.hold(change.Key, change.Data); err != nil {
			return err
		}
	}
	if len(c.Effects) > 0 {
		p.executor.notify()
	}
	if len(p.states) > heldRows {
		clear(p.states)
	}
	p.progress.reached(to, len(p.keys))
	return nil
}

// decode decodes records and finds out whose they are.
func (p *processor[S, E]) decode(ctx context.Context, records []Record) ([]instance[E], error) {
	instances := make([]instance[E], len(records))
	for i, record := range records {
		r, err := p.codec.Decode(ctx, record)
		if err != nil {
			return nil, err
		}
		instances[i] = p.instance(r)
	}
	return instances, nil
}

func (p *processor[S, E]) instance(r Record) instance[E] {
	in := instance[E]{Recorded: Recorded[E]{Record: r}}
	if isOwn(r) || r.Stream.Category() == processCategory { // else nobody's: written past deed
		if key, ours := strings.CutPrefix(string(r.Stream), string(processStream(p.process.Name, ""))); ours && isOwn(r) {
			in.key = key
		}
	} else if in.Event, in.fault = p.events.decode(r); in.fault == nil {
		in.fault = guard(func() error { in.key = p.process.Key(in.Recorded); return nil })
	}
	if in.fault == nil && in.key != "" {
		in.fault = ValidID(in.key)
	}
	if in.fault == nil && !p.part.has(in.key) {
		in.key = ""
	}
	return in
}

// load reads the states of instances that are not held.
func (p *processor[S, E]) load(ctx context.Context, instances []instance[E]) error {
	var keys []string
	for _, r := range instances {
		if _, held := p.states[r.key]; !held && r.key != "" && r.fault == nil {
			p.states[r.key] = new(S)
			keys = append(keys, r.key)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	stored, err := p.store.States(ctx, p.name, keys)
	if err != nil {
		return err
	}
	for key, data := range stored {
		if err := p.hold(key, data); err != nil {
			return err
		}
	}
	return nil
}

// next is the state of a record's instance after it, and what the record brings about, if effects are to be made; fault is why
// that cannot be told.
func (p *processor[S, E]) next(r instance[E], makes bool) (next S, changed []EffectChange, fault error) {
	state := p.states[r.key]
	var effects []Effect
	fault = guard(func() (err error) {
		if isOwn(r.Record) {
			next, effects, err = p.process.own(*state, r.Record)
			return err
		}
		next = p.process.Evolve(*state, r.Recorded)
		if makes {
			effects = p.process.React(next, r.Recorded)
		}
		return nil
	})
	if fault == nil && makes {
		changed, fault = changes(effects, origin{part: p.process.Name, stored: p.name, key: r.key, record: r.Record})
	}
	return next, changed, fault
}

func changes(effects []Effect, o origin) ([]EffectChange, error) {
	changes := make([]EffectChange, len(effects))
	for i, e := range effects {
		var err error
		if changes[i], err = e.change(o, i); err != nil {
			return nil, err
		}
	}
	return changes, nil
}

func stateChange[S any](key string, state S, position Position) (StateChange, error) {
	change := StateChange{Key: key, Position: position}
	if reflect.ValueOf(&state).Elem().IsZero() {
		return change, nil
	}
	err := guard(func() (err error) { change.Data, err = encodeJSON(state); return err })
	if err != nil {
		err = fmt.Errorf("encode the state of %s: %w", key, err)
	}
	return change, err
}
