package console

import (
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/gateway"
)

type viewsBody struct {
	Views []viewCard
	Said  said
}

// viewCard is a view with its versions.
type viewCard struct {
	part
	Versions []part // the newest first
}

// views is the page of the views.
func (c *console) views(call *gateway.Call) (content, error) {
	parts, _, err := c.parts(call, kindProjection, kindTables)
	body := viewsBody{Said: c.saidOf(call)}
	for _, p := range foremost(parts) {
		body.Views = append(body.Views, viewCard{p, versionsOf(parts, p.Name)})
	}
	return content{title: "Views", area: "views", body: body}, err
}

type overviewBody struct {
	Status   deed.Status
	Parts    []part // those that want to be looked at first
	Alerting []part
	Fleet    bool
}

// overview is the first page.
func (c *console) overview(call *gateway.Call) (content, error) {
	parts, status, err := c.parts(call)
	slices.SortStableFunc(parts, func(a, b part) int {
		switch {
		case a.Alerting() == b.Alerting():
			return 0
		case a.Alerting():
			return -1
		}
		return 1
	})
	quiet := slices.IndexFunc(parts, func(p part) bool { return !p.Alerting() })
	if quiet < 0 {
		quiet = len(parts)
	}
	return content{title: "Overview", area: "overview", body: overviewBody{status, parts, parts[:quiet], c.meter.inFleet()}}, err
}

type rowsBody struct {
	View   part
	Where  []condition
	Order  string
	Orders []string
	Rows   []rowLine
	Next   string // address of the next page; empty: there is none
	First  string // address of the first page; empty: it is this one
	At     deed.Position
	Tables bool
}

type condition struct{ Field, Value string }

type rowLine struct {
	Key      string
	Position deed.Position
	Parked   deed.Position
	Preview  string
	JSON     *node
}

const rowsPage = 50

// rows is the page of a view.
func (c *console) rows(call *gateway.Call) (content, error) {
	name, values := call.Request.PathValue("view"), call.Request.URL.Query()
	own, err := c.viewNamed(call, name)
	if err != nil {
		return content{}, err
	}
	body := rowsBody{View: own, Order: values.Get("order"), Tables: own.Kind == kindTables}
	if body.Tables {
		return content{title: name, area: "views", body: body}, nil
	}
	if key := values.Get("key"); key != "" {
		if err := deed.ValidID(key); err != nil {
			return content{}, err
		}
		return content{to: link("views", name, key)}, nil
	}
	for _, field := range own.Index {
		body.Orders = append(body.Orders, field, "-"+field)
		body.Where = append(body.Where, condition{field, values.Get("where." + field)})
	}
	var where []deed.Where
	for _, w := range body.Where {
		if w.Value != "" {
			where = append(where, deed.Where{Field: w.Field, Value: w.Value})
		}
	}
	page := deed.Page{Order: body.Order, Limit: rowsPage, Cursor: values.Get("cursor")}
	found, err := c.service.Views().List(call.Context(), name, where, page, 0)
	if err != nil && !errors.Is(err, deed.ErrNotFound) { // a view that is made anew is not there until it goes on
		return content{}, err
	}
	body.At = found.Position
	for _, r := range found.Rows {
		body.Rows = append(body.Rows, rowLineOf(r))
	}
	pages(&body, values, found.Next)
	return content{title: name, area: "views", body: body}, nil
}

// pages makes the addresses of the pages around this one.
func pages(body *rowsBody, values url.Values, next string) {
	at := link("views", body.View.Name)
	if values.Get("cursor") != "" {
		values.Del("cursor")
		body.First = at + encoded(values)
	}
	if next != "" {
		values.Set("cursor", next)
		body.Next = at + encoded(values)
	}
}

func rowLineOf(r deed.KeyedRow[json.RawMessage]) rowLine {
	line := rowLine{Key: r.Key, Position: r.Position, Parked: r.Parked}
	line.Preview = preview(deed.Record{NewEvent: deed.NewEvent{Data: r.Row}})
	if d := datumOf(r.Row, "", ""); d.JSON != nil {
		line.JSON = d.JSON
	}
	return line
}

// viewNamed is how a view is doing; *missing if there is none of the name.
func (c *console) viewNamed(call *gateway.Call, name string) (part, error) {
	parts, _, err := c.parts(call, kindProjection, kindTables)
	if err != nil {
		return part{}, err
	}
	for _, p := range foremost(parts) {
		if p.Name == name {
			return p, nil
		}
	}
	return part{}, &missing{what: "There is no view " + cut(80, name), do: "The page Views lists those that there are."}
}

type rowBody struct {
	View   string
	Part   part
	Key    string
	Row    rowLine
	Datum  datum
	There  bool
	At     deed.Position
	Change time.Time // when the event was recorded that last changed it
	Type   string    // of that event
	Stream deed.StreamID
}

// row is the page of a row.
func (c *console) row(call *gateway.Call) (content, error) {
	body := rowBody{View: call.Request.PathValue("view"), Key: call.Request.PathValue("key")}
	var err error
	if body.Part, err = c.viewNamed(call, body.View); err != nil {
		return content{}, err
	}
	row, at, err := c.service.Views().Get(call.Context(), body.View, body.Key, 0)
	if err != nil && !errors.Is(err, deed.ErrNotFound) {
		return content{}, err
	}
	body.At, body.There, body.Row = at, err == nil, rowLineOf(row)
	body.Datum = datumOf(row.Row, "", "")
	if body.There {
		for r, err := range c.service.Log().Read(call.Context(), deed.Query{After: row.Position - 1, Limit: 1}) {
			if err != nil {
				return content{}, err
			}
			if r.Position == row.Position {
				body.Change, body.Type, body.Stream = r.Time, r.Type, r.Stream
			}
		}
	}
	return content{title: strings.Join([]string{body.View, cut(80, body.Key)}, " / "), area: "views", body: body}, nil
}
