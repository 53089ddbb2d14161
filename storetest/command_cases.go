package storetest

import (
	"errors"
	"time"

	"github.com/deed-es/deed"
)

// commandCases are about the outcome of a command, which is stored beside its events.
func commandCases() []storeCase {
	return []storeCase{
		{sentence: "a command that is known with the same hash gets the first receipt, marked Again", run: knownCommand},
		{sentence: "a command that is known with another hash is ErrReused", run: reusedCommand},
		{sentence: "a command is looked at before ids, versions and checks", run: commandBeforeAll},
		{sentence: "validity is looked at before the command", run: validityBeforeCommand},
		{sentence: "writes with Any are stored once under one command", run: anyUnderCommand},
		{sentence: "without a command nothing is remembered of Any", run: anyWithoutCommand},
		{sentence: "a decision without events answers with the checked streams and the position of their last event", run: emptyDecision},
		{sentence: "a decision without events checked by match answers with the greatest After", run: emptyDecisionByMatch},
		{sentence: "the outcome of a decision without events is kept too", run: emptyDecisionIsKept},
		{sentence: "refusals are not kept", run: refusalsAreNotKept},
		{sentence: "Outcome tells what a command was answered", run: outcomeTells},
		{sentence: "outcomes are there after the opening again", run: outcomesOutliveReopen},
		{sentence: "Forget removes the outcomes stored before a time, and no others", run: forgetRemoves},
	}
}

func knownCommand(b *bed) {
	first := b.ok(answering(put("order-1", 0, "a", "b"), "c1", "h1"))
	b.again(answering(put("order-1", 0, "a", "b"), "c1", "h1"), first)
	b.again(answering(put("order-1", 2, "c"), "c1", "h1"), first)
	b.ok(answering(put("order-1", 2, "c"), "c2", "h1"))
	b.again(answering(put("order-1", 0, "a", "b"), "c1", "h1"), first)
}

func (b *bed) reused(batch deed.Batch) {
	b.Helper()
	if err := b.refused(batch); !errors.Is(err, deed.ErrReused) {
		b.Fatalf("append %s: error is %v, want ErrReused", describe(batch), err)
	}
}

func reusedCommand(b *bed) {
	first := b.ok(answering(put("order-1", 0, "a"), "c1", "h1"))
	for _, hash := range []string{"", "h", "H1", "h1 ", "h11"} {
		b.reused(answering(put("order-1", 1, "b"), "c1", hash))
	}
	b.again(answering(put("order-1", 0, "a"), "c1", "h1"), first)
	b.ok(answering(put("order-1", 1, "b"), "C1", "h2"))
}

func commandBeforeAll(b *bed) {
	first := b.ok(answering(of("order-1", 0, event("a", "email:x")), "c1", "h1"))
	b.again(answering(put("order-1", 7, "z"), "c1", "h1"), first)
	b.again(answering(put("order-1", 0, "z"), "c1", "h1"), first)
	b.again(answering(under(put("order-1", 1, "z"), without(0, tagged("email:x"))), "c1", "h1"), first)
	b.reused(answering(of("order-1", 0, event("a", "email:x")), "c1", "h2"))
	b.reused(answering(put("order-1", 7, "z"), "c1", "h2"))
}

func validityBeforeCommand(b *bed) {
	b.ok(answering(put("order-1", 0, "a"), "c1", "h1"))
	b.invalid("a known command with a bad stream", answering(put("order", 0, "a"), "c1", "h1"))
}

func anyUnderCommand(b *bed) {
	many := answering(batch(write("order-1", deed.Any, "a"), write("order-2", deed.Any, "b")), "c1", "h1")
	first := b.ok(many)
	b.ok(put("order-1", deed.Any, "c"))
	b.again(many, first)
	b.reads(deed.Query{}, "a", "b", "c")
}

func anyWithoutCommand(b *bed) {
	b.ok(put("order-1", deed.Any, "a"))
	b.ok(put("order-1", deed.Any, "b"))
	b.ok(put("order-1", deed.Any, "c"))
	if _, known, err := b.store.Outcome(b.ctx, deed.CommandRef{ID: "a"}); known || err != nil {
		b.Errorf("the outcome of an event id is %v, %v", known, err)
	}
}

func emptyDecision(b *bed) {
	b.ok(put("order-1", 0, "a", "b"))
	b.ok(put("order-2", 0, "c"))
	where := b.positions()
	for _, c := range []struct {
		checks []deed.Check
		want   deed.Receipt
	}{
		{[]deed.Check{at("order-1", 2)}, receiptAt(where["b"], ends("order-1", 2))},
		{[]deed.Check{at("order-2", deed.Exists)}, receiptAt(where["c"], ends("order-2", 1))},
		{[]deed.Check{at("order-3", 0)}, receiptAt(0, ends("order-3", 0))},
		{
			[]deed.Check{at("order-2", 1), at("order-1", 2)},
			receiptAt(where["c"], ends("order-2", 1), ends("order-1", 2)),
		},
	} {
		if receipt := b.ok(deed.Batch{Checks: c.checks}); !sameReceipt(receipt, c.want) {
			b.Errorf("checks %+v: receipt is %+v, want %+v", c.checks, receipt, c.want)
		}
	}
	b.unmet(deed.Batch{Checks: []deed.Check{at("order-1", 1)}})
	b.reads(deed.Query{}, "a", "b", "c")
}

