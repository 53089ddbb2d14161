package deed

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Handler handles the commands of one decider: it loads, folds, decides and appends with the exact version, and tries
// again on conflict. Commands for one stream queue up in it. All methods may be called by many goroutines at once.
type Handler[S any, C Command, E Event] struct {
	commanding
	decider Decider[S, C, E]
	events  eventTypes[E]
	decide  func(S, C, Meta) (events []E, refusal, failure error)
	cache   *stateCache[S]
	fault   error
	handle  HandleFunc
}

// Handle handles cmd for the thing with this id and returns where its events went; for "nothing to do" the stream's version
// and the position of its last event. Who, why and the command's id are taken from WithMeta.
//
// Errors: *RejectedError (the domain's no), *InvalidError, *ConflictError when retries are used up, ErrReused,
// *UnknownEventError, *PanicError, those of Store.Append and Store.Read.
func (h *Handler[S, C, E]) Handle(ctx context.Context, id string, cmd C) (Receipt, error) {
	return h.HandleAt(ctx, id, Any, cmd)
}

// HandleAt is Handle if the thing is at this version, and a *ConflictError if not; it does not try again.
func (h *Handler[S, C, E]) HandleAt(ctx context.Context, id string, version Version, cmd C) (Receipt, error) {
	if h.fault != nil {
		return Receipt{}, h.fault
	}
	return h.start(ctx, id, version, cmd, h.handle)
}

// Load returns the state and version of the thing with this id as they are now; the zero state and 0 if it is not there. What
// the state points to is the cache's own and must not be changed.
func (h *Handler[S, C, E]) Load(ctx context.Context, id string) (S, Version, error) {
	f, err := h.load(ctx, Stream(h.decider.Category, id))
	return f.state, f.version, err
}

func (h *Handler[S, C, E]) load(ctx context.Context, stream StreamID) (folded[S], error) {
	if err := errors.Join(h.fault, validStream(stream)); err != nil {
		return folded[S]{}, err
	}
	f, cached := h.cache.get(stream)
	if cached { // in turn: two folds that go on from one state may write to the same slice behind it
		release, err := h.queue.enter(ctx, string(stream))
		if err != nil {
			return folded[S]{}, fmt.Errorf("load %s: %w", stream, err)
		}
		defer release()
		f, _ = h.cache.get(stream)
	}
	f, err := h.readOn(ctx, stream, f)
	if err != nil {
		return folded[S]{}, fmt.Errorf("load %s: %w", stream, err)
	}
	h.cache.put(stream, f)
	return f, nil
}

// once handles a request in its stream's queue.
func (h *Handler[S, C, E]) once(ctx context.Context, req Request) (Receipt, error) {
	cmd, ok := req.Command.(C)
	if !ok {
		return Receipt{}, invalid("command", fmt.Sprintf("%T is no command of %s", req.Command, h.decider.Category))
	}
	return h.retried(ctx, req, func(again bool) (Receipt, error) { return h.attempt(ctx, req, cmd, again) })
}

// attempt decides from the cached state where there is one, read on if this is not the first attempt. What then stores
// nothing is answered only once the stream was found to end where the cache ends; a stale state that stores something is
// found out by the append.
func (h *Handler[S, C, E]) attempt(ctx context.Context, req Request, cmd C, again bool) (Receipt, error) {
	f, cached := h.cache.get(req.Stream)
	if !cached || again {
		var err error
		if f, err = h.readOn(ctx, req.Stream, f); err != nil {
			return Receipt{}, err
		}
		cached = false
	}
	p := h.plan(ctx, req, cmd, f)
	if cached && len(p.batch.Writes) == 0 {
		now, err := h.readOn(ctx, req.Stream, f)
		if err != nil {
			return Receipt{}, err
		}
		if now.version != f.version {
			f, p = now, h.plan(ctx, req, cmd, now)
		}
	}
	h.cache.put(req.Stream, f)
	switch {
	case p.err != nil:
		return Receipt{}, p.err
	case len(p.batch.Writes) == 0 && req.ref.ID == "":
		return p.answer, nil
	}
	receipt, err := h.append(ctx, p.batch)
	if err != nil || receipt.Again {
		if !f.behind(err) {
			h.cache.drop(req.Stream)
		}
		return receipt, err
	}
	if len(p.batch.Writes) > 0 {
		p.next.position = receipt.Position
		h.cache.put(req.Stream, p.next)
	}
	return receipt, nil
}

// plan is what a decision comes to.
type plan[S any] struct {
	batch  Batch
	answer Receipt   // where there is nothing to store
	next   folded[S] // the state once the batch is stored, but for its position
	err    error
}

func (h *Handler[S, C, E]) plan(ctx context.Context, req Request, cmd C, f folded[S]) plan[S] {
	if !req.At.Holds(f.version) {
		return plan[S]{err: &ConflictError{Stream: req.Stream, Want: req.At, Actual: f.version}}
	}
	events, refusal, failure := h.decide(f.state, cmd, req.Meta)
	switch {
	case failure != nil:
		return plan[S]{err: failure}
	case refusal != nil:
		return plan[S]{err: rejected(refusal)}
	case len(events) == 0:
		head := StreamVersion{Stream: req.Stream, Version: f.version}
		return plan[S]{
			answer: Receipt{Position: f.position, Streams: []StreamVersion{head}},
			batch:  Batch{Checks: []Check{{Stream: req.Stream, Version: f.version}}, Command: req.ref},
		}
	}
	events = slices.Clone(events) // Decide may keep its own
	encoded, err := encodeAll(ctx, h.commanding, h.events, req.Meta, events, func(E) StreamID { return req.Stream })
	if err != nil {
		return plan[S]{err: err}
	}
	next := folded[S]{state: f.state, version: f.version + Version(len(events))}
	err = guard(func() error {
		for _, e := range events {
			next.state = h.decider.Evolve(next.state, e)
		}
		return nil
	})
	write := Write{Stream: req.Stream, Version: f.version, Events: encoded}
	return plan[S]{batch: Batch{Writes: []Write{write}, Command: req.ref}, next: next, err: err}
}

// readOn folds what a stream has after f.
func (h *Handler[S, C, E]) readOn(ctx context.Context, stream StreamID, f folded[S]) (folded[S], error) {
	for r, err := range h.store.Read(ctx, Query{Stream: stream, AfterVersion: f.version}) {
		if err != nil {
			return f, err
		}
		if r, err = h.codec.Decode(ctx, r); err != nil {
			return f, err
		}
		e, err := h.events.decode(r)
		if err != nil {
			return f, err
		}
		if err := guard(func() error { f.state = h.decider.Evolve(f.state, e); return nil }); err != nil {
			return f, fmt.Errorf("fold %s at version %d: %w", stream, r.Version, err)
		}
		f.version, f.position = r.Version, r.Position
	}
	return f, nil
}
