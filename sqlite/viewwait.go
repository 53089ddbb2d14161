package sqlite

import (
	"context"
	"errors"
	"time"

	"github.com/deed-es/deed"
)

// WaitView returns the view's position as soon as it is at or after reach. See deed.ViewStore.
func (s *views) WaitView(ctx context.Context, view deed.ViewRef, reach deed.Position) (deed.Position, error) {
	if err := s.db.usable(context.WithoutCancel(ctx)); err != nil {
		return 0, err
	}
	if s.writer == nil {
		return s.pollView(ctx, view, reach)
	}
	at, waiter := s.waiting.Join(view, reach)
	if waiter == nil {
		return at, nil
	}
	return waiter.Wait(ctx, s.db.closed)
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
