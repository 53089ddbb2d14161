package postgres

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

// ledger is what the log's writer remembers of the log, as it was at a position: it is right once what others have stored since
// is taken in. Only the writer's goroutine uses it.
type ledger struct {
	db      *DB
	head    deed.Position // with the group under way
	time    int64         // last recorded
	kinds   *engine.Kinds // with the group under way
	alone   bool          // nobody else has appended between the last two groups
	crowded bool          // somebody has
	// Two generations: what is not looked up while one fills is forgotten with the next.
	heads, older map[deed.StreamID]streamHead
}

func newLedger(db *DB) *ledger {
	l := &ledger{db: db}
	l.forget()
	return l
}

// forget trusts nothing that is remembered: after a failure, or where too much has happened elsewhere.
func (l *ledger) forget() {
	l.heads, l.older = make(map[deed.StreamID]streamHead), nil
	l.head, l.time, l.kinds, l.alone = 0, 0, l.db.kinds.Load(), false
}

// remembers tells whether it is known where a stream ends.
func (l *ledger) remembers(s deed.StreamID) bool {
	if _, ok := l.heads[s]; ok {
		return true
	}
	h, ok := l.older[s]
	if ok {
		l.setHead(s, h)
	}
	return ok
}

// streamHead is where a stream ends that is remembered, the group under way included.
func (l *ledger) streamHead(s deed.StreamID) streamHead {
	if h, ok := l.heads[s]; ok {
		return h
	}
	return l.older[s]
}

func (l *ledger) setHead(s deed.StreamID, h streamHead) { l.heads[s] = h }

// turn begins a new generation where the last is full: between groups, so that nothing is forgotten within one.
func (l *ledger) turn() {
	if len(l.heads) >= headsKept {
		l.heads, l.older = make(map[deed.StreamID]streamHead, headsKept), l.heads
	}
}

// meet takes in an event that somebody else has stored.
func (l *ledger) meet(s deed.StreamID, h streamHead) {
	if l.remembers(s) {
		l.setHead(s, h)
	}
}

// micros is a time as it is stored.
func micros(t time.Time) int64 { return t.UnixMicro() }

// timeOf is a stored time.
func timeOf(micros int64) time.Time { return time.UnixMicro(micros).UTC() }
