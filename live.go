package deed

import (
	"context"
	"errors"
	"log/slog"
)

// liveView is the view of a Live projection: rows in memory, brought up to date when they are read.
type liveView[V any, E Event] struct {
	*memoryViews
	run   *projector[V, E]
	turn  chan struct{} // held by who folds
	ready bool          // what run holds is what is stored
}

// liveStore is a liveView, whatever its types.
type liveStore interface {
	ViewStore
	catchUp(ctx context.Context) error
}

func newLiveView[V any, E Event](run *projector[V, E], log Reader) *liveView[V, E] {
	l := &liveView[V, E]{memoryViews: newMemoryViews(run.now), run: run, turn: make(chan struct{}, 1)}
	run.log, run.view.store = log, l.memoryViews
	if engine, ok := log.(Engine); ok {
		run.info = engine.Info()
	}
	if run.progress == nil { // nobody watches
		run.progress = newBoard(slog.New(slog.DiscardHandler)).add(run.projection.Name, kindProjection, run.view.ref.Version)
	}
	return l
}

// catchUp folds what the log has by now.
func (l *liveView[V, E]) catchUp(ctx context.Context) error {
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-l.turn }()
	head, err := headOf(ctx, l.run.log)
	if err != nil {
		return err
	}
	if !l.ready {
		checkpoint, err := l.run.open(ctx)
		if err == nil {
			err = l.run.begin(ctx, storeTx{l.memoryViews, l.run.log}, checkpoint)
		}
		if err != nil {
			return err
		}
		l.run.progress.begins(checkpoint.Position, len(l.run.keys))
	}
	err = guard(func() error { return l.run.foldUntil(ctx, head) })
	l.ready = err == nil
	var record *recordError
	if errors.As(err, &record) {
		l.run.progress.stop(err, record.record)
	}
	return err
}

// WaitView returns the view's position as soon as it is at or after reach.
func (l *liveView[V, E]) WaitView(ctx context.Context, view ViewRef, reach Position) (Position, error) {
	for {
		err := l.catchUp(ctx)
		at := l.reached(view)
		switch {
		case at >= reach:
			return at, nil
		case ctx.Err() != nil:
			return at, &BehindError{View: view.Name, Want: reach, Reached: at}
		case err != nil:
			return at, err
		}
		if err := moved(ctx, l.run.log, reach-1); err != nil && ctx.Err() == nil {
			return at, err
		}
	}
}

// Row returns a row and the view's position.
func (l *liveView[V, E]) Row(ctx context.Context, view ViewRef, key string) (Row, Position, error) {
	if err := l.catchUp(ctx); err != nil {
		return Row{}, 0, err
	}
	return l.memoryViews.Row(ctx, view, key)
}

// Rows returns the rows of these keys that exist.
func (l *liveView[V, E]) Rows(ctx context.Context, view ViewRef, keys []string) (map[string]Row, error) {
	if err := l.catchUp(ctx); err != nil {
		return nil, err
	}
	return l.memoryViews.Rows(ctx, view, keys)
}

// ListRows returns the rows that q selects and the view's position.
func (l *liveView[V, E]) ListRows(ctx context.Context, view ViewRef, q RowQuery) ([]Row, Position, error) {
	if err := l.catchUp(ctx); err != nil {
		return nil, 0, err
	}
	return l.memoryViews.ListRows(ctx, view, q)
}

// Changes returns changed rows after a cursor.
func (l *liveView[V, E]) Changes(ctx context.Context, view ViewRef, after ChangeCursor, limit int) ([]Row, Position, error) {
	if err := l.catchUp(ctx); err != nil {
		return nil, 0, err
	}
	return l.memoryViews.Changes(ctx, view, after, limit)
}

// ViewParked lists the parked keys of the view.
func (l *liveView[V, E]) ViewParked(ctx context.Context, view ViewRef, after string, limit int) ([]ParkedKey, error) {
	if err := l.catchUp(ctx); err != nil && !errors.As(err, new(*recordError)) {
		return nil, err
	}
	return l.memoryViews.ViewParked(ctx, view, after, limit)
}

// headOf is the last position that a log has given out.
func headOf(ctx context.Context, log Reader) (Position, error) {
	if engine, ok := log.(interface {
		Head(ctx context.Context) (Position, error)
	}); ok {
		return engine.Head(ctx)
	}
	for r, err := range log.Read(ctx, Query{Backward: true, Limit: 1}) {
		return r.Position, err
	}
	return 0, nil
}
