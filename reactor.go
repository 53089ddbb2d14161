package deed

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Reactor is where the outside world is touched: mail, exchange rates, other people's services. It is called at least once
// per event. It stands beside its adapter, not in a domain package.
type Reactor[E Event] struct {
	// Name of the reactor: [a-z][a-z0-9-]*, unique in a log.
	Name string
	// Events is a value of every event that the reactor follows; others are passed over.
	Events []E
	// React does the work for one event and returns what follows from it; the effects commit with the reactor's mark. id is
	// the same on every call for the event, to be handed on so that the other side can tell a repetition. An error is tried
	// again with backoff, later events wait; deed.Permanent says that trying again is of no use.
	React func(ctx context.Context, r Recorded[E], id string) ([]Effect, error)
	// From is where a reactor begins that is new to a log which has events already; NewService refuses it without.
	From From
}

func (r Reactor[E]) types() (eventTypes[E], error) {
	types, err := newEventTypes(r.Events)
	errs := []error{err}
	if !validName(r.Name) {
		errs = append(errs, fmt.Errorf("Name: %q must be %s", r.Name, nameForm))
	}
	if r.React == nil {
		errs = append(errs, errors.New("React: must be set"))
	}
	if err := errors.Join(errs...); err != nil {
		return types, fmt.Errorf("reactor %s: %w", r.Name, err)
	}
	return types, nil
}

// reacting is the running side of a reactor: one event after the other, each committed with its effects.
type reacting[E Event] struct {
	reactor  Reactor[E]
	events   eventTypes[E]
	log      Reader
	store    Engine
	codec    Codec
	progress *progress
	executor *executor
	stored   Checkpoint
}

func (p *reacting[E]) spec(from *Position) PartSpec {
	return PartSpec{Name: p.reactor.Name, Kind: kindReactor, Version: 1, From: from, Log: p.store.Info()}
}

// follow runs until ctx is done or something fails.
func (p *reacting[E]) follow(ctx context.Context) error {
	state, err := p.store.OpenPart(ctx, p.spec(nil))
	if err != nil {
		return err
	}
	if err := state.Checkpoint.verify(ctx, p.store); err != nil {
		return err
	}
	p.stored = state.Checkpoint
	p.progress.begins(p.stored.Position)
	return follow(ctx, p.log, []Match{{Types: p.events.names}}, p.stored.Position, func(records []Record, to Position) error {
		for _, r := range records {
			if err := p.handle(ctx, r); err != nil {
				return err
			}
		}
		if to >= p.stored.Position+storeMarkAfter {
			if err := p.commit(ctx, nil, nil, to); err != nil {
				return err
			}
		}
		p.progress.reached(to)
		return nil
	})
}

func (p *reacting[E]) handle(ctx context.Context, record Record) error {
	effects, err := p.react(ctx, record)
	if err != nil {
		return err
	}
	if err := p.commit(ctx, effects, []Record{record}, record.Position); err != nil {
		return err
	}
	if len(effects) > 0 {
		p.executor.notify()
	}
	p.progress.reached(record.Position)
	return nil
}

// react calls the reactor until it answers.
func (p *reacting[E]) react(ctx context.Context, record Record) ([]EffectChange, error) {
	r, err := p.codec.Decode(ctx, record)
	if err != nil {
		return nil, err
	}
	e, err := p.events.decode(r)
	if err != nil {
		return nil, &recordError{record, err}
	}
	id := HashID("reaction", p.reactor.Name, r.ID)
	for {
		var effects []Effect
		err := guard(func() (err error) {
			effects, err = p.reactor.React(ctx, Recorded[E]{Event: e, Record: r}, id)
			return err
		})
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err == nil:
			if slices.ContainsFunc(effects, func(e Effect) bool { return e.kind == effectWake }) {
				return nil, &recordError{record, invalid("effect", "a reactor has no Woken; it cannot wake itself")}
			}
			changed, err := changes(effects, origin{part: p.reactor.Name, key: r.Stream.ID(), record: r})
			if err != nil {
				return nil, &recordError{record, err}
			}
			return changed, nil
		case errors.As(err, new(*permanentError)), errors.As(err, new(*PanicError)):
			return nil, &recordError{record, err}
		}
		if !p.progress.backOff(ctx, fmt.Errorf("%s at position %d (%s): %w", r.Type, r.Position, r.Stream, err), record) {
			return nil, ctx.Err()
		}
	}
}

func (p *reacting[E]) commit(ctx context.Context, effects []EffectChange, records []Record, to Position) error {
	c := PartCommit{Part: p.reactor.Name, Version: 1, From: p.stored.Position, Checkpoint: p.stored.after(p.store.Info(), records, to), Effects: effects}
	if err := p.store.CommitPart(ctx, c); err != nil {
		return err
	}
	p.stored = c.Checkpoint
	return nil
}
