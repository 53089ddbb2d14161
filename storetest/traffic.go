package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/deed-es/deed"
)

// raceWriters is how many writers append at once in a race.
const raceWriters = 8

// sharedStreams are written by all writers of a race; writer i alone writes mine-i.
var sharedStreams = []deed.StreamID{"order-0", "order-1", "order-2", "customer-0", "customer-1"}

// traffic is what the writers of a race do: appends of all shapes, many of them refused, some given up by their caller.
type traffic struct {
	b       *bed
	appends int // of each writer

	mu      sync.Mutex
	stored  map[string]bool // ids of events that were acknowledged
	refused map[string]bool
}

// A raceWriter is one of the writers. It knows the version of its own stream.
type raceWriter struct {
	*traffic
	i       int
	n       int
	rng     *rand.Rand
	version deed.Version
}

func (t *traffic) write(i int) error {
	w := &raceWriter{traffic: t, i: i, rng: rand.New(rand.NewPCG(7, uint64(i)))}
	steps := []func() error{w.shared, w.shared, w.shared, w.own, w.own, w.wrongVersion, w.failingCheck, w.invalid, w.givenUp, w.twice}
	for w.n = range t.appends {
		if err := steps[w.rng.IntN(len(steps))](); err != nil {
			return fmt.Errorf("writer %d, append %d: %w", i, w.n, err)
		}
		pause(w.rng)
	}
	return nil
}

// events are up to three new events; their metadata names the append and its size, which is n events more.
func (w *raceWriter) events(part string, count, size int) []deed.NewEvent {
	var events []deed.NewEvent
	for i := range count {
		e := event(fmt.Sprintf("%d/%d%s%d", w.i, w.n, part, i), "all:1", fmt.Sprint("writer:", w.i))
		if w.n%2 == 0 {
			e.Tags = append(e.Tags, "even:1")
		}
		e.Metadata = fmt.Appendf(nil, "%d/%d %d", w.i, w.n, size)
		events = append(events, e)
	}
	return events
}

// several is an append to the writer's own stream and shared ones, in a random order of writes.
func (w *raceWriter) several(own bool) deed.Batch {
	streams := slices.Clone(sharedStreams)
	w.rng.Shuffle(len(streams), func(i, j int) { streams[i], streams[j] = streams[j], streams[i] })
	streams = streams[:1+w.rng.IntN(3)]
	count := 1 + w.rng.IntN(3)
	size := count * len(streams)
	var b deed.Batch
	if own {
		size += count
		b.Writes = append(b.Writes, deed.Write{Stream: w.stream(), Version: w.version, Events: w.events("m", count, size)})
	}
	for i, stream := range streams {
		b.Writes = append(b.Writes, deed.Write{Stream: stream, Version: deed.Any, Events: w.events(string(rune('a'+i)), count, size)})
	}
	return b
}

func (w *raceWriter) stream() deed.StreamID { return deed.StreamID(fmt.Sprint("mine-", w.i)) }

func (w *raceWriter) mine() deed.Batch {
	count := 1 + w.rng.IntN(3)
	return of(w.stream(), w.version, w.events("m", count, count)...)
}

func (w *raceWriter) shared() error { return w.acknowledged(w.several(false)) }

func (w *raceWriter) own() error {
	if w.rng.IntN(2) == 0 {
		return w.acknowledged(w.mine())
	}
	return w.acknowledged(w.several(true))
}

// acknowledged appends what nobody else can refuse.
func (w *raceWriter) acknowledged(b deed.Batch) error {
	receipt, err := w.b.store.Append(w.b.ctx, b)
	if err != nil {
		return fmt.Errorf("%s: %w", describe(b), err)
	}
	w.note(b, true)
	if b.Writes[0].Stream == w.stream() {
		want := w.version + deed.Version(len(b.Writes[0].Events))
		if w.version = receipt.Version(); w.version != want {
			return fmt.Errorf("%s: version is %d, want %d", describe(b), w.version, want)
		}
	}
	return nil
}

func (w *raceWriter) refuse(b deed.Batch, is func(error) bool) error {
	w.note(b, false)
	if _, err := w.b.store.Append(w.b.ctx, b); !is(err) {
		return fmt.Errorf("%s: error is %w", describe(b), err)
	}
	return nil
}

// wrongVersion writes rightly to shared streams and wrongly to its own.
func (w *raceWriter) wrongVersion() error {
	b := w.several(true)
	b.Writes[0].Version += 3
	slices.Reverse(b.Writes)
	return w.refuse(b, func(err error) bool {
		var conflict *deed.ConflictError
		return errors.As(err, &conflict) && conflict.Stream == w.stream() && conflict.Actual == w.version
	})
}

