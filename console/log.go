package console

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/gateway"
)

// filter is what of the log is asked for; it stands in the address.
type filter struct {
	Category string
	Types    []string
	Tags     []string
	Text     string // in data, metadata, stream or type, whatever its case
	needle   string // Text in small letters
}

func filterOf(values url.Values) filter {
	f := filter{Category: strings.TrimSpace(values.Get("category")), Text: values.Get("text")}
	for _, t := range values["type"] {
		f.Types = append(f.Types, strings.Fields(t)...)
	}
	for _, t := range values["tag"] {
		if t = strings.TrimSpace(t); t != "" { // one: there may be blanks in it
			f.Tags = append(f.Tags, t)
		}
	}
	f.needle = strings.ToLower(f.Text)
	return f
}

func (f filter) query() deed.Query {
	q := deed.Query{Category: f.Category}
	if len(f.Types)+len(f.Tags) > 0 {
		q.Match = []deed.Match{{Types: f.Types, Tags: f.Tags}}
	}
	return q
}

// selects tells whether a record has the text.
func (f filter) selects(r deed.Record) bool {
	if f.needle == "" {
		return true
	}
	for _, text := range []string{string(r.Stream), r.Type, string(r.Data), string(r.Metadata)} {
		if strings.Contains(strings.ToLower(text), f.needle) {
			return true
		}
	}
	return false
}

// Values are the filter as a query string has it.
func (f filter) Values() url.Values {
	v := url.Values{}
	add := func(name, value string) {
		if value != "" {
			v.Add(name, value)
		}
	}
	add("category", f.Category)
	for _, t := range f.Types {
		add("type", t)
	}
	for _, t := range f.Tags {
		add("tag", t)
	}
	add("text", f.Text)
	return v
}

// Any tells whether something is filtered.
func (f filter) Any() bool { return len(f.Values()) > 0 }

// older is the address of the page of what is before a position; empty if that is 0.
func (f filter) older(before deed.Position) string {
	if before == 0 {
		return ""
	}
	values := f.Values()
	values.Set("before", fmt.Sprint(before))
	return link("log") + encoded(values)
}

// entry is a record as a line of a list.
type entry struct {
	Position deed.Position
	Version  deed.Version
	Stream   deed.StreamID
	Type     string
	Time     time.Time
	Preview  string
	Actor    string
}

func entryOf(r deed.Record) entry {
	return entry{
		Position: r.Position, Version: r.Version, Stream: r.Stream, Type: r.Type, Time: r.Time, Preview: preview(r), Actor: r.Meta().Actor,
	}
}

const (
	logPage  = 50
	scanMost = 20_000 // records looked at for a page that filters by text
)

type logBody struct {
	Filter     filter
	Categories []string
	Types      []string
	Entries    []entry // the newest first
	Older      string  // address of the page of what is older; empty: there is none
	Newest     string  // address of the first page; empty: it is this one
	Live       bool    // new records are shown as they come
	Tail       string  // address that they come from
	Scanned    int     // records looked at; 0: all
	Empty      bool    // there is nothing in the log at all
}

// log is the page of the log.
func (c *console) log(call *gateway.Call) (content, error) {
	values := call.Request.URL.Query()
	body := logBody{Filter: filterOf(values)}
	body.Categories, body.Types = known(c.service.Model())
	q := body.Filter.query()
	q.Backward = true
	if before := values.Get("before"); before != "" {
		n, err := strconv.ParseInt(before, 10, 64)
		if err != nil || n < 1 {
			return content{}, &deed.InvalidError{Field: "before", Reason: "must be a position"}
		}
		q.Before = deed.Position(n)
		body.Newest = link("log") + encoded(body.Filter.Values())
	}
	if err := q.Validate(); err != nil {
		return content{}, err
	}
	head, err := c.service.Head(call.Context())
	if err != nil {
		return content{}, err
	}
	more, err := c.fill(call.Context(), &body, q)
	if err != nil {
		return content{}, err
	}
	body.Older = body.Filter.older(more)
	body.Live, body.Empty = q.Before == 0, head == 0
	tail := body.Filter.Values()
	tail.Set("after", fmt.Sprint(head))
	body.Tail = link("log", "tail") + encoded(tail)
	return content{title: "Log", area: "log", body: body}, nil
}

func encoded(v url.Values) string {
	if len(v) == 0 {
		return ""
	}
	return "?" + v.Encode()
}

// fill reads a page, and returns the position that the next one is before; 0: there is none.
func (c *console) fill(ctx context.Context, body *logBody, q deed.Query) (deed.Position, error) {
	var last deed.Position
	looked := 0
	for r, err := range c.service.Log().Read(ctx, q) {
		switch {
		case err != nil:
			return 0, err
		case len(body.Entries) == logPage, looked == scanMost:
			if looked == scanMost {
				body.Scanned = looked
			}
			return last, nil
		}
		last = r.Position
		looked++
		if body.Filter.selects(r) {
			body.Entries = append(body.Entries, entryOf(r))
		}
	}
	return 0, nil
}

// known are the categories and event types of a model, for the filters.
func known(m deed.Model) (categories, types []string) {
	for _, d := range m.Deciders {
		categories = append(categories, d.Category)
		for _, e := range d.Events {
			types = append(types, e.Name)
		}
	}
	if len(m.Processes)+len(m.Reactors)+len(m.Projections) > 0 {
		categories = append(categories, "process")
	}
	slices.Sort(categories)
	slices.Sort(types)
	return slices.Compact(categories), slices.Compact(types)
}
