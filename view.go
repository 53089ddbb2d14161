package deed

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"
)

// View reads the rows of a projection. All methods may be called by many goroutines at once.
type View[V any] struct {
	raw   rawView
	fault error
}

// View returns the reading side of the projection over the store that keeps its rows. Where the projection is not Async that
// must be the store of the log too; of a Live one each View has rows of its own, and is meant to be kept.
func (p Projection[V, E]) View(views ViewStore) *View[V] {
	types, index, err := p.types()
	raw := rawView{ref: p.ref(), index: index}
	if err == nil {
		run := &projector[V, E]{projection: p, events: types, view: raw, codec: identityCodec{}, parking: newParking(kindProjection, p.Name, nil, 0)}
		if raw.store, err = p.storeIn(views, run); err != nil {
			err = fmt.Errorf("view %s: %w", p.Name, err)
		}
		raw.store = whole(raw.store, p.cut(), index)
	}
	return &View[V]{raw: raw, fault: err}
}

// Where holds for rows whose index field has the value.
type Where struct {
	Field string
	Value any
}

// Page says which part of a list is wanted.
type Page struct {
	Order  string // an index field, with "-" in front for descending; empty or "-": by key
	Limit  int    // 0 is 100, at most 1000
	Cursor string // Rows.Next of the page before; empty: the first page
}

// Rows is a page of a list.
type Rows[V any] struct {
	Rows     []KeyedRow[V]
	Next     string   // the cursor of the next page; empty at the end
	Position Position // the view's position that the page was read at
}

// KeyedRow is a row with its key and the position of the event that last changed it.
type KeyedRow[V any] struct {
	Key      string
	Position Position
	Parked   Position // of the first event that is parked and may belong to the row; 0: the row is as it should be
	Row      V
}

// Get returns the row of a key from a view that has reached after; it waits until then. ErrNotFound if there is no such
// row, *BehindError if ctx ends first. A row that lacks events which its projection could not fold comes with a *ParkedError.
func (v *View[V]) Get(ctx context.Context, key string, after Position) (V, error) {
	var value V
	if v.fault != nil {
		return value, v.fault
	}
	row, _, err := v.raw.get(ctx, key, after)
	if err == nil {
		value, err = decodeRow[V](v.raw.ref.Name, row)
	}
	if row.Parked > 0 && (err == nil || errors.Is(err, ErrNotFound)) {
		err = &ParkedError{View: v.raw.ref.Name, Key: key, Position: row.Parked}
	}
	return value, err
}

// List returns the rows for which all of where hold, at most 16 conditions, from a view that has reached after; it waits until
// then. Errors: *InvalidError, ErrCursor, *BehindError.
func (v *View[V]) List(ctx context.Context, where []Where, page Page, after Position) (Rows[V], error) {
	var rows Rows[V]
	if v.fault != nil {
		return rows, v.fault
	}
	raw, err := v.raw.list(ctx, where, page, after)
	if err != nil {
		return rows, err
	}
	rows.Next, rows.Position = raw.Next, raw.Position
	for _, r := range raw.Rows {
		value, err := decodeRow[V](v.raw.ref.Name, Row{Key: r.Key, Data: r.Row})
		if err != nil {
			return Rows[V]{}, err
		}
		rows.Rows = append(rows.Rows, KeyedRow[V]{Key: r.Key, Position: r.Position, Parked: r.Parked, Row: value})
	}
	return rows, nil
}

func decodeRow[V any](view string, row Row) (V, error) {
	var value V
	if err := guard(func() error { return json.Unmarshal(row.Data, &value) }); err != nil {
		return value, fmt.Errorf("decode row %s of view %s: %w", row.Key, view, err)
	}
	return value, nil
}

// rawView reads rows as JSON.
type rawView struct {
	store    ViewStore
	ref      ViewRef
	index    indexing
	patience time.Duration // for the view to come to a position, not for reading it; 0: as long as the context has
}

// waits is the context in which the view is waited for.
func (v rawView) waits(ctx context.Context) (context.Context, context.CancelFunc) {
	if v.patience == 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, v.patience)
}

