package deedtest

import (
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/deed-es/deed"
)

// ProcessTest is what a process has been given. It is a value: each method returns a new one.
type ProcessTest[S any, E deed.Event] struct {
	t       testing.TB
	process deed.Process[S, E]
	stream  deed.StreamID
	time    time.Time
	given   []deed.Recorded[E]
}

// React begins a test of a process.
func React[S any, E deed.Event](t testing.TB, p deed.Process[S, E]) ProcessTest[S, E] {
	return ProcessTest[S, E]{t: t, process: p, stream: "thing-42", time: Start}
}

// On says the id of the thing that the following events are of.
func (p ProcessTest[S, E]) On(id string) ProcessTest[S, E] {
	p.stream = deed.Stream("thing", id)
	return p
}

// At says when the following events are recorded.
func (p ProcessTest[S, E]) At(t time.Time) ProcessTest[S, E] {
	p.time = t
	return p
}

// Given adds what has happened before.
func (p ProcessTest[S, E]) Given(events ...E) ProcessTest[S, E] {
	p.t.Helper()
	p.given = slices.Clone(p.given)
	for _, e := range events {
		p.given = append(p.given, record(p.t, e, p.stream, p.time, len(p.given)+1))
	}
	return p
}

// When lets e happen.
func (p ProcessTest[S, E]) When(e E) Reacted {
	p.t.Helper()
	r := record(p.t, e, p.stream, p.time, len(p.given)+1)
	key := p.process.Key(r)
	if key == "" {
		return Reacted{p.t, e.EventType(), nil}
	}
	state := p.evolve(p.fold(key), r)
	var effects []deed.Effect
	pure(p.t, "React", state, func(s S) S {
		effects = p.process.React(s, r)
		return s
	})
	return Reacted{p.t, e.EventType(), effects}
}

// WhenWoken lets a Wake effect of the instance of the last event given fall due.
func (p ProcessTest[S, E]) WhenWoken(w deed.Wakeup) Reacted {
	p.t.Helper()
	_, effects := p.process.Woken(p.fold(p.lastKey()), w)
	return Reacted{p.t, "waking up", effects}
}

// WhenRefused lets a command of the instance of the last event given be refused.
func (p ProcessTest[S, E]) WhenRefused(r deed.Refusal) Reacted {
	p.t.Helper()
	_, effects := p.process.Refused(p.fold(p.lastKey()), r)
	return Reacted{p.t, "a refusal", effects}
}

func (p ProcessTest[S, E]) lastKey() string {
	if len(p.given) == 0 {
		return ""
	}
	return p.process.Key(p.given[len(p.given)-1])
}

// fold is the state of the instance with this key after what was given.
func (p ProcessTest[S, E]) fold(key string) S {
	p.t.Helper()
	var state S
	for _, r := range p.given {
		if p.process.Key(r) == key {
			state = p.evolve(state, r)
		}
	}
	return state
}

func (p ProcessTest[S, E]) evolve(state S, r deed.Recorded[E]) S {
	p.t.Helper()
	next := pure(p.t, "Evolve", state, func(s S) S { return p.process.Evolve(s, r) })
	if !reflect.ValueOf(&next).Elem().IsZero() {
		sameInJSON(p.t, next)
	}
	return next
}

// record is e as if it were stored.
func record[E deed.Event](t testing.TB, e E, stream deed.StreamID, at time.Time, n int) deed.Recorded[E] {
	t.Helper()
	sameInJSON(t, e)
	data, _ := deed.EncodeJSON(e)
	return deed.Recorded[E]{Event: e, Record: deed.Record{
		NewEvent: deed.NewEvent{ID: deed.HashID("event", strconv.Itoa(n)), Type: e.EventType(), Schema: 1, Data: data, Tags: tagsOf(e)},
		Stream:   stream, Version: deed.Version(n), Position: deed.Position(n), Time: at,
	}}
}

// Reacted is what a process wants done.
type Reacted struct {
	t       testing.TB
	to      string
	effects []deed.Effect
}

// Then expects these effects and no others, in this order.
func (r Reacted) Then(want ...deed.Effect) {
	r.t.Helper()
	if len(want) != len(r.effects) || len(want) > 0 && !reflect.DeepEqual(r.effects, want) {
		r.t.Fatalf("reacting to %s:\n got %v\nwant %v", r.to, describe(r.effects), describe(want))
	}
}

// Nothing expects that nothing is to be done.
func (r Reacted) Nothing() {
	r.t.Helper()
	r.Then()
}
