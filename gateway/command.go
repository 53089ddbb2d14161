package gateway

import (
	"errors"
	"math"
	"net/http"
	"strings"

	"github.com/deed-es/deed"
)

// command handles a command: POST /api/commands/{category}/{id}/{command}.
func (g *Gateway) command(c *Call) error {
	r := c.Request
	category, id, command := r.PathValue("category"), r.PathValue("id"), r.PathValue("command")
	commands, ok := g.commands[category]
	if !ok {
		return missing("category")
	}
	if !commands[command] {
		return missing("command of this category")
	}
	if err := pathID("id", id); err != nil {
		return err
	}
	at, err := expectation(r.Header)
	if err != nil {
		return err
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	stream := deed.Stream(category, id)
	receipt, err := g.service.DispatchAt(c.Command(command), stream, at, command, body)
	if err != nil {
		return c.mismatch(err, stream, at)
	}
	c.receipts([]deed.Receipt{receipt})
	c.write(http.StatusOK, jsonType, appendReceipt(make([]byte, 0, 128), receipt, stream))
	return nil
}

// appendReceipt appends where a command's events went: to the stream that it was sent to, if any went there.
func appendReceipt(b []byte, r deed.Receipt, stream deed.StreamID) []byte {
	written := deed.StreamVersion{Stream: stream}
	for i, s := range r.Streams {
		if i == 0 || s.Stream == stream {
			written = s
		}
	}
	return append(appendPlace(b, written.Stream, written.Version, r.Position), '}')
}

func appendPlace(b []byte, stream deed.StreamID, version deed.Version, position deed.Position) []byte {
	b = appendString(append(b, `{"stream":`...), string(stream))
	b = appendInt(append(b, `,"version":`...), version)
	return appendInt(append(b, `,"position":`...), position)
}

// expectation reads which version a command expects: If-Match with a version's tag, or * for a thing that is there;
// If-None-Match: * for one that is not.
func expectation(h http.Header) (deed.Version, error) {
	match, none := h["If-Match"], h["If-None-Match"]
	switch {
	case len(match) == 0 && len(none) == 0:
		return deed.Any, nil
	case len(match)+len(none) > 1:
		return 0, badHeader("If-Match", "one expectation is enough")
	case len(none) == 1 && strings.TrimSpace(none[0]) == "*":
		return 0, nil
	case len(none) == 1:
		return 0, badHeader("If-None-Match", `a command takes * only: "the thing is not there"`)
	}
	tag := strings.TrimSpace(match[0])
	if tag == "*" {
		return deed.Exists, nil
	}
	inner, ok := strings.CutPrefix(tag, `"`)
	inner, ok2 := strings.CutSuffix(inner, `"`)
	version, ok3 := parseNumber(inner)
	if !ok || !ok2 || !ok3 {
		return 0, badHeader("If-Match", `must be * or the ETag of a state, like "3"; the tag of a row says nothing about a version`)
	}
	return deed.Version(version), nil
}

// mostEvents is how many events between are told to who expected an older version.
const mostEvents = 100

// mismatch turns a failed expectation into 412, with the version now and the events between.
func (c *Call) mismatch(err error, stream deed.StreamID, at deed.Version) error {
	actual, ok := actualVersion(err, stream)
	if at == deed.Any || !ok {
		return err
	}
	p := &Problem{
		Status: http.StatusPreconditionFailed, Code: "version-mismatch", Detail: "the thing is at another version than expected",
		More: map[string]any{"version": actual},
	}
	if at < 0 || !c.mayRead(stream) {
		return p
	}
	events, err := c.between(stream, at, actual)
	if err != nil {
		return err
	}
	p.More["events"] = events
	return p
}

// actualVersion is the version that a stream has which a conflict is about; false if it is about something else.
func actualVersion(err error, stream deed.StreamID) (deed.Version, bool) {
	var conflict *deed.ConflictError
	if errors.As(err, &conflict) && conflict.Stream == stream {
		return conflict.Actual, true
	}
	var check *deed.CheckError
	if errors.As(err, &check) && check.Check.Stream == stream {
		return check.Actual, true
	}
	return 0, false
}

// mayRead tells whether who sent the command may see the stream's records too.
func (c *Call) mayRead(stream deed.StreamID) bool {
	authorizer := c.gateway.options.Authorizer
	if authorizer == nil {
		return true
	}
	_, err := authorizer.Authorize(c.Request, Action{
		Route: "GET /api/streams/{stream}", Category: stream.Category(), ID: stream.ID(), Stream: stream,
	})
	return err == nil
}

// between returns the records of a stream after a version, as JSON.
func (c *Call) between(stream deed.StreamID, after, to deed.Version) (rawJSON, error) {
	list := rawJSON("[")
	if after < to {
		q := deed.Query{Stream: stream, AfterVersion: after, Limit: int(min(to-after, mostEvents))}
		for r, err := range c.gateway.service.Log().Read(c.Context(), q) {
			if err != nil {
				return nil, err
			}
			if len(list) > 1 {
				list = append(list, ',')
			}
			list = appendRecord(list, r)
		}
	}
	return append(list, ']'), nil
}

// rawJSON is JSON text that is written as it is.
type rawJSON []byte

// MarshalJSON returns the text.
func (j rawJSON) MarshalJSON() ([]byte, error) { return j, nil }

// loadState is the state that a request is about: as it is now, or at the version that it names.
func (c *Call) loadState(stream deed.StreamID) (deed.State, error) {
	if !c.query.Has("version") {
		return c.gateway.service.Load(c.Context(), stream)
	}
	version, ok := parseNumber(c.query.Get("version"))
	if !ok || version < 1 || version > math.MaxInt32 {
		return deed.State{}, badQuery("version", "must be 1 or more")
	}
	state, err := c.gateway.service.LoadAt(c.Context(), stream, deed.Version(version))
	if err == nil && state.Version < deed.Version(version) {
		return state, &Problem{Status: http.StatusNotFound, Code: codeNotFound, Detail: "it is not at that version yet"}
	}
	return state, err
}

// state answers with a thing as its decider sees it: GET /api/state/{category}/{id}.
func (g *Gateway) state(c *Call) error {
	category, id := c.Request.PathValue("category"), c.Request.PathValue("id")
	if g.commands[category] == nil {
		return missing("category")
	}
	if err := pathID("id", id); err != nil {
		return err
	}
	if given := c.Request.Header[positionName]; len(given) > 0 { // the log itself has all that there is
		if _, err := g.resolve(c.Context(), positionName, strings.Join(given, ",")); err != nil {
			return err
		}
	}
	state, err := c.loadState(deed.Stream(category, id))
	if errors.Is(err, deed.ErrNotFound) {
		return missing(category)
	}
	if err != nil {
		return err
	}
	value, err := deed.EncodeJSON(state.State)
	if err != nil {
		return err
	}
	c.atLeast(state.Position)
	if c.unchanged(entityTag("", int64(state.Version))) {
		return nil
	}
	b := appendPlace(make([]byte, 0, len(value)+128), state.Stream, state.Version, state.Position)
	b = append(append(append(b, `,"state":`...), value...), '}')
	c.write(http.StatusOK, jsonType, b)
	return nil
}
