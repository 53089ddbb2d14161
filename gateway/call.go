package gateway

import (
	"context"
	"encoding/hex"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/deed-es/deed"
)

// Call is one request on its way through a Route. It is used by one goroutine, and not after Handle has returned.
type Call struct {
	// Request is the request. Its path values are set; its body is read with Decode, or by the route itself, which bounds how
	// much it reads. It comes within Options.BodyTimeout, or reading it fails with os.ErrDeadlineExceeded.
	Request *http.Request
	// Writer answers it, for what Reply, Row and List do not do: pages, files, headers like Location.
	Writer http.ResponseWriter

	gateway     *Gateway
	route       *Route
	out         answer
	actor       string
	correlation string
	query       url.Values
	key         string // Idempotency-Key; empty: none
	ids         int    // made by NewID
	read        bool   // the body was read to its end
	ctx         context.Context
	cancel      context.CancelFunc
}

// run answers the call by its route.
func (c *Call) run(route *Route) {
	c.route = route
	defer func() {
		if c.cancel != nil {
			c.cancel()
		}
	}()
	err := c.admit()
	if err == nil {
		if c.Request.ContentLength != 0 {
			c.readWithin(c.gateway.options.BodyTimeout) // whoever reads the body
		}
		err = route.Handle(c)
	}
	if err != nil {
		c.fail(err)
	} else if !c.out.begun && !c.out.lent {
		c.Writer.WriteHeader(http.StatusNoContent)
	}
}

// admit asks whether the call may be answered at all.
func (c *Call) admit() error {
	var queryFault error
	if c.Request.URL.RawQuery != "" {
		c.query, queryFault = url.ParseQuery(c.Request.URL.RawQuery)
	}
	err := c.authorize()
	if limited := c.limit(); limited != nil {
		return limited
	}
	if err != nil {
		return err
	}
	if c.route.Query != nil {
		if queryFault != nil {
			return badQuery("query", "is not a query string")
		}
		if err := c.checkQuery(); err != nil {
			return err
		}
	}
	return c.takeKey()
}

func (c *Call) checkQuery() error {
	for name, values := range c.query {
		p, ok := c.route.takes(name)
		if !ok {
			return badQuery(printable(name), "is no parameter of this route")
		}
		if len(values) > 1 && !p.Repeated {
			return badQuery(name, "stands more than once")
		}
		for _, value := range values {
			if !utf8.ValidString(value) || !utf8.ValidString(name) {
				return badQuery(printable(name), "is not valid UTF-8")
			}
		}
	}
	return nil
}

func printable(name string) string {
	if len(name) > 80 {
		name = name[:80]
	}
	return strings.ToValidUTF8(name, "?")
}

// takeKey reads the Idempotency-Key.
func (c *Call) takeKey() error {
	given := c.Request.Header["Idempotency-Key"]
	if len(given) == 0 || c.Request.Method == http.MethodGet || c.Request.Method == http.MethodHead {
		return nil
	}
	if len(given) > 1 || !visible(given[0], 255) {
		return badHeader("Idempotency-Key", "must be 1 to 255 visible ASCII characters")
	}
	c.key = given[0]
	return nil
}

