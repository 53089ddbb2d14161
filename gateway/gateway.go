// Package gateway puts HTTP in front of a deed service: commands, states, views and their changes, streams and the log,
// made from the service's model, and routes of the service's own (Gateway.Handle) under the same protections.
//
//	gw, err := gateway.New(service, nil)
//	...
//	err = gateway.Serve(ctx, "127.0.0.1:8080", gw)
//
// Every error is an application/problem+json (RFC 9457) with a stable code, or a page where a browser asks for a page
// (Route.Page). Positions leave the process as tokens: the header Deed-Position of an answer, sent back with a later
// question, makes the answer wait until the view has come that far, so that a client reads what it wrote and never reads
// backwards.
//
// A gateway documents itself: /openapi.json, /asyncapi.json, and /docs for people, all made from the service's model and the
// routes. Schemas come from the Go types, by their JSON tags. A type with a JSON form of its own (json.Marshaler,
// encoding.TextMarshaler) is taken for a string, unless it has a method JSONSchema() map[string]any that says what it is.
// Examples in the documentation are what tests asked and were answered: a Recorder writes them, Options.Examples shows them,
// and a test fails once they are no longer true.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/deed-es/deed"
)

// Gateway is HTTP in front of a service. It is an http.Handler; Serve runs it with the timeouts and the graceful end that
// it should have. All methods may be called by many goroutines at once.
type Gateway struct {
	service  *deed.Service
	options  Options
	commands map[string]map[string]bool // category → its commands
	names    map[string]bool            // hosts that we answer to
	origins  *http.CrossOriginProtection
	limiter  *limiter // nil: no limit

	handler http.Handler // what ServeHTTP does

	mux    *http.ServeMux
	mu     sync.Mutex
	routes []*Route
	docs   *documents // of so many routes as they know of

	followers atomic.Int64
	stopping  context.Context
	stop      context.CancelFunc
}

// New returns a gateway in front of a service, or all that is wrong with the options. Options may be nil.
func New(service *deed.Service, o *Options) (*Gateway, error) {
	if service == nil {
		return nil, errors.New("new gateway: the service is nil")
	}
	options, err := o.complete()
	if err != nil {
		return nil, fmt.Errorf("new gateway: %w", err)
	}
	g := &Gateway{service: service, options: options, mux: http.NewServeMux(), names: hostNames(options.Hosts)}
	g.stopping, g.stop = context.WithCancel(context.Background())
	if g.origins, err = trusted(options.Origins); err != nil {
		return nil, fmt.Errorf("new gateway: %w", err)
	}
	if options.Rate > 0 {
		g.limiter = newLimiter(options.Rate, options.Burst)
	}
	g.commands = map[string]map[string]bool{}
	for _, d := range service.Model().Deciders {
		if g.commands[d.Category] == nil {
			g.commands[d.Category] = map[string]bool{}
		}
		for _, c := range d.Commands {
			g.commands[d.Category][c.Name] = true
		}
	}
	g.mux.HandleFunc("/", g.unknown)
	routes := g.generic()
	if options.Metrics != nil {
		routes = append(routes, metrics(options.Metrics))
	}
	if err := g.Handle(routes...); err != nil {
		return nil, fmt.Errorf("new gateway: %w", err)
	}
	g.handler = g.reached("")
	return g, nil
}

// Stop ends all streams that follow something and all waiting for views, now and from now on; other requests are still
// answered. Serve does it when its context ends; who runs a server of their own hands it to RegisterOnShutdown.
func (g *Gateway) Stop() { g.stop() }

// Routes returns what the gateway answers to, the service's own routes included, in the order in which they were added.
func (g *Gateway) Routes() []Route {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := make([]Route, len(g.routes))
	for i, r := range g.routes {
		all[i] = *r
	}
	return all
}

// ServeHTTP answers a request. Whatever goes wrong in it, a panic included, ends this request only.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) { g.handler.ServeHTTP(w, r) }

// reached answers the requests to a server that is also reached under name, with what is around that.
func (g *Gateway) reached(name string) http.Handler {
	var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { g.serve(w, r, name) })
	if g.options.Around != nil {
		h = g.options.Around(h)
	}
	return h
}

// serve answers a request to a server that is also reached under name.
func (g *Gateway) serve(w http.ResponseWriter, r *http.Request, name string) {
	c := &Call{Request: r, gateway: g, correlation: correlationOf(r.Header)}
	c.out = answer{ResponseWriter: w, call: c}
	c.Writer = &c.out
	defer c.end()
	h := w.Header()
	h["Deed-Correlation-Id"] = []string{c.correlation}
	h["X-Content-Type-Options"] = noSniff
	if err := g.guard(r, name); err != nil {
		c.fail(err)
		return
	}
	g.mux.ServeHTTP(c.Writer, r)
}

var noSniff = []string{"nosniff"}

// unknown answers what no route answers to: 405 where other methods would do, and else 404.
func (g *Gateway) unknown(w http.ResponseWriter, r *http.Request) {
	c := w.(*answer).call
	allowed := g.allowed(r)
	if len(allowed) == 0 {
		c.fail(&Problem{Status: http.StatusNotFound, Code: codeNotFound, Detail: "there is no such route"})
		return
	}
	w.Header()["Allow"] = allowed
	c.fail(&Problem{Status: http.StatusMethodNotAllowed, Code: "method-not-allowed", Detail: fmt.Sprintf("this route does not take %.20q", r.Method)})
}

var methods = []string{http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodPatch, http.MethodPost, http.MethodPut}

// allowed returns the methods that a route of r's path takes.
func (g *Gateway) allowed(r *http.Request) []string {
	other := *r
	return slices.DeleteFunc(slices.Clone(methods), func(method string) bool {
		other.Method = method
		_, pattern := g.mux.Handler(&other)
		return pattern == "/"
	})
}
