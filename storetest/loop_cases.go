package storetest

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/deed-es/deed"
)

// loopCases are about the sequence that Read returns: how it ends, and what may be done inside its loop.
func loopCases() []storeCase {
	return []storeCase{
		{sentence: "a sequence can be ranged over again, and then sees what is new", run: rangedOverAgain},
		{sentence: "leaving the loop ends the sequence", run: leavingEnds},
		{sentence: "a sequence yields its context's error last", run: contextErrorIsLast},
		{sentence: "appending inside the loop is allowed", run: appendInsideLoop},
		{sentence: "reading inside the loop is allowed", run: readInsideLoop},
		{sentence: "readers paused inside their loops hold up nobody", run: pausedReaders},
		{sentence: "a loop that was paused while the log grew goes on without a gap", run: pausedGoesOn},
	}
}

func isInvalid(err error) bool { return as[*deed.InvalidError](err) }

func rangedOverAgain(b *bed) {
	smallLog(b)
	sequence := b.store.Read(b.ctx, deed.Query{Stream: "order-1"})
	count := func() int {
		n := 0
		for _, err := range sequence {
			if err != nil {
				b.Fatalf("%v", err)
			}
			n++
		}
		return n
	}
	if first, second := count(), count(); first != 4 || second != 4 {
		b.Errorf("%d records, then %d, want 4", first, second)
	}
	b.ok(put("order-1", 4, "a5"))
	if n := count(); n != 5 {
		b.Errorf("%d records after an append, want 5", n)
	}
}

func leavingEnds(b *bed) {
	smallLog(b)
	for n := range 5 {
		seen := 0
		for _, err := range b.store.Read(b.ctx, deed.Query{Follow: n%2 == 0}) {
			if err != nil {
				b.Fatalf("%v", err)
			}
			if seen++; seen > n {
				break
			}
		}
		if seen != n+1 {
			b.Errorf("%d records, want %d", seen, n+1)
		}
	}
}

func contextErrorIsLast(b *bed) {
	longLog(b)
	for _, q := range []deed.Query{{}, {Follow: true}, {Follow: true, Marks: true}, {Stream: "customer-1", Backward: true}} {
		ctx, cancel := context.WithCancel(b.ctx)
		var last error
		seen := 0
		for r, err := range b.store.Read(ctx, q) {
			if last != nil {
				b.Fatalf("%+v: the sequence goes on after its error", q)
			}
			if last = err; err != nil && !isZero(r) {
				b.Errorf("%+v: the record beside the error is %+v", q, r)
			}
			if seen++; seen == 3 {
				cancel()
			}
		}
		if !errors.Is(last, context.Canceled) {
			b.Errorf("%+v: ended after %d records with %v, want the context's error", q, seen, last)
		}
		if _, err := collect(ctx, b.store, q); !errors.Is(err, context.Canceled) {
			b.Errorf("%+v: with a context that has ended: %v", q, err)
		}
		cancel()
	}
}

func appendInsideLoop(b *bed) {
	smallLog(b)
	n := 0
	for r, err := range b.store.Read(b.ctx, deed.Query{Category: "order"}) {
		if err != nil {
			b.Fatalf("%v", err)
		}
		b.ok(put("copy-1", deed.Version(n), "copy of "+r.ID))
		n++
	}
	b.reads(deed.Query{Stream: "copy-1"},
		"copy of a1", "copy of b1", "copy of b2", "copy of a2", "copy of a3", "copy of b3", "copy of a4")
}

func readInsideLoop(b *bed) {
	smallLog(b)
	for r, err := range b.store.Read(b.ctx, deed.Query{}) {
		if err != nil {
			b.Fatalf("%v", err)
		}
		for inner, err := range b.store.Read(b.ctx, deed.Query{Stream: r.Stream, AfterVersion: r.Version - 1, Limit: 1}) {
			if err != nil || inner.ID != r.ID {
				b.Fatalf("inside %s: %s, %v", brief(r), brief(inner), err)
			}
		}
	}
}

func pausedReaders(b *bed) {
	longLog(b)
	for i := range 40 {
		q := []deed.Query{{}, {Category: "order"}, {Match: []deed.Match{tagged("all:1")}}, {Backward: true}, {Follow: true}}[i%5]
		next, stop := iter.Pull2(b.store.Read(b.ctx, q))
		defer stop()
		if _, err, more := next(); err != nil || !more {
			b.Fatalf("reader %d: %v, %v", i, err, more)
		}
	}
	for i := range 20 {
		b.ok(put("order-new", deed.Version(i), fmt.Sprint("n", i)))
		if n := len(b.read(deed.Query{Stream: "order-new"})); n != i+1 {
			b.Fatalf("%d records, want %d", n, i+1)
		}
	}
}

func pausedGoesOn(b *bed) {
	longLog(b)
	want := b.log()
	next, stop := iter.Pull2(b.store.Read(b.ctx, deed.Query{}))
	defer stop()
	for i, r := range want {
		got, err, more := next()
		if err != nil || !more {
			b.Fatalf("record %d: %v, %v", i, err, more)
		}
		if diff := diffRecord(got, r); diff != "" {
			b.Fatalf("record %d: %s", i, diff)
		}
		if i%100 == 0 {
			b.ok(put("order-new", deed.Version(i/100), fmt.Sprint("n", i)))
		}
	}
}
