package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"

	"github.com/deed-es/deed"
)

// contestCases are races that exactly one may win.
func contestCases() []storeCase {
	return []storeCase{
		{sentence: "of 64 appends under the same check exactly one wins", run: uniqueWins},
		{sentence: "of 64 appends under the same check after a position exactly one wins", run: uniqueAfterWins},
		{sentence: "of appends that match each other's alternatives exactly one wins", run: alternativesExclude},
		{sentence: "of two appends that check each other's stream exactly one wins", run: mutualChecks},
		{sentence: "of appends at the same version exactly one wins", run: sameVersion},
		{sentence: "of the same append from many sides one is stored and all get its receipt", run: sameAppend},
		{sentence: "of the same command from many sides one is stored and all get its receipt", run: sameCommand},
		{sentence: "seats that are booked under a check are never overbooked", run: seatsAreBooked},
		{sentence: "each of many appends at once is answered for itself", run: eachForItself},
	}
}

// contest lets n appends race and returns which of them won. All others must be refused with ErrConflict.
func (b *bed) contest(n int, attempt func(i int) deed.Batch) []int {
	b.Helper()
	won := make([]bool, n)
	b.crowd(n, func(i int) error {
		batch := attempt(i)
		_, err := b.store.Append(b.ctx, batch)
		if won[i] = err == nil; err != nil && !errors.Is(err, deed.ErrConflict) {
			return fmt.Errorf("%s: %w", describe(batch), err)
		}
		return nil
	})
	var winners []int
	for i := range won {
		if won[i] {
			winners = append(winners, i)
		}
	}
	return winners
}

// oneWins is contest with one winner, whose events alone are stored after position before.
func (b *bed) oneWins(n int, attempt func(i int) deed.Batch) {
	b.Helper()
	before := b.head()
	winners := b.contest(n, attempt)
	if len(winners) != 1 {
		b.Fatalf("%d of %d appends won: %v", len(winners), n, winners)
	}
	var want []string
	for _, w := range attempt(winners[0]).Writes {
		for i := range w.Events {
			want = append(want, w.Events[i].ID)
		}
	}
	b.reads(deed.Query{After: before}, want...)
}

func uniqueWins(b *bed) {
	for round := range scaled(40) {
		tag := fmt.Sprint("email:", round)
		b.oneWins(64, func(i int) deed.Batch {
			id := fmt.Sprint(round, "/", i)
			return under(of(deed.Stream("customer", fmt.Sprint(round, ".", i)), 0, event(id, tag, "all:1")), without(0, tagged(tag)))
		})
	}
}

func uniqueAfterWins(b *bed) {
	for round := range scaled(40) {
		head := b.head()
		b.oneWins(64, func(i int) deed.Batch {
			id := fmt.Sprint(round, "/", i)
			return under(of(deed.StreamID(fmt.Sprint("customer-", i)), deed.Any, event(id, "course:1")), without(head, tagged("course:1")))
		})
	}
}

func alternativesExclude(b *bed) {
	for round := range scaled(40) {
		red, blue := fmt.Sprint("red:", round), fmt.Sprint("blue:", round)
		b.oneWins(16, func(i int) deed.Batch {
			e := typed(fmt.Sprint(round, "/", i), "claimed", []string{red, blue}[i%2])
			return under(of(deed.StreamID(fmt.Sprint("flag-", i)), deed.Any, e),
				without(0, deed.Match{Types: []string{"claimed"}, Tags: []string{red}}, deed.Match{Types: []string{"claimed"}, Tags: []string{blue}}))
		})
	}
}

func mutualChecks(b *bed) {
	for round := range scaled(100) {
		streams := []deed.StreamID{deed.StreamID(fmt.Sprint("left-", round)), deed.StreamID(fmt.Sprint("right-", round))}
		b.oneWins(2, func(i int) deed.Batch {
			return under(put(streams[i], deed.Version(0), fmt.Sprint(round, "/", i)), at(streams[1-i], 0))
		})
	}
}

func sameVersion(b *bed) {
	for round := range scaled(40) {
		b.oneWins(16, func(i int) deed.Batch {
			id := fmt.Sprint(round, "/", i)
			return batch(write(deed.Stream("other", fmt.Sprint(round, ".", i)), 0, id+"a"), write("order-1", deed.Version(round), id+"b"))
		})
	}
}

