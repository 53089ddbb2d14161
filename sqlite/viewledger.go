package sqlite

import (
	"encoding/json"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/internal/engine"
)

// storedView is a view as its row in the table of views says.
type storedView struct {
	id       int64
	fields   []string
	dropped  deed.ChangeCursor // of the last tombstone dropped; zero: none
	position deed.Position
	parked   int    // keys
	tables   string // the statements that made its tables, in JSON
	upsert   string // SQL, for the writer
}

const viewColumns = "id, fields, dropped, position, dropped_key, parked, tables"

func (v *storedView) scan(q *query) error {
	v.id = q.s.ColumnInt64(0)
	v.dropped = deed.ChangeCursor{Position: deed.Position(q.s.ColumnInt64(2)), Key: q.s.ColumnText(4)}
	v.position = deed.Position(q.s.ColumnInt64(3))
	v.parked = q.s.ColumnInt(5)
	v.tables = q.s.ColumnText(6)
	return json.Unmarshal(q.s.ColumnRawText(1), &v.fields)
}

// viewLedger is what the views' writer remembers. Only its goroutine uses it.
type viewLedger struct {
	waiting *engine.Waiting
	clock   deed.Clock
	now     int64
	views   map[deed.ViewRef]*storedView // with the group under way
	changed []deed.ViewRef               // by the group under way
	stale   bool                         // rolled back: views are to be read again
}

func (l *viewLedger) begin() { l.now = l.clock.Now().UnixMicro() }

func (l *viewLedger) events() int { return 0 }

func (l *viewLedger) finish(*conn) error { return nil }

func (l *viewLedger) commit() {
	for _, ref := range l.changed {
		reached := deed.Position(0)
		if v := l.views[ref]; v != nil {
			reached = v.position
		}
		l.waiting.Reached(ref, reached)
	}
	l.changed = l.changed[:0]
}

func (l *viewLedger) rollback() { l.stale, l.changed = true, l.changed[:0] }

func (l *viewLedger) reload(c *conn) error {
	views := make(map[deed.ViewRef]*storedView)
	q := c.query("SELECT " + viewColumns + ", name, version FROM views")
	for q.step() {
		v := &storedView{}
		if err := v.scan(&q); err != nil {
			q.bound(err)
			break
		}
		v.upsert = v.upsertSQL()
		views[deed.ViewRef{Name: q.s.ColumnText(7), Version: q.s.ColumnInt(8)}] = v
	}
	if err := q.end(); err != nil {
		return err
	}
	l.views, l.stale, l.changed = views, false, l.changed[:0]
	for ref, v := range views {
		l.waiting.Reached(ref, v.position)
	}
	return nil
}

// view returns a view as the group under way has it; nil if it was never opened.
func (l *viewLedger) view(c *conn, ref deed.ViewRef) (*storedView, error) {
	if l.stale {
		changed := l.changed
		if err := l.reload(c); err != nil {
			return nil, err
		}
		l.changed = changed
	}
	return l.views[ref], nil
}
