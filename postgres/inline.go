package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/internal/engine"
)

var _ deed.InlineStore = (*DB)(nil)

// InlineViews is where the views are that are folded with the log. See deed.InlineStore.
func (db *DB) InlineViews() deed.ViewStore { return &db.inline }

// ListInline returns the views that are folded with the log. See deed.InlineStore.
func (db *DB) ListInline(ctx context.Context) ([]deed.ViewRef, error) {
	refs, err := db.inline.list(ctx)
	return slices.DeleteFunc(refs, db.folds.keeps), err // what KeepInline knows is nobody else's
}

// FoldInline has fold called with the records of every group. See deed.InlineStore.
func (db *DB) FoldInline(ctx context.Context, view deed.ViewRef, fold deed.InlineFold) error {
	return db.write(ctx, &foldInline{view, fold}, 0)
}

type foldInline struct {
	view deed.ViewRef
	fold deed.InlineFold
}

func (t *foldInline) shares() bool { return true }

func (t *foldInline) ask(a *asked) { a.must = true }

func (t *foldInline) apply(_ context.Context, g *group) (refusal, failure error) {
	g.l.db.folds.set(t.view, t.fold)
	return nil, nil
}

// unknownInline returns why nothing can be appended: a view that is folded with the log would be left behind.
func (g *group) unknownInline() error {
	for ref := range g.inline {
		if g.l.db.folds.of(ref) == nil {
			return fmt.Errorf("this log keeps the inline projection %s (version %d), which this program has not registered; make the service with it, or drop it", ref.Name, ref.Version)
		}
	}
	return nil
}

// A view that lags by so many records is brought up in the group's own transaction: under load it would never be done else.
const inlineGap = 1000

// inlineStop is where a fold has stopped its view, in a group that ended at to: where the log does not go as far, that group
// was rolled back, and the stop with it.
type inlineStop struct {
	at, to deed.Position
}

// folds tells whether there are views to be folded with the group.
func (g *group) folds() bool { return len(g.records) > 0 && len(g.inline) > 0 }

// fold folds the group's events into the inline views, before the commit.
func (g *group) fold(ctx context.Context) error {
	folds := g.l.db.folds
	folds.running.Lock()
	defer folds.running.Unlock()
	maps.DeleteFunc(folds.stopped, func(_ deed.ViewRef, s inlineStop) bool { return s.to > g.before })
	refs := slices.SortedFunc(maps.Keys(g.inline), func(a, b deed.ViewRef) int { return strings.Compare(a.Name, b.Name) })
	for _, ref := range refs {
		v := g.inline[ref]
		if s, stopped := folds.stopped[ref]; stopped && s.at == v.position || v.position < g.before-inlineGap {
			continue
		}
		if err := g.foldInto(ctx, ref, v); err != nil {
			return fmt.Errorf("inline projection %s: %w", ref.Name, err)
		}
	}
	return nil
}

func (g *group) foldInto(ctx context.Context, ref deed.ViewRef, v *storedView) error {
	records := g.records
	if v.position < g.before {
		missed, err := g.between(ctx, v.position, g.before)
		if err != nil {
			return err
		}
		records = append(missed, records...)
	}
	stopped, err := g.l.db.folds.of(ref)(ctx, &inlineTx{g}, v.checkpoint, records, g.l.head)
	if err != nil {
		return err
	}
	if stopped {
		g.l.db.folds.stopped[ref] = inlineStop{at: v.position, to: g.l.head}
	}
	return nil
}

// between returns the records after a position up to another.
func (g *group) between(ctx context.Context, after, until deed.Position) ([]deed.Record, error) {
	sql := g.l.db.tables.sql("SELECT " + eventColumns + " FROM @events e WHERE e.log = $1 AND e.position > $2 AND e.position <= $3 ORDER BY e.position")
	return collectFrom(ctx, g.c, sql, []any{g.l.db.log, int64(after), int64(until)}, func(row pgx.Row) (deed.Record, error) {
		r, unknown, err := scanRecord(row, g.l.kinds)
		if err == nil && unknown != 0 {
			err = fmt.Errorf("the record at position %d is of the unknown kind %d", r.Position, unknown)
		}
		return r, err
	})
}

// inlineTx is the transaction of a group, as those who fold its events see it.
type inlineTx struct{ g *group }

var _ deed.ViewTx = (*inlineTx)(nil)

func (t *inlineTx) view(ref deed.ViewRef) (*storedView, error) {
	if v := t.g.inline[ref]; v != nil {
		return v, nil
	}
	return nil, errNoView(ref)
}

func (t *inlineTx) db() *DB { return t.g.l.db }

// Rows returns the rows of these keys that exist.
func (t *inlineTx) Rows(ctx context.Context, ref deed.ViewRef, keys []string) (map[string]deed.Row, error) {
	v, err := t.view(ref)
	if err != nil {
		return nil, err
	}
	return t.db().rows(ctx, t.g.c, v, keys)
}

// ListRows returns the rows that q selects.
func (t *inlineTx) ListRows(ctx context.Context, ref deed.ViewRef, q deed.RowQuery) ([]deed.Row, deed.Position, error) {
	v, err := t.view(ref)
	if err != nil {
		return nil, 0, err
	}
	rows, err := t.db().listRows(ctx, t.g.c, v, &q)
	return rows, v.position, err
}

// ViewParked lists the view's parked keys.
func (t *inlineTx) ViewParked(ctx context.Context, ref deed.ViewRef, after string, limit int) ([]deed.ParkedKey, error) {
	v, err := t.view(ref)
	if err != nil {
		return nil, err
	}
	return t.db().viewParking(v).keys(ctx, t.g.c, after, limit)
}

// ViewParkedRecords lists what is parked of a key.
func (t *inlineTx) ViewParkedRecords(ctx context.Context, ref deed.ViewRef, key string, after deed.Position, limit int) ([]deed.ParkedRecord, error) {
	v, err := t.view(ref)
	if err != nil {
		return nil, err
	}
	return t.db().viewParking(v).records(ctx, t.g.c, key, after, limit)
}

// CommitView stores rows and checkpoint; they are there when the group is.
func (t *inlineTx) CommitView(ctx context.Context, c deed.ViewCommit) error {
	own, _, err := engine.OwnViewCommit(c)
	if err == nil && len(own.Statements) > 0 {
		err = errInlineStatements()
	}
	if err != nil {
		return err
	}
	v, err := t.view(c.View)
	if err != nil && !errors.Is(err, deed.ErrNotFound) {
		return err
	}
	b := &pgx.Batch{}
	if err := t.db().queueView(b, v, &own); err != nil {
		return err
	}
	if len(own.Parked) > 0 {
		b.Queue(t.db().tables.sql("SELECT parked FROM @views WHERE view = $1"), v.id).QueryRow(func(row pgx.Row) error { return row.Scan(&v.parked) })
	}
	return t.g.c.SendBatch(ctx, b).Close()
}

// RecordAt returns the record at a position, of the group under way too.
func (t *inlineTx) RecordAt(ctx context.Context, position deed.Position) (deed.Record, error) {
	records, err := t.g.between(ctx, position-1, position)
	if err == nil && len(records) == 0 {
		err = fmt.Errorf("the record at position %d: %w", position, deed.ErrNotFound)
	}
	if err != nil {
		return deed.Record{}, err
	}
	return records[0], nil
}
