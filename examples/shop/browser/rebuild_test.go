package browser_test

import (
	"testing"

	"github.com/deed-es/deed"
)

type reading struct {
	Reading int `json:"reading"`
}

func (reading) EventType() string { return "meter-read" }

// readings counts, and waits at a gate once it is shut.
type readings struct {
	shut chan struct{} // closed: the gate is shut from now on
	open chan struct{} // closed: it is open again
}

func (r readings) projection() deed.Projection[reading, deed.Event] {
	return deed.Projection[reading, deed.Event]{
		Name: "readings", Events: []deed.Event{reading{}},
		Key: func(e deed.Recorded[deed.Event]) string { return e.Stream.ID() },
		Evolve: func(v reading, e deed.Recorded[deed.Event]) reading {
			if n := e.Event.(reading).Reading; n == gate {
				select {
				case <-r.shut:
					<-r.open
				default:
				}
			}
			return reading{Reading: v.Reading + 1}
		},
	}
}

const (
	measured = 6_000
	gate     = 4_500 // the reading at which it is
)

// Who has a view rebuilt sees how far that is, and when it is done.
func TestARebuildShowsItsProgress(t *testing.T) {
	t.Parallel()
	r := readings{shut: make(chan struct{}), open: make(chan struct{})}
	s, store := openService(t, r.projection())
	flood(t, store, measured, 100_000)
	b := visit(t, s)
	b.open("/console/views")
	card := "#readings[data-part=readings]"
	b.has(card+" [data-live=state]", "live")
	b.await(`document.querySelector(` + js(card+" [data-live=lag]") + `).textContent === "0"`)

	close(r.shut)
	t.Cleanup(func() {
		select {
		case <-r.open:
		default:
			close(r.open)
		}
	})
	b.follow(card+" [data-action=rebuild]", "/console/parts/readings/rebuild")
	b.has("main", "Rebuild")
	b.follow("#confirm button", "/console/views")
	same := b.unreloaded()
	progress := `document.querySelector(` + js(card+" progress") + `)`
	b.await(progress + `.checkVisibility() && ` + progress + `.value > 0 && ` + progress + `.value < 100`)
	b.await(`!document.querySelector(` + js(card+" [data-live=state]") + `).textContent.includes("live")`)
	b.shoot("console-views-rebuilding")
	b.none(card + " [data-live=error]") // whoever rebuilds is told of no trouble
	close(r.open)
	b.has(card+" [data-live=state]", "live")
	b.await(`!` + progress + `.checkVisibility()`)
	b.await(`document.querySelector(` + js(card+" [data-live=lag]") + `).textContent === "0"`)
	same()
	b.open("/console/views/readings/0")
	b.has("#row", "200")
}
