package deed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

// executor carries out pending effects when they are due: at least once each, those of one process key in order, under ids
// by which the receiving stream takes each once. Its lock is the board's.
type executor struct {
	store    Engine
	codec    Codec
	dispatch func(ctx context.Context, stream StreamID, command string, body []byte) error
	board    *board
	logger   *slog.Logger
	observer Observer
	wake     chan struct{}

	parts   []string  // whose effects it carries out, as the store knows them
	asked   int       // how often somebody said that there is something to do
	scanned int       // asked, when the last scan that found nothing began
	nextDue time.Time // zero: nothing is pending
	busy    map[effectKey]bool
	left    map[effectKey]bool // not busy any more since the effects at hand were read
	held    map[effectKey]*heldEffect
}

type effectKey struct{ part, key string }

// heldEffect is an effect that failed and will be tried again; it holds back the later ones of its key.
type heldEffect struct {
	effect   PendingEffect
	err      error
	attempts int
	until    time.Time // machine's clock
}

const (
	effectWorkers = 64
	effectPage    = 256
)

func newExecutor(store Engine, codec Codec, b *board, logger *slog.Logger) *executor {
	return &executor{
		store: store, codec: codec, board: b, logger: logger, wake: make(chan struct{}, 1), asked: 1,
		busy: map[effectKey]bool{}, left: map[effectKey]bool{}, held: map[effectKey]*heldEffect{},
	}
}

// add has the effects of a part carried out.
func (x *executor) add(part string) {
	x.board.update(func() { x.parts = append(x.parts, part) })
	x.notify()
}

// drop leaves the effects of a part to others.
func (x *executor) drop(part string) {
	x.board.update(func() { x.parts = slices.DeleteFunc(x.parts, func(p string) bool { return p == part }) })
	x.notify() // what is held of it, and when the next one is due, is to be forgotten
}

// nextIn returns when the next effect of parts falls due.
func (x *executor) nextIn(ctx context.Context, parts []string, now time.Time) (time.Time, bool, error) {
	if len(parts) == 0 {
		return time.Time{}, false, nil
	}
	return x.store.NextDue(ctx, parts, now)
}

// notify says that there may be something to do.
func (x *executor) notify() {
	x.board.update(func() { x.asked++ })
	x.rouse()
}