const (
	defaultPage = 100
	maxPage     = 1000
	maxWhere    = 16 // conditions of a list
)

func (v rawView) wait(ctx context.Context, after Position) error {
	if after <= 0 {
		return nil
	}
	ctx, stop := v.waits(ctx)
	defer stop()
	_, err := v.store.WaitView(ctx, v.ref, after)
	return err
}

// waitFor is wait for what a key's row is in.
func (v rawView) waitFor(ctx context.Context, key string, after Position) error {
	if p, cut := v.store.(*partitioned); cut && after > 0 {
		ctx, stop := v.waits(ctx)
		defer stop()
		return p.waitFor(ctx, v.ref, key, after)
	}
	return v.wait(ctx, after)
}

func (v rawView) get(ctx context.Context, key string, after Position) (Row, Position, error) {
	if err := ValidID(key); err != nil {
		return Row{}, 0, fmt.Errorf("get from view %s: %w", v.ref.Name, err)
	}
	var row Row
	position, err := reachedBy(after, func() error { return v.waitFor(ctx, key, after) }, func() (position Position, err error) {
		row, position, err = v.store.Row(ctx, v.ref, key)
		return position, err
	})
	if err != nil {
		return row, position, fmt.Errorf("get %s from view %s: %w", key, v.ref.Name, err)
	}
	return row, position, nil
}

// reachedBy reads from a view that has reached a position. Where somebody makes the view anew in between, it waits again.
func reachedBy(after Position, wait func() error, read func() (Position, error)) (Position, error) {
	for {
		if err := wait(); err != nil {
			return 0, err
		}
		position, err := read()
		if position >= after || err != nil && !errors.Is(err, ErrNotFound) {
			return position, err
		}
	}
}

func (v rawView) list(ctx context.Context, where []Where, page Page, after Position) (Rows[json.RawMessage], error) {
	rows, err := v.page(ctx, where, page, after)
	if err != nil {
		return rows, fmt.Errorf("list view %s: %w", v.ref.Name, err)
	}
	return rows, nil
}

func (v rawView) page(ctx context.Context, where []Where, page Page, after Position) (Rows[json.RawMessage], error) {
	var rows Rows[json.RawMessage]
	q, err := v.query(where, page)
	if err != nil {
		return rows, err
	}
	limit := q.Limit
	q.Limit++ // one more tells whether there is a next page
	var found []Row
	rows.Position, err = reachedBy(after, func() error { return v.wait(ctx, after) }, func() (position Position, err error) {
		found, position, err = v.store.ListRows(ctx, v.ref, q)
		return position, err
	})
	if err != nil {
		return Rows[json.RawMessage]{}, err
	}
	for _, r := range found[:min(limit, len(found))] {
		rows.Rows = append(rows.Rows, KeyedRow[json.RawMessage]{Key: r.Key, Position: r.Position, Parked: r.Parked, Row: r.Data})
	}
	if len(found) > limit {
		rows.Next, err = v.cursor(q, where, found[limit-1])
	}
	return rows, err
}

func (v rawView) query(where []Where, page Page) (RowQuery, error) {
	order, desc := strings.CutPrefix(page.Order, "-")
	q := RowQuery{Order: order, Desc: desc, Limit: page.Limit}
	if len(where) > maxWhere {
		return q, invalid("where", fmt.Sprintf("more than %d conditions", maxWhere))
	}
	var errs []error
	for _, w := range where {
		value, err := v.index.value(w.Field, w.Value)
		errs = append(errs, err)
		q.Where = append(q.Where, RowWhere{Field: w.Field, Value: value})
	}
	if _, ok := v.index.fields[order]; order != "" && !ok {
		errs = append(errs, invalid("order", fmt.Sprintf("%.80q is not an index field of this view", order)))
	}
	switch {
	case q.Limit == 0:
		q.Limit = defaultPage
	case q.Limit < 0 || q.Limit > maxPage:
		errs = append(errs, invalid("limit", fmt.Sprintf("must be 1 to %d", maxPage)))
	}
	if page.Cursor != "" {
		after, err := v.parseCursor(page, where)
		errs = append(errs, err)
		q.After = after
	}
	return q, errors.Join(errs...)
}

