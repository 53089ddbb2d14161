package postgres

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/internal/engine"
)

// task is one caller's work, done inside the transaction of a group.
type task interface {
	// shares tells whether the log's lock may be shared with those of other processes who do too.
	shares() bool
	// ask says what has to be looked up once the lock is held.
	ask(a *asked)
	// apply does the work on what is to be stored of the group. A refusal is the caller's own answer and has left nothing
	// behind; a failure is a statement's, after which the transaction is rolled back.
	apply(ctx context.Context, g *group) (refusal, failure error)
}

// job is a task on its way through a queue.
type job = engine.Job[task]

// writer is the one goroutine of this process that appends. It takes everything that waits, stores it in one transaction with one
// flush, and answers each caller.
type writer struct {
	*engine.Queue[task]
	db       *DB
	l        *ledger
	c        *pgx.Conn // nil: lost, or not opened yet
	used     time.Time // when c was known to live
	away     bool      // the last group could not begin
	ahead    bool      // a transaction on c has the lock already
	folded   bool      // there were inline views when it was looked last
	parallel bool      // the order in which the group under way is tried
	loose    bool      // the last group was not the only one under way
	ended    chan struct{}
}

func newWriter(db *DB) *writer {
	return &writer{Queue: engine.NewQueue[task](), db: db, l: db.ledger, ended: make(chan struct{})}
}

// run works until the queue is closed.
func (w *writer) run() {
	defer close(w.ended)
	var jobs []*job
	for {
		if jobs = w.Next(jobs); jobs == nil {
			break
		}
		if w.l.crowded && !w.db.parallel.Load() && w.lockAhead() {
			jobs = w.More(jobs)
		}
		for _, part := range w.parted(jobs) {
			w.write(part)
		}
		clear(jobs)
	}
	w.drop()
}

// lockAhead takes the lock before the group is made up, where others append too: what comes to wait meanwhile goes with it. Where it
// cannot, the group finds out why.
func (w *writer) lockAhead() bool {
	if w.c == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	b := &pgx.Batch{}
	queueLock(b, w.db.lock, false)
	if err := w.c.SendBatch(ctx, b).Close(); err != nil {
		w.undo(ctx)
		return false
	}
	w.ahead = true
	return true
}

// close answers who waits with ErrClosed and returns when the group under way is done.
func (w *writer) close() {
	w.Close()
	<-w.ended
}

// beginError is a transaction that came to nothing before anything was stored: no batch of the group is to blame.
type beginError struct{ err error }

func (e *beginError) Error() string { return "begin: " + e.err.Error() }

// Unwrap returns what went wrong; deed.ErrBusy too where somebody else has kept the lock.
func (e *beginError) Unwrap() []error {
	if hasCode(e.err, "55P03", "57014") { // the second where the role has a statement_timeout
		return []error{deed.ErrBusy, e.err}
	}
	return []error{e.err}
}

func hasCode(err error, codes ...string) bool {
	var server *pgconn.PgError
	if !errors.As(err, &server) {
		return false
	}
	for _, code := range codes {
		if server.Code == code || len(code) == 2 && server.Code[:2] == code {
			return true
		}
	}
	return false
}

// write stores a group and answers it. A group whose statement fails and is known to be rolled back is tried again in
// halves, down to the offender; not where the server is to blame: out of disk or memory, shutting down, read-only.
func (w *writer) write(jobs []*job) {
	failure := w.attempt(jobs)
	if failure == nil {
		if w.away {
			w.away = false
			w.db.logger.Info("appends are stored again", "log", w.db.options.Log)
		}
		return
	}
	if w.c == nil {
		w.l.forget()
	}
	log := w.db.logger.With("log", w.db.options.Log, "batches", len(jobs), "error", failure)
	var panicked *deed.PanicError
	if errors.As(failure, &panicked) {
		log = log.With("stack", string(panicked.Stack))
	}
	var before *beginError
	switch {
	case errors.Is(failure, deed.ErrUnknown):
		log.Error("a commit failed; its outcome is unknown")
		engine.AnswerAll(jobs, failure)
	case errors.As(failure, &before):
		if !w.away { // said once, until it is over
			log.Error("a transaction could not begin")
		}
		w.away = true
		engine.AnswerAll(jobs, failure)
	case len(jobs) == 1, hasCode(failure, "53", "57", "58", "XX", "25"):
		log.Error("a write failed and was rolled back")
		engine.AnswerAll(jobs, failure)
	default:
		half := len(jobs) / 2
		w.write(jobs[:half])
		w.write(jobs[half:])
	}
}

func (w *writer) once(jobs []*job, how way) (failure error) {
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	told, committing := w.db.observing.Begin("log", len(jobs)), false
	defer func() {
		if r := recover(); r != nil { // the clock, or a codec under an inline projection
			failure = &deed.PanicError{Value: r, Stack: debug.Stack()}
			if committing {
				failure = fmt.Errorf("%w: %w", deed.ErrUnknown, failure)
			}
			w.drop()
		}
		if !how.isAnotherWay(failure) {
			told.End(failure, w.db.logger)
		}
	}()
	g, err := w.begin(ctx, jobs, how)
	if how.isAnotherWay(err) {
		return err
	}
	if err != nil {
		return &beginError{err}
	}
	for _, j := range jobs {
		refusal, err := j.Task.apply(ctx, g)
		if err != nil {
			g.revert()
			w.undo(ctx)
			return err
		}
		j.Err = refusal
	}
	committing = true
	told.Flush(len(g.records))
	if err := w.store(ctx, g); err != nil {
		g.revert()
		return err
	}
	w.used = time.Now()
	g.publish()
	for _, j := range jobs {
		j.Answer()
	}
	return nil
}

