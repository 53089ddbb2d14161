package storetest

import (
	"fmt"
	"slices"

	"github.com/deed-es/deed"
)

// readCases are about what a query selects, over a small log and over one of many pages.
func readCases() []storeCase {
	return []storeCase{
		{sentence: "the zero query is the whole log from its start", run: readsAll},
		{sentence: "an empty log yields nothing", run: emptyLogYieldsNothing},
		{sentence: "a stream comes in the order of its versions", run: readsStream},
		{sentence: "a category is all its streams in the order of position", run: readsCategory},
		{sentence: "After is the exclusive lower bound in both directions", run: afterIsExclusive},
		{sentence: "Before is the exclusive upper bound in both directions, and 0 is none", run: beforeIsExclusive},
		{sentence: "AfterVersion is the exclusive lower bound in a stream", run: afterVersionIsExclusive},
		{sentence: "Backward turns the order only", run: backwardTurns},
		{sentence: "Limit ends a read after so many, from its own end", run: limitEnds},
		{sentence: "match holds together with stream or category", run: matchHoldsTogether},
		{sentence: "a match is one of its types and all of its tags, items are alternatives", run: matchIsExact},
		{sentence: "a query with contradictions is invalid and yields one error", run: contradictionsAreInvalid},
		{sentence: "all queries over a log of many pages are right", run: manyPages},
		{sentence: "records of many bytes come whole, in both directions", run: manyBytes},
	}
}

// smallLog stores eleven events in five streams and returns their positions.
func smallLog(b *bed) map[string]deed.Position {
	b.Helper()
	b.ok(of("order-1", 0, typed("a1", "opened", "sku:1")))
	b.ok(of("order-2", 0, typed("b1", "opened", "sku:2"), typed("b2", "closed", "sku:2")))
	b.ok(of("orders-1", 0, typed("s1", "opened", "sku:1")))
	b.ok(of("order_x-1", 0, typed("x1", "opened", "sku:1")))
	b.ok(of("order-1", 1, typed("a2", "moved", "sku:1", "to:2"), typed("a3", "moved", "sku:1", "to:3")))
	b.ok(batch(
		deed.Write{Stream: "customer-1", Events: []deed.NewEvent{typed("c1", "opened")}},
		deed.Write{Stream: "order-2", Version: 2, Events: []deed.NewEvent{typed("b3", "moved", "to:2", "sku:2")}},
	))
	b.ok(of("order-1", 3, typed("a4", "closed")))
	b.ok(of("customer-1", 1, typed("c2", "closed", "sku:1")))
	return b.positions()
}

func readsAll(b *bed) {
	smallLog(b)
	b.reads(deed.Query{}, "a1", "b1", "b2", "s1", "x1", "a2", "a3", "c1", "b3", "a4", "c2")
}

func emptyLogYieldsNothing(b *bed) {
	for _, q := range []deed.Query{{}, {Backward: true}, {Stream: "order-1"}, {Category: "order"}, {Match: []deed.Match{{}}, Limit: 1}, {After: 7}} {
		b.reads(q)
	}
}

func readsStream(b *bed) {
	smallLog(b)
	b.reads(deed.Query{Stream: "order-1"}, "a1", "a2", "a3", "a4")
	b.reads(deed.Query{Stream: "order-2"}, "b1", "b2", "b3")
	b.reads(deed.Query{Stream: "order-3"})
	b.reads(deed.Query{Stream: "order-11"})
	b.reads(deed.Query{Stream: "never-1"})
}

func readsCategory(b *bed) {
	smallLog(b)
	b.reads(deed.Query{Category: "order"}, "a1", "b1", "b2", "a2", "a3", "b3", "a4")
	b.reads(deed.Query{Category: "orders"}, "s1")
	b.reads(deed.Query{Category: "order_x"}, "x1")
	b.reads(deed.Query{Category: "customer"}, "c1", "c2")
	b.reads(deed.Query{Category: "orde"})
}

func afterIsExclusive(b *bed) {
	where := smallLog(b)
	b.reads(deed.Query{After: where["c1"]}, "b3", "a4", "c2")
	b.reads(deed.Query{After: where["c1"], Backward: true}, "c2", "a4", "b3")
	b.reads(deed.Query{After: where["c1"] - 1}, "c1", "b3", "a4", "c2")
	b.reads(deed.Query{After: where["c2"]})
	b.reads(deed.Query{After: where["c2"] + 1000})
	b.reads(deed.Query{Stream: "order-1", After: where["a2"]}, "a3", "a4")
	b.reads(deed.Query{Stream: "order-1", After: where["b1"], Backward: true}, "a4", "a3", "a2")
	b.reads(deed.Query{Category: "order", After: where["s1"]}, "a2", "a3", "b3", "a4")
	b.reads(deed.Query{Match: []deed.Match{tagged("sku:1")}, After: where["x1"]}, "a2", "a3", "c2")
}

