package deed

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Decision is a decider for a boundary wider than a stream (a dynamic consistency boundary): its state is folded from a
// query made of the command, and its events are appended under a check that nothing more matches that query. What must hold
// of the own stream goes into the query too, by a tag.
type Decision[S any, C Command, E Event] struct {
	// Category of the things that the commands are sent to.
	Category string
	// Commands is a value of every command, Events one of every event that the query may select or Decide return.
	// Selected events of other types are passed over.
	Commands []C
	Events   []E
	// Query says which events the decision about a command depends on; any of the items.
	Query func(id string, c C) []Match
	// Stream says where an event goes; nil: all to the thing's own stream.
	Stream func(id string, e E) StreamID
	// Decide, DecideWith and Evolve are as in Decider.
	Decide     func(S, C) ([]E, error)
	DecideWith func(S, C, Meta) ([]E, error)
	Evolve     func(S, E) S
}

// Handler returns a handler of d's commands over a store.
func (d Decision[S, C, E]) Handler(store Store) *DecisionHandler[S, C, E] {
	return d.HandlerWith(store, nil)
}

// HandlerWith is Handler with options. An invalid decision answers every command with what is wrong with it.
func (d Decision[S, C, E]) HandlerWith(store Store, o *HandlerOptions) *DecisionHandler[S, C, E] {
	h := &DecisionHandler[S, C, E]{
		commanding: newCommanding(d.Category, store, o),
		decision:   d,
		decide:     decideFunc(d.Decide, d.DecideWith),
	}
	h.events, h.fault = d.types()
	h.handle = h.wrap(h.once)
	return h
}

// Send is the effect of sending a command to the thing with this id: at once, unless In or At say otherwise.
func (d Decision[S, C, E]) Send(id string, cmd C) Effect { return send(d.Category, id, cmd) }

func (d Decision[S, C, E]) types() (eventTypes[E], error) {
	types, err := newEventTypes(d.Events)
	errs := []error{err, validDeciding(d.Category, d.Decide != nil, d.DecideWith != nil, d.Evolve != nil)}
	if d.Query == nil {
		errs = append(errs, errors.New("Query: must be set"))
	}
	_, err = newCommandTypes(d.Commands)
	if err := errors.Join(append(errs, err)...); err != nil {
		return types, fmt.Errorf("decision of %s: %w", d.Category, err)
	}
	return types, nil
}

// DecisionHandler handles the commands of one decision. All methods may be called by many goroutines at once.
type DecisionHandler[S any, C Command, E Event] struct {
	commanding
	decision Decision[S, C, E]
	events   eventTypes[E]
	decide   func(S, C, Meta) (events []E, refusal, failure error)
	fault    error
	handle   HandleFunc
}

// Handle handles cmd for the thing with this id; see Handler.Handle. Conflicts come as *CheckError.
func (h *DecisionHandler[S, C, E]) Handle(ctx context.Context, id string, cmd C) (Receipt, error) {
	return h.HandleAt(ctx, id, Any, cmd)
}

// HandleAt is Handle if the thing's own stream is at this version, and ErrConflict if not; it does not try again.
func (h *DecisionHandler[S, C, E]) HandleAt(ctx context.Context, id string, version Version, cmd C) (Receipt, error) {
	if h.fault != nil {
		return Receipt{}, h.fault
	}
	return h.start(ctx, id, version, cmd, h.handle)
}

// Load returns the state that a decision about c would be made from now, and the position of the last event in it.
func (h *DecisionHandler[S, C, E]) Load(ctx context.Context, id string, c C) (S, Position, error) {
	var f folded[S]
	if h.fault != nil {
		return f.state, 0, h.fault
	}
	err := guard(func() error {
		matches, err := h.query(id, c)
		if err == nil {
			f, err = h.read(ctx, matches, f)
		}
		return err
	})
	if err != nil {
		return f.state, 0, fmt.Errorf("load for %T %s: %w", c, Stream(h.category, id), err)
	}
	return f.state, f.position, nil
}

func (h *DecisionHandler[S, C, E]) once(ctx context.Context, req Request) (Receipt, error) {
	cmd, ok := req.Command.(C)
	if !ok {
		return Receipt{}, invalid("command", fmt.Sprintf("%T is no command of this decision of %s", req.Command, h.category))
	}
	matches, err := h.query(req.Stream.ID(), cmd)
	if err != nil {
		return Receipt{}, err
	}
	var f folded[S]
	return h.retried(ctx, req, func(bool) (Receipt, error) {
		if req.At != Any {
			if _, err := h.end(ctx, req); err != nil {
				return Receipt{}, err
			}
		}
		if f, err = h.read(ctx, matches, f); err != nil {
			return Receipt{}, err
		}
		return h.attempt(ctx, req, cmd, matches, f)
	})
}

