package deed

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Request is a command on its way to its stream, as middleware sees it.
type Request struct {
	Stream  StreamID
	Command Command
	Meta    Meta
	At      Version // the version that the stream must have; Any: whichever
	ref     CommandRef
}

// HandleFunc handles a request.
type HandleFunc func(ctx context.Context, req Request) (Receipt, error)

// Middleware wraps handling: to authorise, to add to a command what needs I/O before deciding, to log. It may change the
// request's Command (within the decider's commands) and Meta; the command's id stays tied to what was first asked.
type Middleware func(next HandleFunc) HandleFunc

// HandlerOptions are options of a handler; nil is allowed.
type HandlerOptions struct {
	Middleware []Middleware  // the first is the outermost
	Cache      int           // states kept in memory: 0 is 4096, below 0 none
	Codec      Codec         // nil: data and tags are stored as they are
	NewID      func() string // makes event ids; nil: deed.NewID
	Observer   Observer      // is told of commands and appends; nil: nobody is
}

// maxAttempts is how often a command is tried again after a conflict.
const maxAttempts = 20

// commanding is what handlers of deciders and decisions have in common.
type commanding struct {
	store    Store
	category string
	clock    Clock
	codec    Codec
	newID    func() string
	around   []Middleware
	observer Observer
	queue    *keyedQueue
}

func newCommanding(category string, store Store, o *HandlerOptions) commanding {
	if o == nil {
		o = &HandlerOptions{}
	}
	c := commanding{
		store: store, category: category, clock: SystemClock(), codec: guardCodec(o.Codec), newID: o.NewID,
		around: o.Middleware, observer: observed(o.Observer, nil), queue: newKeyedQueue(),
	}
	if engine, ok := store.(interface{ Clock() Clock }); ok {
		c.clock = engine.Clock()
	}
	if c.newID == nil {
		c.newID = NewID
	}
	return c
}

func (c *commanding) wrap(handle HandleFunc) HandleFunc {
	for _, m := range slices.Backward(c.around) {
		handle = m(handle)
	}
	return handle
}

// start makes a request of a command and hands it through the middleware to handle.
func (c *commanding) start(ctx context.Context, id string, at Version, cmd Command, handle HandleFunc) (_ Receipt, err error) {
	if cmd == nil {
		return Receipt{}, invalid("command", "is nil")
	}
	stream := Stream(c.category, id)
	if err := validStream(stream); err != nil {
		return Receipt{}, err
	}
	name := ""
	if err := guard(func() error { name = cmd.CommandType(); return nil }); err != nil {
		return Receipt{}, fmt.Errorf("the CommandType of %T: %w", cmd, err)
	}
	ctx, end := begin(ctx, c.observer, Operation{Kind: OpCommand, Stream: stream, Type: name})
	defer func() { end(err) }()
	var receipt Receipt
	err = guard(func() error {
		req, err := c.request(ctx, stream, at, cmd)
		if err == nil {
			receipt, err = handle(ctx, req)
		}
		return err
	})
	if err != nil {
		return Receipt{}, fmt.Errorf("%s %s: %w", name, stream, err)
	}
	return receipt, nil
}

func (c *commanding) request(ctx context.Context, stream StreamID, at Version, cmd Command) (Request, error) {
	req := Request{Stream: stream, Command: cmd, Meta: MetaFrom(ctx), At: at}
	if req.Meta.Now.IsZero() {
		req.Meta.Now = c.clock.Now()
	}
	req.Meta.Stream = req.Stream
	if req.Meta.CommandID == "" {
		return req, nil
	}
	body, err := encodeJSON(cmd)
	if err != nil {
		return req, err
	}
	sum := hashWords(string(req.Stream), cmd.CommandType(), string(body))
	req.ref = CommandRef{ID: req.Meta.CommandID, Hash: hex.EncodeToString(sum[:])}
	return req, nil
}

