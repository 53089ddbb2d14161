package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"

	"github.com/deed-es/deed"
)

// raceCases let many writers and many readers loose on one store. What they look for is what stores get wrong in the
// field: an event that becomes visible behind a checkpoint that has passed it is lost to that reader for ever.
func raceCases() []storeCase {
	return []storeCase{
		{sentence: "followers see each record once and in order, whatever the writers do", run: func(b *bed) { race(b, followOn) }},
		{sentence: "followers that stop and resume at their checkpoint miss nothing", run: func(b *bed) { race(b, stopAndResume) }},
		{sentence: "after a mark at p nothing selected appears at or below p", run: func(b *bed) { race(b, followMarks) }},
		{sentence: "followers that resume at a mark miss nothing", run: func(b *bed) { race(b, resumeAtMarks) }},
		{sentence: "readers that poll from their checkpoint miss nothing and see no append in part", run: func(b *bed) { race(b, poll) }},
		{sentence: "an append given up by its caller is there whole or not at all, and once after its retry", run: givenUpAppends},
		{sentence: "a store that is full up refuses with ErrBusy, and stores what it acknowledges", run: fullUp},
		{sentence: "appends that race with Close are answered, and there if acknowledged", run: closedUnderAppends},
	}
}

// A reading is a way to read on until the race's end, telling w of each record.
type reading struct {
	name string
	read func(ctx context.Context, store deed.Store, w *watcher, rng *rand.Rand) error
}

var (
	followOn      = reading{"a follower", readOn(false, false)}
	followMarks   = reading{"a follower with marks", readOn(false, true)}
	stopAndResume = reading{"a follower that resumes", readOn(true, false)}
	resumeAtMarks = reading{"a follower that resumes at marks", readOn(true, true)}
	poll          = reading{"a poller", pollOn}
)

// raceQueries are what is read in a race, by one reader each.
func raceQueries() []deed.Query {
	return []deed.Query{
		{},
		{Category: "order"},
		{Stream: "order-0"},
		{Stream: "mine-1"},
		{Match: []deed.Match{tagged("even:1"), {Types: []string{endType}}}},
		{Category: "customer", Match: []deed.Match{{Types: []string{"noted", endType}, Tags: []string{"all:1"}}}},
	}
}

// readOn follows until the end; one that stops leaves its loop now and then and resumes after the last it has seen.
func readOn(stops, marks bool) func(context.Context, deed.Store, *watcher, *rand.Rand) error {
	return func(ctx context.Context, store deed.Store, w *watcher, rng *rand.Rand) error {
		for q := w.q; !w.ended; {
			q.After, q.Follow, q.Marks = w.floor, true, marks
			patience := 1 + rng.IntN(40)
			for r, err := range store.Read(ctx, q) {
				if err != nil {
					return w.fault("%v", err)
				}
				if err := w.take(r); err != nil {
					return err
				}
				if patience--; w.ended || stops && patience == 0 {
					break
				}
			}
		}
		return nil
	}
}

// pollOn reads again and again from its checkpoint without following. Whenever a read is at its end, each append of which
// it has seen one event has been seen whole.
func pollOn(ctx context.Context, store deed.Store, w *watcher, rng *rand.Rand) error {
	open := map[string]int{}
	for q := w.q; !w.ended; pause(rng) {
		q.After, q.Limit = w.floor, rng.IntN(2)*(1+rng.IntN(20))
		n := 0
		for r, err := range store.Read(ctx, q) {
			if err != nil {
				return w.fault("%v", err)
			}
			if err := w.take(r); err != nil {
				return err
			}
			n++
			countOff(open, r)
		}
		if whole := len(q.Match) == 0 && q.Category == "" && q.Stream == ""; whole && n != q.Limit && len(open) > 0 {
			return w.fault("appends are seen in part: %v", open)
		}
	}
	return nil
}

// countOff notes one event of its append, which names itself and its size in the metadata.
func countOff(open map[string]int, r deed.Record) {
	var name string
	var size int
	if n, _ := fmt.Sscanf(string(r.Metadata), "%s %d", &name, &size); n != 2 {
		return
	}
	if open[name]++; open[name] == size {
		delete(open, name)
	}
}

// pause gives the others a turn, for a random while.
func pause(rng *rand.Rand) {
	for range rng.IntN(30) {
		runtime.Gosched()
	}
}

// race lets writers append while each query is read in this way, and then looks for what the readers have missed.
func race(b *bed, way reading) {
	writers := &traffic{b: b, appends: scaled(250)}
	queries := raceQueries()
	watchers := make([]*watcher, len(queries))
	var left atomic.Int32
	left.Store(raceWriters)
	b.crowd(len(queries)+raceWriters, func(i int) error {
		if i < len(queries) {
			watchers[i] = newWatcher(way.name, queries[i])
			return way.read(b.ctx, b.store, watchers[i], rand.New(rand.NewPCG(1, uint64(i))))
		}
		err := writers.write(i - len(queries))
		if left.Add(-1) == 0 {
			if ended := writers.end(); err == nil {
				err = ended
			}
		}
		return err
	})
	log := b.log()
	writers.compare(log)
	for _, w := range watchers {
		if err := w.compare(log); err != nil {
			b.Errorf("%v", err)
		}
	}
}