// So long a connection is taken to live. After that a group begins with a look at the log: if the connection is lost, that shows
// before anything is sent that might be stored.
const livesFor = time.Second

// begin opens a transaction that has the log's lock, on a new connection if there is none; or it only supposes what would be found.
func (w *writer) begin(ctx context.Context, jobs []*job, how way) (*group, error) {
	if err := w.connect(ctx); err != nil {
		return nil, err
	}
	if w.parallel || w.loose { // what is remembered may have changed, and at lower positions
		w.doubt()
	}
	w.loose = w.parallel
	w.l.turn()
	a := &asked{l: w.l, named: make(map[deed.StreamID]bool, len(jobs))}
	for _, j := range jobs {
		j.Task.ask(a)
	}
	g := &group{
		l: w.l, c: w.c, how: max(how, alone), parallel: w.parallel, old: make(map[deed.StreamID]streamHead, len(jobs)),
		locked: w.ahead, outcomes: map[string]outcome{}, matches: map[*deed.Check]deed.Position{}, inline: map[deed.ViewRef]*storedView{},
	}
	w.ahead = false
	if how == guessed && !g.locked && !w.folded && w.l.alone && !a.must && time.Since(w.used) < livesFor {
		g.suppose(a)
		return g, nil
	}
	err := g.open(ctx, a)
	if w.folded = g.folded; err != nil {
		w.undo(ctx)
		w.doubt() // what was looked up in part is not to be relied on
		return nil, err
	}
	return g, nil
}

// doubt forgets what is remembered of the log, but for when it was written to last.
func (w *writer) doubt() {
	at := w.l.time
	w.l.forget()
	w.l.time = at
}

// store sends what the group stores, with the COMMIT behind it in the same round trip; where views are folded with it, behind
// them. A group that is a guess begins only now: that makes it one round trip in all.
func (w *writer) store(ctx context.Context, g *group) error {
	b := &pgx.Batch{}
	if len(g.records)+len(g.commands) == 0 { // all were refused, or repeated
		switch {
		case g.guess:
			return errGuess
		case g.repeats: // which acknowledges them
			b.Queue(awaitSQL)
			return w.commit(ctx, g, b)
		}
		w.undo(ctx)
		return nil
	}
	if g.guess {
		queueLock(b, w.db.lock, false)
	}
	if err := g.queue(b); err != nil {
		if !g.guess {
			w.undo(ctx)
		}
		return err
	}
	if g.folds() {
		stored, err := executed(g.c.SendBatch(ctx, b), b.Len())
		if err == nil && stored == 0 {
			err = errPastLock
		}
		if err == nil {
			err = g.fold(ctx)
		}
		if err != nil {
			w.undo(ctx)
			return err
		}
		return w.commit(ctx, g, &pgx.Batch{})
	}
	return w.commit(ctx, g, b)
}

// commit stores the group, and finds out whether it is stored.
func (w *writer) commit(ctx context.Context, g *group, b *pgx.Batch) error {
	stored, err := commitCounted(ctx, g.c, b)
	switch {
	case errors.Is(err, deed.ErrUnknown):
		w.drop()
	case err != nil && g.c.IsClosed():
		w.c = nil
	case (g.guess || g.how == shared) && hasCode(err, "55P03"): // the lock, or a group of others that stores the same
		return &beginError{err}
	case err == nil && b.Len() > 1 && stored == 0:
		if !g.guess {
			return errPastLock
		}
		return errGuess
	}
	return err
}

// publish makes known what is stored.
func (g *group) publish() {
	db, l := g.l.db, g.l
	for i := range g.records {
		db.past.sees(&g.records[i])
	}
	if l.kinds = db.learnKinds(l.kinds); len(g.records)+len(g.commands) > 0 {
		l.time = g.now
	}
	switch {
	case len(g.records) == 0:
	case g.how == shared:
		g.show()
		return
	case g.parallel:
		db.advance(l.head)
	default:
		db.tail.Add(g.records)
		db.reach(l.head)
		db.news.Tell(g.records)
	}
	for _, v := range g.inline {
		if v.changed {
			db.inline.waiting.Reached(v.ref, v.position)
		}
	}
	if len(g.records) > 0 {
		db.teller.tell()
	}
}

// connect opens a connection if there is none.
func (w *writer) connect(ctx context.Context) error {
	if w.c != nil {
		return nil
	}
	c, err := pgx.ConnectConfig(ctx, w.db.config.ConnConfig.Copy())
	if err != nil {
		return err
	}
	w.c = c
	w.doubt() // the server may be another
	return nil
}

// undo rolls back. A connection that cannot is given up; its transaction was not committed in any case.
func (w *writer) undo(ctx context.Context) {
	rollback(ctx, w.c)
	if w.c.IsClosed() {
		w.c = nil
	}
}

// drop gives the connection up, so that the next group opens a new one and looks up what is stored.
func (w *writer) drop() {
	if w.c == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	defer cancel()
	_ = w.c.Close(ctx)
	w.c, w.ahead = nil, false
}
