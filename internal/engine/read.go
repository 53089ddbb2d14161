package engine

import (
	"context"
	"errors"
	"iter"
	"math"

	"github.com/deed-es/deed"
)

// A mark is yielded at least every so many records passed over.
const markEvery = 1000

// errStopped ends a read whose loop was left or whose limit is reached.
var errStopped = errors.New("stopped")

// Source is where a read takes its records from: it fills the page of the reading that it was made with, and hands it over, page by
// page.
type Source interface {
	// Forward reads from what was passed up to where the log ends now.
	Forward(ctx context.Context) error
	// Backward reads from where the log ends now down.
	Backward(ctx context.Context) error
	// Wait returns when there is news, or with the reason why there will be none.
	Wait(ctx context.Context, news <-chan struct{}) error
}

// Reading is one pass over a query: it hands the records to the loop, with the marks that are due.
type Reading struct {
	Query deed.Query
	Page  Page

	yield  func(deed.Record, error) bool
	left   int // of Query.Limit
	pages  int
	marked deed.Position // the position last yielded, of a record or a mark
	owed   bool          // the last mark at the end was not yielded yet
}

// Read is what a deed.Reader's Read returns. News tells who follows.
func Read(ctx context.Context, q deed.Query, news *News, source func(*Reading) Source) iter.Seq2[deed.Record, error] {
	return func(yield func(deed.Record, error) bool) {
		err := q.Validate()
		if err == nil {
			r := &Reading{Query: q, yield: yield, left: q.Limit, marked: q.After, owed: true}
			r.Page.Passed, r.Page.Version = q.After, q.AfterVersion
			err = r.run(ctx, source(r), news)
		}
		if err != nil && !errors.Is(err, errStopped) {
			yield(deed.Record{}, err)
		}
	}
}

func (r *Reading) run(ctx context.Context, from Source, news *News) error {
	switch {
	case r.Query.Backward:
		return from.Backward(ctx)
	case !r.Query.Follow:
		return from.Forward(ctx)
	}
	for ended := false; !ended; {
		var err error
		if ended, err = r.follow(ctx, from, news); err != nil {
			return err
		}
	}
	return nil
}

// follow reads up to the log's end and waits for news. It tells whether nothing that is selected can come any more.
func (r *Reading) follow(ctx context.Context, from Source, news *News) (ended bool, err error) {
	stream := r.Query.Stream
	if r.Query.Marks || r.Query.Before != 0 {
		stream = "" // marks move with everything, and so does the end towards Before
	}
	next := news.Next(stream) // before the log's end is looked at, so that nothing is missed
	defer news.Done(next)
	if err := from.Forward(ctx); err != nil {
		return false, err
	}
	if err := r.endMark(); err != nil {
		return false, err
	}
	if r.Query.Before != 0 && r.Page.Passed >= r.Query.Before-1 {
		return true, nil
	}
	return false, from.Wait(ctx, next.Come)
}

// UpTo says where the log ends for this pass.
func (r *Reading) UpTo(head deed.Position) {
	r.Page.Until = head
	if r.Query.Before != 0 {
		r.Page.Until = min(head, r.Query.Before-1)
	}
}

// Down has a backward read begin below a position.
func (r *Reading) Down(before deed.Position) {
	r.Query.Before = before
	r.Page.Passed, r.Page.Until, r.Page.Version = before, r.Query.After+1, math.MaxInt64
}

// Turn empties the page for as many records as the next one may have.
func (r *Reading) Turn() {
	limit := pageRecords
	if r.pages++; r.pages == 1 {
		limit = pageFirst
	}
	if r.Query.Limit > 0 {
		limit = min(limit, r.left)
	}
	r.Page.reset(limit)
}

// Again says that the page will be read once more.
func (r *Reading) Again() { r.pages-- }

// Hand yields the page's records and the marks that are due. Of a page that shares its records with others it yields copies.
func (r *Reading) Hand(ctx context.Context, shared bool) error {
	p := &r.Page
	for i := range p.Records {
		if shared {
			record := &p.Records[i]
			own(p.Records[i:i+1], len(record.Data)+len(record.Metadata))
		}
		if err := r.hand(ctx, p.Records[i]); err != nil {
			return err
		}
	}
	return r.marksUpTo(p.Passed)
}

func (r *Reading) hand(ctx context.Context, record deed.Record) error {
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
	if r.Query.Limit > 0 {
		if r.left--; r.left == 0 {
			return errStopped
		}
	}
	return nil
}

// marksUpTo yields the marks that are due for records passed over up to p.
func (r *Reading) marksUpTo(p deed.Position) error {
	for r.Query.Marks && p-r.marked >= markEvery {
		r.marked += markEvery
		r.owed = false
		if !r.yield(deed.Record{Position: r.marked}, nil) {
			return errStopped
		}
	}
	return nil
}

// endMark says that nothing more is stored for now, once.
func (r *Reading) endMark() error {
	p := r.Page.Passed
	if !r.Query.Marks || !r.owed && p == r.marked {
		return nil
	}
	r.marked, r.owed = p, false
	if !r.yield(deed.Record{Position: p}, nil) {
		return errStopped
	}
	return nil
}
