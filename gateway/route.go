package gateway

import (
	"errors"
	"fmt"
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
	// where there is none. It is for documentation.
	Answers map[int]any
	// Handle answers a call. An error that it returns becomes a problem; see Problem for which. It may run many times at once.
	Handle func(c *Call) error

	asks func(c *Call) []Action // what the Authorizer is asked about; nil: what the path says
}

// Parameter is a parameter of a query string.
type Parameter struct {
	Name     string // "where.*" stands for all that begin with "where."
	Summary  string
	Repeated bool // may stand more than once
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
		State    string        `json:"state"`
		Ready    bool          `json:"ready"`
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
		{Name: "limit", Summary: "at most so many records"},
	}
	return []Route{
		{
			Method: "POST", Pattern: "/api/commands/{category}/{id}/{command}", Summary: "handles a command", Query: none,
			Answers: map[int]any{200: commandAnswer{}}, Handle: g.command,
		},
		{
			Method: "GET", Pattern: "/api/state/{category}/{id}", Summary: "a thing as its decider sees it", Query: none,
			Answers: map[int]any{200: stateAnswer{}, 304: nil}, Handle: g.state,
		},
		{
			Method: "GET", Pattern: "/api/views/{view}/{key}", Summary: "a row of a view", Query: none,
			Answers: map[int]any{200: new(any), 304: nil},
			Handle:  func(c *Call) error { return c.Row(c.Request.PathValue("view"), c.Request.PathValue("key")) },
		},
		{
			Method: "GET", Pattern: "/api/views/{view}", Summary: "a page of a view", Query: ListQuery,
			Answers: map[int]any{200: rowsAnswer{}},
			Handle:  func(c *Call) error { return c.List(c.Request.PathValue("view")) },
		},
		{
			Method: "GET", Pattern: "/api/changes", Summary: "the changes of views as they happen, as server-sent events",
			Query: []Parameter{
				{Name: "view", Summary: "a view to follow", Repeated: true},
				{Name: "last-event-id", Summary: "where to go on, for clients that cannot set the header Last-Event-ID"},
			},
			Answers: map[int]any{200: nil}, Handle: g.changes, asks: eachView,
		},
		{
			Method: "GET", Pattern: "/api/streams/{stream}", Summary: "the records of a stream",
			Query:   append(slices.Clone(bounds), Parameter{Name: "backward", Summary: "the newest first"}),
			Answers: map[int]any{200: streamAnswer{}}, Handle: g.stream,
		},
		{
			Method: "GET", Pattern: "/api/log", Summary: "the log, a JSON record a line, or as server-sent events",
			Query: append(slices.Clone(bounds),
				Parameter{Name: "category", Summary: "only records of this category"},
				Parameter{Name: "type", Summary: "only records of one of these types", Repeated: true},
				Parameter{Name: "tag", Summary: "only records with all of these tags", Repeated: true},
				Parameter{Name: "follow", Summary: "go on with what is recorded later; server-sent events do unless this is false"},
				Parameter{Name: "last-event-id", Summary: "where to go on, for clients that cannot set the header Last-Event-ID"},
			),
			Answers: map[int]any{200: recordAnswer{}}, Handle: g.log, asks: logCategory,
		},
		{
			Method: "GET", Pattern: "/healthz", Summary: "the process is alive", Query: none,
			Answers: map[int]any{200: aliveAnswer{}}, Handle: g.alive,
		},
		{
			Method: "GET", Pattern: "/readyz", Summary: "every part is well and no view too far behind", Query: none,
			Answers: map[int]any{200: readyAnswer{}}, Handle: g.ready,
		},
	}
}

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
