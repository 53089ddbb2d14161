package deedtest

import (
	"errors"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/deed-es/deed"
)

// ProjectionTest is what a projection has been given. It is a value: each method returns a new one.
type ProjectionTest[V any, E deed.Event] struct {
	t          testing.TB
	projection deed.Projection[V, E]
	id         string
	time       time.Time
	given      []givenEvent[E]
}

type givenEvent[E deed.Event] struct {
	event E
	id    string
	time  time.Time
}

// Project begins a test of a projection. The events run through a service as they would in production.
func Project[V any, E deed.Event](t testing.TB, p deed.Projection[V, E]) ProjectionTest[V, E] {
	return ProjectionTest[V, E]{t: t, projection: p, id: "42", time: Start}
}

// On says the id of the thing that the following events are of, and the key that Then looks at.
func (p ProjectionTest[V, E]) On(id string) ProjectionTest[V, E] {
	p.id = id
	return p
}

// At says when the following events are recorded; the log's time does not run backwards.
func (p ProjectionTest[V, E]) At(t time.Time) ProjectionTest[V, E] {
	p.time = t
	return p
}

// Given adds what has happened.
func (p ProjectionTest[V, E]) Given(events ...E) ProjectionTest[V, E] {
	p.given = slices.Clone(p.given)
	for _, e := range events {
		p.given = append(p.given, givenEvent[E]{e, p.id, p.time})
	}
	return p
}

// Then expects the row of the key that On said.
func (p ProjectionTest[V, E]) Then(want V) {
	p.t.Helper()
	p.ThenRow(p.id, want)
}

// ThenRow expects the row of a key.
func (p ProjectionTest[V, E]) ThenRow(key string, want V) {
	p.t.Helper()
	got, err := p.row(key)
	if err != nil {
		p.t.Fatalf("row %s: %v", key, err)
	}
	if !reflect.DeepEqual(got, want) && digestJSON(got) != digestJSON(want) {
		p.t.Fatalf("row %s:\n got %+v\nwant %+v", key, got, want)
	}
}

// Gone expects that there is no row of the key that On said.
func (p ProjectionTest[V, E]) Gone() {
	p.t.Helper()
	if got, err := p.row(p.id); !errors.Is(err, deed.ErrNotFound) {
		p.t.Fatalf("row %s: got %+v, %v, want none", p.id, got, err)
	}
}

func (p ProjectionTest[V, E]) row(key string) (V, error) {
	p.t.Helper()
	checked := p.projection
	checked.Evolve = func(v V, r deed.Recorded[E]) V {
		next := pure(failLater{p.t}, "Evolve", v, func(v V) V { return p.projection.Evolve(v, r) })
		if !reflect.ValueOf(&next).Elem().IsZero() {
			sameInJSON(failLater{p.t}, next)
		}
		return next
	}
	s := Serve(p.t, checked)
	for i, given := range p.given {
		sameInJSON(p.t, given.event)
		s.Clock.Advance(max(given.time.Sub(s.Clock.Now()), 0))
		data, _ := deed.EncodeJSON(given.event)
		schema := 1
		if v, ok := any(given.event).(interface{ EventVersion() int }); ok {
			schema = v.EventVersion()
		}
		e := deed.NewEvent{ID: deed.HashID("given", strconv.Itoa(i)), Type: given.event.EventType(), Schema: schema, Data: data, Tags: tagsOf(given.event)}
		write := deed.Write{Stream: deed.Stream("thing", given.id), Version: deed.Any, Events: []deed.NewEvent{e}}
		if _, err := s.DB.Append(s.Context(), deed.Batch{Writes: []deed.Write{write}}); err != nil {
			p.t.Fatal(err)
		}
	}
	s.Settle()
	return checked.View(s.DB).Get(s.Context(), key, 0)
}

// failLater fails a test from a goroutine that is not the test's own.
type failLater struct{ testing.TB }

func (f failLater) Fatalf(format string, args ...any) { f.Errorf(format, args...) }
func (f failLater) Fatal(args ...any)                 { f.Error(args...) }
