package storetest

import "github.com/deed-es/deed"

// repeatCases are about appends that come again with the same event ids.
func repeatCases() []storeCase {
	return []storeCase{
		{sentence: "an append whose ids all stand at the tail it expects gets the first receipt again", run: repeatAtTheTail},
		{sentence: "an append to several streams whose ids all stand gets the first receipt again", run: repeatOfSeveral},
		{sentence: "a repeated append gets its receipt also when others have appended behind it", run: repeatBehindOthers},
		{sentence: "ids are looked at before checks", run: idsBeforeChecks},
		{sentence: "a repeated append gets its receipt also after the opening again", run: repeatAfterReopen},
		{sentence: "an append of which some ids stand and others do not is a conflict", run: someStand},
		{sentence: "an append whose ids stand in one stream and not in the other is a conflict", run: oneStreamStands},
		{sentence: "an append whose ids stand at another version is a conflict", run: standElsewhere},
		{sentence: "ids that stand beside a write with Any are a conflict", run: standBesideAny},
	}
}

func repeatAtTheTail(b *bed) {
	first := b.ok(put("order-1", 0, "a", "b"))
	b.again(put("order-1", 0, "a", "b"), first)
	second := b.ok(put("order-1", 2, "c"))
	b.again(put("order-1", 2, "c"), second)
	b.again(put("order-1", 2, "c"), second)
}

func repeatOfSeveral(b *bed) {
	b.ok(put("order-2", 0, "z"))
	several := batch(write("order-1", 0, "a", "b"), write("order-2", 1, "c"), write("customer-1", 0, "d"))
	first := b.ok(several)
	b.again(several, first)
}

func repeatBehindOthers(b *bed) {
	first := b.ok(put("order-1", 0, "a", "b"))
	b.ok(put("order-1", 2, "c", "d"))
	b.ok(put("order-2", 0, "e"))
	b.again(put("order-1", 0, "a", "b"), first)
}

func idsBeforeChecks(b *bed) {
	b.ok(put("order-2", 0, "z"))
	unique := under(of("customer-1", 0, event("a", "email:x")), without(0, tagged("email:x")), at("order-2", 1))
	first := b.ok(unique)
	b.ok(put("order-2", 1, "y"))
	b.again(unique, first)
	b.unmet(under(of("customer-2", 0, event("b", "email:x")), without(0, tagged("email:x"))))
}

func repeatAfterReopen(b *bed) {
	several := batch(write("order-1", 0, "a", "b"), write("order-2", 0, "c"))
	first := b.ok(several)
	b.reopen()
	b.again(several, first)
}

func someStand(b *bed) {
	b.ok(put("order-1", 0, "a", "b"))
	b.conflict(put("order-1", 0, "a", "b", "c"), "order-1", 0, 2)
	b.conflict(put("order-1", 0, "a", "c"), "order-1", 0, 2)
	b.conflict(put("order-1", 0, "c", "b"), "order-1", 0, 2)
	b.conflict(put("order-1", 0, "b", "a"), "order-1", 0, 2)
	b.conflict(put("order-1", 1, "b", "c"), "order-1", 1, 2)
}

func oneStreamStands(b *bed) {
	b.ok(put("order-1", 0, "a"))
	b.conflict(batch(write("order-1", 0, "a"), write("order-2", 0, "b")), "order-1", 0, 1)
	b.conflict(batch(write("order-2", 0, "b"), write("order-1", 0, "a")), "order-1", 0, 1)
}

func standElsewhere(b *bed) {
	b.ok(put("order-1", 0, "a", "b"))
	b.conflict(put("order-1", 1, "a"), "order-1", 1, 2)
	b.conflict(put("order-1", 0, "b"), "order-1", 0, 2)
}

func standBesideAny(b *bed) {
	mixed := batch(write("order-1", 0, "a"), write("order-2", deed.Any, "b"))
	b.ok(mixed)
	b.conflict(mixed, "order-1", 0, 1)
	b.reads(deed.Query{}, "a", "b")
}
