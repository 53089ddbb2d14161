// Package console is the web console of a deed service: its log, streams, views, processes and store, for people to look at,
// and the few things that are told to its parts. It reads only what a deed.Service gives to everybody, and it is mounted on the
// service's gateway, which protects it like every other route:
//
//	gw, err := gateway.New(service, options)
//	...
//	err = gw.Handle(console.Routes(service, nil)...)
//
// The pages are under /console. They are made on the server, and can be read without scripts; what is live is done by a script
// of the console's own. What changes something is a POST with a pattern of its own, so that an Authorizer can tell it, and
// leaves an event in the part's stream, as deed.Control says.
package console

import (
	"log/slog"
	"net/http"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/gateway"
)

// Options are how a console behaves; the zero Options are right.
type Options struct {
	// Title is what the pages call the service; empty: deed.
	Title string
	// Home is where the title links to, a path of the same gateway; empty: the console itself.
	Home string
	// Logger gets what goes wrong on a page; nil: nothing is logged. The page says it too.
	Logger *slog.Logger
}

// console is a console of a service.
type console struct {
	service *deed.Service
	title   string
	home    string
	logger  *slog.Logger
	meter   meter
	counted counted
	rates   rates
}

// Routes returns the routes of a console of a service, for the gateway in front of it. Options may be nil.
func Routes(service *deed.Service, o *Options) []gateway.Route {
	if o == nil {
		o = &Options{}
	}
	c := &console{service: service, title: o.Title, home: o.Home, logger: o.Logger}
	if c.title == "" {
		c.title = "deed"
	}
	if c.home == "" {
		c.home = root
	}
	if c.logger == nil {
		c.logger = slog.New(slog.DiscardHandler)
	}
	routes := []gateway.Route{
		get("", "how the service is doing", c.page("overview", c.overview)),
		get("/{$}", "the console", func(call *gateway.Call) error { return redirect(call, root) }),
		get("/assets/{file}", "what the pages look like", asset),
		get("/log", "the log as it grows", c.page("log", c.log)),
		get("/log/tail", "new records of the log, a sample of them where they are many, as server-sent events", c.tail),
		get("/log/{position}", "a record in full", c.page("record", c.record)),
		get("/log/{position}/data", "the data of a record as it is stored", c.recordData),
		get("/log/{position}/causes", "what caused a record, and what it caused", c.page("causes", c.causes)),
		get("/streams", "the streams", c.page("streams", c.streams)),
		get("/streams/{stream}", "a stream, and its thing as it was at any version", c.page("stream", c.stream)),
		get("/streams/{stream}/rows", "a stream, and beside it every row made of it", c.page("sides", c.sides)),
		get("/map", "the parts of the service, and what goes between them", c.page("map", c.drawMap)),
		get("/map/rates", "how many events of each type come in a second, as JSON", c.mapRates),
		get("/views", "the views, and how far they are", c.page("views", c.views)),
		get("/parts", "how the parts are doing, as JSON", c.partsJSON),
		get("/parts/{part}/compare", "the rows of two versions of a view, compared", c.page("compare", c.compare)),
		get("/fleet", "the nodes that share the log, and what each runs", c.page("fleet", c.fleet)),
		get("/views/{view}", "the rows of a view", c.page("rows", c.rows)),
		get("/views/{view}/{key}", "a row of a view", c.page("row", c.row)),
		get("/processes", "the processes and reactors", c.page("processes", c.processes)),
		get("/processes/{part}", "the instances of a process", c.page("process", c.process)),
		get("/processes/{part}/{key}", "an instance of a process", c.page("instance", c.instance)),
		get("/parked", "what parts hold back, and why", c.page("parked", c.parked)),
		get("/store", "what the log holds", c.page("store", c.store)),
	}
	return append(routes, c.controls()...)
}

// root is where the console is.
const root = "/console"

func get(pattern, summary string, handle func(*gateway.Call) error) gateway.Route {
	return gateway.Route{Method: http.MethodGet, Pattern: root + pattern, Summary: "console: " + summary, Page: true, Handle: handle}
}

func redirect(call *gateway.Call, to string) error {
	call.Writer.Header().Set("Location", to)
	call.Writer.Header().Set("Cache-Control", "no-store")
	call.Writer.WriteHeader(http.StatusSeeOther)
	return nil
}
