package console

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/gateway"
)

type sidesBody struct {
	Stream  deed.StreamID
	Last    deed.Version
	Entries []sideEntry // the newest first
	Older   bool        // there are older events
	Views   []sideView
}

type sideEntry struct {
	entry
	JSON  *node
	Views []string // that handle it
}

// sideView is a view with the rows that are of a thing.
type sideView struct {
	Name  string
	How   string // how the rows were found
	Rows  []rowLine
	Fault string
	More  bool
	Makes bool // the view handles events that the stream has
	State string
	On    string        // the node that runs it, in words
	At    deed.Position // how far the view is
	Lag   deed.Position
}

const (
	sideEvents = 100
	sideRows   = 10
)

// sides is the page of a stream beside the rows made of it.
func (c *console) sides(call *gateway.Call) (content, error) {
	stream, ctx := deed.StreamID(call.Request.PathValue("stream")), call.Context()
	last, err := c.lastOf(ctx, stream)
	if err != nil {
		return content{}, err
	}
	body := sidesBody{Stream: stream, Last: last.Version, Older: last.Version > sideEvents}
	model := c.service.Model()
	types, names := map[string]bool{}, named{}
	for r, err := range c.service.Log().Read(ctx, deed.Query{Stream: stream, Backward: true, Limit: sideEvents}) {
		if err != nil {
			return content{}, err
		}
		types[r.Type] = true
		names.take(r)
		e := sideEntry{entry: entryOf(r), JSON: datumOf(r.Data, r.ContentType, "").JSON}
		for _, f := range followersOf(model, r.Type) {
			if f.Kind == kindProjection {
				e.Views = append(e.Views, f.Name)
			}
		}
		body.Entries = append(body.Entries, e)
	}
	for _, v := range model.Projections {
		found, err := c.beside(ctx, v, stream.ID())
		if err != nil {
			return content{}, err
		}
		makes := slices.ContainsFunc(v.Events, func(t deed.TypeModel) bool { return types[t.Name] })
		if makes && len(found) == 1 && len(found[0].Rows) == 0 && found[0].Fault == "" {
			if found, err = c.byNames(ctx, v, names, found); err != nil {
				return content{}, err
			}
		}
		for _, f := range found {
			if f.Makes = makes; makes || len(f.Rows) > 0 {
				body.Views = append(body.Views, f)
			}
		}
	}
	if err := c.standing(call, body.Views); err != nil {
		return content{}, err
	}
	slices.SortStableFunc(body.Views, func(a, b sideView) int { return rank(a) - rank(b) })
	return content{title: "Both sides of " + cut(80, stream), area: "streams", body: body}, nil
}

// standing adds how far the views are.
func (c *console) standing(call *gateway.Call, views []sideView) error {
	parts, _, err := c.parts(call, kindProjection)
	for i := range views {
		for _, p := range foremost(parts) {
			if p.Name == views[i].Name {
				views[i].State, views[i].On, views[i].At, views[i].Lag = p.State, p.On(), p.Position, p.Lag
			}
		}
	}
	return err
}

// named is what events name: values of their data that could be keys, with the member that has each.
type named map[string]string

// At most so many values are looked for in a view that is not made of the stream's own id.
const maxNamed = 40

func (n named) take(r deed.Record) {
	var members map[string]any
	if json.Unmarshal(r.Data, &members) != nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		value, ok := members[name].(string)
		if ok && len(n) < maxNamed && n[value] == "" && deed.ValidID(value) == nil {
			n[value] = name
		}
	}
}

// byNames finds the rows of a view whose keys the events name: those of a customer, for the orders that name the customer.
func (c *console) byNames(ctx context.Context, v deed.ViewModel, n named, none []sideView) ([]sideView, error) {
	found := map[string]*sideView{}
	for _, value := range slices.Sorted(maps.Keys(n)) {
		row, _, err := c.service.Views().Get(ctx, v.Name, value, 0)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			continue
		}
		member := n[value]
		if found[member] == nil {
			found[member] = &sideView{Name: v.Name, How: "the row's key is the " + member + " of the events"}
		}
		found[member].Rows = append(found[member].Rows, rowLineOf(row))
	}
	if len(found) == 0 {
		return none, nil
	}
	var all []sideView
	for _, member := range slices.Sorted(maps.Keys(found)) {
		all = append(all, *found[member])
	}
	return all, nil
}

// rank puts rows made of the stream first, then views that have none, then what only names the thing.
func rank(v sideView) int {
	switch {
	case v.Makes && len(v.Rows) > 0:
		return 0
	case len(v.Rows) > 0:
		return 1
	}
	return 2
}

// beside finds the rows of a view that belong to an id: that of its key, and those with an index field that has it.
func (c *console) beside(ctx context.Context, v deed.ViewModel, id string) ([]sideView, error) {
	own := sideView{Name: v.Name, How: "the row's key is the id of the stream"}
	row, _, err := c.service.Views().Get(ctx, v.Name, id, 0)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err == nil:
		own.Rows = append(own.Rows, rowLineOf(row))
	case !errors.Is(err, deed.ErrNotFound):
		own.Fault = err.Error()
	}
	all := []sideView{own}
	for _, field := range v.Index {
		where := []deed.Where{{Field: field, Value: id}}
		rows, err := c.service.Views().List(ctx, v.Name, where, deed.Page{Limit: sideRows}, 0)
		if err != nil || len(rows.Rows) == 0 { // a field of another kind cannot have an id
			continue
		}
		byField := sideView{Name: v.Name, How: "the row's " + field + " is the id of the stream", More: rows.Next != ""}
		for _, r := range rows.Rows {
			if r.Key != id {
				byField.Rows = append(byField.Rows, rowLineOf(r))
			}
		}
		if len(byField.Rows) > 0 {
			all = append(all, byField)
		}
	}
	if len(all) > 1 && len(own.Rows) == 0 {
		return all[1:], nil
	}
	return all, nil
}