func beforeIsExclusive(b *bed) {
	where := smallLog(b)
	b.reads(deed.Query{Before: where["b2"]}, "a1", "b1")
	b.reads(deed.Query{Before: where["b2"], Backward: true}, "b1", "a1")
	b.reads(deed.Query{Before: where["a1"]})
	b.reads(deed.Query{After: where["b1"], Before: where["a2"]}, "b2", "s1", "x1")
	b.reads(deed.Query{After: where["b1"], Before: where["a2"], Backward: true}, "x1", "s1", "b2")
	b.reads(deed.Query{After: where["a2"], Before: where["b2"]})
	b.reads(deed.Query{After: where["b1"], Before: where["b1"]})
	b.reads(deed.Query{Stream: "order-1", Before: where["a3"]}, "a1", "a2")
	b.reads(deed.Query{Category: "order", Before: where["a3"], Backward: true}, "a2", "b2", "b1", "a1")
	b.reads(deed.Query{Before: where["c2"] + 1000, Backward: true, Limit: 2}, "c2", "a4")
}

func afterVersionIsExclusive(b *bed) {
	where := smallLog(b)
	b.reads(deed.Query{Stream: "order-1", AfterVersion: 2}, "a3", "a4")
	b.reads(deed.Query{Stream: "order-1", AfterVersion: 2, Backward: true}, "a4", "a3")
	b.reads(deed.Query{Stream: "order-1", AfterVersion: 4})
	b.reads(deed.Query{Stream: "order-1", AfterVersion: 9})
	b.reads(deed.Query{Stream: "order-1", AfterVersion: 1, After: where["a2"]}, "a3", "a4")
	b.reads(deed.Query{Stream: "order-1", AfterVersion: 3, After: where["a1"]}, "a4")
	b.reads(deed.Query{Stream: "order-1", AfterVersion: 1, Before: where["a4"]}, "a2", "a3")
}

func backwardTurns(b *bed) {
	smallLog(b)
	for _, q := range []deed.Query{{}, {Stream: "order-1"}, {Category: "order"}, {Match: []deed.Match{tagged("sku:1")}}} {
		want := idsOf(b.read(q))
		slices.Reverse(want)
		q.Backward = true
		b.reads(q, want...)
	}
}

func limitEnds(b *bed) {
	where := smallLog(b)
	b.reads(deed.Query{Limit: 2}, "a1", "b1")
	b.reads(deed.Query{Limit: 100, Stream: "customer-1"}, "c1", "c2")
	b.reads(deed.Query{Limit: 2, Backward: true}, "c2", "a4")
	b.reads(deed.Query{Limit: 1, Stream: "order-1", Backward: true}, "a4")
	b.reads(deed.Query{Limit: 1, Stream: "order-1", After: where["a1"]}, "a2")
	b.reads(deed.Query{Limit: 2, Category: "order", Backward: true, Before: where["a4"]}, "b3", "a3")
	b.reads(deed.Query{Limit: 2, Match: []deed.Match{tagged("sku:1")}, After: where["a1"]}, "s1", "x1")
}

func matchHoldsTogether(b *bed) {
	where := smallLog(b)
	sku1 := []deed.Match{tagged("sku:1")}
	b.reads(deed.Query{Stream: "order-1", Match: sku1}, "a1", "a2", "a3")
	b.reads(deed.Query{Stream: "order-2", Match: sku1})
	b.reads(deed.Query{Category: "order", Match: sku1, Backward: true}, "a3", "a2", "a1")
	b.reads(deed.Query{Category: "customer", Match: sku1}, "c2")
	either := []deed.Match{{Types: []string{"closed"}}, tagged("to:2", "sku:2")}
	b.reads(deed.Query{Category: "order", Match: either}, "b2", "b3", "a4")
	b.reads(deed.Query{Category: "order", Match: either, After: where["b2"], Before: where["a4"]}, "b3")
	b.reads(deed.Query{Stream: "order-1", Match: either, AfterVersion: 1}, "a4")
}

