package gateway

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/deed-es/deed"
)

// stream answers with a page of a stream's records: GET /api/streams/{stream}.
func (g *Gateway) stream(c *Call) error {
	q := deed.Query{Stream: deed.StreamID(c.Request.PathValue("stream"))}
	limit, err := c.pageLimit()
	if err != nil {
		return err
	}
	if q.Backward, err = c.flag("backward", false); err != nil {
		return err
	}
	head, err := c.bounds(&q, c.query.Get("after"))
	if err != nil {
		return err
	}
	q.Limit = limit + 1 // one more tells whether there is a next page
	b := appendString(append(make([]byte, 0, 4096), `{"stream":`...), string(q.Stream))
	b = append(b, `,"records":[`...)
	n, last, more := 0, deed.Position(0), false
	for r, err := range g.service.Log().Read(c.Context(), q) {
		if err != nil {
			return err
		}
		if more = n == limit; more {
			break
		}
		if n++; n > 1 {
			b = append(b, ',')
		}
		b, last = appendRecord(b, r), r.Position
	}
	if n == 0 {
		if err := g.streamIsThere(c, q.Stream); err != nil {
			return err
		}
	}
	b = append(b, ']')
	if more {
		b = appendInt(append(b, `,"next":`...), last)
	}
	b = append(appendInt(append(b, `,"position":`...), head), '}')
	c.Writer.Header()["Cache-Control"] = noCache
	c.write(http.StatusOK, jsonType, b)
	return nil
}

func (g *Gateway) streamIsThere(c *Call, stream deed.StreamID) error {
	for _, err := range g.service.Log().Read(c.Context(), deed.Query{Stream: stream, Limit: 1}) {
		return err
	}
	return missing("stream")
}

// bounds reads after and before= into q, checks q, and returns the end of the log, which the answer carries.
func (c *Call) bounds(q *deed.Query, after string) (deed.Position, error) {
	g, ctx := c.gateway, c.Request.Context()
	if given := c.Request.Header[positionName]; len(given) > 0 { // the log itself has all that there is
		if _, err := g.resolve(ctx, positionName, strings.Join(given, ",")); err != nil {
			return 0, err
		}
	}
	var err error
	if after != "" {
		if q.After, err = g.resolve(ctx, "after", after); err != nil {
			return 0, err
		}
	}
	if before := c.query.Get("before"); before != "" {
		if q.Before, err = g.ownPosition("before", before); err != nil {
			return 0, err
		}
		if q.Before == 0 {
			return 0, badQuery("before", "nothing is before position 0")
		}
	}
	if err := q.Validate(); err != nil {
		p := problemOf(err)
		return 0, badQuery(p.Field, p.Detail)
	}
	head, err := g.service.Head(ctx)
	if err == nil {
		c.at(head)
	}
	return head, err
}

// flag reads a parameter that is true or false; it is true where it stands without a value.
func (c *Call) flag(name string, unsaid bool) (bool, error) {
	if !c.query.Has(name) {
		return unsaid, nil
	}
	switch c.query.Get(name) {
	case "true", "1", "":
		return true, nil
	case "false", "0":
		return false, nil
	}
	return false, badQuery(name, "must be true or false")
}

// log streams the log: GET /api/log.
func (g *Gateway) log(c *Call) error {
	events := strings.Contains(strings.Join(c.Request.Header["Accept"], ","), eventStream)
	q, err := c.logQuery(events)
	if err != nil {
		return err
	}
	if !q.Follow {
		return c.export(q, events)
	}
	ctx, end, err := c.Follow()
	if err != nil {
		return err
	}
	defer end()
	f, beats := c.begin(logType(events)), ""
	if events {
		f.buf, beats = append(f.buf, retry...), beat
	}
	if f.send() != nil || c.Request.Method == http.MethodHead {
		return nil
	}
	chunks, done := make(chan []byte), make(chan struct{})
	go func() {
		defer close(done)
		defer close(chunks)
		c.broke(ctx, safely(func() error { return c.readLog(ctx, q, events, chunks) }))
	}()
	pump(ctx, f, chunks, beats, func(b []byte) { f.buf = append(f.buf, b...) })
	end()
	<-done
	return nil
}

func logType(events bool) string {
	if events {
		return eventStream
	}
	return "application/x-ndjson"
}

// logQuery reads which records are wanted. Server-sent events follow unless told not to, and go on after their last id.
func (c *Call) logQuery(events bool) (deed.Query, error) {
	q := deed.Query{Category: c.query.Get("category")}
	if types, tags := c.query["type"], c.query["tag"]; len(types)+len(tags) > 0 {
		q.Match = []deed.Match{{Types: types, Tags: tags}}
	}
	if c.query.Has("limit") {
		n, ok := parseNumber(c.query.Get("limit"))
		if !ok || n < 1 || n > 1<<31-1 {
			return q, badQuery("limit", "must be a whole number from 1")
		}
		q.Limit = int(n)
	}
	var err error
	if q.Follow, err = c.flag("follow", events); err != nil {
		return q, err
	}
	q.Marks = q.Follow
	after := c.query.Get("after")
	if id, ok := c.lastEvent(); ok && events {
		after = id
	}
	_, err = c.bounds(&q, after)
	return q, err
}

// export sends what the log has now.
func (c *Call) export(q deed.Query, events bool) error {
	f := c.begin(logType(events))
	for r, err := range c.gateway.service.Log().Read(c.Request.Context(), q) {
		if err != nil {
			return err
		}
		if f.buf = c.appendLine(f.buf, r, events); len(f.buf) < chunk {
			continue
		}
		if f.send() != nil {
			return nil
		}
	}
	_ = f.send()
	return nil
}

// readLog hands over records in chunks: what is there, and then each as soon as it comes.
func (c *Call) readLog(ctx context.Context, q deed.Query, events bool, to chan<- []byte) error {
	var b []byte
	for r, err := range c.gateway.service.Log().Read(ctx, q) {
		if err != nil {
			return err
		}
		if !r.IsMark() {
			b = c.appendLine(b, r, events)
		}
		if len(b) == 0 || !r.IsMark() && len(b) < chunk {
			continue
		}
		if !hand(ctx, to, b) {
			return ctx.Err()
		}
		b = nil
	}
	if len(b) > 0 {
		hand(ctx, to, b)
	}
	return ctx.Err()
}

// appendLine appends a record as a line of NDJSON or as an event, whose id is its position's token.
func (c *Call) appendLine(b []byte, r deed.Record, events bool) []byte {
	if !events {
		return append(appendRecord(b, r), '\n')
	}
	b = append(b, "id: "...)
	if own := c.gateway.service.Info(); own.ID != "" {
		b = Token{Log: own.ID, Incarnation: own.Incarnation, Position: r.Position}.append(b)
	} else {
		b = strconv.AppendInt(b, int64(r.Position), 10)
	}
	return append(appendRecord(append(b, "\nevent: record\ndata: "...), r), "\n\n"...)
}