func (h *DecisionHandler[S, C, E]) attempt(ctx context.Context, req Request, cmd C, matches []Match, f folded[S]) (Receipt, error) {
	events, refusal, failure := h.decide(f.state, cmd, req.Meta)
	switch {
	case failure != nil:
		return Receipt{}, failure
	case refusal != nil:
		return Receipt{}, rejected(refusal)
	}
	condition := Check{Match: matches, After: f.position}
	if len(events) == 0 {
		return h.nothing(ctx, req, condition)
	}
	streamOf := func(e E) StreamID {
		if h.decision.Stream == nil {
			return req.Stream
		}
		return h.decision.Stream(req.Stream.ID(), e)
	}
	events = slices.Clone(events) // Decide may keep its own
	encoded, err := encodeAll(ctx, h.commanding, h.events, req.Meta, events, streamOf)
	if err != nil {
		return Receipt{}, err
	}
	b := Batch{Checks: []Check{condition}, Command: req.ref}
	if req.ref.ID == "" { // writes with Any can be repeated after an unknown outcome only under a command's id
		b.Command.ID = h.newID()
	}
	for i, e := range events {
		stream := streamOf(e)
		if stream.Category() == processCategory {
			return Receipt{}, invalid("stream", fmt.Sprintf("%s is a process's own; nobody else writes there", stream))
		}
		b.Writes = addWrite(b.Writes, stream, encoded[i])
	}
	if req.At != Any {
		b = b.at(req.Stream, req.At)
	}
	return h.append(ctx, b)
}

// nothing answers a decision without events: where the own stream stands, stored if the command has an id.
func (h *DecisionHandler[S, C, E]) nothing(ctx context.Context, req Request, condition Check) (Receipt, error) {
	end, err := h.end(ctx, req)
	if err != nil {
		return Receipt{}, err
	}
	if req.ref.ID != "" {
		return h.append(ctx, Batch{Checks: []Check{{Stream: req.Stream, Version: end.Version}, condition}, Command: req.ref})
	}
	return Receipt{Position: max(end.Position, condition.After), Streams: []StreamVersion{{req.Stream, end.Version}}}, nil
}

// end returns the last record of the thing's own stream; a *ConflictError if that is not the version asked for.
func (h *DecisionHandler[S, C, E]) end(ctx context.Context, req Request) (Record, error) {
	var last Record
	for r, err := range h.store.Read(ctx, Query{Stream: req.Stream, Backward: true, Limit: 1}) {
		if err != nil {
			return last, err
		}
		last = r
	}
	if !req.At.Holds(last.Version) {
		return last, &ConflictError{Stream: req.Stream, Want: req.At, Actual: last.Version}
	}
	return last, nil
}

func addWrite(writes []Write, stream StreamID, e NewEvent) []Write {
	for i := range writes {
		if writes[i].Stream == stream {
			writes[i].Events = append(writes[i].Events, e)
			return writes
		}
	}
	return append(writes, Write{Stream: stream, Version: Any, Events: []NewEvent{e}})
}

// at adds to b that stream must have a version.
func (b Batch) at(stream StreamID, version Version) Batch {
	for i := range b.Writes {
		if b.Writes[i].Stream == stream {
			b.Writes[i].Version = version
			return b
		}
	}
	b.Checks = append(b.Checks, Check{Stream: stream, Version: version})
	return b
}

func (h *DecisionHandler[S, C, E]) query(id string, c C) ([]Match, error) {
	var matches []Match
	if err := guard(func() error { matches = h.decision.Query(id, c); return nil }); err != nil {
		return nil, err
	}
	if len(matches) == 0 {
		return nil, fmt.Errorf("the query of %s selects everything; it must name types or tags", c.CommandType())
	}
	return codecMatches(h.codec, matches), nil
}

// read folds what matches after f.
func (h *DecisionHandler[S, C, E]) read(ctx context.Context, matches []Match, f folded[S]) (folded[S], error) {
	for r, err := range h.store.Read(ctx, Query{Match: matches, After: f.position}) {
		if err != nil {
			return f, err
		}
		if r, err = h.codec.Decode(ctx, r); err != nil {
			return f, err
		}
		if h.events.knows(r.Type) {
			e, err := h.events.decode(r)
			if err != nil {
				return f, err
			}
			if err := guard(func() error { f.state = h.decision.Evolve(f.state, e); return nil }); err != nil {
				return f, fmt.Errorf("fold %s at position %d: %w", r.Type, r.Position, err)
			}
		}
		f.position = r.Position
	}
	return f, nil
}
