package gateway

import (
	"cmp"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/deed-es/deed"
)

// operation is something that can be asked of a service, in its documentation. A route that is about any command, state or
// view is one operation for each of them.
type operation struct {
	id      string
	method  string
	path    string // with {name} for what varies
	route   string // as an Authorizer knows it
	group   string
	summary string
	params  []parameter
	body    object // its schema; nil: there is none
	answers []response
	self    bool   // it has no example: it answers with the documentation itself, or with what is never the same twice
	asked   string // a path that it was asked under; empty: none is known
	example any    // of a body, that it took; nil: none is known
}

type parameter struct {
	name     string
	in       string // path, query, header or cookie
	summary  string
	required bool
	repeated bool
	free     bool // stands for any name, by its own
	schema   object
	example  string
}

// response is an answer that an operation can have: that things went well, or a problem.
type response struct {
	status  int
	summary string
	headers []string
	media   []media  // none: no body
	codes   []string // of a problem
	open    bool     // the domain has codes of its own
}

// media is a body of an answer.
type media struct {
	kind   string
	schema object
	item   object // of what comes one after the other: a line, or the data of an event
	events object // schemas of the data of events by their names

	example  any    // nil: none is known
	examples object // of a problem, by its code
}

// kind is what a route is about, as far as its documentation goes.
type kind int

const (
	kindOwn kind = iota
	kindCommand
	kindState
	kindRow
	kindList
	kindChanges
	kindStream
	kindLog
	kindReady
	kindControl
	kindPlain // asks nothing of the log
)

// Content is the media type of a body that is not JSON; it stands among a Route's Answers in place of a value.
type Content string

// describing makes the operations of a gateway.
type describing struct {
	gateway  *Gateway
	model    deed.Model
	schemas  *schemas
	record   object
	examples examples
	changes  object // see changeEvents
}

func (d *describing) operations(routes []Route) []operation {
	var all []operation
	for i := range routes {
		if !routes[i].Page {
			all = append(all, d.operationsOf(&routes[i])...)
		}
	}
	unifyPaths(all)
	return all
}

// operationsOf is what one route stands for: itself, or all that its wildcards can be.
func (d *describing) operationsOf(r *Route) []operation {
	var all []operation
	switch r.kind {
	case kindCommand:
		all = d.commands(r)
	case kindState:
		all = d.states(r)
	case kindRow:
		for _, v := range d.model.Projections {
			all = append(all, d.row(r, v))
		}
	case kindList:
		for _, v := range d.model.Projections {
			all = append(all, d.list(r, v))
		}
	}
	if len(all) == 0 {
		all = append(all, d.plain(r))
	}
	return all
}

func (d *describing) commands(r *Route) []operation {
	var all []operation
	for _, decider := range d.model.Deciders {
		for _, c := range decider.Commands {
			o := d.begin(r, "category", decider.Category, "command", c.Name)
			o.id, o.group = "command."+decider.Category+"."+c.Name, decider.Category
			o.summary = c.Name + ": a command to " + decider.Category
			o.params = append(o.params, ifMatch, ifNoneMatchAll)
			o.body = d.schemas.of(deref(c.Type), true)
			all = append(all, d.end(o, r))
		}
	}
	return all
}

func (d *describing) states(r *Route) []operation {
	var all []operation
	for _, decider := range d.model.Deciders {
		if decider.Kind != "decider" {
			continue
		}
		o := d.begin(r, "category", decider.Category)
		o.id, o.group = "state."+decider.Category, decider.Category
		o.summary = decider.Category + " as its decider sees it"
		state := d.schemas.replaced(reflect.TypeFor[stateAnswer](), "state", d.schemas.of(deref(decider.State.Type), false))
		o.answers = append(o.answers, good(200, "the state", jsonOf(d.schemas.define("State."+decider.Category, state)), "ETag", positionName))
		all = append(all, d.end(o, r))
	}
	return all
}

func (d *describing) row(r *Route, v deed.ViewModel) operation {
	o := d.begin(r, "view", v.Name)
	o.id, o.group, o.summary = "view."+v.Name+".row", "views", "a row of "+v.Name
	o.answers = append(o.answers, good(200, "the row", jsonOf(d.schemas.of(deref(v.Row.Type), false)), rowHeaders...))
	return d.end(o, r)
}

var rowHeaders = []string{"ETag", positionName, "Deed-Stale", parkedName}