// rouse ends the wait for something to do.
func (x *executor) rouse() {
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// settled tells whether nothing is due but what has failed and waits. It is called under the board's lock.
func (x *executor) settled() bool {
	return len(x.parts) == 0 ||
		len(x.busy) == 0 && x.scanned == x.asked && (x.nextDue.IsZero() || x.nextDue.After(x.store.Clock().Now()))
}

// run carries out effects until ctx is done, and ends those in hand.
func (x *executor) run(ctx context.Context) {
	var workers sync.WaitGroup
	defer workers.Wait()
	for attempt := 0; ctx.Err() == nil; {
		err := guard(func() error {
			more, err := x.scan(ctx, &workers)
			if err == nil && !more {
				x.await(ctx)
			}
			return err
		})
		if err == nil {
			attempt = 0
			continue
		}
		if ctx.Err() == nil {
			x.logger.Error("could not look for pending effects, and will try again", "attempt", attempt+1, "error", err)
			_ = pause(ctx, jittered(attempt, firstRetry, lastRetry))
			attempt++
		}
	}
}

// scan starts what is due and can be started. It returns whether it is worth scanning again at once.
func (x *executor) scan(ctx context.Context, workers *sync.WaitGroup) (bool, error) {
	x.board.mu.Lock()
	asked, parts := x.asked, slices.Clone(x.parts)
	x.board.mu.Unlock()

	now := x.store.Clock().Now()
	next, pending, err := x.nextIn(ctx, parts, now)
	if err != nil {
		return false, err
	}
	passed := map[effectKey]bool{} // an earlier effect of the key waits already
	full := false
	q := EffectQuery{Parts: parts, Due: now, Limit: effectPage}
	for !full && len(parts) > 0 {
		x.board.mu.Lock()
		clear(x.left)
		x.board.mu.Unlock()
		page, err := x.store.Effects(ctx, q)
		if err != nil {
			return false, err
		}
		for _, effect := range page {
			key := effectKey{effect.Part, effect.Key}
			if passed[key] {
				continue
			}
			passed[key] = true
			if full = !x.start(ctx, effect, workers); full {
				break
			}
			q.After = &EffectCursor{Due: effect.Due, Position: effect.Position, Place: effect.Place, ID: effect.ID}
		}
		if len(page) < effectPage {
			break
		}
		last := page[len(page)-1]
		q.After = &EffectCursor{Due: last.Due, Position: last.Position, Place: last.Place, ID: last.ID}
	}
	again := false
	x.board.update(func() {
		x.nextDue = time.Time{}
		if pending {
			x.nextDue = next
		}
		if !full { // what failed and is not pending any more was cancelled or replaced
			maps.DeleteFunc(x.held, func(key effectKey, _ *heldEffect) bool { return !passed[key] && !x.busy[key] })
		}
		x.scanned, again = asked, x.asked != asked
	})
	return again, nil
}

// start carries out an effect in a goroutine, unless its key is busy or held, or was busy when the effect was read: it may have
// been carried out since. It returns false if all workers are busy.
func (x *executor) start(ctx context.Context, effect PendingEffect, workers *sync.WaitGroup) bool {
	key := effectKey{effect.Part, effect.Key}
	started, room := false, true
	x.board.update(func() {
		held := x.held[key]
		switch {
		case x.busy[key] || x.left[key] || held != nil && held.effect.ID == effect.ID && time.Now().Before(held.until):
		case len(x.busy) >= effectWorkers:
			room = false
		default:
			x.busy[key], started = true, true
		}
	})
	if started {
		workers.Go(func() { x.work(ctx, effect) })
	}
	return room
}

// work carries out an effect and then, without looking at those of other keys, the next ones of its key that are due.
func (x *executor) work(ctx context.Context, effect PendingEffect) {
	key := effectKey{effect.Part, effect.Key}
	for n := 1; ; n++ {
		err := guard(func() error { return x.carryOut(ctx, effect) })
		if err == nil && n < effectPage && ctx.Err() == nil {
			if next := x.next(ctx, key); len(next) > 0 {
				x.board.update(func() { delete(x.held, key) })
				effect = next[0]
				continue
			}
		}
		x.done(ctx, key, effect, err)
		return
	}
}

// next is the key's next effect that is due; none either where that is not to be found out, which a scan will tell.
func (x *executor) next(ctx context.Context, key effectKey) (next []PendingEffect) {
	_ = guard(func() (err error) {
		next, err = x.store.Effects(ctx, EffectQuery{Parts: []string{key.part}, Key: key.key, Due: x.store.Clock().Now(), Limit: 1})
		return err
	})
	return next
}

func (x *executor) done(ctx context.Context, key effectKey, effect PendingEffect, err error) {
	attempt := 0
	x.board.update(func() {
		delete(x.busy, key)
		x.left[key] = true
		x.asked++
		if err == nil {
			delete(x.held, key)
			return
		}
		if ctx.Err() != nil {
			return
		}
		held := x.held[key]
		if held == nil || held.effect.ID != effect.ID {
			held = &heldEffect{effect: effect}
			x.held[key] = held
		}
		held.err, held.until = err, time.Now().Add(jittered(held.attempts, firstRetry, lastRetry))
		held.attempts++
		attempt = held.attempts
	})
	if attempt > 0 {
		x.logger.Warn("an effect failed and will be tried again", "part", partOf(effect.Part), "key", effect.Key, "effect", effect.ID,
			"stream", effect.Stream, "command", effect.CommandType, "attempt", attempt, "correlation", effect.Correlation, "error", err)
	}
	x.rouse()
}

// await waits until there may be something to do, or ctx ends.
func (x *executor) await(ctx context.Context) {
	x.board.mu.Lock()
	retry, due, nextDue := x.board.retry, time.Time{}, x.nextDue
	for key, held := range x.held {
		if x.busy[key] || len(x.busy) >= effectWorkers { // who is done says so
			continue
		}
		if due.IsZero() || held.until.Before(due) {
			due = held.until
		}
	}
	x.board.mu.Unlock()

	var again <-chan time.Time
	if !due.IsZero() {
		timer := time.NewTimer(time.Until(due))
		defer timer.Stop()
		again = timer.C
	}
	var falls <-chan struct{}
	if !nextDue.IsZero() {
		timer, stop := x.store.Clock().Timer(nextDue)
		defer stop()
		falls = timer
	}
	select {
	case <-ctx.Done():
	case <-x.wake:
	case <-falls:
	case <-again:
	case <-retry:
	}
}

// retryNow lets what has failed be tried again at once.
func (x *executor) retryNow() {
	x.board.update(func() {
		for _, held := range x.held {
			held.until = time.Time{}
		}
	})
	x.notify()
}

// controlled does what somebody has said about a part's effect: it is tried again at once, or dropped. Said once more, that
// changes nothing: the effect has its own id.
func (x *executor) controlled(ctx context.Context, part string, c control) error {
	if c.Effect == "" {
		return nil
	}
	if c.event == typeSkipped {
		if err := x.store.FinishEffects(ctx, []string{c.Effect}); err != nil {
			return err
		}
	}
	x.board.update(func() {
		if held := x.held[effectKey{part, c.Key}]; held != nil && held.effect.ID == c.Effect {
			held.until = time.Time{}
		}
	})
	x.notify()
	return nil
}

// lastWords is how long what is under way may take once the service is told to stop.
const lastWords = 5 * time.Second

// outliving is ctx but for its end, which comes so much later: what is begun is to be ended, and not to wait for ever.
func outliving(ctx context.Context, by time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	release := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(by)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-longer.Done():
		}
	})
	return longer, func() { release(); cancel() }
}

