package postgres

import (
	"context"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/internal/engine"
)

// asked is what a group's tasks want looked up once the lock is held.
type asked struct {
	l        *ledger
	streams  []string // whose ends are not remembered
	named    map[deed.StreamID]bool
	commands []string
	checks   []*deed.Check
	must     bool // there is more to look up than whether something is not there
	events   int  // there may be to be stored
}

func (a *asked) stream(s deed.StreamID, created bool) {
	if a.named[s] {
		return
	}
	a.named[s] = true
	if !a.l.remembers(s) {
		a.streams = append(a.streams, string(s))
		a.must = a.must || !created
	}
}

func (a *asked) check(c *deed.Check) {
	a.checks = append(a.checks, c)
	a.must = a.must || c.After < a.l.head
}

// group is a transaction that has the log's lock: what was looked up, and what is to be stored.
type group struct {
	l         *ledger
	c         *pgx.Conn
	how       way
	locked    bool          // the transaction has begun, and has the lock
	within    bool          // the transaction has more in it than the group: it must not be committed without it
	guess     bool          // nothing was looked up yet: what is stored is under the condition that all is as it is remembered
	absent    []string      // streams that are not there, as is guessed
	parallel  bool          // positions are from the sequence; until the look it is what is thought
	base      int64         // with which they are made
	positions []int64       // that may be given out, in order
	publishes bool          // nobody else makes readable what is stored
	before    deed.Position // the last that was stored before
	now       int64         // its recorded time
	known     *engine.Kinds // those stored before it
	outcomes  map[string]outcome
	matches   map[*deed.Check]deed.Position // the first event that matches, of what was stored before
	folded    bool                          // there are inline views
	inline    map[deed.ViewRef]*storedView
	old       map[deed.StreamID]streamHead // where the streams written ended before
	records   []deed.Record
	commands  []stored
	repeats   bool // some task was answered what is stored already
}

// So many events that others have stored since the last group are taken in one by one; where there are more, where streams end is
// looked up anew.
const gapKept = 2000

const (
	logSQL = `SELECT CASE WHEN base IS NULL THEN head ELSE greatest(head, (SELECT max(position) FROM @events WHERE log = $1)) END, time, kinds,
		EXISTS (SELECT FROM @views v WHERE v.log = $1 AND v.inline), appending, base, ` + mayPublish + " FROM @logs WHERE log = $1"
	gapSQL  = "SELECT stream, version, position FROM @events WHERE log = $1 AND position > $2 ORDER BY position LIMIT $3"
	endsSQL = `SELECT s.stream, h.version, h.position FROM unnest($2::text[]) AS s (stream)
		CROSS JOIN LATERAL (SELECT version, position FROM @events e WHERE e.log = $1 AND e.stream = s.stream ORDER BY version DESC LIMIT 1) h`
	outcomesSQL = `SELECT a.id, c.hash, c.position, c.streams FROM unnest($2::text[]) AS a (id)
		CROSS JOIN LATERAL (SELECT * FROM @commands c WHERE c.log = $1 AND c.id = a.id OFFSET 0) c`
	inlineSQL = "SELECT " + viewColumns + " FROM @views WHERE log = $1 AND inline ORDER BY name, version FOR UPDATE"
)

// suppose begins a group without looking: as if everything were as it is remembered, and what is not remembered were not there.
func (g *group) suppose(a *asked) {
	g.guess, g.before, g.known = true, g.l.head, g.l.kinds
	g.absent = a.streams
	g.takeAbsent(a.streams)
	g.now = max(g.l.time, micros(g.l.db.clock.Now()))
}

