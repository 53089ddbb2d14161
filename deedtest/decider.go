// Package deedtest tests what is written with deed: deciders, projections and processes by given, when and then; a clock
// that is moved by hand; and a whole service in a test.
package deedtest

import (
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/deed-es/deed"
)

// Start is when the time of this package's tests begins, unless they say otherwise.
var Start = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// DeciderTest is what a decider or decision has been given. It is a value: each method returns a new one, so that tests can
// branch.
type DeciderTest[S any, C deed.Command, E deed.Event] struct {
	t       testing.TB
	decide  func(S, C, deed.Meta) ([]E, error)
	evolve  func(S, E) S
	selects func(id string, c C, e E) bool
	given   []E
	meta    deed.Meta
}

// For begins a test of a decider.
func For[S any, C deed.Command, E deed.Event](t testing.TB, d deed.Decider[S, C, E]) DeciderTest[S, C, E] {
	all := func(string, C, E) bool { return true }
	return newDeciderTest(t, d.Category, d.Decide, d.DecideWith, d.Evolve, all)
}

// ForDecision begins a test of a decision. It is given events of any stream; its query selects those it sees.
func ForDecision[S any, C deed.Command, E deed.Event](t testing.TB, d deed.Decision[S, C, E]) DeciderTest[S, C, E] {
	selects := func(id string, c C, e E) bool {
		listed := slices.ContainsFunc(d.Events, func(known E) bool { return known.EventType() == e.EventType() })
		return listed && deed.MatchAny(d.Query(id, c), e.EventType(), tagsOf(e))
	}
	return newDeciderTest(t, d.Category, d.Decide, d.DecideWith, d.Evolve, selects)
}

func newDeciderTest[S any, C deed.Command, E deed.Event](
	t testing.TB, category string, plain func(S, C) ([]E, error), with func(S, C, deed.Meta) ([]E, error),
	evolve func(S, E) S, selects func(string, C, E) bool,
) DeciderTest[S, C, E] {
	decide := with
	if decide == nil {
		decide = func(s S, c C, _ deed.Meta) ([]E, error) { return plain(s, c) }
	}
	return DeciderTest[S, C, E]{
		t: t, decide: decide, selects: selects,
		evolve: func(s S, e E) S { return pure(t, "Evolve", s, func(s S) S { return evolve(s, e) }) },
		meta:   deed.Meta{Now: Start, Stream: deed.Stream(category, "42")},
	}
}

func tagsOf(e deed.Event) []string {
	if tagged, ok := e.(interface{ EventTags() []string }); ok {
		return tagged.EventTags()
	}
	return nil
}

// On says the id of the thing; it is "42" unless said.
func (d DeciderTest[S, C, E]) On(id string) DeciderTest[S, C, E] {
	d.meta.Stream = deed.Stream(d.meta.Stream.Category(), id)
	return d
}

// With says who asks and when; its Stream is taken if it is not empty.
func (d DeciderTest[S, C, E]) With(m deed.Meta) DeciderTest[S, C, E] {
	if m.Stream == "" {
		m.Stream = d.meta.Stream
	}
	d.meta = m
	return d
}

// Given adds what has happened before.
func (d DeciderTest[S, C, E]) Given(events ...E) DeciderTest[S, C, E] {
	d.t.Helper()
	for _, e := range events {
		sameInJSON(d.t, e)
	}
	d.given = append(slices.Clone(d.given), events...)
	return d
}

// When asks for cmd.
func (d DeciderTest[S, C, E]) When(cmd C) Decided[E] {
	d.t.Helper()
	sameInJSON(d.t, cmd)
	var state S
	for _, e := range d.given {
		if d.selects(d.meta.Stream.ID(), cmd, e) {
			state = d.evolve(state, e)
		}
	}
	var events []E
	var err error
	pure(d.t, "Decide", state, func(s S) S {
		events, err = d.decide(s, cmd, d.meta)
		return s
	})
	for _, e := range events {
		sameInJSON(d.t, e)
		state = d.evolve(state, e)
	}
	return Decided[E]{d.t, cmd, events, err}
}

// Decided is what came of a command.
type Decided[E deed.Event] struct {
	t      testing.TB
	cmd    deed.Command
	events []E
	err    error
}

// Then expects these events and no others.
func (d Decided[E]) Then(want ...E) {
	d.t.Helper()
	if d.err != nil {
		d.t.Fatalf("%s: refused: %v\nwant %v", d.cmd.CommandType(), d.err, describe(want))
	}
	if len(want) != len(d.events) || len(want) > 0 && !reflect.DeepEqual(d.events, want) {
		d.t.Fatalf("%s:\n got %v\nwant %v", d.cmd.CommandType(), describe(d.events), describe(want))
	}
}

// Nothing expects that there was nothing to do.
func (d Decided[E]) Nothing() {
	d.t.Helper()
	d.Then()
}

// Refused expects a refusal that is, or wraps, want.
func (d Decided[E]) Refused(want error) {
	d.t.Helper()
	if d.err == nil {
		d.t.Fatalf("%s: got %v, want the refusal %q", d.cmd.CommandType(), describe(d.events), want)
	}
	if !errors.Is(d.err, want) {
		d.t.Fatalf("%s: refused with %q, want %q", d.cmd.CommandType(), d.err, want)
	}
}

// Invalid expects a refusal about one field.
func (d Decided[E]) Invalid(field string) {
	d.t.Helper()
	var invalid *deed.InvalidError
	if !errors.As(d.err, &invalid) || invalid.Field != field {
		d.t.Fatalf("%s: got %v and the error %v, want a refusal about the field %q", d.cmd.CommandType(), describe(d.events), d.err, field)
	}
}
