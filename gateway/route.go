package gateway

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"

	"github.com/deed-es/deed"
)

// Route is something that a gateway answers to.
type Route struct {
	// Method is the HTTP method; GET answers HEAD too.
	Method string
	// Pattern is the path as http.ServeMux knows it, without a method or host: "/v1/users/{userId}".
	Pattern string
	// Summary says in a few words what the route does.
	Summary string
	// Query are the parameters that the route takes; a request with others is refused. Nil: they are not looked at.
	Query []Parameter
	// Body is a value of the type that the request's body has; nil: there is none. It is for documentation.
	Body any
	// Answers holds, for every status that the route answers with when all goes well, a value of the type of its body, nil
	// where there is none, a Content where it is not JSON. Of a route that takes ListQuery it is the type of a row: the page
	// around it, and the fields that can be asked for, are known. It is for documentation.
	Answers map[int]any
	// Problems holds the codes of problems that the route answers with beyond those that any route may have, by their status.
	// It is for documentation.
	Problems map[int][]string
	// Reaches says that the route answers from a view or tables, by Call.Reach. It is for documentation.
	Reaches bool
	// Page says that the route is for people and their browsers: a page, or what pages are made with. The documents leave it out,
	// so that it takes no example. The Authorizer is asked about it as about every route; who asks for text/html gets a page
	// for a problem, which is also so where no route answers below what stands in the pattern before its first wildcard.
	Page bool
	// Handle answers a call. An error that it returns becomes a problem; see Problem for which. It may run many times at once.
	Handle func(c *Call) error

	asks   func(c *Call) []Action // what the Authorizer is asked about; nil: what the path says
	kind   kind                   // what it is about
	tagged bool                   // it answers with an ETag, and 304
	// fleeting: what it answers is never the same twice, and makes no example.
	fleeting bool
}

// Parameter is a parameter of a query string.
type Parameter struct {
	Name     string // "where.*" stands for all that begin with "where."
	Summary  string
	Repeated bool // may stand more than once
	// Schema is the JSON Schema of a value; nil: any string. It is for documentation.
	Schema map[string]any
}

// ListQuery are the parameters of a route that answers with Call.List.
var ListQuery = []Parameter{
	{Name: "where.*", Summary: "the value that an index field must have", Repeated: true},
	{Name: "order", Summary: "the index field to order by, with - in front for descending; by key without"},
	{Name: "limit", Summary: "at most so many rows; 100 without"},
	{Name: "cursor", Summary: "next of the page before"},
}

// Handle adds routes of the service's own. They have the protections of the others: paths, hosts and origins are checked,
// the Authorizer is asked, requests are counted against the rate, bodies are limited, errors and panics are problems.
func (g *Gateway) Handle(routes ...Route) error {
	var errs []error
	for _, r := range routes {
		if err := g.add(r); err != nil {
			errs = append(errs, fmt.Errorf("route %s %s: %w", r.Method, r.Pattern, err))
		}
	}
	return errors.Join(errs...)
}

func (g *Gateway) add(r Route) (err error) {
	switch {
	case !slices.Contains(methods, r.Method) || r.Method == http.MethodHead:
		return errors.New("the method must be DELETE, GET, PATCH, POST or PUT")
	case !strings.HasPrefix(r.Pattern, "/"):
		return errors.New("the pattern must begin with a slash")
	case r.Handle == nil:
		return errors.New("Handle is nil")
	}
	defer func() {
		if v := recover(); v != nil { // how a mux says that a pattern is bad or taken
			err = fmt.Errorf("%v", v)
		}
	}()
	g.mux.HandleFunc(r.Method+" "+r.Pattern, func(w http.ResponseWriter, _ *http.Request) {
		w.(*answer).call.run(&r)
	})
	g.mu.Lock()
	defer g.mu.Unlock()
	g.routes = append(g.routes, &r)
	return nil
}

// name is how the route is known to an Authorizer.
func (r *Route) name() string { return r.Method + " " + r.Pattern }