// visible tells whether s is 1 to limit visible ASCII characters.
func visible(s string, limit int) bool {
	if len(s) == 0 || len(s) > limit {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// Context is the call's context: it ends when the client has gone or Options.Timeout is over, and carries deed.Meta with the
// actor and the correlation.
func (c *Call) Context() context.Context {
	if c.ctx == nil {
		ctx := deed.WithMeta(c.Request.Context(), deed.Meta{Actor: c.actor, Correlation: c.correlation})
		c.ctx, c.cancel = context.WithTimeout(ctx, c.gateway.options.Timeout)
	}
	return c.ctx
}

// Actor is who asks, as the Authorizer said.
func (c *Call) Actor() string { return c.actor }

// Correlation is shared by everything that comes of this request.
func (c *Call) Correlation() string { return c.correlation }

// Command returns the context for one command of this call; name tells it from the others. With an Idempotency-Key it makes
// a repetition of the request safe: the command gets an id made of the key, the actor, the route's path and the name.
func (c *Call) Command(name string) context.Context {
	ctx := c.Context()
	if c.key == "" {
		return ctx
	}
	meta := deed.MetaFrom(ctx)
	meta.CommandID = c.hash("command", name)
	return deed.WithMeta(ctx, meta)
}

// NewID makes an id for a thing that this call creates: with an Idempotency-Key a UUIDv8 made of it, so that a repetition
// makes the same (and the nth id of a call is the nth of its repetition); else a UUIDv7.
func (c *Call) NewID() string {
	if c.key == "" {
		return deed.NewID()
	}
	c.ids++
	return c.hash("id", strconv.Itoa(c.ids))
}

func (c *Call) hash(kind, name string) string {
	return deed.HashID("gateway", kind, c.actor, c.Request.Method, c.Request.URL.Path, c.key, name)
}

// PathID returns the value of a wildcard of the route's pattern, if it is a valid id (deed.ValidID).
func (c *Call) PathID(name string) (string, error) {
	id := c.Request.PathValue(name)
	return id, pathID(name, id)
}

// Decode decodes the body, one JSON object, into what v points to, as strictly as commands are decoded: see deed.DecodeJSON.
// The body must be application/json and not larger than Options.MaxBody.
func (c *Call) Decode(v any) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	return deed.DecodeJSON(body, v)
}

// Reply answers with a status and a body in JSON, nil for none. Given receipts of the commands that the call has handled, the
// answer carries the position of the last of them, for the client to read what it wrote; it says Deed-Again where all of
// them were first given to an earlier request.
func (c *Call) Reply(status int, body any, receipts ...deed.Receipt) error {
	c.receipts(receipts)
	if body == nil {
		c.Writer.WriteHeader(status)
		return nil
	}
	encoded, err := deed.EncodeJSON(body)
	if err != nil {
		return err
	}
	c.write(status, jsonType, encoded)
	return nil
}

func (c *Call) receipts(receipts []deed.Receipt) {
	if len(receipts) == 0 {
		return
	}
	position, again := deed.Position(0), true
	for _, r := range receipts {
		position, again = max(position, r.Position), again && r.Again
	}
	if again {
		c.Writer.Header()["Deed-Again"] = []string{"true"}
	}
	c.atLeast(position)
	c.remember(position)
}

// correlationOf takes the correlation from a request, or makes one: Deed-Correlation-Id, or the trace-id of a W3C
// traceparent. Values that are not valid are passed over.
func correlationOf(h http.Header) string {
	if given := h["Deed-Correlation-Id"]; len(given) == 1 && visible(given[0], 128) {
		return given[0]
	}
	if given := h["Traceparent"]; len(given) == 1 {
		if id, ok := traceID(given[0]); ok {
			return id
		}
	}
	return deed.NewID()
}

// traceID is the trace-id of a traceparent: version-traceid-parentid-flags, in small hex digits; later versions may have
// more behind that.
func traceID(s string) (string, bool) {
	const size = 2 + 1 + 32 + 1 + 16 + 1 + 2
	if len(s) < size || s[2] != '-' || s[35] != '-' || s[52] != '-' || s[:2] == "ff" {
		return "", false
	}
	if len(s) > size && (s[:2] == "00" || s[size] != '-') {
		return "", false
	}
	version, id, parent, flags := s[:2], s[3:35], s[36:52], s[53:55]
	for _, part := range []string{version, id, parent, flags} {
		if _, err := hex.DecodeString(part); err != nil || strings.ToLower(part) != part {
			return "", false
		}
	}
	return id, strings.Trim(id, "0") != "" && strings.Trim(parent, "0") != ""
}