// open begins the transaction, takes the lock, and looks up what was asked: one round trip.
func (g *group) open(ctx context.Context, a *asked) error {
	l, db := g.l, g.l.db
	b := &pgx.Batch{}
	if !g.locked {
		g.queueLock(b)
	}
	kinds, gap := 0, 0
	b.Queue(db.tables.sql(logSQL), db.log, db.teller.name).QueryRow(func(row pgx.Row) error {
		var appending Order
		var base *int64
		var at int64
		if err := row.Scan(&g.before, &at, &kinds, &g.folded, &appending, &base, &g.publishes); err != nil {
			return fmt.Errorf("read the log's row: %w", err)
		}
		if err := g.takeOrder(appending, base); err != nil {
			return err
		}
		l.time = max(l.time, at)
		if g.before < l.head {
			return fmt.Errorf("the log ends at %d, and has ended at %d before: it was restored under this process, which has to start anew", g.before, l.head)
		}
		return nil
	})
	if l.head > 0 {
		b.Queue(db.tables.sql(gapSQL), db.log, int64(l.head), gapKept).Query(func(rows pgx.Rows) error { return g.takeIn(rows, &gap) })
	}
	if len(a.streams) > 0 {
		b.Queue(db.tables.sql(endsSQL), db.log, a.streams).Query(g.takeEnds(a.streams))
	}
	if len(a.commands) > 0 {
		b.Queue(db.tables.sql(outcomesSQL), db.log, a.commands).Query(g.takeOutcomes)
	}
	for _, check := range a.checks {
		g.queueMatch(b, check)
	}
	g.queuePositions(b, a.events)
	if err := g.c.SendBatch(ctx, b).Close(); err != nil {
		return err
	}
	l.alone, l.crowded = gap == 0 && l.head > 0, gap > 0
	if err := g.openMore(ctx, a, gap == gapKept); err != nil {
		return err
	}
	if kinds > l.kinds.Len() {
		var err error
		if l.kinds, err = db.moreKinds(ctx, g.c); err != nil {
			return err
		}
	}
	if gap > 0 {
		db.advance(g.before)
	}
	l.head, g.known = g.before, l.kinds
	g.now = max(l.time, micros(db.clock.Now()))
	return nil
}

func (g *group) queueLock(b *pgx.Batch) {
	if g.within {
		queueLockWithin(b, g.l.db.lock, g.how == shared)
		return
	}
	queueLock(b, g.l.db.lock, g.how == shared)
}

// openMore looks up what the first look has shown to be needed too.
func (g *group) openMore(ctx context.Context, a *asked, anew bool) error {
	b := &pgx.Batch{}
	if anew {
		at := g.l.time
		g.l.forget()
		g.l.time = at
		all := make([]string, 0, len(a.named))
		for s := range a.named {
			all = append(all, string(s))
		}
		b.Queue(g.l.db.tables.sql(endsSQL), g.l.db.log, all).Query(g.takeEnds(all))
	}
	if g.folded {
		b.Queue(g.l.db.tables.sql(inlineSQL), g.l.db.log).Query(g.takeInline)
	}
	if b.Len() == 0 {
		return nil
	}
	return g.c.SendBatch(ctx, b).Close()
}

func (g *group) takeIn(rows pgx.Rows, gap *int) error {
	for rows.Next() {
		var s deed.StreamID
		var h streamHead
		if err := rows.Scan(&s, &h.version, &h.position); err != nil {
			return err
		}
		g.l.meet(s, h)
		*gap++
	}
	return rows.Err()
}

func (g *group) takeEnds(streams []string) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		ends := make(map[deed.StreamID]streamHead, len(streams))
		for rows.Next() {
			var s deed.StreamID
			var h streamHead
			if err := rows.Scan(&s, &h.version, &h.position); err != nil {
				return err
			}
			ends[s] = h
		}
		if err := rows.Err(); err != nil { // also where the query has failed: then it is not known what is not there
			return err
		}
		g.takeAbsent(streams)
		for s, h := range ends {
			g.l.setHead(s, h)
		}
		return nil
	}
}

// takeAbsent remembers streams as not there.
func (g *group) takeAbsent(streams []string) {
	for _, s := range streams {
		g.l.setHead(deed.StreamID(s), streamHead{})
	}
}

