package deed

import (
	"errors"
	"fmt"
)

// Decider is the write side of a category of things: pure functions that decide what happens. The zero state is
// "nothing yet".
type Decider[S any, C Command, E Event] struct {
	// Category of the streams, one for each thing.
	Category string
	// Version of Evolve, raised when it changes its meaning; 0 is 1.
	Version int
	// Commands is a value of every command, Events one of every event that may stand in the category's streams.
	Commands []C
	Events   []E
	// Decide returns the events that a command brings about, none for "nothing to do", or why not: see Reject and
	// *InvalidError. It is pure: no I/O, no clock, no change to its arguments.
	Decide func(S, C) ([]E, error)
	// DecideWith may stand in place of Decide where time, actor or the thing's own id is needed.
	DecideWith func(S, C, Meta) ([]E, error)
	// Evolve returns the state after an event. It is pure.
	Evolve func(S, E) S
}

// Handler returns a handler of d's commands over a store. It owns a queue and a cache and is meant to be kept; handlers made
// apart share nothing and are right too.
func (d Decider[S, C, E]) Handler(store Store) *Handler[S, C, E] {
	return d.HandlerWith(store, nil)
}

// HandlerWith is Handler with options. An invalid decider answers every command with what is wrong with it.
func (d Decider[S, C, E]) HandlerWith(store Store, o *HandlerOptions) *Handler[S, C, E] {
	h := &Handler[S, C, E]{
		commanding: newCommanding(d.Category, store, o),
		decider:    d,
		decide:     decideFunc(d.Decide, d.DecideWith),
		cache:      newStateCache[S](o),
	}
	h.events, h.fault = d.types()
	h.handle = h.wrap(h.once)
	return h
}

// Send is the effect of sending a command to the thing with this id: at once, unless In or At say otherwise.
func (d Decider[S, C, E]) Send(id string, cmd C) Effect {
	return send(d.Category, id, cmd)
}

func (d Decider[S, C, E]) types() (eventTypes[E], error) {
	types, err := newEventTypes(d.Events)
	errs := []error{err, validDeciding(d.Category, d.Decide != nil, d.DecideWith != nil, d.Evolve != nil)}
	_, err = newCommandTypes(d.Commands)
	if err := errors.Join(append(errs, err)...); err != nil {
		return types, fmt.Errorf("decider %s: %w", d.Category, err)
	}
	return types, nil
}

func validDeciding(category string, decide, decideWith, evolve bool) error {
	var errs []error
	if !validCategory(category) {
		errs = append(errs, fmt.Errorf("Category: %q must be %s", category, categoryForm))
	}
	if category == processCategory {
		errs = append(errs, errors.New("Category: process is reserved"))
	}
	if decide == decideWith {
		errs = append(errs, errors.New("Decide: exactly one of Decide and DecideWith must be set"))
	}
	if !evolve {
		errs = append(errs, errors.New("Evolve: must be set"))
	}
	return errors.Join(errs...)
}

// decideFunc joins the two ways to decide into one that answers panics as errors.
func decideFunc[S any, C Command, E Event](plain func(S, C) ([]E, error), with func(S, C, Meta) ([]E, error)) func(S, C, Meta) ([]E, error, error) {
	return func(s S, c C, m Meta) (events []E, refusal, failure error) {
		failure = guard(func() error {
			if with != nil {
				events, refusal = with(s, c, m)
			} else {
				events, refusal = plain(s, c)
			}
			return nil
		})
		return events, refusal, failure
	}
}