func (d *describing) list(r *Route, v deed.ViewModel) operation {
	o := d.begin(r, "view", v.Name)
	o.id, o.group, o.summary = "view."+v.Name+".list", "views", "a page of "+v.Name
	o.params = narrowed(o.params, v.Index)
	o.answers = append(o.answers, good(200, "the page", jsonOf(d.page(v.Row.Type, v.Name)), positionName, "Deed-Stale", parkedName))
	return d.end(o, r)
}

// page is the schema of a page of rows.
func (d *describing) page(row reflect.Type, name string) object {
	name = "Rows." + name
	if d.schemas.taken[name] {
		return refer(name)
	}
	one := d.schemas.replaced(reflect.TypeFor[rowAnswer](), "row", d.schemas.of(deref(row), false))
	list := object{{"type", "array"}, {"items", one}}
	return d.schemas.define(name, d.schemas.replaced(reflect.TypeFor[rowsAnswer](), "rows", list))
}

// narrowed puts a view's own parameters in place of those of any view.
func narrowed(params []parameter, index []string) []parameter {
	var own []parameter
	for _, p := range params {
		switch {
		case p.in == "query" && p.free:
			for _, field := range index {
				own = append(own, parameter{name: "where." + field, in: "query", summary: "only rows whose " + field + " is this", repeated: true, schema: object{{"type", "string"}}})
			}
		case p.in == "query" && p.name == "order":
			values := []any{}
			for _, field := range index {
				values = append(values, field, "-"+field)
			}
			if len(values) > 0 {
				p.schema = object{{"type", "string"}, {"enum", values}}
				own = append(own, p)
			}
		default:
			own = append(own, p)
		}
	}
	return own
}

// plain is a route as it is.
func (d *describing) plain(r *Route) operation {
	o := d.begin(r)
	o.id, o.group, o.summary = strings.ToLower(r.Method)+idOf(o.path), r.group(), r.Summary
	if r.Body != nil {
		o.body = d.schemas.of(deref(reflect.TypeOf(r.Body)), true)
	}
	view := d.viewOf(r)
	switch {
	case view == nil:
	case r.lists():
		o.params = narrowed(o.params, view.Index)
	default:
		o.answers = append(o.answers, response{status: http.StatusNotModified, summary: http.StatusText(http.StatusNotModified), headers: rowHeaders})
		o.params = append(o.params, ifNoneMatch)
	}
	for _, status := range slices.Sorted(maps.Keys(r.Answers)) {
		o.answers = append(o.answers, d.answer(r, status, r.Answers[status], view))
	}
	return d.end(o, r)
}

func idOf(path string) string {
	id := strings.NewReplacer("/", ".", "{", "", "}", "").Replace(path)
	return strings.TrimSuffix(id, ".")
}

// answer is an answer that a route says it has.
func (d *describing) answer(r *Route, status int, value any, view *deed.ViewModel) response {
	a := good(status, cmp.Or(http.StatusText(status), "an answer"), nil)
	switch body := value.(type) {
	case nil:
	case Content:
		a.media = []media{{kind: string(body), schema: object{{"type", "string"}}}}
	default:
		schema := d.schemas.of(deref(reflect.TypeOf(value)), false)
		if r.lists() && status == http.StatusOK {
			name := nameOf(deref(reflect.TypeOf(value)))
			if view != nil {
				name = view.Name
			}
			schema = d.page(reflect.TypeOf(value), name)
		}
		a.media = jsonOf(schema)
	}
	switch r.kind {
	case kindChanges:
		a.media = []media{{kind: eventStream, schema: object{{"type", "string"}}, events: d.changeEvents()}}
	case kindLog:
		text := object{{"type", "string"}}
		a.media = []media{
			{kind: logType(false), schema: text, item: d.record},
			{kind: eventStream, schema: text, events: object{{"record", d.record}}},
		}
	}
	a.headers = append(a.headers, headersOf(r, status, view)...)
	return a
}

// headersOf are the headers of an answer, when all goes well.
func headersOf(r *Route, status int, view *deed.ViewModel) []string {
	switch {
	case r.lists(), r.Reaches:
		return []string{positionName, "Deed-Stale", parkedName}
	case view != nil:
		return rowHeaders
	case r.kind == kindStream || r.kind == kindLog:
		return []string{positionName}
	case r.tagged:
		return []string{"ETag"}
	case r.Method == http.MethodGet:
		return nil
	case r.kind == kindOwn && status == http.StatusCreated:
		return []string{"Location", positionName, "Deed-Again", "Set-Cookie"}
	case r.kind == kindOwn, r.kind == kindControl:
		return []string{positionName, "Deed-Again", "Set-Cookie"}
	}
	return nil
}

