package deed

import (
	"container/list"
	"context"
	"errors"
	"sync"
)

// folded is a state with the place in its stream that it was folded up to.
type folded[S any] struct {
	state    S
	version  Version
	position Position
}

// behind tells whether err says that the stream has gone on from f, so that f only has to be read on.
func (f folded[S]) behind(err error) bool {
	var conflict *ConflictError
	return errors.As(err, &conflict) && conflict.Actual > f.version
}

// stateCache keeps the states of the streams used last. What is in it may be stale; who uses it checks.
type stateCache[S any] struct {
	mu    sync.Mutex
	limit int
	order *list.List // of *cached[S], the one used last in front
	items map[StreamID]*list.Element
}

type cached[S any] struct {
	stream StreamID
	folded[S]
}

const defaultCache = 4096

func newStateCache[S any](o *HandlerOptions) *stateCache[S] {
	limit := defaultCache
	if o != nil && o.Cache != 0 {
		limit = max(o.Cache, 0)
	}
	return &stateCache[S]{limit: limit, order: list.New(), items: map[StreamID]*list.Element{}}
}

func (c *stateCache[S]) get(stream StreamID) (folded[S], bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	item, ok := c.items[stream]
	if !ok {
		return folded[S]{}, false
	}
	c.order.MoveToFront(item)
	return item.Value.(*cached[S]).folded, true
}

// put keeps f unless something newer is kept, or there is nothing to keep.
func (c *stateCache[S]) put(stream StreamID, f folded[S]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.version == 0 || c.limit == 0 {
		return
	}
	if item, ok := c.items[stream]; ok {
		if old := item.Value.(*cached[S]); old.version <= f.version {
			old.folded = f
		}
		c.order.MoveToFront(item)
		return
	}
	c.items[stream] = c.order.PushFront(&cached[S]{stream, f})
	if c.order.Len() > c.limit {
		last := c.order.Remove(c.order.Back()).(*cached[S])
		delete(c.items, last.stream)
	}
}

func (c *stateCache[S]) drop(stream StreamID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if item, ok := c.items[stream]; ok {
		c.order.Remove(item)
		delete(c.items, stream)
	}
}

// keyedQueue lets one goroutine at a time work under a key.
type keyedQueue struct {
	mu    sync.Mutex
	turns map[string]*turn
}

type turn struct {
	free    chan struct{} // holds a token while nobody works
	waiting int
}

func newKeyedQueue() *keyedQueue { return &keyedQueue{turns: map[string]*turn{}} }

// enter waits for the key's turn; release gives it on.
func (q *keyedQueue) enter(ctx context.Context, key string) (release func(), err error) {
	q.mu.Lock()
	t := q.turns[key]
	if t == nil {
		t = &turn{free: make(chan struct{}, 1)}
		t.free <- struct{}{}
		q.turns[key] = t
	}
	t.waiting++
	q.mu.Unlock()

	leave := func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		if t.waiting--; t.waiting == 0 {
			delete(q.turns, key)
		}
	}
	select {
	case <-t.free:
		return func() { t.free <- struct{}{}; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}
