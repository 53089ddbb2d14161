package storetest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/deed-es/deed"
)

// checkCases are about conditions on what is not written.
func checkCases() []storeCase {
	return []storeCase{
		{sentence: "a check holds where the stream has the version", run: streamCheck},
		{sentence: "a check without After fails if any event matches at all", run: matchAtAll},
		{sentence: "a check with After fails only for what stands behind it", run: matchAfter},
		{sentence: "a check matches any of its items, and in an item one type and all tags", run: checkIsExact},
		{sentence: "tags are compared by full value", run: tagsByFullValue},
		{sentence: "all checks of an append must hold", run: allChecksHold},
		{sentence: "a check does not see the events of its own append", run: checkIsBlindToItsOwn},
		{sentence: "a stream may be written and checked in one append", run: writtenAndChecked},
		{sentence: "versions come before checks", run: versionsBeforeChecks},
		{sentence: "an append refused by a check leaves nothing", run: refusedByCheckLeavesNothing},
	}
}

func streamCheck(b *bed) {
	b.ok(put("order-1", 0, "a", "b"))
	for i, c := range []deed.Check{at("order-1", 2), at("order-1", deed.Exists), at("order-2", 0)} {
		b.ok(under(put("customer-1", deed.Any, fmt.Sprint("ok", i)), c))
	}
	for _, c := range []struct {
		check  deed.Check
		actual deed.Version
	}{{at("order-1", 0), 2}, {at("order-1", 1), 2}, {at("order-1", 3), 2}, {at("order-2", 1), 0}, {at("order-2", deed.Exists), 0}} {
		err := b.unmet(under(put("customer-1", deed.Any, "x"), c.check))
		if err.Check.Stream != c.check.Stream || err.Check.Version != c.check.Version || err.Actual != c.actual {
			b.Errorf("error is %+v, want %+v with version %d", err, c.check, c.actual)
		}
	}
}

func matchAtAll(b *bed) {
	unique := func(stream deed.StreamID, id string) deed.Batch {
		return under(of(stream, 0, event(id, "email:x", "kind:1")), without(0, tagged("email:x")))
	}
	b.ok(put("order-1", 0, "z"))
	b.ok(unique("customer-1", "a"))
	err := b.unmet(unique("customer-2", "b"))
	if where := b.positions()["a"]; err.Position != where || len(err.Check.Match) != 1 {
		b.Errorf("error is %+v, and the event is at %d", err, where)
	}
	b.ok(under(put("customer-2", 0, "c"), without(0, tagged("email:y"))))
	b.ok(under(put("customer-2", 1, "d"), without(0, deed.Match{Types: []string{"closed"}})))
	b.unmet(under(put("customer-2", 2, "e"), without(0, deed.Match{Types: []string{"noted"}})))
	b.unmet(under(put("customer-2", 2, "e"), without(0, deed.Match{})))
}

func matchAfter(b *bed) {
	b.ok(of("order-1", 0, event("a", "x:1"), event("b"), event("c", "x:1"), event("d")))
	where := b.positions()
	for _, after := range []deed.Position{0, where["a"], where["b"]} {
		err := b.unmet(under(put("order-2", deed.Any, "no"), without(after, tagged("x:1"))))
		if err.Position <= after || err.Position != where["a"] && err.Position != where["c"] || err.Check.After != after {
			b.Errorf("error is %+v after %d", err, after)
		}
	}
	for i, after := range []deed.Position{where["c"], where["d"], where["d"] + 1000} {
		b.ok(under(put("order-2", deed.Any, fmt.Sprint("ok", i)), without(after, tagged("x:1"))))
	}
}

// crossed is a log in which types and tags are crossed in all ways.
func crossed() deed.Batch {
	return of("order-1", 0,
		typed("none", "opened"),
		typed("x", "opened", "x:1"),
		typed("y", "closed", "y:1"),
		typed("xy", "opened", "y:1", "x:1"),
		typed("closed-x", "closed", "x:1"),
		typed("xyz", "moved", "x:1", "y:1", "z:1"),
	)
}

// matchings are items over crossed, and what they select.
func matchings() []struct {
	items []deed.Match
	ids   []string
} {
	opened, closed := []string{"opened"}, []string{"closed"}
	return []struct {
		items []deed.Match
		ids   []string
	}{
		{[]deed.Match{{}}, []string{"none", "x", "y", "xy", "closed-x", "xyz"}},
		{[]deed.Match{tagged("x:1")}, []string{"x", "xy", "closed-x", "xyz"}},
		{[]deed.Match{tagged("x:1", "y:1")}, []string{"xy", "xyz"}},
		{[]deed.Match{tagged("y:1", "x:1", "z:1")}, []string{"xyz"}},
		{[]deed.Match{tagged("x:1", "w:1")}, nil},
		{[]deed.Match{tagged("x:1"), tagged("y:1")}, []string{"x", "y", "xy", "closed-x", "xyz"}},
		{[]deed.Match{tagged("x:1", "w:1"), tagged("y:1")}, []string{"y", "xy", "xyz"}},
		{[]deed.Match{{Types: opened}}, []string{"none", "x", "xy"}},
		{[]deed.Match{{Types: []string{"opened", "closed"}}}, []string{"none", "x", "y", "xy", "closed-x"}},
		{[]deed.Match{{Types: opened}, {Types: closed}}, []string{"none", "x", "y", "xy", "closed-x"}},
		{[]deed.Match{{Types: opened, Tags: []string{"x:1"}}}, []string{"x", "xy"}},
		{[]deed.Match{{Types: []string{"opened", "moved"}, Tags: []string{"x:1", "y:1"}}}, []string{"xy", "xyz"}},
		{[]deed.Match{{Types: opened, Tags: []string{"x:1"}}, {Types: closed, Tags: []string{"y:1"}}}, []string{"x", "y", "xy"}},
		{[]deed.Match{{Types: closed, Tags: []string{"z:1"}}, {Types: opened, Tags: []string{"z:1"}}}, nil},
		{[]deed.Match{{Types: closed}, tagged("z:1")}, []string{"y", "closed-x", "xyz"}},
		{[]deed.Match{tagged("x:1"), tagged("x:1"), {Types: opened}, {}}, []string{"none", "x", "y", "xy", "closed-x", "xyz"}},
		{[]deed.Match{{Types: []string{"never"}}}, nil},
	}
}

