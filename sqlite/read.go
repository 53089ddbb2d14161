package sqlite

import (
	"context"
	"iter"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/internal/engine"
)

// Read yields the records that q selects, in order. See deed.Reader. A read that does not follow ends where the log ended
// when it began, so a loop that appends comes to its end.
func (db *DB) Read(ctx context.Context, q deed.Query) iter.Seq2[deed.Record, error] {
	return engine.Read(ctx, q, &db.news, func(r *engine.Reading) engine.Source { return &reading{r, db} })
}

// reading is one pass over a query.
type reading struct {
	*engine.Reading
	db *DB
}

// Wait returns when there is news, or with the reason why there will be none.
func (r *reading) Wait(ctx context.Context, news <-chan struct{}) error { return r.db.wait(ctx, news) }

// Forward reads up to the head as it is now.
func (r *reading) Forward(ctx context.Context) error {
	if err := r.db.usable(ctx); err != nil {
		return err
	}
	head, err := r.db.current(ctx)
	if err != nil {
		return err
	}
	r.UpTo(head)
	for r.Page.Passed < r.Page.Until {
		if err := r.next(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Backward reads from the head down.
func (r *reading) Backward(ctx context.Context) error {
	if err := r.db.usable(ctx); err != nil {
		return err
	}
	head, err := r.db.current(ctx)
	if err != nil {
		return err
	}
	before := head + 1
	if r.Query.Before != 0 {
		before = min(r.Query.Before, before)
	}
	r.Down(before)
	for r.Page.Passed > r.Page.Until {
		if err := r.next(ctx); err != nil {
			return err
		}
	}
	return nil
}

// next reads a page and yields it. Nothing is held while it yields.
func (r *reading) next(ctx context.Context) error {
	if err := r.db.usable(ctx); err != nil {
		return err
	}
	r.Turn()
	shared := !r.Query.Backward && r.db.tail.Read(&r.Query, &r.Page)
	if !shared {
		err := r.db.readers.with(ctx, func(c *conn) error { return page{&r.Page}.fill(c, &r.Query, r.db.kinds.Load()) })
		if err != nil {
			return err
		}
	}
	return r.Hand(ctx, shared)
}
