// Package shoptest makes histories of the shop up, and holds its deciders, decisions, projections and processes against the
// laws that all of them keep to. A history is made without a store, by the same pure functions that a service runs, out of
// commands that make sense and commands that make none.
//
// The laws: Decide and Evolve change nothing that they are given, nor what they have returned before. A fold may be
// interrupted anywhere, and go on from the JSON form of its state. A state and its JSON form decide alike. What Decide
// refuses it refuses by name. What it stores survives its JSON form, is listed, and is seen by its own query. A command that
// is repeated at once stores nothing more.
package shoptest

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/deed-es/deed"
)

// T is what a broken law is told to; *testing.T is one.
type T interface {
	Helper()
	Fatalf(format string, args ...any)
}

// fold is the state after events, once the laws of folding have held for them.
func fold[S, E any](l *Log, what string, evolve func(S, E) S, events []E) S {
	l.t.Helper()
	states, texts := make([]S, len(events)+1), make([]string, len(events)+1)
	texts[0] = text(states[0])
	for i, e := range events {
		states[i+1] = evolve(states[i], e)
		texts[i+1] = text(states[i+1])
		evolve(states[i], events[l.other.IntN(len(events))]) // another way on from here, which is not to be seen on this one
	}
	for i, before := range texts {
		if now := text(states[i]); now != before {
			l.t.Fatalf("%s: Evolve changed a state that was there before, the one after %d of %d events:\n was %s\n  is %s", what, i, len(events), before, now)
		}
	}
	last, split := states[len(events)], l.other.IntN(len(events)+1)
	other := stored(l, what, states[split])
	for _, e := range events[split:] {
		other = evolve(other, e)
	}
	if !same(last, other) {
		l.t.Fatalf("%s: a fold of %d events that went on after %d from the stored state came elsewhere:\n got %s\nwant %s", what, len(events), split, text(other), text(last))
	}
	return last
}

// stored is what is left of a value once it was stored. Zero states and rows are kept nowhere.
func stored[V any](l *Log, what string, v V) V {
	l.t.Helper()
	if reflect.ValueOf(&v).Elem().IsZero() {
		return v
	}
	data, err := deed.EncodeJSON(v)
	if err != nil {
		l.t.Fatalf("%s: %T cannot be stored: %v", what, v, err)
	}
	back := reflect.New(reflect.TypeOf(v)) // V may be an interface
	if err := json.Unmarshal(data, back.Interface()); err != nil {
		l.t.Fatalf("%s: %T cannot be read back from %s: %v", what, v, data, err)
	}
	return back.Elem().Interface().(V)
}

// text shows all that a value holds.
func text(v any) string { return fmt.Sprintf("%+v", v) }

// same is reflect.DeepEqual, but takes nil and empty slices and maps for the same: JSON may leave either out.
func same(a, b any) bool {
	if reflect.DeepEqual(a, b) {
		return true
	}
	x, err := json.Marshal(a)
	y, other := json.Marshal(b)
	return err == nil && other == nil && string(x) == string(y) && text(a) == text(b)
}

// deciding is a decider or a decision.
type deciding[S any, C deed.Command, E deed.Event] struct {
	events []E
	decide func(S, C, deed.Meta) ([]E, error)
	evolve func(S, E) S
	// selects tells what the decision about c is made of.
	selects func(c C, r deed.Recorded[deed.Event]) bool
}

// decided returns what happens when c is asked for, once the laws of deciding have held for it.
func (d deciding[S, C, E]) decided(l *Log, c C, m deed.Meta) ([]E, error) {
	l.t.Helper()
	what := fmt.Sprintf("%s %s %s", c.CommandType(), m.Stream, text(c))
	var past []E
	for _, r := range l.Records {
		if e, ok := r.Event.(E); ok && d.lists(e) && d.selects(c, r) {
			past = append(past, e)
		}
	}
	state := fold(l, what, d.evolve, past)
	before := text(state)
	events, err := d.decide(state, c, m)
	if after := text(state); after != before {
		l.t.Fatalf("%s: Decide changed the state:\n was %s\n  is %s", what, before, after)
	}
	again, other := d.decide(stored(l, what, state), c, m)
	if !same(again, events) || fmt.Sprint(other) != fmt.Sprint(err) {
		l.t.Fatalf("%s: the stored state decides otherwise:\n got %s, %v\nwant %s, %v", what, text(again), other, text(events), err)
	}
	if err != nil {
		l.refused(what, err)
		if len(events) > 0 {
			l.t.Fatalf("%s: refused with %v, and %s happened", what, err, text(events))
		}
		return nil, err
	}
	for _, e := range events {
		if kept := stored(l, what, e); !same(kept, e) {
			l.t.Fatalf("%s: %T loses something when it is stored:\n got %s\nwant %s", what, e, text(kept), text(e))
		}
		r := l.record(e, m.Stream)
		if !d.lists(e) || !d.selects(c, r) {
			l.t.Fatalf("%s: %T happened, which the decision itself does not see", what, e)
		}
		state = d.evolve(state, e)
	}
	if more, err := d.decide(state, c, m); len(events) > 0 && err == nil && len(more) > 0 {
		l.t.Fatalf("%s: once more, it stores %s", what, text(more))
	}
	return events, nil
}

func (d deciding[S, C, E]) lists(e E) bool {
	return slices.ContainsFunc(d.events, func(known E) bool { return known.EventType() == e.EventType() })
}

// refused fails the test unless err is a refusal that has a name.
func (l *Log) refused(what string, err error) {
	l.t.Helper()
	if !errors.As(err, new(*deed.RejectedError)) && !errors.As(err, new(*deed.InvalidError)) && !errors.Is(err, deed.ErrNotFound) {
		l.t.Fatalf("%s: refused without a name: %v", what, err)
	}
}
