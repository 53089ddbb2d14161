package deed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// stalledAfter is when a part that has something to do and does not move is called stalled.
const stalledAfter = 10 * time.Second

// progress is how one loop stands. All of a service's share their board's lock.
type progress struct {
	board     *board
	name      string
	kind      string
	version   int
	maxLag    time.Duration
	partition partition
	away      bool   // another node of a fleet is to run it, or nobody does
	owes      bool   // while away: effects of it are due, as far as is known
	node      string // the name of the node that runs it, in a fleet; empty: none
	lease     Lease  // under which the loop runs; without a token: none
	follows   bool   // the log; tasks do not
	always    bool   // there is no loop: it is up to date whenever somebody looks
	position  Position
	parked    int       // keys
	moved     time.Time // machine's clock
	running   bool
	waiting   bool // between tries
	paused    bool
	said      Position // where it was said whether it is paused
	barred    bool     // somebody takes away what it works on
	anew      bool     // it is to begin anew from what is stored
	interrupt func()   // ends what the loop does now; nil: it does nothing yet
	stopped   bool
	attempts  int
	err       error
	failed    Record // the record that err is about; zero if none

	selection selection

	dropping sync.Mutex // held by who takes away what it works on
	dropped  Position   // where it was said that this is to be, the last time; this and heeds are under dropping
	heeds    bool       // what is said from now on
}

// selection is what a loop follows whose position is not stored each time: marks alone are stored seldom.
type selection struct {
	match    []Match                            // nil: its position is stored each time
	concerns func(context.Context, Record) bool // whether a record that matches changes anything
	stored   Position                           // where it was, as stored
	clear    Position                           // nothing between there and here concerns it
}

// board is where loops tell how they stand, and where others wait for that to change.
type board struct {
	logger   *slog.Logger
	observer Observer
	mu       sync.Mutex
	changed  chan struct{} // closed and replaced when anything changes
	retry    chan struct{} // closed and replaced to end all waits between tries
	loops    []*progress
}

func newBoard(logger *slog.Logger) *board {
	return &board{logger: logger, changed: make(chan struct{}), retry: make(chan struct{})}
}

func (b *board) add(name, kind string, version int) *progress {
	p := &progress{board: b, name: name, kind: kind, version: version, follows: true}
	b.loops = append(b.loops, p)
	return p
}

// update changes something under the lock and wakes who waits for a change.
func (b *board) update(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
	close(b.changed)
	b.changed = make(chan struct{})
}

// retryNow ends all waits between tries.
func (b *board) retryNow() {
	b.update(func() {
		for _, p := range b.loops {
			p.waiting = false
		}
		close(b.retry)
		b.retry = make(chan struct{})
	})
}

// unwatched is a loop like p that no status tells of.
func unwatched(p *progress) *progress {
	b := newBoard(p.board.logger)
	b.observer = p.board.observer
	return b.add(p.name, p.kind, p.version)
}

// isHere says whether the loop runs on this node, and not on another of a fleet.
func (p *progress) isHere(here bool) {
	p.board.update(func() {
		if p.away, p.owes = !here, !here; !here {
			p.running, p.waiting, p.stopped, p.err, p.attempts, p.failed = false, false, false, nil, 0, Record{}
		}
	})
}

func (p *progress) here() bool {
	p.board.mu.Lock()
	defer p.board.mu.Unlock()
	return !p.away
}

// selects says what the loop follows, where its position is not stored each time.
func (p *progress) selects(match []Match, concerns func(context.Context, Record) bool) {
	p.board.mu.Lock()
	defer p.board.mu.Unlock()
	p.selection.match, p.selection.concerns = match, concerns
}

// stop says that the loop cannot go on from a record.
func (p *progress) stop(err error, record Record) {
	p.board.update(func() { p.stopped, p.err, p.failed = true, err, record })
	logger := p.about(record)
	logger.Error("a part stopped at a record that it cannot handle", "error", err)
}

func (p *progress) hasStopped() bool {
	p.board.mu.Lock()
	defer p.board.mu.Unlock()
	return p.stopped
}

// about is a logger that says of which part, and of which record where one is known.
func (p *progress) about(r Record) *slog.Logger {
	logger := p.board.logger.With("kind", p.kind, "part", p.name)
	if r.Position > 0 {
		logger = logger.With("position", r.Position, "stream", r.Stream, "type", r.Type)
	}
	return logger
}

// begin tells who observes that the loop begins a step; of marks alone it does not.
func (p *progress) begin(ctx context.Context, records []Record) (context.Context, func(error)) {
	if len(records) == 0 {
		return ctx, unobserved
	}
	return begin(ctx, p.board.observer, Operation{Kind: OpStep, Part: p.name, Type: p.kind, Records: records})
}

// begins says that the loop starts after a position. What failed before is not forgotten until something is reached.
func (p *progress) begins(position Position, parked int) {
	p.board.update(func() {
		p.position, p.parked, p.running, p.stopped, p.moved = position, parked, true, false, time.Now()
	})
}

// at is how far the loop is.
func (p *progress) at() Position {
	p.board.mu.Lock()
	defer p.board.mu.Unlock()
	return p.position
}

// reached says that everything up to a position is handled.
func (p *progress) reached(position Position, parked int) {
	p.board.update(func() {
		if position > p.position {
			p.moved = time.Now()
		}
		p.position, p.parked = max(p.position, position), parked
		p.err, p.attempts, p.failed = nil, 0, Record{}
	})
}

// recordError is a record that cannot be handled, however often it is tried.
type recordError struct {
	record Record
	err    error
}

