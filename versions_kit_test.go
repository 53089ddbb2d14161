package deed_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/deed-es/deed"
)

// count is a row of a view that stands in several versions: each counts the events of an account until it is closed, and says which
// version it is.
type count struct {
	N  int    `json:"n"`
	By string `json:"by"`
}

type talliesOf = deed.Projection[count, deed.Event]

// tallies is a version of the view.
func tallies(version int) talliesOf { return talliesWith(version, func(deed.Recorded[deed.Event]) {}) }

// talliesWith is tallies that does something before each event, and may panic then.
func talliesWith(version int, before func(r deed.Recorded[deed.Event])) talliesOf {
	return talliesOf{
		Name: "tallies", Version: version, Events: accountEvents, Index: []string{"by"},
		Key: func(r deed.Recorded[deed.Event]) string { return r.Stream.ID() },
		Evolve: func(v count, r deed.Recorded[deed.Event]) count {
			before(r)
			if r.Type == (closed{}).EventType() {
				return count{}
			}
			return count{N: v.N + 1, By: fmt.Sprintf("v%d", version)}
		},
	}
}

// gate holds up a projection until it is opened.
type gate chan struct{}

func (g gate) hold(deed.Recorded[deed.Event]) { <-g }

// tallyOf is a row as it is read by name.
func tallyOf(t testing.TB, s *running, key string, after deed.Position) (count, deed.Position) {
	t.Helper()
	row, at, err := s.Views().Get(bounded(t), "tallies", key, after)
	must(t, err)
	var v count
	must(t, deed.DecodeJSON(row.Row, &v))
	return v, at
}

// isRead checks which version of the view is read, and whether that is said to be stale.
func (r *running) isRead(version int, stale bool) {
	r.t.Helper()
	reading, err := r.Views().Reading(bounded(r.t), "tallies")
	must(r.t, err)
	want(r.t, "what is read", reading, deed.Reading{Version: version, Stale: stale})
}

// kept checks which versions of views there are.
func kept(t testing.TB, views deed.ViewStore, refs ...deed.ViewRef) {
	t.Helper()
	got, err := views.ListViews(bounded(t))
	must(t, err)
	want(t, "views", got, refs)
}

func tallyRef(version int) deed.ViewRef { return deed.ViewRef{Name: "tallies", Version: version} }

// version is how a version of a view is doing.
func (r *running) version(name string, version int) deed.PartStatus {
	r.t.Helper()
	status, err := r.Status(bounded(r.t))
	must(r.t, err)
	for _, p := range status.Parts {
		if p.Name == name && p.Version == version {
			return p
		}
	}
	r.t.Fatalf("there is no version %d of %s in %+v", version, name, status.Parts)
	return deed.PartStatus{}
}

// switchTo has a version be read, as soon as it has caught up.
func (r *running) switchTo(version int) {
	r.t.Helper()
	for {
		_, err := r.Control().Switch(bounded(r.t), "tallies", version)
		if err == nil {
			return
		}
		if !errors.Is(err, deed.ErrBehind) {
			r.t.Fatal(err)
		}
	}
}

// commanded is a context in which a command has an id.
func commanded(t testing.TB, id string) context.Context {
	return deed.WithMeta(bounded(t), deed.Meta{CommandID: id, Actor: "ann"})
}

func wantInvalid(t testing.TB, err error) {
	t.Helper()
	if !errors.As(err, new(*deed.InvalidError)) {
		t.Fatalf("got the error %v, want an InvalidError", err)
	}
}
