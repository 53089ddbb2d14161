package gateway

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"

	"github.com/deed-es/deed"
)

// Problem is an error as a client sees it, an application/problem+json of RFC 9457 with the type urn:deed:problem:CODE; of a
// Route that is a Page, or answers with HTML, a browser gets a page that says what has happened and what to do. A Route's
// Handle may return one. Of other errors these become what they mean:
//
//   - *deed.RejectedError: 409 with its code; 422 with the field where it wraps a *deed.InvalidError; 404 where it wraps
//     deed.ErrNotFound
//   - *deed.MalformedError: 400; *deed.InvalidError: 422 with the field
//   - deed.ErrNotFound: 404; deed.ErrConflict: 409; deed.ErrReused: 422; deed.ErrCursor: 400; deed.ErrBehind: 504
//   - deed.ErrForeignPosition, deed.ErrForked: 409
//   - deed.ErrBusy, deed.ErrUnknown, deed.ErrClosed, deed.ErrUnavailable, deed.ErrElsewhere, deed.ErrReadOnly, deed.ErrLocked, a deadline: 503
//   - ErrUnauthenticated: 401; ErrForbidden: 403
//   - any other: 500, logged with the correlation; the client does not see its text
type Problem struct {
	Status int
	Code   string // stable, for programs: [a-z][a-z0-9-]*
	Title  string // the same for each problem of this code; empty: made from Status
	Detail string // about this one, for people
	Field  string // the field at fault; empty: none
	// More are further members. They must not have the names of the others.
	More map[string]any

	retryAfter int // seconds; 0: not said
}

func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

const (
	codeNotFound = "not-found"
	codeForeign  = "foreign-position"
	codeInvalid  = "invalid"
)

// badQuery is about a parameter of the query string or an id in the path.
func badQuery(field, reason string) *Problem {
	return &Problem{Status: http.StatusBadRequest, Code: "bad-query", Detail: field + ": " + reason, Field: field}
}

// badHeader is about a header of the request.
func badHeader(name, reason string) *Problem {
	return &Problem{Status: http.StatusBadRequest, Code: "bad-header", Detail: name + ": " + reason, Field: name}
}

func missing(what string) *Problem {
	return &Problem{Status: http.StatusNotFound, Code: codeNotFound, Detail: "there is no such " + what}
}

func foreign(detail string) *Problem {
	return &Problem{Status: http.StatusConflict, Code: codeForeign, Detail: detail}
}

// problemOf returns how a client sees err.
func problemOf(err error) *Problem {
	var problem *Problem
	var rejected *deed.RejectedError
	var malformed *deed.MalformedError
	var field *deed.InvalidError
	switch {
	case errors.As(err, &problem):
		return problem
	case errors.As(err, &rejected):
		return refusal(rejected)
	case errors.As(err, &malformed):
		return &Problem{Status: http.StatusBadRequest, Code: "malformed", Detail: malformed.Reason}
	case errors.As(err, &field):
		return &Problem{Status: http.StatusUnprocessableEntity, Code: codeInvalid, Detail: field.Reason, Field: field.Field}
	}
	for _, known := range knownProblems {
		if errors.Is(err, known.err) {
			p := known.Problem
			return &p
		}
	}
	return &Problem{Status: http.StatusInternalServerError, Code: "internal", Detail: "something went wrong here; the log has it under the correlation"}
}

// refusal is the domain's no.
func refusal(r *deed.RejectedError) *Problem {
	var field *deed.InvalidError
	switch {
	case errors.As(r.Err, &field):
		return &Problem{Status: http.StatusUnprocessableEntity, Code: r.Code, Detail: field.Reason, Field: field.Field}
	case errors.Is(r.Err, deed.ErrNotFound):
		return &Problem{Status: http.StatusNotFound, Code: r.Code, Detail: r.Err.Error()}
	}
	return &Problem{Status: http.StatusConflict, Code: r.Code, Title: "Rejected", Detail: r.Err.Error()}
}

