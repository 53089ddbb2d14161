package postgres

import (
	"context"
	"iter"
	"math"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/internal/engine"
)

// Read yields the records that q selects, in order. See deed.Reader. A read that does not follow ends where the log ended
// when it began, so a loop that appends comes to its end.
func (db *DB) Read(ctx context.Context, q deed.Query) iter.Seq2[deed.Record, error] {
	return engine.Read(ctx, q, &db.news, func(r *engine.Reading) engine.Source { return &reading{Reading: r, db: db, fresh: true} })
}

// reading is one pass over a query.
type reading struct {
	*engine.Reading
	db     *DB
	fresh  bool          // where the log ends is to be read with the next page
	head   deed.Position // where it ended then
	awaits deed.Position // until this may be read, the first page is not
}

// Wait returns when there is news, or with the reason why there will be none.
func (r *reading) Wait(ctx context.Context, news <-chan struct{}) error { return r.db.wait(ctx, news) }

// Forward reads up to the head as it is now. Who follows and has caught up once is told where that is; everybody else asks.
func (r *reading) Forward(ctx context.Context) error {
	if err := r.db.usable(ctx); err != nil {
		return err
	}
	if !r.fresh {
		r.UpTo(deed.Position(r.db.head.Load()))
	}
	for r.fresh || r.Page.Passed < r.Page.Until {
		if err := r.next(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Backward reads from the log's end down. What is appended meanwhile is above what was read already.
func (r *reading) Backward(ctx context.Context) error {
	before := r.Query.Before
	if before == 0 {
		before = math.MaxInt64
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
	shared := !r.fresh && !r.Query.Backward && r.db.tail.Read(&r.Query, &r.Page)
	if !shared {
		if err := r.db.read(ctx, func(c *pgxpool.Conn) error { return r.fill(ctx, c) }); err != nil {
			return err
		}
		if r.fresh {
			r.Again()
			return r.db.untilShown(ctx, r.awaits)
		}
	}
	if n := len(r.Page.Records); n > 0 && !shared {
		r.db.past.sees(&r.Page.Records[0]) // the last of them, backward
		r.db.past.sees(&r.Page.Records[n-1])
	}
	return r.Hand(ctx, shared)
}
