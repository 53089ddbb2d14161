package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"sync"

	"github.com/deed-es/deed"
)

// place is where a client is in one view.
type place struct {
	view    string
	version int
	fresh   bool // it has nothing: a snapshot first
	reset   bool // what it has is of no use: it is told so
	at      deed.ChangeCursor
}

// viewEvent is something that a client is told about a view.
type viewEvent struct {
	place
	kind string // snapshot, reset, put or removed
	key  string
	row  json.RawMessage
}

// changes tells how views change, as server-sent events: GET /api/changes?view=…&view=…
//
// Without a cursor a view begins with "snapshot": the client lists the view, at that position or later, and is told every
// change after it with "put" and "removed", in the order of position and key within each view. A cursor that this view
// cannot go on from (of another version of it or another log, without it, or older than what is remembered of removed rows)
// gets "reset" and then "snapshot". Comments are heartbeats.
func (g *Gateway) changes(c *Call) error {
	places, own, err := g.places(c)
	if err != nil {
		return err
	}
	ctx, end, err := c.Follow()
	if err != nil {
		return err
	}
	defer end()
	f := c.begin(eventStream)
	f.buf = append(f.buf, retry...)
	if f.send() != nil || c.Request.Method == http.MethodHead {
		return nil
	}
	events := make(chan viewEvent, 8) // few: a client that reads slowly has all their rows in memory
	var views sync.WaitGroup
	defer views.Wait()
	defer end()
	for _, p := range places {
		views.Go(func() {
			err := safely(func() error { return g.followView(ctx, p, events) })
			c.broke(ctx, err)
			end() // the client comes again, and goes on where it was
		})
	}
	pump(ctx, f, events, beat, func(e viewEvent) { f.buf = e.append(f.buf, &own) })
	return nil
}

// places returns where the client is in each of the views that it asks for, and the cursor that its events begin with.
func (g *Gateway) places(c *Call) ([]place, cursor, error) {
	names := c.query["view"]
	if len(names) == 0 {
		return nil, cursor{}, badQuery("view", "must name a view")
	}
	log := g.service.Info()
	own := cursor{log: log.ID, round: log.Incarnation}
	text, given := c.lastEvent()
	last, valid := parseCursor(text)
	head, err := g.service.Head(c.Context())
	if err != nil {
		return nil, own, err
	}
	var places []place
	for i, name := range names {
		version, err := g.version(c.Context(), name)
		if err != nil {
			return nil, own, err
		}
		if slices.Contains(names[:i], name) {
			return nil, own, badQuery("view", "names a view twice")
		}
		p := place{view: name, version: version, fresh: true, reset: given}
		if v, ok := last.of(name); valid && ok && v.version == version && last.continues(log, head, v.at.Position) {
			p = place{view: name, version: version, at: v.at}
			own.set(name, version, v.at)
		}
		places = append(places, p)
	}
	return places, own, nil
}

// version is the version of a view that is read.
func (g *Gateway) version(ctx context.Context, view string) (int, error) {
	reading, err := g.service.Views().Reading(ctx, view)
	if errors.Is(err, deed.ErrNotFound) {
		err = missing("view")
	}
	return reading.Version, err
}

// continues tells whether a position of the cursor is one of this log.
func (c cursor) continues(log deed.LogInfo, head, position deed.Position) bool {
	switch {
	case log.ID == "": // a node that is fed by others does not know more
		return true
	case position > head, c.log != "" && c.log != log.ID:
		return false
	}
	return c.log == "" || checkIncarnation(log, c.round, position) == nil
}

// followView hands over what happens in a view until ctx is done.
func (g *Gateway) followView(ctx context.Context, p place, to chan<- viewEvent) error {
	for {
		if p.fresh {
			if err := g.snapshot(ctx, &p, to); err != nil {
				return err
			}
		}
		err := g.followFrom(ctx, &p, to)
		if ctx.Err() != nil || !errors.Is(err, deed.ErrCursor) {
			return err
		}
		p.fresh, p.reset = true, true
	}
}

// snapshot begins a view anew, at the position that it has now.
func (g *Gateway) snapshot(ctx context.Context, p *place, to chan<- viewEvent) error {
	version, err := g.version(ctx, p.view)
	if err != nil {
		return err
	}
	at, err := g.service.Views().Position(ctx, p.view, 0)
	if err != nil {
		return err
	}
	p.version = version
	p.at = deed.ChangeCursor{Position: at}
	if p.reset && !hand(ctx, to, viewEvent{place: *p, kind: "reset"}) || !hand(ctx, to, viewEvent{place: *p, kind: "snapshot"}) {
		return ctx.Err()
	}
	p.fresh, p.reset = false, false
	return nil
}

func (g *Gateway) followFrom(ctx context.Context, p *place, to chan<- viewEvent) error {
	for change, err := range g.service.Views().Changes(ctx, p.view, p.version, p.at) {
		if err != nil {
			return err
		}
		p.at = deed.ChangeCursor{Position: change.Position}
		if change.More {
			p.at.Key = change.Key
		}
		e := viewEvent{place: *p, kind: "put", key: change.Key, row: change.Row}
		if change.Row == nil {
			e.kind = "removed"
		}
		if !hand(ctx, to, e) {
			return ctx.Err()
		}
	}
	return ctx.Err()
}

func hand[T any](ctx context.Context, to chan<- T, item T) bool {
	select {
	case to <- item:
		return true
	case <-ctx.Done():
		return false
	}
}

// append appends the event, and moves the cursor that is its id. A view that is being reset is in no cursor until its
// snapshot is announced: a client that is cut off in between is told again.
func (e viewEvent) append(b []byte, own *cursor) []byte {
	if e.kind == "reset" {
		own.drop(e.view)
	} else {
		own.set(e.view, e.version, e.at)
	}
	b = own.append(append(b, "id: "...))
	b = append(append(b, "\nevent: "...), e.kind...)
	b = appendString(append(b, "\ndata: {\"view\":"...), e.view)
	if e.key != "" {
		b = appendString(append(b, `,"key":`...), e.key)
	}
	b = appendInt(append(b, `,"position":`...), e.at.Position)
	if e.row != nil {
		var ok bool
		if b, ok = appendJSON(append(b, `,"row":`...), e.row); !ok {
			b = append(b, "null"...)
		}
	}
	return append(b, "}\n\n"...)
}
