package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/deed-es/deed"
)

// answer is a ResponseWriter that knows whether something was said yet. What it does not have, http.ResponseController
// finds below it.
type answer struct {
	http.ResponseWriter
	call  *Call
	begun bool
	lent  bool // to an http.ResponseController, which may have said something
}

func (a *answer) WriteHeader(status int) {
	a.begun = a.begun || status >= 200
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	a.begun = true
	return a.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter {
	a.lent = true
	return a.ResponseWriter
}

// write answers with a whole body.
func (c *Call) write(status int, contentType []string, body []byte) {
	h := c.Writer.Header()
	h["Content-Type"] = contentType
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	if h["Cache-Control"] == nil {
		h["Cache-Control"] = noStore
	}
	c.Writer.WriteHeader(status)
	_, _ = c.Writer.Write(body) // who does not get it has gone
}

var (
	noStore = []string{"no-store"}
	noCache = []string{"no-cache"} // kept, but asked about each time
)

// unchanged answers 304 if the client has what tag stands for, and gives the answer its tag.
func (c *Call) unchanged(tag string) bool {
	h := c.Writer.Header()
	h["Etag"] = []string{tag}
	h["Cache-Control"] = noCache
	for _, given := range c.Request.Header["If-None-Match"] {
		for candidate := range strings.SplitSeq(given, ",") {
			candidate = strings.TrimSpace(candidate)
			if candidate == "*" || strings.TrimPrefix(candidate, "W/") == tag {
				c.Writer.WriteHeader(http.StatusNotModified)
				return true
			}
		}
	}
	return false
}

// leftoverTimeout is how long a client may take to send a body that nobody reads.
const leftoverTimeout = 5 * time.Second

// readWithin bounds how long the client may take to send its body.
func (c *Call) readWithin(d time.Duration) {
	_ = http.NewResponseController(c.out.ResponseWriter).SetReadDeadline(time.Now().Add(d)) // a recorder has none
}

// answerWithin bounds how long the client may take to read the answer, in place of the server's bound, which counts from when the
// request came; 0: nothing bounds it.
func (c *Call) answerWithin(d time.Duration) {
	var until time.Time
	if d > 0 {
		until = time.Now().Add(d)
	}
	_ = http.NewResponseController(c.out.ResponseWriter).SetWriteDeadline(until) // a recorder has none
}

// hangUp ends the connection after the answer: a server would else wait for the rest of the body before it answers.
func (c *Call) hangUp() { c.Writer.Header()["Connection"] = []string{"close"} }

// body returns the request's JSON text, unparsed.
func (c *Call) body() ([]byte, error) {
	r := c.Request
	if err := isJSON(r.Header); err != nil {
		return nil, err
	}
	limit := c.gateway.options.MaxBody
	if r.ContentLength > limit {
		c.hangUp()
		return nil, tooLarge(limit)
	}
	if r.ContentLength == 0 {
		return nil, &deed.MalformedError{Reason: "empty"}
	}
	c.readWithin(c.gateway.options.BodyTimeout)
	body, err := readBody(http.MaxBytesReader(c.out.ResponseWriter, r.Body, limit), r.ContentLength)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		c.hangUp() // a MaxBytesReader does so only where it is given the server's own writer
		return nil, tooLarge(limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.hangUp()
		return nil, &Problem{Status: http.StatusRequestTimeout, Code: "timeout", Detail: "the body did not come in time"}
	case err != nil:
		return nil, &deed.MalformedError{Reason: "the body ended too early"}
	}
	c.read = true // with that the bound is gone: the server takes it away to listen for the client's end
	return body, nil
}

// readBody reads all of r, which has size bytes; -1: not known.
func readBody(r io.Reader, size int64) ([]byte, error) {
	if size < 0 {
		return io.ReadAll(r)
	}
	body := make([]byte, size)
	_, err := io.ReadFull(r, body)
	return body, err
}

func isJSON(h http.Header) error {
	given := h["Content-Type"]
	if len(given) == 1 && given[0] == "application/json" && h["Content-Encoding"] == nil {
		return nil
	}
	p := &Problem{Status: http.StatusUnsupportedMediaType, Code: "unsupported-media-type", Detail: "the body must be application/json in UTF-8, and not encoded"}
	if len(given) != 1 || h["Content-Encoding"] != nil {
		return p
	}
	kind, params, err := mime.ParseMediaType(given[0])
	if err != nil || kind != "application/json" || params["charset"] != "" && !strings.EqualFold(params["charset"], "utf-8") {
		return p
	}
	return nil
}

func tooLarge(limit int64) *Problem {
	return &Problem{Status: http.StatusRequestEntityTooLarge, Code: "too-large", Detail: fmt.Sprintf("the body has more than %d bytes", limit)}
}

// appendString appends s as JSON, without HTML escaping. What is not valid UTF-8 becomes U+FFFD.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= 0x7f {
			return append(b, quoted(s)...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

func quoted(s string) []byte {
	text, err := deed.EncodeJSON(strings.ToValidUTF8(s, "\ufffd"))
	if err != nil {
		return []byte(`""`)
	}
	return text
}

// appendJSON appends JSON in one line; false if data is not JSON.
func appendJSON(b, data []byte) ([]byte, bool) {
	buf := bytes.NewBuffer(b)
	if err := json.Compact(buf, data); err != nil || len(data) == 0 {
		return b, false
	}
	return buf.Bytes(), true
}

func appendInt[T ~int64 | ~int](b []byte, n T) []byte { return strconv.AppendInt(b, int64(n), 10) }
