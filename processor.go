package deed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// processor is the running side of a process: it folds what comes in the log into states, and commits states, effects and
// mark.
type processor[S any, E Event] struct {
	process  Process[S, E]
	events   eventTypes[E]
	log      Reader
	store    Engine
	codec    Codec
	progress *progress
	executor *executor

	stored Checkpoint // what the store has; marks alone move it seldom
	live   Position
	states map[string]*S
}

// storeMarkAfter is how far a mark moves, with nothing to store beside it, before it is stored.
const storeMarkAfter = 1000

// instance is a record with the key of the instance it belongs to.
type instance[E Event] struct {
	Recorded[E]
	key string
}

func (p *processor[S, E]) spec(from *Position) PartSpec {
	return PartSpec{Name: p.process.Name, Kind: kindProcess, Version: p.process.version(), From: from, Log: p.store.Info()}
}

// fold runs until ctx is done or something fails.
func (p *processor[S, E]) fold(ctx context.Context) error {
	p.states = map[string]*S{}
	state, err := p.store.OpenPart(ctx, p.spec(nil))
	if err != nil {
		return err
	}
	if err := state.Checkpoint.verify(ctx, p.store); err != nil {
		return err
	}
	p.stored, p.live = state.Checkpoint, state.Live
	p.progress.begins(p.stored.Position)
	return follow(ctx, p.log, p.process.match(p.events, p.codec), p.stored.Position, func(records []Record, to Position) error {
		return p.step(ctx, records, to)
	})
}

// step folds records and commits. Where one fails for good, those before it are committed.
func (p *processor[S, E]) step(ctx context.Context, records []Record, to Position) error {
	err := p.together(ctx, records, to)
	if !errors.As(err, new(*unstorable)) {
		return err
	}
	p.states = map[string]*S{}
	return oneByOne(records, to, func(records []Record, to Position) error { return p.together(ctx, records, to) })
}

// together folds records and commits what became of all of them.
func (p *processor[S, E]) together(ctx context.Context, records []Record, to Position) error {
	instances, failed := p.decode(ctx, records)
	if failed != nil && !errors.As(failed, new(*recordError)) {
		return failed
	}
	if err := p.load(ctx, instances); err != nil {
		return err
	}
	c := PartCommit{Part: p.process.Name, Version: p.process.version(), From: p.stored.Position}
	changed := map[string]Position{}
	for i, r := range instances {
		effects, err := p.apply(r)
		if err != nil {
			failed, instances = &recordError{r.Record, err}, instances[:i]
			break
		}
		if r.key != "" {
			changed[r.key] = r.Position
			c.Effects = append(c.Effects, effects...)
		}
	}
	if failed != nil {
		to = p.progress.position
		if len(instances) > 0 {
			to = instances[len(instances)-1].Position
		}
	}
	for key, position := range changed {
		var change StateChange
		err := guard(func() (err error) { change, err = stateChange(key, *p.states[key], position); return err })
		if err != nil {
			return &unstorable{err}
		}
		c.States = append(c.States, change)
	}
	if err := p.commit(ctx, c, records[:len(instances)], to); err != nil {
		return err
	}
	// The next step goes on from what is stored, as it would after a restart.
	for _, change := range c.States {
		if err := p.hold(change.Key, change.Data); err != nil {
			return err
		}
	}
	return failed
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

func (p *processor[S, E]) commit(ctx context.Context, c PartCommit, records []Record, to Position) error {
	c.Checkpoint = p.stored.after(p.store.Info(), records, to)
	if len(c.States) > 0 || len(c.Effects) > 0 || to >= p.stored.Position+storeMarkAfter {
		if err := p.store.CommitPart(ctx, c); err != nil {
			return err
		}
		p.stored = c.Checkpoint
	}
	if len(c.Effects) > 0 {
		p.executor.notify()
	}
	if len(p.states) > heldRows {
		clear(p.states)
	}
	p.progress.reached(to)
	return nil
}

func (p *processor[S, E]) decode(ctx context.Context, records []Record) ([]instance[E], error) {
	instances := make([]instance[E], 0, len(records))
	for _, record := range records {
		r, err := p.codec.Decode(ctx, record)
		if err != nil {
			return instances, err
		}
		in := instance[E]{Recorded: Recorded[E]{Record: r}}
		if isOwn(r) || r.Stream.Category() == processCategory { // else nobody's: written past deed
			if key, ours := strings.CutPrefix(string(r.Stream), string(processStream(p.process.Name, ""))); ours && isOwn(r) {
				in.key = key
			}
		} else if in.Event, err = p.events.decode(r); err == nil {
			err = guard(func() error { in.key = p.process.Key(in.Recorded); return nil })
		}
		if err == nil && in.key != "" {
			err = ValidID(in.key)
		}
		if err != nil {
			return instances, &recordError{record, err}
		}
		instances = append(instances, in)
	}
	return instances, nil
}

// load reads the states of instances that are not held.
func (p *processor[S, E]) load(ctx context.Context, instances []instance[E]) error {
	var keys []string
	for _, r := range instances {
		if _, held := p.states[r.key]; !held && r.key != "" {
			p.states[r.key] = new(S)
			keys = append(keys, r.key)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	stored, err := p.store.States(ctx, p.process.Name, keys)
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

// apply folds one record into its instance's state and returns what it brings about.
func (p *processor[S, E]) apply(r instance[E]) ([]EffectChange, error) {
	if r.key == "" {
		return nil, nil
	}
	state := p.states[r.key]
	var next S
	var effects []Effect
	err := guard(func() (err error) {
		if isOwn(r.Record) {
			next, effects, err = p.process.own(*state, r.Record)
			return err
		}
		next = p.process.Evolve(*state, r.Recorded)
		if r.Position > p.live {
			effects = p.process.React(next, r.Recorded)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if r.Position <= p.live {
		effects = nil
	}
	changed, err := changes(effects, origin{part: p.process.Name, key: r.key, record: r.Record})
	if err == nil {
		*state = next
	}
	return changed, err
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
	var err error
	if change.Data, err = encodeJSON(state); err != nil {
		err = fmt.Errorf("encode the state of %s: %w", key, err)
	}
	return change, err
}