func (r *Route) takes(parameter string) (*Parameter, bool) {
	for i := range r.Query {
		p := &r.Query[i]
		if prefix, all := strings.CutSuffix(p.Name, "*"); p.Name == parameter || all && strings.HasPrefix(parameter, prefix) {
			return p, true
		}
	}
	return nil, false
}

// lists tells whether the route answers with pages of a view.
func (r *Route) lists() bool {
	_, ok := r.takes("where.")
	return ok && r.Query != nil
}

// group is where the route stands in the documentation.
func (r *Route) group() string {
	switch r.kind {
	case kindOwn:
		return groupOwn
	case kindCommand, kindState:
		return "commands"
	case kindRow, kindList:
		return "views"
	case kindChanges, kindStream, kindLog:
		return "log and changes"
	case kindControl:
		return "operation"
	}
	return "health and documentation"
}

// groupOwn is where routes of the service's own stand.
const groupOwn = "service"

// The shapes of answers, for documentation. What is sent is written by hand, and a test holds it against these.
type (
	commandAnswer struct {
		Stream   deed.StreamID `json:"stream"`
		Version  deed.Version  `json:"version"`
		Position deed.Position `json:"position"`
	}
	stateAnswer struct {
		commandAnswer
		State any `json:"state"`
	}
	rowAnswer struct {
		Key      string        `json:"key"`
		Position deed.Position `json:"position"`
		Parked   deed.Position `json:"parked,omitempty"`
		Row      any           `json:"row"`
	}
	rowsAnswer struct {
		Rows     []rowAnswer   `json:"rows"`
		Next     string        `json:"next,omitempty"`
		Position deed.Position `json:"position"`
	}
	recordAnswer struct {
		ID          string        `json:"id"`
		Type        string        `json:"type"`
		Schema      int           `json:"schema"`
		Stream      deed.StreamID `json:"stream"`
		Version     deed.Version  `json:"version"`
		Position    deed.Position `json:"position"`
		Time        string        `json:"time"`
		Effective   string        `json:"effective,omitempty"`
		Tags        []string      `json:"tags"`
		Meta        any           `json:"meta"`
		ContentType string        `json:"contentType,omitempty"`
		Data        any           `json:"data"`
	}
	streamAnswer struct {
		Stream   deed.StreamID  `json:"stream"`
		Records  []recordAnswer `json:"records"`
		Next     deed.Position  `json:"next,omitempty"`
		Position deed.Position  `json:"position"`
	}
	aliveAnswer struct {
		Status string `json:"status"`
	}
	readyAnswer struct {
		Status   string        `json:"status"`
		Position deed.Position `json:"position"`
		Parts    []partAnswer  `json:"parts"`
	}
	partAnswer struct {
		Name     string        `json:"name"`
		Kind     string        `json:"kind"`
		Version  int           `json:"version"`
		State    string        `json:"state"`
		Ready    bool          `json:"ready"`
		Read     bool          `json:"read,omitempty"`
		Position deed.Position `json:"position"`
		Lag      deed.Position `json:"lag"`
		Behind   float64       `json:"behindSeconds"`
	}
)

