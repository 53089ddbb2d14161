package gateway

import (
	"context"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/deed-es/deed"
)

// follower is a client that is told what happens for as long as it listens.
type follower struct {
	call *Call
	http *http.ResponseController
	buf  []byte
}

// chunk is how much is gathered before it is sent, where more is waiting.
const chunk = 32 << 10

// begin answers with the headers of a stream and lets go of what bounds a request.
func (c *Call) begin(contentType string) *follower {
	h := c.Writer.Header()
	h["Content-Type"] = []string{contentType}
	h["Cache-Control"] = noStore
	h["X-Accel-Buffering"] = []string{"no"} // proxies pass it on as it comes
	return &follower{call: c, http: http.NewResponseController(c.out.ResponseWriter), buf: make([]byte, 0, chunk+chunk/4)}
}

// send sends what was gathered. A client that does not take it in time is dropped.
func (f *follower) send() error {
	f.call.out.begun = true
	_ = f.http.SetWriteDeadline(time.Now().Add(f.call.gateway.options.WriteTimeout)) // a recorder has none
	if len(f.buf) > 0 {
		if _, err := f.call.Writer.Write(f.buf); err != nil {
			return err
		}
		f.buf = f.buf[:0]
	}
	return f.http.Flush()
}

// pump takes what comes in, gathers it with add, and sends it at once when nothing more is waiting. beat is sent whenever
// there was nothing for a while, unless it is empty. It returns when ctx is done, in is closed, or the client is gone.
func pump[T any](ctx context.Context, f *follower, in <-chan T, beat string, add func(T)) {
	ticker := time.NewTicker(f.call.gateway.options.Heartbeat)
	defer ticker.Stop()
	if beat == "" {
		ticker.Stop()
	}
	for open := true; open; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			f.buf = append(f.buf, beat...)
		case item, more := <-in:
			if !more {
				return
			}
			add(item)
			open = gather(f, in, add)
		}
		if f.send() != nil {
			return
		}
	}
}

// gather adds what is waiting already, up to a chunk; false if no more will come.
func gather[T any](f *follower, in <-chan T, add func(T)) bool {
	for len(f.buf) < chunk {
		select {
		case item, more := <-in:
			if !more {
				return false
			}
			add(item)
		default:
			return true
		}
	}
	return true
}

// Follow is for a route that sends for as long as somebody listens: it counts the call among those that follow, at most
// Options.MaxFollowers, and returns a context that ends with the client or when the gateway stops, and what is to be called in
// the end. Context's bound does not hold for it, nor does the server's: the route bounds each write itself.
func (c *Call) Follow() (context.Context, context.CancelFunc, error) {
	g := c.gateway
	if g.followers.Add(1) > int64(g.options.MaxFollowers) {
		g.followers.Add(-1)
		return nil, nil, &Problem{Status: http.StatusServiceUnavailable, Code: "busy", Detail: "too many follow already", retryAfter: 5}
	}
	ctx, cancel := g.untilStop(c.Request.Context())
	return ctx, sync.OnceFunc(func() { cancel(); g.followers.Add(-1) }), nil
}

// safely calls f, a panic of which becomes an error: in a goroutine of its own it would end the process.
func safely(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &deed.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return f()
}

// broke logs why a stream of events ends that nobody has ended.
func (c *Call) broke(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		c.log(problemOf(err), err)
	}
}

// lastEvent is the id of the last event that the client has, and whether there is one.
func (c *Call) lastEvent() (string, bool) {
	if given := c.Request.Header["Last-Event-Id"]; len(given) > 0 && given[0] != "" {
		return given[0], true
	}
	given := c.query.Get("last-event-id")
	return given, given != ""
}

const (
	eventStream = "text/event-stream"
	beat        = ":\n\n"
	retry       = "retry: 1000\n\n"
)