// listCursor is what a cursor says: the place of a row in a list, and which list that was.
type listCursor struct {
	List  string          `json:"l"`
	Key   string          `json:"k"`
	Value json.RawMessage `json:"v,omitempty"`
}

// listName tells lists apart: a cursor of one is of no use in another.
func (v rawView) listName(where []Where, order string) string {
	where = slices.SortedFunc(slices.Values(where), func(a, b Where) int { return strings.Compare(a.Field, b.Field) })
	return HashID(v.ref.Name, fmt.Sprint(v.ref.Version), order, fmt.Sprint(where))
}

func (v rawView) cursor(q RowQuery, where []Where, last Row) (string, error) {
	order := q.Order
	if q.Desc {
		order = "-" + order
	}
	c := listCursor{List: v.listName(where, order), Key: last.Key}
	if q.Order != "" {
		var err error
		if c.Value, err = v.index.stored(q.Order, last); err != nil {
			return "", err
		}
	}
	text, err := json.Marshal(c)
	return base64.RawURLEncoding.EncodeToString(text), err
}

func (v rawView) parseCursor(page Page, where []Where) (*RowCursor, error) {
	var c listCursor
	text, err := base64.RawURLEncoding.DecodeString(page.Cursor)
	if err != nil || json.Unmarshal(text, &c) != nil || ValidID(c.Key) != nil {
		return nil, invalid("cursor", "is not one that a list gave")
	}
	if c.List != v.listName(where, page.Order) {
		return nil, ErrCursor
	}
	after := &RowCursor{Key: c.Key}
	if field, ok := v.index.fields[strings.TrimPrefix(page.Order, "-")]; ok {
		if after.Value, err = field.fromJSON(c.Value); err != nil {
			return nil, invalid("cursor", "is not one that a list gave")
		}
	}
	return after, nil
}

// Change is a row put or removed, as a view's changes tell it.
type Change struct {
	View     string
	Key      string
	Position Position
	Row      json.RawMessage // nil: removed
	More     bool            // more rows of this position may follow
}

// Changes are read in pages, each of which is in memory for as long as whoever takes it is slow: of a few rows at first, and of
// more only where those are small.
const (
	leastChanges = 8
	mostChanges  = 256
	changesBytes = 128 << 10 // what a page is meant to have at most
)

// changesPage is how many rows the page after one is to have.
func changesPage(limit int, rows []Row) int {
	size := 0
	for _, r := range rows {
		size += len(r.Key) + len(r.Data)
	}
	if len(rows) == limit && 2*size <= changesBytes {
		return min(2*limit, mostChanges)
	}
	for ; size > changesBytes && limit > leastChanges; size /= 2 {
		limit /= 2
	}
	return limit
}

// changes yields changed rows after a cursor in the order of (Position, Key), and waits for more until ctx is done.
func (v rawView) changes(ctx context.Context, after ChangeCursor) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		for limit := leastChanges; ; {
			rows, position, err := v.store.Changes(ctx, v.ref, after, limit)
			if err != nil {
				yield(Change{}, fmt.Errorf("changes of view %s: %w", v.ref.Name, err))
				return
			}
			full := len(rows) == limit
			limit = changesPage(limit, rows)
			for i, r := range rows {
				last := i == len(rows)-1
				more := last && full || !last && rows[i+1].Position == r.Position
				if after = (ChangeCursor{Position: r.Position}); more {
					after.Key = r.Key
				}
				if !yield(Change{View: v.ref.Name, Key: r.Key, Position: r.Position, Row: r.Data, More: more}, nil) {
					return
				}
			}
			if full {
				continue
			}
			if _, err := v.store.WaitView(ctx, v.ref, position+1); err != nil {
				yield(Change{}, fmt.Errorf("changes of view %s: %w", v.ref.Name, err))
				return
			}
		}
	}
}
