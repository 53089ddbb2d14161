package gateway

import (
	"maps"
	"net/http"
	"slices"
)

// What the documentation says of headers and problems. Tests hold what is answered against it.

type code struct {
	status int
	name   string
	means  string
}

// codes are all codes of problems that a gateway has. The domain has more: those of deed.Reject.
var codes = []code{
	{400, "bad-path", "the path has empty or dot segments, control characters or encoded slashes, or is not UTF-8"},
	{400, "bad-query", "a parameter is not known, stands twice, or has a value that it cannot have; or an id in the path is none"},
	{400, "bad-header", "a header has a value that it cannot have"},
	{400, "malformed", "the body is not one JSON object in UTF-8"},
	{400, "cursor-expired", "the cursor is of a past version of the view or of another list; begin anew"},
	{401, "unauthenticated", "who asks has to be known"},
	{403, "forbidden", "who asks may not do this"},
	{403, "foreign-origin", "a page of another origin may not send this"},
	{404, "not-found", "there is no such route, category, command, view, row, stream or thing"},
	{405, "method-not-allowed", "the route does not take this method; Allow says which it takes"},
	{408, "timeout", "the body did not come in time"},
	{409, "rejected", "the domain refuses; most refusals have a code of their own"},
	{409, "conflict", "others were first, again and again; the same request may be sent again"},
	{409, "foreign-position", "the position is of another log, or of a past that this one does not have"},
	{412, "version-mismatch", "the thing is at another version than expected; version says at which, events what came between"},
	{413, "too-large", "the body is larger than it may be"},
	{415, "unsupported-media-type", "the body is not application/json in UTF-8"},
	{421, "foreign-host", "the server is not known by this name"},
	{422, "invalid", "a field is not known, is missing or has a value that it cannot have; field says which"},
	{422, "key-reused", "the Idempotency-Key was used before with another body"},
	{429, "too-many-requests", "more requests than allowed; Retry-After says when to come again"},
	{500, "internal", "something went wrong in the server; its log has it under the correlation"},
	{503, "busy", "too much is under way; nothing was stored"},
	{503, "outcome-unknown", "whether it is stored is not known; the same request with the same Idempotency-Key tells"},
	{503, "unavailable", "the store is away"},
	{503, "read-only", "this node only reads"},
	{503, "elsewhere", "this node does not do that; ask another"},
	{503, "timeout", "it took too long"},
	{503, "cancelled", "it was stopped before it was done"},
	{503, "not-ready", "some parts do not run, or views are too far behind; parts says which"},
	{504, "behind", "the view has not reached the position yet; position says how far it is"},
}

// said gathers problems by their status.
type said map[int]*response

func (s said) add(status int, names ...string) {
	if s[status] == nil {
		s[status] = &response{status: status, summary: http.StatusText(status)}
	}
	for _, name := range names {
		if !slices.Contains(s[status].codes, name) {
			s[status].codes = append(s[status].codes, name)
		}
	}
}

// problemsOf are the problems that a route may answer with; viewed if it answers from a view.
func problemsOf(r *Route, viewed bool) []response {
	s := said{}
	s.add(400, "bad-path", "bad-query")
	s.add(401, "unauthenticated")
	s.add(403, "forbidden")
	s.add(421, "foreign-host")
	s.add(429, "too-many-requests")
	s.add(500, "internal")
	s.add(503, "unavailable", "timeout", "cancelled")
	if r.Method != http.MethodGet {
		s.writes(r)
	}
	s.reads(r, viewed)
	if r.kind == kindOwn {
		s.add(404, "not-found")
		s.add(409, "rejected", "conflict", "foreign-position")
		s.add(422, "invalid")
		s[404].open, s[409].open, s[422].open = true, true, true
	}
	for status, names := range r.Problems {
		s.add(status, names...)
	}
	var all []response
	for _, status := range slices.Sorted(maps.Keys(s)) {
		a := s[status].asProblem()
		if status == 404 && viewed {
			a.headers = append(a.headers, positionName, "Deed-Stale", parkedName)
		} else if (r.kind == kindStream || r.kind == kindLog) && (status == 404 || status >= 500) {
			a.headers = append(a.headers, positionName)
		}
		all = append(all, a)
	}
	return all
}

// writes adds what may happen to a request that changes something.
func (s said) writes(r *Route) {
	s.add(400, "bad-header")
	s.add(403, "foreign-origin")
	s.add(404, "not-found")
	s.add(409, "rejected", "conflict")
	s.add(422, "invalid", "key-reused")
	s.add(503, "busy", "outcome-unknown", "read-only", "elsewhere")
	s[404].open, s[409].open, s[422].open = true, true, true
	if r.kind == kindControl {
		s[404].open, s[409].open, s[422].open = false, false, false
	}
	if r.kind == kindCommand {
		s.add(412, "version-mismatch")
	}
	if r.kind == kindCommand || r.Body != nil {
		s.add(400, "malformed")
		s.add(408, "timeout")
		s.add(413, "too-large")
		s.add(415, "unsupported-media-type")
	}
}

