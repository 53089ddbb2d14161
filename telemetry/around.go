package telemetry

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/felixge/httpsnoop"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Around counts and traces what next answers. A request is known by the pattern of the http.ServeMux that it came to, so next
// must be one, a gateway, or what hands the request on to one as it is. What was flushed before its end is a stream: it is
// counted, and its length says nothing of how quick the service is.
func (t *Telemetry) Around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e := &exchange{telemetry: t, began: time.Now(), status: http.StatusOK, method: methodOf(r)}
		r = e.begin(r)
		defer e.end(r)
		next.ServeHTTP(httpsnoop.Wrap(w, httpsnoop.Hooks{WriteHeader: e.writeHeader, Flush: e.flush}), r)
		e.whole = true
	})
}

// exchange is a request and its answer.
type exchange struct {
	telemetry *Telemetry
	began     time.Time
	span      trace.Span // nil: not traced
	method    string
	status    int
	decided   bool // the status was written
	streamed  bool
	whole     bool // the handler has returned: it did not panic
}

func (e *exchange) begin(r *http.Request) *http.Request {
	e.telemetry.metrics.inFlight.Inc()
	ctx := r.Context()
	if e.telemetry.tracer != nil {
		if from := r.Header.Values(traceparentHeader); len(from) == 1 {
			ctx = trace.ContextWithRemoteSpanContext(ctx, parse(from[0]))
		}
		ctx, e.span = e.telemetry.tracer.Start(ctx, e.method, trace.WithSpanKind(trace.SpanKindServer),
			trace.WithAttributes(attribute.String("http.request.method", e.method)))
	}
	return r.WithContext(ctx) // always another request: whoever is around this one may set its Pattern
}

func (e *exchange) writeHeader(next httpsnoop.WriteHeaderFunc) httpsnoop.WriteHeaderFunc {
	return func(status int) {
		if status >= 200 && !e.decided { // before it the informational ones
			e.status, e.decided = status, true
		}
		next(status)
	}
}

func (e *exchange) flush(next httpsnoop.FlushFunc) httpsnoop.FlushFunc {
	return func() {
		if !e.streamed {
			e.streamed = true
			e.telemetry.metrics.streams.Inc()
		}
		next()
	}
}

func (e *exchange) end(r *http.Request) {
	if !e.whole { // a panic goes on after this, and the connection is closed
		e.status = http.StatusInternalServerError
	}
	m, route := e.telemetry.metrics, routeOf(r)
	m.inFlight.Dec()
	m.requests.WithLabelValues(e.method, route, class(e.status)).Inc()
	if e.streamed {
		m.streams.Dec()
	} else {
		m.requestDuration.WithLabelValues(e.method, route).Observe(time.Since(e.began).Seconds())
	}
	if e.span == nil {
		return
	}
	e.span.SetName(e.method + " " + route)
	e.span.SetAttributes(attribute.String("http.route", route), attribute.Int("http.response.status_code", e.status))
	if e.status >= 500 {
		e.span.SetStatus(codes.Error, http.StatusText(e.status))
	}
	e.span.End()
}

var methods = []string{
	http.MethodConnect, http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPatch, http.MethodPost,
	http.MethodPut, http.MethodTrace,
}

// methodOf is the request's method; anything may stand there, and a label must not be anything.
func methodOf(r *http.Request) string {
	if slices.Contains(methods, r.Method) {
		return r.Method
	}
	return "other"
}

// unmatched is the route of requests that came to none: those refused before.
const unmatched = "unmatched"

// routeOf is the pattern that a request came to, without the method.
func routeOf(r *http.Request) string {
	if r.Pattern == "" {
		return unmatched
	}
	_, path, found := strings.Cut(r.Pattern, " ")
	if !found {
		return r.Pattern
	}
	return strings.TrimLeft(path, " ")
}

// class is a status' class: 2xx.
func class(status int) string {
	if status < 100 || status > 999 {
		return "other"
	}
	return strconv.Itoa(status/100) + "xx"
}