func (e *recordError) Error() string {
	return fmt.Sprintf("%s at position %d (%s): %v", e.record.Type, e.record.Position, e.record.Stream, e.err)
}

func (e *recordError) Unwrap() error { return e.err }

const (
	firstRetry = 10 * time.Millisecond
	lastRetry  = 30 * time.Second
)

// keep runs f until ctx is done, again and again with backoff, but not while p is paused. A record that fails for good stops it;
// what retrying cannot mend at all is returned. Of a task, all is retried: it may speak of a log or a broker of its own.
func (p *progress) keep(ctx context.Context, f func(context.Context) error) error {
	for p.unpaused(ctx) {
		session, end := context.WithCancel(ctx)
		p.board.update(func() {
			p.interrupt, p.anew, p.running = end, false, p.running && !p.anew
			if p.paused || p.barred { // since it was asked
				end()
			}
		})
		ended, err := p.once(ctx, session, f)
		end()
		if ended || err != nil {
			return err
		}
	}
	return nil
}

// once runs f until it ends or the session does, and then waits for as long as that is of use.
func (p *progress) once(ctx, session context.Context, f func(context.Context) error) (ended bool, err error) {
	err = guard(func() error { return f(session) })
	var record *recordError
	switch {
	case session.Err() != nil: // interrupted, or ctx is done
		return ctx.Err() != nil, nil
	case err == nil:
		return true, nil
	case p.kind != kindTask && (errors.Is(err, ErrForked) || errors.Is(err, ErrForeignPosition) || errors.Is(err, ErrClosed)):
		return true, fmt.Errorf("%s %s: %w", p.kind, p.name, err)
	case errors.As(err, &record):
		p.stop(err, record.record)
		<-session.Done()
	default:
		p.backOff(session, err, Record{})
	}
	return ctx.Err() != nil, nil
}

// unpaused returns when p is not paused; false when ctx ends before.
func (p *progress) unpaused(ctx context.Context) bool {
	for {
		p.board.mu.Lock()
		paused, changed := p.paused || p.barred, p.board.changed
		p.board.mu.Unlock()
		if !paused {
			return ctx.Err() == nil
		}
		select {
		case <-ctx.Done():
			return false
		case <-changed:
		}
	}
}

// pause ends what p does and lets it wait, or go on; it was said at a position, and nothing that was said before counts.
func (p *progress) pause(paused bool, said Position) {
	p.board.update(func() {
		if said <= p.said {
			return
		}
		p.said = said
		if p.paused != paused {
			p.paused = paused
			p.beginAnew()
		}
	})
}

// rebuild has p begin anew once drop has taken away what it works on; not where that was done since it was said at a position.
func (p *progress) rebuild(said Position, drop func() error) error {
	p.dropping.Lock() // who is told of it too returns when it is done
	defer p.dropping.Unlock()
	if said <= p.dropped {
		return nil
	}
	p.board.update(func() { p.barred = true; p.beginAnew() })
	err := drop()
	if err == nil {
		p.dropped = said
	}
	p.board.update(func() { p.barred = false })
	return err
}

// heed says that a rebuild up to a position is done, or somebody else's, and that later ones are to be done.
func (p *progress) heed(from Position) {
	p.dropping.Lock()
	defer p.dropping.Unlock()
	p.heeds, p.dropped = true, max(p.dropped, from)
}

// rebuildAt is rebuild where p itself has come to where that was said, before anybody told it. It returns whether p begins anew.
func (p *progress) rebuildAt(said Position, drop func() error) (anew bool, err error) {
	p.dropping.Lock()
	defer p.dropping.Unlock()
	if !p.heeds || said <= p.dropped {
		return false, nil
	}
	if err := drop(); err != nil {
		return false, err
	}
	p.dropped = said
	p.board.update(p.beginAnew)
	return true, nil
}

// beginAnew is called under the board's lock.
func (p *progress) beginAnew() {
	p.anew, p.stopped = true, false
	if p.interrupt != nil {
		p.interrupt()
	}
}

// backOff waits before the next try; it returns false when ctx ends.
func (p *progress) backOff(ctx context.Context, err error, failed Record) bool {
	var retry chan struct{}
	var attempt int
	p.board.update(func() {
		p.waiting, p.running, p.err, p.failed = true, true, err, failed
		attempt, retry = p.attempts, p.board.retry
		p.attempts++
	})
	logger := p.about(failed)
	logger.Warn("a part failed and will try again", "attempt", attempt+1, "error", err)
	timer := time.NewTimer(jittered(attempt, firstRetry, lastRetry))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-retry:
	case <-timer.C:
	}
	p.board.update(func() { p.waiting = false })
	return ctx.Err() == nil
}

// settled tells whether p has nothing to do in a log that ends at head. It is called under the board's lock.
func (p *progress) settled(head Position) bool {
	if p.away && p.position >= head {
		return !p.owes
	}
	return !p.follows || p.stopped || p.paused || p.waiting || p.running && !p.anew && p.position >= head
}

// state is p's word in a log that ends at head. It is called under the board's lock.
func (p *progress) state(head Position) string {
	switch {
	case p.stopped && !p.paused:
		return StateStopped
	case p.always:
		return StateLive
	case p.paused:
		return StatePaused
	case p.away && p.node != "":
		return StateElsewhere
	case !p.running:
		return StateOff
	case p.err != nil:
		return StateRetrying
	case !p.follows || p.position >= head:
		return StateLive
	case time.Since(p.moved) > stalledAfter:
		return StateStalled
	}
	return StateCatchingUp
}
