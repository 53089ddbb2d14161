package deed

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Reactor is where the outside world is touched: mail, exchange rates, other people's services. It is called at least once
// per event. It stands beside its adapter, not in a domain package.
//
// Its effects go out in order, and have their names, by the id of the thing that an event is of, without its category: where it follows
// order-1 and customer-1, one of the one replaces or cancels one of the other that has the same name.
type Reactor[E Event] struct {
	// Name of the reactor: [a-z][a-z0-9-]*, unique in a log.
	Name string
	// Events is a value of every event that the reactor follows; others are passed over.
	Events []E
	// React does the work for one event and returns what follows from it; the effects commit with the reactor's mark. id is
	// the same on every call for the event, to be handed on so that the other side can tell a repetition. An error is tried
	// again with backoff, while later events wait. In the end, or at once where deed.Permanent says that trying again is of no
	// use, the event is parked with those that follow of its stream, and the others go on.
	React func(ctx context.Context, r Recorded[E], id string) ([]Effect, error)
	// Attempts is how often an event is tried before it is parked; 0 is 20, which takes some three minutes. While as many keys are
	// parked as Config.MaxParked allows, it counts for nothing, and so always where that is none: an error that may pass is then tried
	// until it does, and one that is Permanent stops the reactor.
	Attempts int
	// Partitions is into how many parts, by hash of stream, the events are cut, each followed on its own and on any node of a fleet; 0
	// is 1. It is fixed once the reactor has begun.
	Partitions int
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
	if r.Attempts < 0 {
		errs = append(errs, errors.New("Attempts: is negative"))
	}
	errs = append(errs, checkPartitions(r.Partitions))
	if err := errors.Join(errs...); err != nil {
		return types, fmt.Errorf("reactor %s: %w", r.Name, err)
	}
	return types, nil
}

// reacting is the running side of a reactor: one event after the other, each committed with its effects.
type reacting[E Event] struct {
	reactor  Reactor[E]
	name     string // in the store: of the reactor's partition
	part     partition
	events   eventTypes[E]
	log      Reader
	store    Engine
	codec    Codec
	progress *progress
	executor *executor
	stored   Checkpoint
	parking
}

func (p *reacting[E]) spec(from *Position) PartSpec {
	p.progress.selects(p.match(), func(_ context.Context, r Record) bool { return isControl(r) || p.part.has(string(r.Stream)) })
	return PartSpec{Name: p.name, Kind: kindReactor, Version: 1, From: from, Log: p.store.Info()}
}

func (p *reacting[E]) match() []Match {
	return []Match{{Types: p.events.names}, controlMatch(p.codec, p.reactor.Name)}
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
	p.executor.notify() // a commit whose outcome nobody learned may have stored effects
	p.stored = state.Checkpoint
	err = p.load(func(after string, limit int) ([]ParkedKey, error) {
		return p.store.PartParked(ctx, p.name, after, limit)
	})
	if err != nil {
		return err
	}
	p.progress.begins(p.stored.Position, len(p.keys))
	defer p.rest(ctx)
	return follow(ctx, p.log, p.match(), p.stored.Position, func(records []Record, to Position) error {
		for _, r := range records {
			if err := p.handle(ctx, r); err != nil {
				return err
			}
		}
		if to >= p.stored.Position+storeMarkAfter {
			return p.commit(ctx, nil, nil, to)
		}
		p.progress.reached(to, len(p.keys))
		return nil
	})
}

// rest stores, when the loop is told to end, how far it has come: whoever goes on may follow more events.
func (p *reacting[E]) rest(ctx context.Context) {
	if at := p.progress.at(); ctx.Err() != nil && at > p.stored.Position {
		p.forget()
		_ = p.commit(ctx, nil, nil, at)
	}
}

// handle does what follows from one record, and commits it.
func (p *reacting[E]) handle(ctx context.Context, record Record) error {
	key := string(record.Stream)
	switch {
	case isControl(record):
		return p.controlled(ctx, record)
	case !p.part.has(key):
		return nil
	case p.holds(key):
		p.park(key, record, nil)
		return p.commit(ctx, nil, []Record{record}, record.Position)
	}
	// While as many keys are parked as may be, trying does not end: something that all of them need is away.
	effects, fault, err := p.react(ctx, record, func(attempt int) bool { return attempt >= p.attempts() && !p.full(1) })
	if err != nil {
		return err
	}
	if fault != nil {
		if p.full(1) {
			return p.tooMany(record, fault)
		}
		p.park(key, record, fault)
	}
	return p.commit(ctx, effects, []Record{record}, record.Position)
}

