package postgres

import (
	"context"
	"errors"
	"iter"
	"math"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/deed-es/deed"
)

// A mark is yielded at least every so many records passed over.
const markEvery = 1000

// Read yields the records that q selects, in order. See deed.Reader. A read that does not follow ends where the log ended
// when it began, so a loop that appends comes to its end.
func (db *DB) Read(ctx context.Context, q deed.Query) iter.Seq2[deed.Record, error] {
	return func(yield func(deed.Record, error) bool) {
		err := q.Validate()
		if err == nil {
			r := &reading{db: db, q: q, yield: yield, left: q.Limit}
			err = r.run(ctx)
		}
		if err != nil && !errors.Is(err, errStopped) {
			yield(deed.Record{}, err)
		}
	}
}

// errStopped ends a reading whose loop was left or whose limit is reached.
var errStopped = errors.New("stopped")

// reading is one pass over a query.
type reading struct {
	db    *DB
	q     deed.Query
	yield func(deed.Record, error) bool
	page  page
	left  int // of q.Limit
	pages int

	fresh  bool          // where the log ends is to be read with the next page
	head   deed.Position // where it ended then
	awaits deed.Position // until this may be read, the first page is not
	marked deed.Position // Marks: the position last yielded, of a record or a mark
	owed   bool          // Marks: the last mark at the end was not yielded yet
}

func (r *reading) run(ctx context.Context) error {
	r.fresh, r.owed = true, true
	r.marked = r.q.After
	r.page.passed = r.q.After
	r.page.version = r.q.AfterVersion
	if r.q.Backward {
		return r.backward(ctx)
	}
	if !r.q.Follow {
		return r.forward(ctx)
	}
	for ended := false; !ended; {
		var err error
		if ended, err = r.follow(ctx); err != nil {
			return err
		}
	}
	return nil
}

// follow reads up to the head and waits for news. It tells whether nothing that is selected can come any more.
func (r *reading) follow(ctx context.Context) (ended bool, err error) {
	stream := r.q.Stream
	if r.q.Marks || r.q.Before != 0 {
		stream = "" // marks move with everything, and so does the head towards Before
	}
	news := r.db.news.next(stream) // before the head is looked at, so that nothing is missed
	defer r.db.news.done(news)
	if err := r.forward(ctx); err != nil {
		return false, err
	}
	if err := r.endMark(); err != nil {
		return false, err
	}
	if r.q.Before != 0 && r.page.passed >= r.q.Before-1 {
		return true, nil
	}
	return false, r.db.wait(ctx, news.come)
}

// forward reads up to the head as it is now. Who follows and has caught up once is told where that is; everybody else asks.
func (r *reading) forward(ctx context.Context) error {
	if err := r.db.usable(ctx); err != nil {
		return err
	}
	if !r.fresh {
		r.upTo(deed.Position(r.db.head.Load()))
	}
	for r.fresh || r.page.passed < r.page.until {
		if err := r.next(ctx); err != nil {
			return err
		}
	}
	return nil
}

// upTo says where the log ends for this pass.
func (r *reading) upTo(head deed.Position) {
	r.page.until = head
	if r.q.Before != 0 {
		r.page.until = min(head, r.q.Before-1)
	}
}

// backward reads from the log's end down. What is appended meanwhile is above what was read already.
func (r *reading) backward(ctx context.Context) error {
	if r.q.Before == 0 {
		r.q.Before = math.MaxInt64
	}
	r.page.passed = r.q.Before
	r.page.until = r.q.After + 1
	r.page.version = math.MaxInt64
	for r.page.passed > r.page.until {
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
	limit := pageRecords
	if r.pages++; r.pages == 1 {
		limit = pageFirst
	}
	if r.q.Limit > 0 {
		limit = min(limit, r.left)
	}
	r.page.reset(limit)
	shared := !r.fresh && !r.q.Backward && r.db.tail.read(&r.q, &r.page)
	if !shared {
		if err := r.db.read(ctx, func(c *pgxpool.Conn) error { return r.fill(ctx, c) }); err != nil {
			return err
		}
		if r.fresh {
			r.pages--
			return r.db.untilShown(ctx, r.awaits)
		}
	}
	if n := len(r.page.records); n > 0 && !shared {
		r.db.past.sees(&r.page.records[0]) // the last of them, backward
		r.db.past.sees(&r.page.records[n-1])
	}
	for i := range r.page.records {
		record := r.page.records[i]
		if shared {
			own(r.page.records[i:i+1], len(record.Data)+len(record.Metadata))
			record = r.page.records[i]
		}
		if err := r.hand(ctx, record); err != nil {
			return err
		}
	}
	return r.marksUpTo(r.page.passed)
}

// hand yields a record.
func (r *reading) hand(ctx context.Context, record deed.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := r.marksUpTo(record.Position - 1); err != nil {
		return err
	}
	r.marked, r.owed = record.Position, true
	if !r.yield(record, nil) {
		return errStopped
	}
	if r.q.Limit > 0 {
		if r.left--; r.left == 0 {
			return errStopped
		}
	}
	return nil
}

// marksUpTo yields the marks that are due for records passed over up to p.
func (r *reading) marksUpTo(p deed.Position) error {
	for r.q.Marks && p-r.marked >= markEvery {
		r.marked += markEvery
		r.owed = false
		if !r.yield(deed.Record{Position: r.marked}, nil) {
			return errStopped
		}
	}
	return nil
}

// endMark says that nothing more is stored for now, once.
func (r *reading) endMark() error {
	p := r.page.passed
	if !r.q.Marks || !r.owed && p == r.marked {
		return nil
	}
	r.marked, r.owed = p, false
	if !r.yield(deed.Record{Position: p}, nil) {
		return errStopped
	}
	return nil
}