func emptyDecisionByMatch(b *bed) {
	b.ok(of("order-1", 0, event("a", "x:1"), event("b", "y:1"), event("c")))
	where := b.positions()
	receipt := b.ok(deed.Batch{Checks: []deed.Check{without(where["b"], tagged("y:1")), without(where["a"], tagged("x:1"))}})
	if !sameReceipt(receipt, deed.Receipt{Position: where["b"]}) {
		b.Errorf("receipt is %+v, want position %d and no stream", receipt, where["b"])
	}
	b.unmet(deed.Batch{Checks: []deed.Check{without(where["a"], tagged("y:1"))}})
}

func emptyDecisionIsKept(b *bed) {
	b.ok(put("order-1", 0, "a"))
	nothing := answering(deed.Batch{Checks: []deed.Check{at("order-1", 1)}}, "c1", "h1")
	first := b.ok(nothing)
	b.ok(put("order-1", 1, "b"))
	b.again(nothing, first)
	b.reused(answering(put("order-1", 2, "c"), "c1", "h2"))
	b.reopen()
	b.again(nothing, first)
}

func refusalsAreNotKept(b *bed) {
	b.ok(of("order-1", 0, event("a", "email:x")))
	b.conflict(answering(put("order-1", 0, "b"), "c1", "h1"), "order-1", 0, 1)
	b.unmet(answering(under(put("order-1", 1, "b"), without(0, tagged("email:x"))), "c1", "h2"))
	b.unmet(answering(deed.Batch{Checks: []deed.Check{at("order-1", 5)}}, "c1", "h3"))
	if _, known, err := b.store.Outcome(b.ctx, deed.CommandRef{ID: "c1", Hash: "h1"}); known || err != nil {
		b.Fatalf("the outcome of a refused command is known: %v, %v", known, err)
	}
	b.ok(answering(put("order-1", 1, "b"), "c1", "h4"))
}

// outcomeIs checks what is known of a command: its first receipt, or nothing where first is nil.
func (b *bed) outcomeIs(id, hash string, first *deed.Receipt) {
	b.Helper()
	receipt, known, err := b.store.Outcome(b.ctx, deed.CommandRef{ID: id, Hash: hash})
	switch {
	case err != nil:
		b.Fatalf("outcome of %s: %v", id, err)
	case known != (first != nil):
		b.Fatalf("outcome of %s: known is %v, want %v", id, known, first != nil)
	case first == nil:
		return
	}
	want := *first
	want.Again = true
	if !sameReceipt(receipt, want) {
		b.Fatalf("outcome of %s: receipt is %+v, want %+v", id, receipt, want)
	}
}

func outcomeTells(b *bed) {
	b.outcomeIs("c1", "h1", nil)
	first := b.ok(answering(batch(write("order-1", 0, "a"), write("order-2", 0, "b")), "c1", "h1"))
	b.ok(put("order-1", 1, "c"))
	b.outcomeIs("c1", "h1", &first)
	b.outcomeIs("c2", "h1", nil)
	if _, _, err := b.store.Outcome(b.ctx, deed.CommandRef{ID: "c1", Hash: "h2"}); !errors.Is(err, deed.ErrReused) {
		b.Errorf("outcome with another hash: %v, want ErrReused", err)
	}
}

func outcomesOutliveReopen(b *bed) {
	write := answering(put("order-1", deed.Any, "a"), "c1", "h1")
	first := b.ok(write)
	b.reopen()
	b.outcomeIs("c1", "h1", &first)
	b.again(write, first)
	b.reused(answering(put("order-1", deed.Any, "b"), "c1", "h2"))
}

func forgetRemoves(b *bed) {
	begin := b.clock.Now()
	first := b.ok(answering(put("order-1", 0, "a"), "c1", "h1"))
	b.clock.move(time.Hour)
	second := b.ok(answering(put("order-1", 1, "b"), "c2", "h2"))
	b.forget(begin)
	b.outcomeIs("c1", "h1", &first)
	b.forget(begin.Add(time.Hour))
	b.outcomeIs("c1", "h1", nil)
	b.outcomeIs("c2", "h2", &second)
	b.forget(begin.Add(2 * time.Hour))
	b.outcomeIs("c2", "h2", nil)
	b.again(put("order-1", 1, "b"), second)
	b.ok(answering(put("order-1", 2, "c"), "c1", "h3"))
	b.reads(deed.Query{}, "a", "b", "c")
}

func (b *bed) forget(t time.Time) {
	b.Helper()
	if err := b.store.Forget(b.ctx, t); err != nil {
		b.Fatalf("forget before %v: %v", t, err)
	}
}