func matchIsExact(b *bed) {
	b.ok(crossed())
	for _, c := range matchings() {
		b.reads(deed.Query{Match: c.items}, c.ids...)
		backward := slices.Clone(c.ids)
		slices.Reverse(backward)
		b.reads(deed.Query{Match: c.items, Backward: true, Category: "order"}, backward...)
		b.reads(deed.Query{Match: c.items, Stream: "order-1", Limit: 2}, c.ids[:min(2, len(c.ids))]...)
	}
}

func contradictionsAreInvalid(b *bed) {
	smallLog(b)
	for what, q := range map[string]deed.Query{
		"stream and category":         {Stream: "order-1", Category: "order"},
		"backward and follow":         {Backward: true, Follow: true},
		"marks without follow":        {Marks: true},
		"afterVersion without stream": {AfterVersion: 1},
		"a limit below 0":             {Limit: -1},
		"after -1":                    {After: -1},
		"before -1":                   {Before: -1},
		"a stream without id":         {Stream: "order"},
		"a category of capitals":      {Category: "Order"},
		"a category with a dash":      {Category: "order-1"},
		"a type of capitals":          {Match: []deed.Match{{Types: []string{"Noted"}}}},
		"an empty tag":                {Match: []deed.Match{tagged("")}},
	} {
		records, err := collect(b.ctx, b.store, q)
		if !isInvalid(err) || len(records) > 0 {
			b.Errorf("%s: %d records and the error %v, want an *InvalidError", what, len(records), err)
		}
	}
}

// longLog stores some 2,500 events in batches of a hundred, so that a read of it takes more than one page.
func longLog(b *bed) {
	b.Helper()
	types := []string{"opened", "moved", "closed"}
	versions := map[deed.StreamID]deed.Version{}
	for i := range 25 {
		var writes []deed.Write
		for _, stream := range []deed.StreamID{deed.StreamID(fmt.Sprint("order-", i%3)), "customer-1"} {
			w := deed.Write{Stream: stream, Version: versions[stream]}
			for j := range 50 {
				n := 100*i + j
				w.Events = append(w.Events, typed(fmt.Sprintf("%s/%d", stream, n), types[n%3], fmt.Sprint("mod:", n%7), "all:1"))
			}
			versions[stream] += 50
			writes = append(writes, w)
		}
		b.ok(batch(writes...))
	}
}

func manyPages(b *bed) {
	longLog(b)
	log := b.log()
	if len(log) != 2500 {
		b.Fatalf("%d records, want 2500", len(log))
	}
	middle, late := log[1200].Position, log[2300].Position
	for _, q := range []deed.Query{
		{},
		{Category: "order"},
		{Stream: "customer-1"},
		{Stream: "customer-1", AfterVersion: 100},
		{Match: []deed.Match{tagged("all:1")}},
		{Match: []deed.Match{tagged("mod:3")}},
		{Match: []deed.Match{tagged("mod:3"), {Types: []string{"moved"}}, tagged("mod:4", "all:1")}},
		{Match: []deed.Match{tagged("all:1"), tagged("all:1")}},
		{Category: "order", Match: []deed.Match{{Types: []string{"moved"}, Tags: []string{"all:1"}}, tagged("mod:1")}},
	} {
		for _, bounds := range []deed.Query{{}, {After: middle}, {Before: late}, {After: middle, Before: late}} {
			for _, limit := range []int{0, 1, 999, 1000, 1001} {
				for _, backward := range []bool{false, true} {
					q.After, q.Before, q.Limit, q.Backward = bounds.After, bounds.Before, limit, backward
					if diff := diffRecords(b.read(q), selected(log, q)); diff != "" {
						b.Errorf("read %+v: %s", q, diff)
					}
				}
			}
		}
	}
}

func manyBytes(b *bed) {
	sizes := []int{10, 300_000, 20, 900_000, 1 << 20, 1 << 20, 30, 600_000, 600_000, 5}
	var ids []string
	for i, size := range sizes {
		ids = append(ids, fmt.Sprint("e", i))
		b.ok(of("order-1", deed.Version(i), sized(ids[i], size)))
	}
	check := func(q deed.Query) {
		b.reads(q, ids...)
		for _, r := range b.read(q) {
			if want := sizes[r.Version-1]; len(r.Data) != want {
				b.Errorf("%s has %d bytes, want %d", r.ID, len(r.Data), want)
			}
		}
	}
	check(deed.Query{})
	check(deed.Query{Stream: "order-1"})
	slices.Reverse(ids)
	check(deed.Query{Backward: true})
}