func checkIsExact(b *bed) {
	b.ok(crossed())
	where := b.positions()
	for i, c := range matchings() {
		b.reads(deed.Query{Stream: "order-1", Match: c.items}, c.ids...)
		last := deed.Position(0)
		if len(c.ids) > 0 {
			last = where[c.ids[len(c.ids)-1]]
			b.unmet(under(put("other-1", deed.Any, "no"), without(last-1, c.items...)))
		}
		b.ok(under(of("other-1", deed.Any, typed(fmt.Sprint("ok", i), "unmatched")), without(max(last, b.beyondAll(c.items)), c.items...)))
	}
}

// beyondAll is the head for items that select whatever was appended before, else 0.
func (b *bed) beyondAll(items []deed.Match) deed.Position {
	if slices.ContainsFunc(items, func(m deed.Match) bool { return len(m.Types) == 0 && len(m.Tags) == 0 }) {
		return b.head()
	}
	return 0
}

func tagsByFullValue(b *bed) {
	long := strings.Repeat("x", 254)
	tags := []string{
		"a:1", "a:11", "a:1 ", " a:1", "A:1", "a:", "a", ":1", "a:1,b:1", "b:1", "a:%", "a:_", "a:'", `a:"`, `a:\`, "a:|", "a:{}", "a:[1]",
		"ä:1", "a\u0308:1", "a:🙂", long + "1", long + "2", "null", "a:*", "a;1", "a&1", "$1", "?", "\u2028",
	}
	w := deed.Write{Stream: "order-1"}
	for i, tag := range tags {
		w.Events = append(w.Events, event(fmt.Sprint(i), tag))
	}
	b.ok(batch(w))
	where := b.positions()
	for i, tag := range tags {
		b.reads(deed.Query{Match: []deed.Match{tagged(tag)}}, fmt.Sprint(i))
		position := where[fmt.Sprint(i)]
		b.unmet(under(put("order-2", deed.Any, "no"), without(position-1, tagged(tag))))
		if receipt := b.ok(deed.Batch{Checks: []deed.Check{without(position, tagged(tag))}}); receipt.Position != position {
			b.Errorf("receipt is %+v, want position %d", receipt, position)
		}
	}
}

func allChecksHold(b *bed) {
	b.ok(of("order-1", 0, event("a", "x:1"), event("b", "y:1")))
	holds := []deed.Check{at("order-1", 2), at("order-2", 0), without(0, tagged("z:1")), without(b.head(), tagged("x:1"))}
	for i, fails := range []deed.Check{at("order-1", 1), without(0, tagged("y:1"))} {
		for place := range len(holds) + 1 {
			b.unmet(under(put("order-3", deed.Any, "no"), slices.Insert(slices.Clone(holds), place, fails)...))
		}
		b.ok(under(put("order-3", deed.Any, fmt.Sprint("ok", i)), holds...))
	}
}

func checkIsBlindToItsOwn(b *bed) {
	b.ok(under(
		batch(deed.Write{Stream: "order-1", Events: []deed.NewEvent{event("a", "x:1"), event("b", "x:1")}}, write("order-2", 0, "c")),
		without(0, tagged("x:1")), without(0, deed.Match{}), at("order-1", 0), at("order-2", 0),
	))
	b.unmet(under(put("order-3", 0, "d"), without(0, tagged("x:1"))))
}

func writtenAndChecked(b *bed) {
	b.ok(put("order-1", 0, "a"))
	b.unmet(under(put("order-1", deed.Any, "b"), at("order-1", 2)))
	b.ok(under(put("order-1", deed.Any, "b"), at("order-1", 1)))
}

func versionsBeforeChecks(b *bed) {
	b.ok(of("order-1", 0, event("a", "x:1")))
	b.conflict(under(put("order-1", 0, "b"), without(0, tagged("x:1"))), "order-1", 0, 1)
	b.conflict(under(batch(write("order-2", 0, "b"), write("order-3", 4, "c")), at("order-1", 0)), "order-3", 4, 0)
}

func refusedByCheckLeavesNothing(b *bed) {
	b.ok(of("order-1", 0, event("a", "x:1")))
	several := answering(batch(write("order-2", 0, "b"), write("order-3", 0, "c")), "c1", "h1")
	b.unmet(under(several, without(0, tagged("x:1"))))
	b.reopen()
	b.reads(deed.Query{}, "a")
	b.outcomeIs("c1", "h1", nil)
	b.ok(several)
}
