package engine

import (
	"context"
	"sync"

	"github.com/deed-es/deed"
)

// Waiting is how far views are, and who waits for them.
type Waiting struct {
	mu    sync.Mutex
	views map[deed.ViewRef]*viewMark
	told  uint64 // how often it was said how far a view is
}

type viewMark struct {
	position deed.Position
	waiters  []*Waiter
}

// Waiter waits until a view is at or after a position.
type Waiter struct {
	in    *Waiting
	view  deed.ViewRef
	reach deed.Position
	there chan deed.Position
}

// Reached says how far a view is, and wakes those who waited for that and nobody else.
func (w *Waiting) Reached(view deed.ViewRef, position deed.Position) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told++
	w.move(view, position)
}

// Since is to be asked before a view is looked at, for Found.
func (w *Waiting) Since() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.told
}

// Found says how far a view was when it was looked at. A view that others have dropped goes back; but not behind what Reached has
// said since.
func (w *Waiting) Found(view deed.ViewRef, position deed.Position, since uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if m := w.views[view]; w.told == since || m == nil || position > m.position {
		w.move(view, position)
	}
}

func (w *Waiting) move(view deed.ViewRef, position deed.Position) {
	m := w.mark(view)
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
	w.tidy(view, m)
}

func (w *Waiting) mark(view deed.ViewRef) *viewMark {
	m := w.views[view]
	if m == nil {
		m = &viewMark{}
		if w.views == nil {
			w.views = make(map[deed.ViewRef]*viewMark)
		}
		w.views[view] = m
	}
	return m
}

// tidy forgets what is as if it had never been.
func (w *Waiting) tidy(view deed.ViewRef, m *viewMark) {
	if m.position == 0 && len(m.waiters) == 0 {
		delete(w.views, view)
	}
}

// Some tells whether anybody waits.
func (w *Waiting) Some() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.views {
		if len(m.waiters) > 0 {
			return true
		}
	}
	return false
}

// Join returns the view's position and, if that is before reach, a waiter; Wait must be called of it.
func (w *Waiting) Join(view deed.ViewRef, reach deed.Position) (deed.Position, *Waiter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := w.mark(view)
	if m.position >= reach {
		defer w.tidy(view, m)
		return m.position, nil
	}
	waiter := &Waiter{in: w, view: view, reach: reach, there: make(chan deed.Position, 1)}
	m.waiters = append(m.waiters, waiter)
	return m.position, waiter
}

// Wait returns the view's position once it is where the waiter waits for, deed.ErrClosed once closed is, and a deed.BehindError
// when the context ends before.
func (waiter *Waiter) Wait(ctx context.Context, closed <-chan struct{}) (deed.Position, error) {
	select {
	case at := <-waiter.there:
		return at, nil
	case <-closed:
		return waiter.leave(), deed.ErrClosed
	case <-ctx.Done():
	}
	at := waiter.leave()
	if at >= waiter.reach {
		return at, nil
	}
	return at, &deed.BehindError{View: waiter.view.Name, Want: waiter.reach, Reached: at}
}

// leave takes a waiter out and returns the view's position.
func (waiter *Waiter) leave() deed.Position {
	w := waiter.in
	w.mu.Lock()
	defer w.mu.Unlock()
	m := w.mark(waiter.view)
	for i, other := range m.waiters {
		if other == waiter {
			last := len(m.waiters) - 1
			m.waiters[i], m.waiters[last] = m.waiters[last], nil
			m.waiters = m.waiters[:last]
			break
		}
	}
	defer w.tidy(waiter.view, m)
	return m.position
}