// reads adds what may happen to a question.
func (s said) reads(r *Route, viewed bool) {
	switch r.kind {
	case kindState, kindStream:
		s.question()
	case kindLog:
		s.question()
		s.add(503, "busy")
	case kindChanges:
		s.add(404, "not-found")
		s.add(503, "busy")
	case kindControl:
		s.add(404, "not-found")
		if _, pages := r.takes("cursor"); pages {
			s.add(400, "cursor-expired")
		}
	case kindReady:
		s.add(503, "not-ready")
	}
	if viewed {
		s.question()
		s.add(504, "behind")
	}
	if r.lists() {
		s.add(400, "cursor-expired")
	}
}

func (s said) question() {
	s.add(400, "bad-header")
	s.add(404, "not-found")
	s.add(409, "foreign-position")
}

func (a *response) asProblem() response {
	a.headers = nil
	switch a.status {
	case 401:
		a.headers = []string{"WWW-Authenticate"}
	case 409, 429, 503, 504:
		a.headers = []string{"Retry-After"}
	}
	schema := refer("Problem")
	if !a.open {
		names := make([]any, len(a.codes))
		for i, name := range a.codes {
			names[i] = name
		}
		schema = object{{"allOf", []any{schema, object{{"properties", object{{"code", object{{"enum", names}}}}}}}}}
	}
	a.media = []media{{kind: problemType[0], schema: schema}}
	return *a
}

// problemSchema is the schema of any problem.
func problemSchema() object {
	text := object{{"type", "string"}}
	properties := object{
		{"type", object{{"type", "string"}, {"pattern", "^urn:deed:problem:[a-z][a-z0-9-]*$"}}},
		{"title", text},
		{"status", object{{"type", "integer"}, {"minimum", 400}, {"maximum", 599}}},
		{"detail", text},
		{"code", object{{"type", "string"}, {"pattern", "^[a-z][a-z0-9-]*$"}, {"description", "stable, for programs"}}},
		{"field", object{{"type", "string"}, {"description", "the field, parameter or header at fault"}}},
		{"correlation", object{{"type", "string"}, {"description", "under which the server's log has more"}}},
	}
	return object{
		{"type", "object"},
		{"description", "an error as RFC 9457 has it; some codes have further members"},
		{"properties", properties},
		{"required", []string{"type", "title", "status", "detail", "code", "correlation"}},
	}
}

var (
	stringSchema    = object{{"type", "string"}}
	ifMatch         = parameter{name: "If-Match", in: "header", summary: `only at this version, the ETag of the state like "3"; * for a thing that is there; else 412`, schema: stringSchema}
	ifNoneMatchAll  = parameter{name: "If-None-Match", in: "header", summary: "*: only if the thing is not there; else 412", schema: object{{"type", "string"}, {"enum", []any{"*"}}}}
	ifNoneMatch     = parameter{name: "If-None-Match", in: "header", summary: "the ETag of what the client has; 304 if that is still so", schema: stringSchema}
	positionHeader  = parameter{name: positionName, in: "header", summary: "the answer must know of this position, which came with an earlier answer", schema: stringSchema}
	positionCookie  = parameter{name: positionName, in: "cookie", summary: "set for browsers after a command: wait for this position, then rather a stale answer", schema: stringSchema}
	preferHeader    = parameter{name: "Prefer", in: "header", summary: "wait=SECONDS: how long to wait for the position, 2 unless told; stale: rather an old answer than none", schema: stringSchema}
	idempotencyKey  = parameter{name: "Idempotency-Key", in: "header", summary: "makes a repetition safe: the same key and body get the first answer again", schema: object{{"type", "string"}, {"minLength", 1}, {"maxLength", 255}, {"pattern", "^[!-~]+$"}}}
	lastEventHeader = parameter{name: "Last-Event-ID", in: "header", summary: "the id of the last event that the client has; it goes on after that", schema: stringSchema}
	correlation     = parameter{name: "Deed-Correlation-Id", in: "header", summary: "stored with the events that come of it, and returned; made where it is missing", schema: object{{"type", "string"}, {"minLength", 1}, {"maxLength", 128}}}
	traceparent     = parameter{name: "traceparent", in: "header", summary: "of W3C Trace Context; its trace-id is the correlation where none is given", schema: stringSchema}
)

// headerParameters are the headers that a route looks at, but for those of what it is about.
func headerParameters(r *Route, viewed bool) []parameter {
	var all []parameter
	if r.Method != http.MethodGet {
		all = append(all, idempotencyKey)
	}
	switch {
	case viewed:
		all = append(all, positionHeader, preferHeader, positionCookie)
	case r.kind == kindState, r.kind == kindStream:
		all = append(all, positionHeader)
	case r.kind == kindLog:
		all = append(all, positionHeader, lastEventHeader)
	case r.kind == kindChanges:
		all = append(all, lastEventHeader)
	case r.tagged:
		all = append(all, ifNoneMatch)
	}
	return append(all, correlation, traceparent)
}

// answerHeaders are the headers of answers, by their names.
var answerHeaders = []struct{ name, means string }{
	{"Deed-Correlation-Id", "shared by everything that came of the request"},
	{positionName, "the position that the answer knows of, for a later question"},
	{"Deed-Again", "true: the first answer to this Idempotency-Key, given again"},
	{"Deed-Stale", "true: the answer does not know of the position asked for"},
	{parkedName, "the first position of an event that is parked, and that the answer lacks"},
	{"ETag", "stands for what was answered"},
	{"Location", "where the new thing is"},
	{"Set-Cookie", positionName + ", for browsers"},
	{"Retry-After", "seconds after which the request may be sent again"},
	{"WWW-Authenticate", "how to say who asks"},
}
