package console

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/gateway"
)

const streamsPage = 50

type streamsBody struct {
	Prefix     string
	Categories []string
	Streams    []deed.StreamSummary
	More       string // address of the next page; empty: there is none
	Recent     bool   // the store does not list streams: these are those of the last records
}

// streams is the page to find a stream on.
func (c *console) streams(call *gateway.Call) (content, error) {
	values := call.Request.URL.Query()
	prefix, err := clean("find", strings.TrimSpace(values.Get("find")))
	if err != nil {
		return content{}, err
	}
	after, err := clean("after", values.Get("after"))
	if err != nil {
		return content{}, err
	}
	body := streamsBody{Prefix: prefix}
	body.Categories, _ = known(c.service.Model())
	found, err := c.find(call.Context(), prefix, deed.StreamID(after))
	if errors.Is(err, deed.ErrNotFound) {
		body.Recent = true
		found, err = c.recent(call.Context(), body.Prefix)
	}
	if err != nil {
		return content{}, err
	}
	if len(found) > streamsPage {
		found = found[:streamsPage]
		body.More = link("streams") + query("find", body.Prefix, "after", found[streamsPage-1].Stream)
	}
	body.Streams = found
	return content{title: "Streams", area: "streams", body: body}, nil
}

// find lists streams that begin with a prefix, after one; one more than a page has where there are more.
func (c *console) find(ctx context.Context, prefix string, after deed.StreamID) ([]deed.StreamSummary, error) {
	category, _, whole := strings.Cut(prefix, "-")
	if !whole {
		category = ""
	}
	var found []deed.StreamSummary
	if prefix != "" && after == "" {
		after = deed.StreamID(prefix)
		exact, err := c.summary(ctx, after)
		if err != nil {
			return nil, err
		}
		found = append(found, exact...)
	}
	rest, err := c.service.Streams(ctx, category, after, streamsPage+1)
	if err != nil {
		return nil, err
	}
	for _, s := range rest {
		if !strings.HasPrefix(string(s.Stream), prefix) {
			break
		}
		found = append(found, s)
	}
	return found, nil
}

// summary is where a stream ends, if it is there.
func (c *console) summary(ctx context.Context, stream deed.StreamID) ([]deed.StreamSummary, error) {
	q := deed.Query{Stream: stream, Backward: true, Limit: 1}
	if q.Validate() != nil { // no whole name
		return nil, nil
	}
	for r, err := range c.service.Log().Read(ctx, q) {
		return []deed.StreamSummary{{Stream: r.Stream, Version: r.Version, Position: r.Position, Time: r.Time}}, err
	}
	return nil, nil
}

// recent lists the streams of the last records, where a store cannot list all.
func (c *console) recent(ctx context.Context, prefix string) ([]deed.StreamSummary, error) {
	seen := map[deed.StreamID]bool{}
	var found []deed.StreamSummary
	for r, err := range c.service.Log().Read(ctx, deed.Query{Backward: true, Limit: 2000}) {
		if err != nil {
			return nil, err
		}
		if !seen[r.Stream] && strings.HasPrefix(string(r.Stream), prefix) && len(found) < streamsPage {
			seen[r.Stream] = true
			found = append(found, deed.StreamSummary{Stream: r.Stream, Version: r.Version, Position: r.Position, Time: r.Time})
		}
	}
	return found, nil
}

type streamBody struct {
	Stream  deed.StreamID
	Last    deed.Version
	Travel  travel
	Entries []entry // around the version, the newest first
	Newer   deed.Version
	Older   deed.Version
}

// travel is a thing as it was at a version.
type travel struct {
	Stream  deed.StreamID
	Version deed.Version
	Last    deed.Version
	Event   entry
	State   datum
	Opaque  string // the state in Go's own words, where its JSON form says nothing
	Changes []change
	Changed int
	Decided bool   // there is a state
	Fault   string // why it could not be folded
}

// stream is the page of a stream: its thing at a version, and its events.
func (c *console) stream(call *gateway.Call) (content, error) {
	stream := deed.StreamID(call.Request.PathValue("stream"))
	ctx := call.Context()
	last, err := c.lastOf(ctx, stream)
	if err != nil {
		return content{}, err
	}
	version := last.Version
	if text := call.Request.URL.Query().Get("version"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 1 {
			return content{}, &deed.InvalidError{Field: "version", Reason: "must be a whole number from 1"}
		}
		version = min(deed.Version(n), last.Version)
	}
	body := streamBody{Stream: stream, Last: last.Version}
	if body.Travel, err = c.travel(ctx, stream, version, last.Version); err != nil {
		return content{}, err
	}
	from := max(0, min(version+logPage/2, last.Version)-logPage)
	q := deed.Query{Stream: stream, AfterVersion: from, Limit: logPage}
	for r, err := range c.service.Log().Read(ctx, q) {
		if err != nil {
			return content{}, err
		}
		body.Entries = append(body.Entries, entryOf(r))
	}
	slices.Reverse(body.Entries)
	if from > 0 {
		body.Older = from
	}
	if end := from + deed.Version(len(body.Entries)); end < last.Version {
		body.Newer = end + 1
	}
	return content{title: string(stream), area: "streams", body: body}, nil
}

func (c *console) lastOf(ctx context.Context, stream deed.StreamID) (deed.StreamSummary, error) {
	found, err := c.summary(ctx, stream)
	if err != nil || len(found) == 1 {
		return append(found, deed.StreamSummary{})[0], err
	}
	return deed.StreamSummary{}, &missing{
		what: "There is no stream " + cut(80, stream),
		do:   "Streams are named category-id, and are there from their first event on. Look for it among the streams.",
	}
}

// travel folds a stream up to a version and to the one before, and tells what the step between them changed.
func (c *console) travel(ctx context.Context, stream deed.StreamID, version, last deed.Version) (travel, error) {
	t := travel{Stream: stream, Version: version, Last: last, Decided: c.decided(stream.Category())}
	for r, err := range c.service.Log().Read(ctx, deed.Query{Stream: stream, AfterVersion: version - 1, Limit: 1}) {
		if err != nil {
			return t, err
		}
		t.Event = entryOf(r)
	}
	if !t.Decided {
		return t, nil
	}
	after, opaque, err := c.stateAt(ctx, stream, version)
	if ctx.Err() != nil {
		return t, ctx.Err()
	}
	if err != nil {
		t.Fault = err.Error()
		return t, nil
	}
	var before []byte
	if version > 1 {
		if before, _, err = c.stateAt(ctx, stream, version-1); err != nil {
			return t, err
		}
	}
	t.State, t.Opaque = datumOf(after, "", ""), opaque
	t.Changes, t.Changed = changesOf(before, after)
	return t, nil
}

func (c *console) stateAt(ctx context.Context, stream deed.StreamID, version deed.Version) (state []byte, opaque string, err error) {
	loaded, err := c.service.LoadAt(ctx, stream, version)
	if err != nil {
		return nil, "", err
	}
	if state, err = deed.EncodeJSON(loaded.State); err != nil {
		return nil, "", fmt.Errorf("the state has no JSON form: %w", err)
	}
	if text := strings.TrimSpace(string(state)); text == "{}" || text == "null" {
		opaque = cut(shownText, fmt.Sprintf("%+v", loaded.State))
	}
	return state, opaque, nil
}
