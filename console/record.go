package console

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/gateway"
)

// positionOf reads a position.
func positionOf(field, text string) (deed.Position, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, &deed.InvalidError{Field: field, Reason: "must be a position, a whole number from 0"}
	}
	return deed.Position(n), nil
}

// clean reads a text that the store is to look for. No name in it has control characters, and not every store takes them.
func clean(field, text string) (string, error) {
	if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		return "", &deed.InvalidError{Field: field, Reason: "must be UTF-8 without control characters"}
	}
	return text, nil
}

// recordAt returns the record at the position that the path says.
func (c *console) recordAt(call *gateway.Call) (deed.Record, error) {
	position, err := positionOf("position", call.Request.PathValue("position"))
	if err != nil {
		return deed.Record{}, err
	}
	if position > 0 {
		for r, err := range c.service.Log().Read(call.Context(), deed.Query{After: position - 1, Limit: 1}) {
			if err != nil || r.Position == position {
				return r, err
			}
		}
	}
	return deed.Record{}, &missing{
		what: "There is no record at position " + num(position),
		do:   "Positions begin at 1 and may have gaps. The log's page has the newest records.",
	}
}

type recordBody struct {
	deed.Record
	Datum    datum
	Extra    datum // metadata as it is stored
	Known    deed.Meta
	Before   deed.Position // of the record in front; 0: there is none
	After    deed.Position
	Handlers []handler // what handles events of this type
	Decided  bool      // its category has a decider, so that there are states
}

// handler is a part that handles a type of event, and whether it has come to a record of it.
type handler struct {
	follower
	State  string // empty: it has come to the record
	On     string // the node that runs it, in words
	At     deed.Position
	Parked bool // it failed on the record, and holds it back
}

// handlers are the parts that handle a record, now or later.
func (c *console) handlers(call *gateway.Call, r deed.Record) ([]handler, error) {
	parts, _, err := c.parts(call)
	if err != nil {
		return nil, err
	}
	var all []handler
	for _, f := range followersOf(c.service.Model(), r.Type) {
		one := handler{follower: f}
		for _, p := range foremost(parts) {
			switch {
			case p.Name != f.Name:
			case p.Lag > 0 && p.Position < r.Position:
				one.State, one.On, one.At = p.State, p.On(), p.Position
			case p.Parked > 0:
				if one.Parked, err = c.failedOn(call.Context(), p.Name, r.Position); err != nil {
					return nil, err
				}
			}
		}
		all = append(all, one)
	}
	return all, nil
}

// follower is a part that handles a type of event.
type follower struct{ Kind, Name string }

// record is the page of a record.
func (c *console) record(call *gateway.Call) (content, error) {
	r, err := c.recordAt(call)
	if err != nil {
		return content{}, err
	}
	ctx := call.Context()
	body := recordBody{Record: r, Known: r.Meta(), Datum: datumOf(r.Data, r.ContentType, link("log", r.Position, "data"))}
	if text := strings.TrimSpace(string(r.Metadata)); text != "" && text != "{}" {
		body.Extra = datumOf(r.Metadata, "", "")
	}
	if body.Before, err = c.next(ctx, deed.Query{Before: r.Position, Backward: true, Limit: 1}); err != nil {
		return content{}, err
	}
	if body.After, err = c.next(ctx, deed.Query{After: r.Position, Limit: 1}); err != nil {
		return content{}, err
	}
	if body.Handlers, err = c.handlers(call, r); err != nil {
		return content{}, err
	}
	body.Decided = c.decided(r.Stream.Category())
	return content{title: r.Type + " at " + num(r.Position), area: "log", body: body}, nil
}

// failedOn tells whether a key of a part is parked because of the record at a position.
func (c *console) failedOn(ctx context.Context, name string, at deed.Position) (bool, error) {
	found, err := c.service.Control().Parked(ctx, name, "", parkedPage)
	return slices.ContainsFunc(found, func(p deed.Parked) bool { return p.Effect == "" && p.Position == at }), err
}

func (c *console) next(ctx context.Context, q deed.Query) (deed.Position, error) {
	for r, err := range c.service.Log().Read(ctx, q) {
		return r.Position, err
	}
	return 0, nil
}

// decided tells whether a category has a decider, which folds a state.
func (c *console) decided(category string) bool {
	return slices.ContainsFunc(c.service.Model().Deciders, func(d deed.DeciderModel) bool {
		return d.Category == category && d.Kind == "decider"
	})
}

// followersOf are the parts that handle events of a type.
func followersOf(m deed.Model, eventType string) []follower {
	var all []follower
	add := func(kind, name string, events []deed.TypeModel) {
		if slices.ContainsFunc(events, func(t deed.TypeModel) bool { return t.Name == eventType }) {
			all = append(all, follower{kind, name})
		}
	}
	for _, p := range m.Projections {
		add("projection", p.Name, p.Events)
	}
	for _, p := range m.Tables {
		add("tables", p.Name, p.Events)
	}
	for _, p := range m.Processes {
		add("process", p.Name, p.Events)
	}
	for _, p := range m.Reactors {
		add("reactor", p.Name, p.Events)
	}
	return all
}

// recordData answers with a record's data as it is stored, to be saved or read as text, and never run.
func (c *console) recordData(call *gateway.Call) error {
	r, err := c.recordAt(call)
	if err != nil {
		return c.failed(call, err)
	}
	h := call.Writer.Header()
	h.Set("Content-Type", "application/octet-stream")
	if r.ContentType == "" || r.ContentType == "application/json" {
		h.Set("Content-Type", "text/plain; charset=utf-8")
	}
	h.Set("Content-Disposition", `inline; filename="record-`+strconv.FormatInt(int64(r.Position), 10)+`"`)
	h.Set("Content-Length", strconv.Itoa(len(r.Data)))
	h.Set("Content-Security-Policy", policy)
	h.Set("Cache-Control", "no-store")
	call.Writer.WriteHeader(http.StatusOK)
	_, _ = call.Writer.Write(r.Data) // who does not get it has gone
	return nil
}