// onceForAll lets the same append be made from n sides and checks that one is stored and all get the same receipt.
func (b *bed) onceForAll(n int, attempt func(i int) deed.Batch) {
	b.Helper()
	before := len(b.log())
	var firsts atomic.Int32
	receipts := make([]deed.Receipt, n)
	b.crowd(n, func(i int) error {
		receipt, err := b.store.Append(b.ctx, attempt(i))
		if !receipt.Again && err == nil {
			firsts.Add(1)
		}
		receipt.Again = false
		receipts[i] = receipt
		return err
	})
	if firsts.Load() != 1 {
		b.Fatalf("%d of %d appends were the first", firsts.Load(), n)
	}
	for _, receipt := range receipts[1:] {
		if !sameReceipt(receipt, receipts[0]) {
			b.Fatalf("receipts are %+v and %+v", receipts[0], receipt)
		}
	}
	added := 0
	for _, w := range attempt(0).Writes {
		added += len(w.Events)
	}
	if after := len(b.log()); after != before+added {
		b.Fatalf("the log went from %d to %d records, and one append has %d", before, after, added)
	}
}

func sameAppend(b *bed) {
	for round := range scaled(40) {
		id := fmt.Sprint("e", round)
		b.onceForAll(16, func(int) deed.Batch {
			return batch(write("order-1", deed.Version(2*round), id+"a", id+"b"), write("order-2", deed.Version(round), id+"c"))
		})
	}
}

func sameCommand(b *bed) {
	for round := range scaled(40) {
		id := fmt.Sprint("c", round)
		b.onceForAll(64, func(i int) deed.Batch {
			return answering(put(deed.StreamID(fmt.Sprint("order-", i)), deed.Any, fmt.Sprint(id, "/", i)), id, "hash")
		})
	}
}

func seatsAreBooked(b *bed) {
	const seats = 20
	show := []deed.Match{{Types: []string{"booked"}, Tags: []string{"show:1"}}, {Types: []string{"moved"}}}
	b.crowd(16, func(i int) error {
		rng := rand.New(rand.NewPCG(5, uint64(i)))
		for n := 0; ; pause(rng) {
			taken, last := 0, deed.Position(0)
			for r, err := range b.store.Read(b.ctx, deed.Query{Match: show}) {
				if err != nil {
					return err
				}
				taken++
				last = r.Position
			}
			if taken >= seats {
				return nil
			}
			pause(rng)
			e := typed(fmt.Sprint(i, "/", n), "booked", "show:1", fmt.Sprint("seat:", taken))
			_, err := b.store.Append(b.ctx, under(of(deed.StreamID(fmt.Sprint("guest-", i)), deed.Any, e), without(last, show...)))
			if err != nil && !errors.Is(err, deed.ErrConflict) {
				return err
			}
			if err == nil {
				n++
			}
		}
	})
	booked := b.read(deed.Query{Match: show})
	if len(booked) != seats {
		b.Fatalf("%d seats are booked of %d", len(booked), seats)
	}
	for i, r := range booked {
		if !slices.Contains(r.Tags, fmt.Sprint("seat:", i)) {
			b.Errorf("%s has taken %v, want seat %d", brief(r), r.Tags, i)
		}
	}
}

func eachForItself(b *bed) {
	b.ok(of("order-0", 0, event("z", "x:1")))
	for round := range scaled(20) {
		b.crowd(48, func(i int) error {
			stream := deed.Stream("order", fmt.Sprint("n", i))
			id := fmt.Sprint(round, "/", i)
			attempts := []struct {
				batch deed.Batch
				is    func(error) bool
			}{
				{put(stream, deed.Version(round), id), func(err error) bool { return err == nil }},
				{put(stream, deed.Version(round+7), id), func(err error) bool { return as[*deed.ConflictError](err) }},
				{under(put(stream, deed.Any, id), without(0, tagged("x:1"))), func(err error) bool { return as[*deed.CheckError](err) }},
				{of(stream, deed.Any, event(id, "\x00")), isInvalid},
			}
			attempt := attempts[i%len(attempts)]
			if _, err := b.store.Append(b.ctx, attempt.batch); !attempt.is(err) {
				return fmt.Errorf("%s: error is %w", describe(attempt.batch), err)
			}
			return nil
		})
		if got, want := len(b.log()), 1+12*(round+1); got != want {
			b.Fatalf("%d records after round %d, want %d", got, round, want)
		}
	}
}

func as[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}