func (w *raceWriter) failingCheck() error {
	check := at(w.stream(), w.version+1)
	if w.version > 0 && w.rng.IntN(2) == 0 {
		check = without(0, tagged("never:1"), tagged(fmt.Sprint("writer:", w.i), "all:1"))
	}
	return w.refuse(under(w.several(false), check), func(err error) bool {
		var unmet *deed.CheckError
		return errors.As(err, &unmet)
	})
}

func (w *raceWriter) invalid() error {
	b := w.several(true)
	b.Writes[0].Events[0].Data = []byte("\"\xff\"")
	return w.refuse(b, isInvalid)
}

// givenUp appends to its own stream with a context that ends at any moment, and then again without.
func (w *raceWriter) givenUp() error {
	b := w.mine()
	ctx, cancel := context.WithCancel(w.b.ctx)
	stopped := make(chan struct{})
	turns := rand.New(rand.NewPCG(uint64(w.i), uint64(w.n)))
	go func() {
		defer close(stopped)
		pause(turns)
		cancel()
	}()
	_, err := w.b.store.Append(ctx, b)
	<-stopped
	if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, deed.ErrUnknown) {
		return fmt.Errorf("given up: %s: %w", describe(b), err)
	}
	if err != nil && !errors.Is(err, deed.ErrUnknown) {
		if n, err := w.standing(); err != nil || n != w.version {
			return fmt.Errorf("refused, and the stream went from version %d to %d (%w): %s", w.version, n, err, describe(b))
		}
	}
	return w.acknowledged(b)
}

// standing reads the last version of the writer's own stream.
func (w *raceWriter) standing() (deed.Version, error) {
	last, err := collect(w.b.ctx, w.b.store, deed.Query{Stream: w.stream(), Backward: true, Limit: 1})
	if err != nil || len(last) == 0 {
		return 0, err
	}
	return last[0].Version, nil
}

// twice appends the same from two sides at once.
func (w *raceWriter) twice() error {
	b := w.mine()
	var other error
	var theirs deed.Receipt
	var wg sync.WaitGroup
	wg.Go(func() { theirs, other = w.b.store.Append(w.b.ctx, b) })
	ours, err := w.b.store.Append(w.b.ctx, b)
	wg.Wait()
	if err := errors.Join(err, other); err != nil {
		return fmt.Errorf("twice: %s: %w", describe(b), err)
	}
	if theirs.Position != ours.Position || theirs.Again == ours.Again {
		return fmt.Errorf("twice: %s: %+v and %+v", describe(b), ours, theirs)
	}
	return w.acknowledged(b)
}

func (t *traffic) note(b deed.Batch, stored bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stored == nil {
		t.stored, t.refused = map[string]bool{}, map[string]bool{}
	}
	for _, w := range b.Writes {
		for i := range w.Events {
			if stored {
				t.stored[w.Events[i].ID] = true
			} else {
				t.refused[w.Events[i].ID] = true
			}
		}
	}
}

// end appends the event that ends a race to each stream.
func (t *traffic) end() error {
	var b deed.Batch
	streams := slices.Clone(sharedStreams)
	for i := range raceWriters {
		streams = append(streams, deed.StreamID(fmt.Sprint("mine-", i)))
	}
	for i, stream := range streams {
		e := typed(fmt.Sprint("end/", i), endType, "all:1")
		b.Writes = append(b.Writes, deed.Write{Stream: stream, Version: deed.Any, Events: []deed.NewEvent{e}})
	}
	t.note(b, true)
	_, err := t.b.store.Append(t.b.ctx, b)
	return err
}

// compare checks the final log: what was acknowledged is there once, what was refused is not, and versions have no gaps.
func (t *traffic) compare(log []deed.Record) {
	t.b.Helper()
	w := newWatcher("the log", deed.Query{})
	for _, r := range log {
		if err := w.take(r); err != nil {
			t.b.Fatalf("%v", err)
		}
		if !t.stored[r.ID] {
			t.b.Fatalf("%s is in the log, refused: %v", brief(r), t.refused[r.ID])
		}
	}
	for id := range t.stored {
		if !w.seen[id] {
			t.b.Fatalf("%s was acknowledged and is not in the log", id)
		}
	}
}

// givenUpAppends lets many callers give up their appends, all to streams of their own.
func givenUpAppends(b *bed) {
	t := &traffic{b: b}
	b.crowd(32, func(i int) error {
		w := &raceWriter{traffic: t, i: i, rng: rand.New(rand.NewPCG(9, uint64(i)))}
		for w.n = range scaled(40) {
			if err := w.givenUp(); err != nil {
				return fmt.Errorf("caller %d, append %d: %w", i, w.n, err)
			}
		}
		return nil
	})
	t.compare(b.log())
}
