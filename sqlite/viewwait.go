package sqlite

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/deed-es/deed"
)

// waiting is how far views are, and who waits for them.
type waiting struct {
	mu    sync.Mutex
	views map[deed.ViewRef]*viewMark
}

type viewMark struct {
	position deed.Position
	waiters  []*viewWaiter
}

// viewWaiter waits until a view is at or after reach.
type viewWaiter struct {
	reach deed.Position
	there chan deed.Position
}

// reached says how far a view is, and wakes those who waited for that and nobody else.
func (w *waiting) reached(ref deed.ViewRef, position deed.Position) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := w.mark(ref)
	m.position = position
	rest := m.waiters[:0]
	for _, waiter := range m.waiters {
		if waiter.reach <= position {
			waiter.there <- position
		} else {
			rest = append(rest, waiter)
		}
	}
	clear(m.waiters[len(rest):])
	m.waiters = rest
	w.tidy(ref, m)
}

func (w *waiting) mark(ref deed.ViewRef) *viewMark {
	m := w.views[ref]
	if m == nil {
		m = &viewMark{}
		w.views[ref] = m
	}
	return m
}

// tidy forgets what is as if it had never been.
func (w *waiting) tidy(ref deed.ViewRef, m *viewMark) {
	if m.position == 0 && len(m.waiters) == 0 {
		delete(w.views, ref)
	}
}

// join returns the view's position and, if that is before reach, a waiter.
func (w *waiting) join(ref deed.ViewRef, reach deed.Position) (deed.Position, *viewWaiter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := w.mark(ref)
	if m.position >= reach {
		defer w.tidy(ref, m)
		return m.position, nil
	}
	waiter := &viewWaiter{reach: reach, there: make(chan deed.Position, 1)}
	m.waiters = append(m.waiters, waiter)
	return m.position, waiter
}

// leave takes a waiter out and returns the view's position.
func (w *waiting) leave(ref deed.ViewRef, waiter *viewWaiter) deed.Position {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := w.mark(ref)
	for i, other := range m.waiters {
		if other == waiter {
			last := len(m.waiters) - 1
			m.waiters[i], m.waiters[last] = m.waiters[last], nil
			m.waiters = m.waiters[:last]
			break
		}
	}
	defer w.tidy(ref, m)
	return m.position
}

// WaitView returns the view's position as soon as it is at or after reach. See deed.ViewStore.
func (s *views) WaitView(ctx context.Context, view deed.ViewRef, reach deed.Position) (deed.Position, error) {
	if err := s.db.usable(context.WithoutCancel(ctx)); err != nil {
		return 0, err
	}
	if s.writer == nil {
		return s.pollView(ctx, view, reach)
	}
	at, waiter := s.waiting.join(view, reach)
	if waiter == nil {
		return at, nil
	}
	select {
	case at = <-waiter.there:
		return at, nil
	case <-s.db.closed:
		return s.waiting.leave(view, waiter), deed.ErrClosed
	case <-ctx.Done():
	}
	at = s.waiting.leave(view, waiter)
	if at >= reach {
		return at, nil
	}
	return at, &deed.BehindError{View: view.Name, Want: reach, Reached: at}
}

// pollView waits for a view that another process writes.
func (s *views) pollView(ctx context.Context, view deed.ViewRef, reach deed.Position) (deed.Position, error) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		var at deed.Position
		err := s.lookViews(context.WithoutCancel(ctx), view, func(_ *conn, v *storedView) error {
			at = v.position
			return nil
		})
		if err != nil && !errors.Is(err, deed.ErrNotFound) {
			return at, err
		}
		if at >= reach {
			return at, nil
		}
		select {
		case <-ticker.C:
		case <-s.db.closed:
			return at, deed.ErrClosed
		case <-ctx.Done():
			return at, &deed.BehindError{View: view.Name, Want: reach, Reached: at}
		}
	}
}