// retried looks the command's outcome up, then tries until there is no conflict, alone among the commands for this stream.
func (c *commanding) retried(ctx context.Context, req Request, try func(again bool) (Receipt, error)) (Receipt, error) {
	release, err := c.queue.enter(ctx, string(req.Stream))
	if err != nil {
		return Receipt{}, err
	}
	defer release()
	if receipt, known, err := c.outcome(ctx, req.ref); known || err != nil {
		return receipt, err
	}
	for attempt := 0; ; attempt++ {
		receipt, err := try(attempt > 0)
		if attempt == maxAttempts || !req.mayPass(err) {
			return receipt, err
		}
		if err := pause(ctx, jittered(attempt, 100*time.Microsecond, 50*time.Millisecond)); err != nil {
			return Receipt{}, err
		}
	}
}

// mayPass tells whether err is a conflict that another try may not have: not where a version was asked for, and not where
// the domain itself said so.
func (r Request) mayPass(err error) bool {
	var refused *RejectedError
	var conflict *ConflictError
	if !errors.Is(err, ErrConflict) || r.At >= 0 || errors.As(err, &refused) {
		return false
	}
	return !errors.As(err, &conflict) || conflict.Want != r.At
}

func (c *commanding) outcome(ctx context.Context, ref CommandRef) (Receipt, bool, error) {
	log, ok := c.store.(interface {
		Outcome(ctx context.Context, ref CommandRef) (Receipt, bool, error)
	})
	if !ok || ref.ID == "" {
		return Receipt{}, false, nil
	}
	return log.Outcome(ctx, ref)
}

// append stores b. Where the outcome is unknown and the caller still waits, the same batch again tells it: by its receipt,
// or by a conflict, which says that it was not stored. Any other error leaves it unknown.
func (c *commanding) append(ctx context.Context, b Batch) (_ Receipt, err error) {
	ctx, end := begin(ctx, c.observer, b.operation())
	defer func() { end(err) }()
	var unknown error
	for attempt := 0; ; attempt++ {
		receipt, err := c.store.Append(ctx, b)
		switch {
		case err == nil, errors.Is(err, ErrConflict), errors.Is(err, ErrReused):
			return receipt, err
		case errors.Is(err, ErrUnknown):
			unknown = err
		case unknown == nil:
			return receipt, err
		}
		if ctx.Err() != nil || attempt == 3 || pause(ctx, jittered(attempt, time.Millisecond, 100*time.Millisecond)) != nil {
			return receipt, unknown
		}
	}
}

// encodeAll encodes the events that a request brought about, each for its stream, and puts in their place what will be read
// back.
func encodeAll[E Event](ctx context.Context, c commanding, types eventTypes[E], m Meta, events []E, streamOf func(E) StreamID) ([]NewEvent, error) {
	metadata, err := encodeMeta(m)
	if err != nil {
		return nil, err
	}
	encoded := make([]NewEvent, len(events))
	for i, e := range events {
		if encoded[i], err = types.encode(e, c.newID(), metadata, c.codec); err != nil {
			return nil, err
		}
		if events[i], err = types.stored(encoded[i]); err != nil {
			return nil, err
		}
		if encoded[i], err = c.codec.Encode(ctx, streamOf(events[i]), encoded[i]); err != nil {
			return nil, err
		}
	}
	return encoded, nil
}

func encodeMeta(m Meta) ([]byte, error) {
	if m.Actor == "" && m.CommandID == "" && m.Correlation == "" && m.Causation == "" && m.Trace == "" && m.Effective.IsZero() {
		return []byte("{}"), nil
	}
	return encodeJSON(m)
}

// pause waits on the machine's clock, as all retries do.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// jittered is the wait before attempt+2: doubled each time up to a limit, of which a random half is taken off.
func jittered(attempt int, first, limit time.Duration) time.Duration {
	d := limit
	if attempt < 32 && first<<attempt < limit {
		d = first << attempt
	}
	return d/2 + rand.N(d/2+1)
}
