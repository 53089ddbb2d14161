package deed

import (
	"errors"
	"fmt"
	"reflect"
	"time"
)

// Projection folds events into a view: one value of V per key. View and mark are stored together, so that each event counts
// once in each row.
type Projection[V any, E Event] struct {
	// Name of the view: [a-z][a-z0-9-]*, unique in a log.
	Name string
	// Version is raised when Evolve, Key or Route change their meaning, so that the view is made anew; 0 is 1.
	Version int
	// Events is a value of every event that the view is made of; others are passed over.
	Events []E
	// Key returns the row that an event belongs to; "" is: not for this view.
	Key func(Recorded[E]) string
	// Route may stand in place of Key where an event belongs to several rows.
	Route func(Recorded[E]) []Target
	// Index names the JSON fields of V that lists may filter and order by. Times are ordered as times; a type with a JSON form
	// of its own by that form, so decimals that are written as text are ordered as text.
	Index []string
	// Evolve returns the row after an event; the zero V removes it. It is pure. Rows are kept in their JSON form: what that
	// leaves out is not there at a later event.
	Evolve func(V, Recorded[E]) V
	// Mode says when events are folded into rows: Async, which is the zero Mode, Inline or Live.
	Mode Mode
	// Partitions is into how many parts, by hash of key, the rows of an Async projection are cut, each folded on its own and on any
	// node of a fleet; 0 is 1. A view with another number is made anew.
	Partitions int
	// MaxLag is how far behind the view may be and still count as ready; 0 is 10 s.
	MaxLag time.Duration
}

// Target says which rows an event goes to: see ToKey and ToWhere.
type Target struct {
	key   string
	field string
	value any
}

// ToKey sends an event to the row of a key, which need not be there yet.
func ToKey(key string) Target { return Target{key: key} }

// ToWhere sends an event to all rows whose indexed field has the value, as they are at that event.
func ToWhere(field string, value any) Target { return Target{field: field, value: value} }

func (p Projection[V, E]) ref() ViewRef { return ViewRef{Name: p.Name, Version: max(p.Version, 1)} }

func (p Projection[V, E]) types() (eventTypes[E], indexing, error) {
	types, err := newEventTypes(p.Events)
	errs := []error{err}
	if !validName(p.Name) {
		errs = append(errs, fmt.Errorf("Name: %q must be %s", p.Name, nameForm))
	}
	if (p.Key == nil) == (p.Route == nil) {
		errs = append(errs, errors.New("Key: exactly one of Key and Route must be set"))
	}
	if p.Evolve == nil {
		errs = append(errs, errors.New("Evolve: must be set"))
	}
	if p.Version < 0 {
		errs = append(errs, errors.New("Version: is negative"))
	}
	if p.Mode < Async || p.Mode > Live {
		errs = append(errs, errors.New("Mode: must be Async, Inline or Live"))
	}
	if err := checkPartitions(p.Partitions); err != nil {
		errs = append(errs, err)
	} else if p.Partitions > 1 && p.Mode != Async {
		errs = append(errs, errors.New("Partitions: only an Async projection has several"))
	}
	index, err := newIndexing(reflect.TypeFor[V](), p.Index)
	if err := errors.Join(append(errs, err)...); err != nil {
		return types, index, fmt.Errorf("projection %s: %w", p.Name, err)
	}
	return types, index, nil
}

// targets returns where r goes. A row of the empty key is no target.
func (p Projection[V, E]) targets(r Recorded[E]) []Target {
	if p.Route != nil {
		return p.Route(r)
	}
	if key := p.Key(r); key != "" {
		return []Target{ToKey(key)}
	}
	return nil
}