// setHead remembers where a stream ends with the group, and where it did before.
func (g *group) setHead(s deed.StreamID, h streamHead) {
	if _, ok := g.old[s]; !ok {
		g.old[s] = g.l.streamHead(s)
	}
	g.l.setHead(s, h)
}

// revert makes the ledger what it was before the group.
func (g *group) revert() {
	for s, h := range g.old {
		g.l.setHead(s, h)
	}
	if g.guess {
		for _, s := range g.absent {
			delete(g.l.heads, deed.StreamID(s))
		}
	}
	g.l.head, g.l.kinds = g.before, g.known
}

func (g *group) takeOutcomes(rows pgx.Rows) error {
	for rows.Next() {
		var id string
		var o outcome
		if err := o.scan(rows, &id); err != nil {
			return err
		}
		g.outcomes[id] = o
	}
	return rows.Err()
}

func (g *group) takeInline(rows pgx.Rows) error {
	for rows.Next() {
		v := &storedView{}
		if err := v.scan(rows); err != nil {
			return err
		}
		g.inline[v.ref] = v
	}
	return rows.Err()
}

// queueMatch looks for the first event that matches a check. What is not stored yet is looked at by firstMatch.
func (g *group) queueMatch(b *pgx.Batch, check *deed.Check) {
	s := selection{statement{args: []any{g.l.db.log, int64(check.After), int64(math.MaxInt64), 1}}}
	sql, found := s.positions("", check.Match, false)
	if !found {
		sql = "SELECT position FROM @events WHERE log = $1 AND position > $2 AND position <= $3 ORDER BY position LIMIT $4"
	}
	b.Queue(g.l.db.tables.fill(sql), s.args...).QueryRow(func(row pgx.Row) error {
		var position deed.Position
		err := row.Scan(&position)
		if err == nil {
			g.matches[check] = position
		}
		if isNone(err) {
			err = nil
		}
		return err
	})
}

// firstMatch returns the position of the first event after check.After that matches, the batches before in the group included; 0
// if there is none.
func (g *group) firstMatch(check *deed.Check) deed.Position {
	if position := g.matches[check]; position != 0 {
		return position
	}
	for i := range g.records {
		if r := &g.records[i]; r.Position > check.After && deed.MatchAny(check.Match, r.Type, r.Tags) {
			return r.Position
		}
	}
	return 0
}

// standing returns the position of the last of the events if they all stand behind the version that w expects; else 0.
func (g *group) standing(ctx context.Context, w *deed.Write, events []deed.Record) (deed.Position, error) {
	first := w.Version + 1
	position, found := deed.Position(0), 0
	stands := func(version deed.Version, id string, at deed.Position) bool {
		if version != first+deed.Version(found) || found == len(events) || events[found].ID != id {
			return false
		}
		position = at
		found++
		return true
	}
	sql := g.l.db.tables.sql("SELECT version, id, position FROM @events WHERE log = $1 AND stream = $2 AND version >= $3 ORDER BY version LIMIT $4")
	rows, err := g.c.Query(ctx, sql, g.l.db.log, string(w.Stream), int64(first), len(events))
	if err != nil {
		return 0, err
	}
	for rows.Next() {
		var version deed.Version
		var id string
		var at deed.Position
		if err := rows.Scan(&version, &id, &at); err != nil {
			return 0, err
		}
		stands(version, id, at)
	}
	if err := rows.Err(); err != nil {
		return 0, err
	}
	for i := range g.records {
		if r := &g.records[i]; r.Stream == w.Stream {
			stands(r.Version, r.ID, r.Position)
		}
	}
	if found < len(events) {
		return 0, nil
	}
	return position, nil
}

// keep notes the outcome of a command, to be stored and for the batches behind it in the group.
func (g *group) keep(ref deed.CommandRef, receipt deed.Receipt) {
	g.outcomes[ref.ID] = outcome{hash: []byte(ref.Hash), receipt: receipt}
	g.commands = append(g.commands, stored{ref, receipt})
}
