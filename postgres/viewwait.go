package postgres

import (
	"context"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/deed-es/deed"
)

// waiting is how far views are, and who waits for them.
type waiting struct {
	mu    sync.Mutex
	told  uint64 // how often somebody in this process has said how far a view is
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
	w.told++
	w.move(ref, position)
}

// since is to be asked before a view is looked at, for found.
func (w *waiting) since() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.told
}

// found says how far a view was when it was looked at. A view that others have dropped goes back; but not behind what was said in
// this process since.
func (w *waiting) found(ref deed.ViewRef, position deed.Position, since uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if m := w.views[ref]; w.told == since || m == nil || position > m.position {
		w.move(ref, position)
	}
}

func (w *waiting) move(ref deed.ViewRef, position deed.Position) {
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

// some tells whether anybody waits.
func (w *waiting) some() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.views {
		if len(m.waiters) > 0 {
			return true
		}
	}
	return false
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
	if reach <= 0 { // how far it is now, which others may know better
		if err := s.lookUp(ctx, view); err != nil && ctx.Err() == nil {
			return 0, err
		}
	}
	at, waiter := s.waiting.join(view, reach)
	if waiter == nil {
		return at, nil
	}
	defer s.db.watch.start()() // somebody else may be who commits
	s.db.watch.kick()
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

// lookUp finds out how far a view is.
func (s *views) lookUp(ctx context.Context, ref deed.ViewRef) error {
	return s.db.read(ctx, func(c *pgxpool.Conn) error {
		since := s.waiting.since()
		var at deed.Position
		err := c.QueryRow(ctx, s.db.tables.sql("SELECT position FROM @views WHERE log = $1 AND inline = $2 AND name = $3 AND version = $4"),
			s.db.log, s.inline, ref.Name, ref.Version).Scan(&at)
		if err == nil || isNone(err) {
			s.waiting.found(ref, at, since)
			return nil
		}
		return err
	})
}