// generic are the routes that every service has.
func (g *Gateway) generic() []Route {
	none := []Parameter{}
	bounds := []Parameter{
		{Name: "after", Summary: "only records after this position, a number or a token"},
		{Name: "before", Summary: "only records before this position, a number or a token"},
	}
	routes := []Route{
		{
			Method: "POST", Pattern: "/api/commands/{category}/{id}/{command}", kind: kindCommand, Summary: "handles a command", Query: none,
			Answers: map[int]any{200: commandAnswer{}}, Handle: g.command,
		},
		{
			Method: "GET", Pattern: "/api/state/{category}/{id}", kind: kindState, Summary: "a thing as its decider sees it",
			Query:   []Parameter{{Name: "version", Summary: "as it was at this version", Schema: map[string]any{"type": "integer", "minimum": 1}}},
			Answers: map[int]any{200: stateAnswer{}, 304: nil}, Handle: g.state,
		},
		{
			Method: "GET", Pattern: "/api/views/{view}/{key}", kind: kindRow, Summary: "a row of a view", Query: none,
			Answers: map[int]any{200: new(any), 304: nil},
			Handle:  func(c *Call) error { return c.Row(c.Request.PathValue("view"), c.Request.PathValue("key")) },
		},
		{
			Method: "GET", Pattern: "/api/views/{view}", kind: kindList, Summary: "a page of a view", Query: ListQuery,
			Answers: map[int]any{200: rowsAnswer{}},
			Handle:  func(c *Call) error { return c.List(c.Request.PathValue("view")) },
		},
		{
			Method: "GET", Pattern: "/api/changes", kind: kindChanges, Summary: "the changes of views as they happen, as server-sent events",
			Query: []Parameter{
				{Name: "view", Summary: "a view to follow", Repeated: true},
				{Name: "last-event-id", Summary: "where to go on, for clients that cannot set the header Last-Event-ID"},
			},
			Answers: map[int]any{200: nil}, Handle: g.changes, asks: eachView,
		},
		{
			Method: "GET", Pattern: "/api/streams/{stream}", kind: kindStream, Summary: "the records of a stream",
			Query: append(slices.Clone(bounds),
				Parameter{Name: "limit", Summary: "at most so many records; 100 without"},
				Parameter{Name: "backward", Summary: "the newest first", Schema: flagSchema},
			),
			Answers: map[int]any{200: streamAnswer{}}, Handle: g.stream,
		},
		{
			Method: "GET", Pattern: "/api/log", kind: kindLog, Summary: "the log, a JSON record a line, or as server-sent events",
			Query: append(slices.Clone(bounds),
				Parameter{Name: "limit", Summary: "at most so many records; all without", Schema: map[string]any{"type": "integer", "minimum": 1, "maximum": math.MaxInt32}},
				Parameter{Name: "category", Summary: "only records of this category"},
				Parameter{Name: "type", Summary: "only records of one of these types", Repeated: true},
				Parameter{Name: "tag", Summary: "only records with all of these tags", Repeated: true},
				Parameter{Name: "follow", Summary: "go on with what is recorded later; server-sent events do unless this is false", Schema: flagSchema},
				Parameter{Name: "last-event-id", Summary: "where to go on, for clients that cannot set the header Last-Event-ID"},
			),
			Answers: map[int]any{200: recordAnswer{}}, Handle: g.log, asks: logCategory,
		},
	}
	routes = append(routes, g.controlRoutes()...)
	return append(routes, []Route{
		{
			Method: "GET", Pattern: "/healthz", kind: kindPlain, Summary: "the process is alive", Query: none,
			Answers: map[int]any{200: aliveAnswer{}}, Handle: g.alive,
		},
		{
			Method: "GET", Pattern: "/readyz", kind: kindReady, Summary: "every part is well and no view too far behind", Query: none,
			Answers: map[int]any{200: readyAnswer{}}, Handle: g.ready,
		},
		g.documentation("/openapi.json", "this service as an OpenAPI 3.1 document", "application/json", func(d *documents) page { return d.openAPI }),
		g.documentation("/asyncapi.json", "the events of this service as an AsyncAPI 3.0 document", "application/json", func(d *documents) page { return d.asyncAPI }),
		g.documentation("/docs", "this service described for people", htmlType, func(d *documents) page { return d.html }),
	}...)
}

var flagSchema = map[string]any{"type": "boolean"}

func eachView(c *Call) []Action {
	asked := []Action{{Route: c.route.name()}}
	for i, view := range c.query["view"] {
		asked = append(asked[:i], Action{Route: c.route.name(), View: view})
	}
	return asked
}

func logCategory(c *Call) []Action {
	return []Action{{Route: c.route.name(), Category: c.query.Get("category")}}
}
