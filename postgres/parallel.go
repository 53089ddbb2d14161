package postgres

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/deed-es/deed"
)

// way is how a group is stored.
type way int

const (
	guessed way = iota // serial: without a look, under the condition that all is as it is remembered
	alone              // with a look, under the log's lock, which nobody else has
	shared             // parallel: with a look, and with the lock shared with the groups of others
)

// Reasons why a group cannot be stored in the way it was tried.
var (
	errGuess     = errors.New("the log has to be looked at")
	errAlone     = errors.New("the group has to be stored alone")
	errOrder     = errors.New("the log is appended to in another order")
	errUnsettled = errors.New("the log's row is not what its order wants")
	errPastLock  = errors.New("the log was written to past its lock")
)

// So often a group is tried anew beside others that store the same streams or commands, before it is stored alone.
const sharedTries = 2

// So often a group is tried anew that the server has picked to end a deadlock.
const deadlockTries = 3

// wayOf is how a group is tried first in the order that the log is thought to have.
func (w *writer) wayOf(jobs []*job) way {
	switch {
	case !w.parallel:
		return guessed
	case w.folded || slices.ContainsFunc(jobs, func(j *job) bool { return !j.Task.shares() }):
		return alone
	}
	return shared
}

// attempt runs the group's transaction, once more where a connection that had been lost before only showed it now, and once more
// in another way where the first did not do. With a failure nobody is answered.
func (w *writer) attempt(jobs []*job) error {
	had, past, races, deadlocks := w.c != nil, false, 0, 0
	w.parallel = w.db.parallel.Load()
	how := w.wayOf(jobs)
	var err error
	for range 10 { // the order may change again; not for ever
		err = w.once(jobs, how)
		var before *beginError
		switch {
		case errors.Is(err, errGuess), errors.Is(err, errAlone):
			w.l.alone, how = false, alone
		case errors.Is(err, errUnsettled):
			if err := w.settled(); err != nil {
				return &beginError{err}
			}
			w.parallel = w.db.parallel.Load()
			how = w.wayOf(jobs)
		case errors.Is(err, errOrder):
			w.parallel = !w.parallel
			how = w.wayOf(jobs)
		case errors.Is(err, errPastLock) && !past:
			past = true
		case errors.As(err, &before) && w.isMistaken(err):
			w.parallel = true
			how = w.wayOf(jobs)
		case errors.As(err, &before) && had && w.c == nil:
			w.l.forget()
			had, how = false, max(how, alone)
		case how.isRaced(err):
			if races++; races == sharedTries {
				how = alone
			}
		case hasCode(err, "40P01") && deadlocks < deadlockTries: // with rows that are not deed's
			deadlocks++
			how = max(how, alone)
		default:
			return err
		}
	}
	return err
}

// isMistaken tells that the group waited in vain to be alone, because nobody here knew that it need not be.
func (w *writer) isMistaken(err error) bool {
	return !w.parallel && hasCode(err, "55P03", "57014") && w.db.refresh() == nil && w.db.parallel.Load()
}

func (w *writer) settled() error {
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	w.l.forget()
	return w.settle(ctx)
}

// isAnotherWay tells that nothing is wrong with a group, and that it is to be tried again, or in another way.
func (how way) isAnotherWay(err error) bool {
	return errors.Is(err, errGuess) || errors.Is(err, errAlone) || errors.Is(err, errOrder) || errors.Is(err, errUnsettled) || how.isRaced(err)
}

// isRaced tells that others store the same streams or commands at this moment. Looked at again, it is known what they have stored.
func (how way) isRaced(err error) bool { return how == shared && hasCode(err, "23505", "40P01") }

// parted parts the jobs that may be stored beside the groups of others from those that may not, if that makes a difference.
func (w *writer) parted(jobs []*job) [][]*job {
	if !w.db.parallel.Load() {
		return [][]*job{jobs}
	}
	var parts [2][]*job
	for _, j := range jobs {
		if j.Task.shares() {
			parts[0] = append(parts[0], j)
		} else {
			parts[1] = append(parts[1], j)
		}
	}
	return slices.DeleteFunc(parts[:], func(part []*job) bool { return len(part) == 0 })
}

// takeOrder learns from the log's row in which order the group is to be stored, and whether it can be.
func (g *group) takeOrder(appending Order, base *int64) error {
	g.l.db.parallel.Store(appending == Parallel)
	switch {
	case !appending.known():
		return appending.unknown()
	case (appending == Parallel) == (base == nil):
		return errUnsettled
	case g.parallel != (appending == Parallel):
		return errOrder
	case g.how == shared && g.folded:
		return errAlone
	}
	if base != nil {
		g.base = *base
	}
	return nil
}

// next is the next event's position.
func (g *group) next() deed.Position {
	if !g.parallel {
		return g.l.head + 1
	}
	position := g.positions[0]
	g.positions = g.positions[1:]
	return deed.Position(position)
}

// guard is the condition under which a group is stored, and what it changes in the log's row. Parameters 1 to 5 are the log, a
// position, the recorded time, how many kinds there are, and where the log was, or what its positions are made with.
func (g *group) guard() (sql, ending string, args []any) {
	l := g.l
	args = []any{l.db.log, int64(l.head), g.now, l.kinds.Len(), int64(g.before)}
	if g.parallel {
		args[4] = g.base
	}
	switch {
	case g.how == shared: // what is stored is behind what may be read, whoever says so
		first := l.head + 1
		for i := range g.records {
			first = min(first, g.records[i].Position)
		}
		args[1] = int64(first)
		return "SELECT 1 FROM @logs WHERE log = $1 AND base = $5 AND head < $2 AND kinds >= $4", "", args
	case g.parallel:
		return "UPDATE @logs SET head = greatest(head, $2), mark = greatest(head, $2), time = greatest(time, $3), kinds = $4 WHERE log = $1 AND base = $5", " RETURNING 1", args
	}
	return "UPDATE @logs SET head = $2, time = $3, kinds = $4 WHERE log = $1 AND head = $5 AND time <= $3 AND appending = 'serial' AND base IS NULL", " RETURNING 1", args
}

// show has the group's events made readable.
func (g *group) show() {
	if db := g.l.db; g.publishes || db.marker.mine.Load() {
		db.marker.kick()
	} else {
		db.teller.ask()
	}
}

// queuePositions has positions given out, as many as the group may need, after the lock is taken: who has seen that nobody has the lock
// any more who had it before a position was given out knows that the position's group has ended.
func (g *group) queuePositions(b *pgx.Batch, n int) {
	if !g.parallel || n == 0 {
		return
	}
	queueBlock(b, g.l.db)
	const sql = "SELECT l.base + nextval('@positions'::regclass) AS position FROM @logs l, generate_series(1, $2::int) WHERE l.log = $1 AND l.base IS NOT NULL ORDER BY 1"
	b.Queue(g.l.db.tables.sql(sql), g.l.db.log, n).Query(func(rows pgx.Rows) (err error) {
		g.positions, err = pgx.CollectRows(rows, pgx.RowTo[int64])
		return err
	})
	b.Queue(endBlockSQL)
}

// The positions of a group have none of another between them, and the sequence is read where none is cut: an append is seen whole or not
// at all. What keeps others off meanwhile is a lock behind a savepoint, which is given back with that; what the sequence has given
// out stays.
const endBlockSQL = "ROLLBACK TO SAVEPOINT deed_block"

func queueBlock(b *pgx.Batch, db *DB) {
	b.Queue("SAVEPOINT deed_block")
	b.Queue("SELECT pg_advisory_xact_lock($1)", db.blocks)
}