// controlled does what somebody has said about a parked stream, or about an effect that is held back. What waits behind a
// record is reacted to one by one, each committed with its effects.
func (p *reacting[E]) controlled(ctx context.Context, record Record) error {
	c, err := decodeControl(ctx, p.codec, record)
	if err != nil {
		return err
	}
	if p.holds(c.Key) {
		err := p.retry(ctx, c, retrying{
			page: func(ctx context.Context, after Position, limit int) ([]ParkedRecord, error) {
				return p.store.PartParkedRecords(ctx, p.name, c.Key, after, limit)
			},
			record: func(ctx context.Context, position Position) (Record, error) { return recordAt(ctx, p.log, position) },
			again: func(ctx context.Context, parked Record, _ ParkedRecord) (fault, err error) {
				return p.again(ctx, c.Key, parked)
			},
		})
		if err != nil {
			return err
		}
	}
	if err := p.executor.controlled(ctx, p.name, c); err != nil {
		return err
	}
	return p.commit(ctx, nil, []Record{record}, record.Position)
}

// again reacts to a parked record, once, and commits it.
func (p *reacting[E]) again(ctx context.Context, key string, record Record) (fault, err error) {
	effects, fault, err := p.react(ctx, record, func(int) bool { return true })
	if err != nil || fault != nil {
		return fault, err
	}
	p.release(key, record.Position, false)
	return nil, p.commit(ctx, effects, nil, p.stored.Position)
}

const defaultAttempts = 20

func (p *reacting[E]) attempts() int {
	if p.reactor.Attempts == 0 {
		return defaultAttempts
	}
	return p.reactor.Attempts
}

// react calls the reactor until it answers, or an attempt is the last.
func (p *reacting[E]) react(ctx context.Context, record Record, last func(attempt int) bool) (_ []EffectChange, fault, err error) {
	r, err := p.codec.Decode(ctx, record)
	if err != nil {
		return nil, nil, err
	}
	e, fault := p.events.decode(r)
	if fault != nil {
		return nil, fault, nil
	}
	id := HashID("reaction", p.reactor.Name, r.ID)
	for attempt := 1; ; attempt++ {
		var effects []Effect
		err := p.call(ctx, Recorded[E]{Event: e, Record: r}, id, &effects)
		switch {
		case err == nil: // also where the service is told to stop by now: what is done is not to be done again
			changed, fault := p.changed(effects, r)
			return changed, fault, nil
		case ctx.Err() != nil:
			return nil, nil, ctx.Err()
		case errors.As(err, new(*permanentError)), errors.As(err, new(*PanicError)), last(attempt):
			return nil, err, nil
		}
		if !p.progress.backOff(ctx, fmt.Errorf("%s at position %d (%s): %w", r.Type, r.Position, r.Stream, err), record) {
			return nil, nil, ctx.Err()
		}
	}
}

func (p *reacting[E]) changed(effects []Effect, r Record) ([]EffectChange, error) {
	if slices.ContainsFunc(effects, func(e Effect) bool { return e.kind == effectWake }) {
		return nil, invalid("effect", "a reactor has no Woken; it cannot wake itself")
	}
	var changed []EffectChange
	err := guard(func() (err error) {
		changed, err = changes(effects, origin{part: p.reactor.Name, stored: p.name, key: r.Stream.ID(), record: r})
		return err
	})
	return changed, err
}

// call calls the reactor once.
func (p *reacting[E]) call(ctx context.Context, r Recorded[E], id string, effects *[]Effect) error {
	meta := r.Meta()
	ctx = WithMeta(ctx, Meta{Correlation: meta.Correlation, Causation: r.ID, Trace: meta.Trace})
	ctx, end := begin(ctx, p.progress.board.observer, Operation{
		Kind: OpReaction, Part: p.reactor.Name, Stream: r.Stream, Type: r.Type, Records: []Record{r.Record},
	})
	err := guard(func() (err error) {
		*effects, err = p.reactor.React(ctx, r, id)
		return err
	})
	end(err)
	return err
}

// commit stores effects, mark, and what is parked.
func (p *reacting[E]) commit(ctx context.Context, effects []EffectChange, records []Record, to Position) error {
	c := PartCommit{
		Part: p.name, Version: 1, Lease: p.progress.lease, From: p.stored.Position, Checkpoint: p.stored.after(p.store.Info(), records, to),
		Effects: effects, Parked: p.changes,
	}
	ending, cancel := outliving(ctx, lastWords)
	defer cancel()
	if err := p.store.CommitPart(ending, c); err != nil {
		return err
	}
	p.stored = c.Checkpoint
	p.forget()
	if len(effects) > 0 {
		p.executor.notify()
	}
	p.progress.reached(to, len(p.keys))
	return nil
}
