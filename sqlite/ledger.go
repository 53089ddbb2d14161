package sqlite

import (
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/internal/engine"
)

// So many streams' heads are remembered by the writer, twice.
const headsKept = 32768

// streamHead is where a stream ends.
type streamHead struct {
	version  deed.Version
	position deed.Position
}

// logLedger is what the log's writer remembers between statements. Only the writer's goroutine uses it.
type logLedger struct {
	db      *DB
	head    deed.Position // with the group under way
	time    int64         // last recorded, in microseconds
	now     int64         // the recorded time of the group under way
	kinds   *engine.Kinds // with the group under way
	pending []deed.Record // of the group under way
	inline  *viewLedger   // of the views in the log's database
	folds   map[deed.ViewRef]deed.InlineFold
	stopped map[deed.ViewRef]inlineStop // views that their folds have stopped, and where
	// Two generations: what is not looked up while one fills is forgotten with the next.
	heads, older map[deed.StreamID]streamHead
}

func (l *logLedger) begin() {
	l.now = max(l.time, l.db.clock.Now().UnixMicro())
	l.inline.begin()
}

func (l *logLedger) events() int { return len(l.pending) }

func (l *logLedger) commit() {
	l.time = l.now
	defer l.inline.commit() // views never seem further than the log
	if len(l.pending) == 0 {
		return
	}
	if l.db.kinds.Load() != l.kinds {
		l.db.kinds.Store(l.kinds)
	}
	l.db.tail.Add(l.pending)
	l.db.head.Store(int64(l.head))
	l.db.news.Tell(l.pending)
	clear(l.pending)
	l.pending = l.pending[:0]
}

func (l *logLedger) rollback() {
	l.head = deed.Position(l.db.head.Load())
	l.kinds = l.db.kinds.Load()
	clear(l.pending)
	l.pending = l.pending[:0]
	l.forgetHeads()
	l.inline.rollback()
}

// reload reads the head anew. What was stored in spite of an unknown outcome is made known.
func (l *logLedger) reload(c *conn) error {
	kinds, err := moreKinds(c, &engine.Kinds{})
	if err != nil {
		return err
	}
	head, last, err := lastStored(c)
	if err != nil {
		return err
	}
	l.head = max(deed.Position(head), l.db.info.Began)
	l.time = last
	l.kinds = kinds
	clear(l.pending)
	l.pending = l.pending[:0]
	l.forgetHeads()
	l.db.kinds.Store(kinds)
	l.db.tail.Reset(l.head)
	l.db.head.Store(int64(l.head))
	l.db.news.TellEverybody()
	return l.inline.reload(c)
}

// lastStored returns the last position and the last recorded time.
func lastStored(c *conn) (position, micros int64, err error) {
	if position, err = c.number("SELECT max(position) FROM events"); err != nil {
		return 0, 0, err
	}
	if micros, err = c.number("SELECT time FROM events WHERE position = ?", position); err != nil {
		return 0, 0, err
	}
	command, err := c.number("SELECT time FROM commands ORDER BY seq DESC LIMIT 1")
	return position, max(micros, command), err
}

func (l *logLedger) forgetHeads() {
	l.heads, l.older = make(map[deed.StreamID]streamHead), nil
}

// remembers tells whether a stream's end need not be looked up.
func (l *logLedger) remembers(s deed.StreamID) bool {
	if _, ok := l.heads[s]; ok {
		return true
	}
	_, ok := l.older[s]
	return ok
}

// streamHead returns where a stream ends, the group under way included.
func (l *logLedger) streamHead(c *conn, s deed.StreamID) (streamHead, error) {
	if h, ok := l.heads[s]; ok {
		return h, nil
	}
	h, ok := l.older[s]
	if !ok {
		q := c.query("SELECT version, position FROM events WHERE stream = ? ORDER BY version DESC LIMIT 1")
		q.text(string(s))
		if q.step() {
			h = streamHead{deed.Version(q.s.ColumnInt64(0)), deed.Position(q.s.ColumnInt64(1))}
		}
		if err := q.end(); err != nil {
			return h, err
		}
	}
	l.setHead(s, h)
	return h, nil
}

func (l *logLedger) setHead(s deed.StreamID, h streamHead) {
	if len(l.heads) >= headsKept {
		l.heads, l.older = make(map[deed.StreamID]streamHead, headsKept), l.heads
	}
	l.heads[s] = h
}

// kindNumber returns a kind's number and stores the kind if it is new.
func (l *logLedger) kindNumber(c *conn, k engine.Kind) (int64, error) {
	if n := l.kinds.Number(k); n > 0 {
		return int64(n), nil
	}
	next := l.kinds.Add(k)
	n := int64(next.Len())
	if err := insertKind(c, n, k); err != nil {
		return 0, err
	}
	l.kinds = next
	return n, nil
}

// micros is a time as it is stored.
func micros(t time.Time) int64 { return t.UnixMicro() }

// timeOf is a stored time.
func timeOf(micros int64) time.Time { return time.UnixMicro(micros).UTC() }