var knownProblems = []struct {
	err error
	Problem
}{
	{ErrUnauthenticated, Problem{Status: 401, Code: "unauthenticated", Detail: "who asks must be known"}},
	{ErrForbidden, Problem{Status: 403, Code: "forbidden", Detail: "who asks may not do this"}},
	{deed.ErrNotFound, Problem{Status: 404, Code: codeNotFound, Detail: "there is no such thing"}},
	{deed.ErrConflict, Problem{Status: 409, Code: "conflict", Detail: "others were first, again and again; the same request may be sent again", retryAfter: 1}},
	{deed.ErrReused, Problem{Status: 422, Code: "key-reused", Detail: "the Idempotency-Key was used before with another body"}},
	{deed.ErrCursor, Problem{Status: 400, Code: "cursor-expired", Detail: "the cursor is of a past version of the view or of another list; begin anew"}},
	{deed.ErrForeignPosition, *foreign("the position is of another log")},
	{deed.ErrForked, *foreign("the position is of a past that this log does not have")},
	{deed.ErrBehind, Problem{Status: 504, Code: "behind", Detail: "the view has not reached the position yet", retryAfter: 1}},
	{deed.ErrBusy, Problem{Status: 503, Code: "busy", Detail: "too much is waiting to be stored; nothing was stored", retryAfter: 1}},
	{deed.ErrUnknown, Problem{Status: 503, Code: "outcome-unknown", Detail: "whether it is stored is not known; the same request with the same Idempotency-Key tells", retryAfter: 1}},
	{deed.ErrUnavailable, Problem{Status: 503, Code: "unavailable", Detail: "the store is away; nothing was stored", retryAfter: 1}},
	{deed.ErrElsewhere, Problem{Status: 503, Code: "elsewhere", Detail: "this node does not do that; ask another"}},
	{deed.ErrClosed, Problem{Status: 503, Code: "unavailable", Detail: "the store is closed", retryAfter: 5}},
	{deed.ErrReadOnly, Problem{Status: 503, Code: "read-only", Detail: "this node only reads"}},
	{deed.ErrLocked, Problem{Status: 503, Code: "unavailable", Detail: "another process writes to the store", retryAfter: 5}},
	{context.DeadlineExceeded, Problem{Status: 503, Code: "timeout", Detail: "it took too long", retryAfter: 1}},
	{context.Canceled, Problem{Status: 503, Code: "cancelled", Detail: "it was stopped before it was done", retryAfter: 1}},
}

// fail answers with what err means. Where the answer has begun already, it is cut off, so that nobody takes it for whole.
func (c *Call) fail(err error) {
	p := problemOf(err)
	c.log(p, err)
	if c.out.begun {
		panic(http.ErrAbortHandler)
	}
	h := c.Writer.Header()
	setRetryAfter(h, p.retryAfter)
	if p.Status == http.StatusUnauthorized {
		h["Www-Authenticate"] = []string{c.gateway.options.Challenge}
	}
	delete(h, "Etag")
	c.tell(p)
}

// tell answers with a problem, as a page where a browser asks for a page.
func (c *Call) tell(p *Problem) {
	if c.ofPage() {
		h := c.Writer.Header()
		h["Vary"] = append(h["Vary"], "Accept")
		if prefersPage(c.Request) {
			if page, err := p.page(c); err == nil {
				secure(h)
				c.write(p.Status, htmlAnswer, page)
				return
			}
		}
	}
	c.write(p.Status, problemType, p.encode(c.correlation))
}

var (
	problemType = []string{"application/problem+json"}
	jsonType    = []string{"application/json"}
)

func (c *Call) log(p *Problem, err error) {
	gone := c.Request.Context().Err() != nil && p.Status != http.StatusInternalServerError
	if p.Status < http.StatusInternalServerError || gone || p.Code == "behind" {
		return
	}
	level := slog.LevelWarn
	args := []any{"method", c.Request.Method, "path", c.Request.URL.Path, "status", p.Status, "correlation", c.correlation, "error", err}
	if p.Status == http.StatusInternalServerError {
		level = slog.LevelError
		var panicked *deed.PanicError
		if errors.As(err, &panicked) {
			args = append(args, "stack", string(panicked.Stack))
		}
	}
	c.gateway.options.Logger.Log(c.Request.Context(), level, "a request failed", args...)
}

func (p *Problem) encode(correlation string) []byte {
	title := cmp.Or(p.Title, http.StatusText(p.Status), "Problem")
	b := append(make([]byte, 0, 512), `{"type":`...)
	b = appendString(b, "urn:deed:problem:"+p.Code)
	b = appendString(append(b, `,"title":`...), title)
	b = strconv.AppendInt(append(b, `,"status":`...), int64(p.Status), 10)
	b = appendString(append(b, `,"detail":`...), p.Detail)
	b = appendString(append(b, `,"code":`...), p.Code)
	if p.Field != "" {
		b = appendString(append(b, `,"field":`...), p.Field)
	}
	b = appendString(append(b, `,"correlation":`...), correlation)
	for _, name := range slices.Sorted(maps.Keys(p.More)) {
		if value, err := deed.EncodeJSON(p.More[name]); err == nil {
			b = append(append(appendString(append(b, ','), name), ':'), value...)
		}
	}
	return append(b, '}')
}

// end turns a panic of a call into a problem, and sees to it that a body nobody has read does not hold the connection.
func (c *Call) end() {
	if v := recover(); v != nil {
		if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(v)
		}
		c.fail(&deed.PanicError{Value: v, Stack: debug.Stack()})
	}
	if c.Request.ContentLength != 0 && !c.read {
		c.readWithin(leftoverTimeout)
	}
}
