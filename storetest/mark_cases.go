package storetest

import (
	"fmt"

	"github.com/deed-es/deed"
)

// markCases are about the records that only move a checkpoint.
func markCases() []storeCase {
	return []storeCase{
		{sentence: "a mark comes once nothing more is stored for now", run: markAtTheEnd},
		{sentence: "a mark has a position and nothing else", run: markIsBare},
		{sentence: "a mark moves over what is appended and not selected", run: markMovesOver},
		{sentence: "a mark comes at least every 1000 records passed over", run: markEveryThousand},
		{sentence: "marks do not count against the limit", run: marksAreNotCounted},
		{sentence: "marks come only to who asks for them", run: marksAreAskedFor},
		{sentence: "nothing is missing after a mark as checkpoint", run: markAsCheckpoint},
	}
}

// marked takes marks until one is at or after p, and returns its position. Events on the way fail the case.
func (f *follower) marked(p deed.Position) deed.Position {
	f.b.Helper()
	for {
		r := f.take()
		if !r.IsMark() {
			f.b.Fatalf("following %+v: got %s, want a mark", f.q, brief(r))
		}
		if !isBare(r) {
			f.b.Fatalf("following %+v: a mark with more than a position: %+v", f.q, r)
		}
		if r.Position >= p {
			return r.Position
		}
	}
}

func markAtTheEnd(b *bed) {
	smallLog(b)
	f := b.follow(deed.Query{Marks: true})
	f.gets("a1", "b1", "b2", "s1", "x1", "a2", "a3", "c1", "b3", "a4", "c2")
	f.marked(b.head())
	caughtUp := b.follow(deed.Query{Marks: true, After: b.head()})
	caughtUp.marked(b.head())
	b.ok(put("order-1", 4, "a5"))
	f.gets("a5")
	f.marked(b.head())
	caughtUp.gets("a5")
	caughtUp.marked(b.head())
}

func markIsBare(b *bed) {
	smallLog(b)
	f := b.follow(deed.Query{Marks: true, Category: "never"})
	for p := deed.Position(0); p < b.head(); {
		if p = f.marked(0); p > b.head() {
			b.Fatalf("a mark at %d, and the head is %d", p, b.head())
		}
	}
}

func markMovesOver(b *bed) {
	b.ok(put("customer-1", 0, "c1"))
	for _, q := range []deed.Query{{Category: "customer"}, {Stream: "customer-1"}, {Match: []deed.Match{tagged("x:1")}}} {
		q.Marks, q.After = true, b.head()
		f := b.follow(q)
		f.marked(b.head())
		for i := range 5 {
			receipt := b.ok(put("order-1", deed.Any, fmt.Sprint("o", b.head(), i)))
			f.marked(receipt.Position)
		}
		id := fmt.Sprint("mine", b.head())
		receipt := b.ok(of("customer-1", deed.Any, event(id, "x:1")))
		f.gets(id)
		f.marked(receipt.Position)
	}
}

func markEveryThousand(b *bed) {
	longLog(b)
	b.ok(of("needle-1", 0, event("needle", "needle:1")))
	order := map[deed.Position]int{0: 0}
	for i, r := range b.log() {
		order[r.Position] = i + 1
	}
	for _, q := range []deed.Query{
		{Category: "needle"}, {Stream: "needle-1"}, {Match: []deed.Match{tagged("needle:1")}}, {Match: []deed.Match{{Types: []string{"never"}}}},
	} {
		q.Marks = true
		f := b.follow(q)
		for last := deed.Position(0); last < b.head(); {
			r := f.take()
			place, known := order[r.Position]
			switch {
			case !known && b.claims.Dense:
				b.Fatalf("following %+v: position %d is none of the log's", q, r.Position)
			case !known:
				place = 0
				for p, i := range order {
					if p <= r.Position {
						place = max(place, i)
					}
				}
				order[r.Position] = place
			}
			if passed := place - order[last]; passed > 1001 || r.Position < last {
				b.Fatalf("following %+v: %d records passed over between %d and %d", q, passed, last, r.Position)
			}
			last = r.Position
		}
	}
}

func marksAreNotCounted(b *bed) {
	smallLog(b)
	f := b.follow(deed.Query{Category: "customer", Marks: true, Limit: 4})
	f.gets("c1", "c2")
	f.marked(b.head())
	for i := range 4 {
		b.ok(put("order-7", deed.Any, fmt.Sprint("o", i)))
		f.marked(b.head())
	}
	b.ok(put("customer-1", 2, "c3", "c4", "c5"))
	f.gets("c3", "c4")
	f.ends(nil)
}

func marksAreAskedFor(b *bed) {
	smallLog(b)
	f := b.follow(deed.Query{Category: "customer"})
	f.gets("c1", "c2")
	b.ok(put("order-7", 0, "o"))
	b.ok(put("customer-1", 2, "c3"))
	f.gets("c3")
}

func markAsCheckpoint(b *bed) {
	smallLog(b)
	f := b.follow(deed.Query{Category: "customer", Marks: true})
	f.gets("c1", "c2")
	for i := range 5 {
		b.ok(put("order-7", deed.Any, fmt.Sprint("o", i)))
		mark := f.marked(b.head())
		b.ok(batch(write("customer-1", deed.Any, fmt.Sprint("n", i)), write("order-7", deed.Any, fmt.Sprint("p", i))))
		next := b.follow(deed.Query{Category: "customer", After: mark, Marks: true})
		next.gets(fmt.Sprint("n", i))
		f.gets(fmt.Sprint("n", i))
		f.marked(b.head())
	}
}