// viewOf is the view whose rows a route of the service's own answers with; nil: none.
func (d *describing) viewOf(r *Route) *deed.ViewModel {
	row := r.Answers[http.StatusOK]
	if r.kind != kindOwn || r.Method != http.MethodGet || row == nil {
		return nil
	}
	for i := range d.model.Projections {
		if deref(d.model.Projections[i].Row.Type) == deref(reflect.TypeOf(row)) {
			return &d.model.Projections[i]
		}
	}
	return nil
}

// begin is an operation of a route, of whose wildcards some have the values that follow their names.
func (d *describing) begin(r *Route, fixed ...string) operation {
	o := operation{method: r.Method, route: r.name(), self: r.tagged || r.fleeting}
	var path strings.Builder
	for _, segment := range strings.Split(strings.TrimSuffix(r.Pattern, "{$}"), "/")[1:] {
		path.WriteByte('/')
		name, ok := wildcard(segment)
		if i := slices.Index(fixed, name); ok && i >= 0 {
			path.WriteString(fixed[i+1])
			continue
		}
		if !ok {
			path.WriteString(segment)
			continue
		}
		path.WriteString("{" + name + "}")
		o.params = append(o.params, parameter{name: name, in: "path", summary: pathSummaries[name], required: true, schema: idSchema})
	}
	o.path = path.String()
	for _, p := range r.Query {
		o.params = append(o.params, d.queryParameter(p))
	}
	return o
}

var (
	idSchema      = object{{"type", "string"}, {"minLength", 1}, {"maxLength", 255}}
	pathSummaries = map[string]string{
		"id": "which one: 1 to 255 bytes of UTF-8 without control characters or a slash", "key": "the row's key",
		"stream": "CATEGORY-ID", "category": "a category", "command": "a command of the category", "view": "a view", "part": "a projection, process or reactor",
	}
)

func (d *describing) queryParameter(p Parameter) parameter {
	q := parameter{name: p.Name, in: "query", summary: p.Summary, repeated: p.Repeated, schema: object{{"type", "string"}}}
	if p.Schema != nil {
		q.schema, _ = ordered(any(p.Schema)).(object)
	}
	if p.Name == "limit" && p.Schema == nil {
		q.schema = object{{"type", "integer"}, {"minimum", 1}, {"maximum", d.gateway.options.MaxPage}}
	}
	if name, all := strings.CutSuffix(p.Name, "*"); all {
		q.name, q.free = strings.TrimSuffix(name, "."), true
		q.schema = object{{"type", "object"}, {"additionalProperties", object{{"type", "string"}}}}
	}
	return q
}

// wildcard is the name in a segment of a pattern that is one.
func wildcard(segment string) (string, bool) {
	inner, ok := strings.CutPrefix(segment, "{")
	inner, ok2 := strings.CutSuffix(inner, "}")
	return strings.TrimSuffix(inner, "..."), ok && ok2
}

// end adds what all operations of a route have.
func (d *describing) end(o operation, r *Route) operation {
	if r.kind == kindCommand && len(o.answers) == 0 {
		command := d.schemas.of(reflect.TypeFor[commandAnswer](), false)
		o.answers = append(o.answers, good(200, "handled", jsonOf(command), positionName, "Deed-Again", "Set-Cookie"))
	}
	if r.kind == kindState || r.kind == kindRow {
		o.answers = append(o.answers, response{status: http.StatusNotModified, summary: http.StatusText(http.StatusNotModified), headers: []string{"ETag", positionName}})
		o.params = append(o.params, ifNoneMatch)
	}
	viewed := r.kind == kindRow || r.lists() || r.Reaches || d.viewOf(r) != nil
	o.params = append(o.params, headerParameters(r, viewed)...)
	o.answers = append(o.answers, problemsOf(r, viewed)...)
	slices.SortStableFunc(o.answers, func(a, b response) int { return a.status - b.status })
	return o
}

func good(status int, summary string, body []media, headers ...string) response {
	return response{status: status, summary: summary, media: body, headers: headers}
}

func jsonOf(schema object) []media { return []media{{kind: "application/json", schema: schema}} }

// replaced is the schema of one of our answers with one of its members said exactly.
func (s *schemas) replaced(t reflect.Type, name string, schema object) object {
	whole := s.structure(t, false)
	properties, _ := whole.get("properties").(object)
	return whole.with("properties", properties.with(name, schema))
}

func deref(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}
