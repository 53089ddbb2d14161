package sqlite

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/internal/engine"
)

// InlineViews is where the log's own file keeps views. See deed.InlineStore.
func (db *DB) InlineViews() deed.ViewStore { return &db.inline }

// ListInline returns the views in the log's own file. See deed.InlineStore.
func (db *DB) ListInline(ctx context.Context) (refs []deed.ViewRef, err error) {
	err = db.look(ctx, func(c *conn) error {
		q := c.query("SELECT name, version FROM views ORDER BY name, version")
		for q.step() {
			refs = append(refs, deed.ViewRef{Name: q.s.ColumnText(0), Version: q.s.ColumnInt(1)})
		}
		return q.end()
	})
	return refs, err
}

// FoldInline has fold called with the records of every group. See deed.InlineStore.
func (db *DB) FoldInline(ctx context.Context, view deed.ViewRef, fold deed.InlineFold) error {
	return db.submit(ctx, &foldInline{l: db.ledger, view: view, fold: fold}, 0)
}

type foldInline struct {
	l    *logLedger
	view deed.ViewRef
	fold deed.InlineFold
}

func (t *foldInline) apply(*conn) (refusal, failure error) {
	t.l.folds[t.view] = t.fold
	delete(t.l.stopped, t.view)
	return nil, nil
}

// unknownInline returns why nothing can be appended: a view in the log's file would be left behind.
func (l *logLedger) unknownInline(c *conn) (refusal, failure error) {
	if _, err := l.inline.view(c, deed.ViewRef{}); err != nil { // reads the views again where that is due
		return nil, err
	}
	for ref := range l.inline.views {
		if l.folds[ref] == nil {
			return fmt.Errorf("this log keeps the inline projection %s (version %d), which this program has not registered; make the service with it, or drop it", ref.Name, ref.Version), nil
		}
	}
	return nil, nil
}

// A view that lags by so many records is brought up in the group's own transaction: under load it would never be done else.
const inlineGap = 1000

// finish folds the group's events into the inline views, before the commit.
func (l *logLedger) finish(c *conn) error {
	if len(l.pending) == 0 || len(l.folds) == 0 {
		return nil
	}
	before := deed.Position(l.db.head.Load())
	maps.DeleteFunc(l.stopped, func(_ deed.ViewRef, s inlineStop) bool { return s.to > before })
	refs := slices.SortedFunc(maps.Keys(l.folds), func(a, b deed.ViewRef) int { return strings.Compare(a.Name, b.Name) })
	for _, ref := range refs {
		v, err := l.inline.view(c, ref)
		if err != nil {
			return err
		}
		if v == nil || v.position < before-inlineGap || l.hasStopped(ref, v) {
			continue
		}
		if err := l.foldInto(c, ref, v, before); err != nil {
			return fmt.Errorf("inline projection %s: %w", ref.Name, err)
		}
	}
	return nil
}

func (l *logLedger) foldInto(c *conn, ref deed.ViewRef, v *storedView, before deed.Position) error {
	records := l.pending
	if v.position < before {
		missed, err := l.between(c, v.position, before)
		if err != nil {
			return err
		}
		records = append(missed, records...)
	}
	q := c.query("SELECT log, incarnation, position, last, last_id FROM views WHERE id = ?")
	q.int(v.id)
	var from deed.Checkpoint
	if q.step() {
		from = checkpointAt(&q, 0)
	}
	if err := q.end(); err != nil {
		return err
	}
	stopped, err := l.folds[ref](context.Background(), &inlineTx{c: c, l: l}, from, records, l.head)
	if err != nil {
		return err
	}
	if stopped {
		if l.stopped == nil {
			l.stopped = map[deed.ViewRef]inlineStop{}
		}
		l.stopped[ref] = inlineStop{at: v.position, to: l.head}
	}
	return nil
}

// inlineStop is where a fold has stopped its view, in a group that ended at to: where the log does not go as far, that group
// was rolled back, and the stop with it.
type inlineStop struct {
	at, to deed.Position
}

// hasStopped tells whether a view is where its fold has stopped it.
func (l *logLedger) hasStopped(ref deed.ViewRef, v *storedView) bool {
	s, stopped := l.stopped[ref]
	return stopped && s.at == v.position
}

// between returns the records after a position up to another.
func (l *logLedger) between(c *conn, after, until deed.Position) (records []deed.Record, err error) {
	q := c.query("SELECT " + eventColumns + " FROM events WHERE position > ? AND position <= ? ORDER BY position")
	q.int(int64(after))
	q.int(int64(until))
	for q.step() {
		records = append(records, scanRecord(&q, l.kinds))
	}
	return records, q.end()
}

// inlineTx is the transaction of a group, as those who fold its events see it.
type inlineTx struct {
	c *conn
	l *logLedger
}

var _ deed.ViewTx = (*inlineTx)(nil)

func (t *inlineTx) view(ref deed.ViewRef) (*storedView, error) {
	v, err := t.l.inline.view(t.c, ref)
	if err == nil && v == nil {
		err = errNoView(ref)
	}
	return v, err
}

// Rows returns the rows of these keys that exist.
func (t *inlineTx) Rows(_ context.Context, ref deed.ViewRef, keys []string) (map[string]deed.Row, error) {
	v, err := t.view(ref)
	if err != nil {
		return nil, err
	}
	rows := make(map[string]deed.Row, len(keys))
	return rows, v.rows(t.c, keys, rows)
}

// ListRows returns the rows that q selects.
func (t *inlineTx) ListRows(_ context.Context, ref deed.ViewRef, q deed.RowQuery) ([]deed.Row, deed.Position, error) {
	v, err := t.view(ref)
	if err != nil {
		return nil, 0, err
	}
	rows, err := v.listRows(t.c, &q)
	return rows, v.position, err
}

// ViewParked lists the view's parked keys.
func (t *inlineTx) ViewParked(_ context.Context, ref deed.ViewRef, after string, limit int) ([]deed.ParkedKey, error) {
	v, err := t.view(ref)
	if err != nil {
		return nil, err
	}
	return v.parkedKeys(t.c, after, limit)
}

// ViewParkedRecords lists what is parked of a key.
func (t *inlineTx) ViewParkedRecords(_ context.Context, ref deed.ViewRef, key string, after deed.Position, limit int) ([]deed.ParkedRecord, error) {
	v, err := t.view(ref)
	if err != nil {
		return nil, err
	}
	return v.parkedRecords(t.c, key, after, limit)
}

// CommitView stores rows and checkpoint; they are there when the group is.
func (t *inlineTx) CommitView(_ context.Context, c deed.ViewCommit) error {
	own, _, err := engine.OwnViewCommit(c)
	if err != nil {
		return err
	}
	refusal, failure := (&commitView{l: t.l.inline, ViewCommit: own}).apply(t.c)
	if failure != nil {
		return failure
	}
	return refusal
}

// RecordAt returns the record at a position, of the group under way too.
func (t *inlineTx) RecordAt(_ context.Context, position deed.Position) (deed.Record, error) {
	records, err := t.l.between(t.c, position-1, position)
	if err == nil && len(records) == 0 {
		err = fmt.Errorf("the record at position %d: %w", position, deed.ErrNotFound)
	}
	if err != nil {
		return deed.Record{}, err
	}
	return records[0], nil
}