// carryOut does what an effect says and marks it done. Where the process stops in between, it is done again, and its id
// tells the receiving stream.
func (x *executor) carryOut(ctx context.Context, effect PendingEffect) (err error) {
	ctx, cancel := outliving(ctx, lastWords)
	defer cancel()
	ctx = WithMeta(ctx, Meta{CommandID: effect.ID, Correlation: effect.Correlation, Causation: effect.Causation, Trace: effect.Trace})
	ctx, end := begin(ctx, x.observer, Operation{Kind: OpEffect, Part: partOf(effect.Part), Stream: effect.Stream, Type: effect.CommandType})
	defer func() { end(err) }()
	switch effectKind(effect.Kind) {
	case effectSend:
		err = x.send(ctx, effect)
	case effectWake:
		err = x.own(ctx, effect, typeWoken, processWoken{Effect: effect.ID, Name: effect.Name, Due: effect.Due})
	default:
		err = fmt.Errorf("effect %s is of the unknown kind %q", effect.ID, effect.Kind)
	}
	if err != nil {
		return err
	}
	return x.store.FinishEffects(ctx, []string{effect.ID})
}

func (x *executor) send(ctx context.Context, effect PendingEffect) error {
	err := x.dispatch(ctx, effect.Stream, effect.CommandType, effect.Command)
	var refused *RejectedError
	switch {
	case errors.As(err, &refused):
		return x.own(ctx, effect, typeRefused, effectRefused{
			Effect: effect.ID, Name: effect.Name, Stream: effect.Stream, Command: effect.CommandType, Code: refused.Code, Text: refused.Error(),
		})
	case errors.Is(err, ErrReused): // it was refused before, or carried out when the command had another form
		return nil
	}
	return err
}

// own stores an event in the process's own stream, once for an effect.
func (x *executor) own(ctx context.Context, effect PendingEffect, eventType string, v any) (err error) {
	e, err := ownEvent(effect, MetaFrom(ctx), eventType, v, x.codec)
	if err != nil {
		return err
	}
	stream := processStream(partOf(effect.Part), effect.Key)
	if e, err = x.codec.Encode(ctx, stream, e); err != nil {
		return err
	}
	// Under the effect's own id: a refused command that is sent again is then known to have been answered.
	b := Batch{
		Writes:  []Write{{Stream: stream, Version: Any, Events: []NewEvent{e}}},
		Command: CommandRef{ID: effect.ID, Hash: HashID(effect.ID, eventType)},
	}
	ctx, end := begin(ctx, x.observer, b.operation())
	defer func() { end(err) }()
	_, err = x.store.Append(ctx, b)
	return err
}
