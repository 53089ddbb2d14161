package storetest

import (
	"github.com/deed-es/deed"
)

// appendCases are about versions, and about all or nothing.
func appendCases() []storeCase {
	return []storeCase{
		{sentence: "version 0 makes a stream, and its versions count from 1 without gaps", run: versionsCount},
		{sentence: "version 0 is refused where the stream is there", run: zeroWantsNoStream},
		{sentence: "a version is refused unless it is the stream's last", run: versionIsTheLast},
		{sentence: "Any takes whatever is there", run: anyTakesAll},
		{sentence: "Exists takes any version and refuses a stream that is not there", run: existsWantsOne},
		{sentence: "an append to several streams answers with each of them, in the order of its writes", run: severalStreams},
		{sentence: "an append refused for one of its streams leaves nothing in the others", run: nothingInTheOthers},
		{sentence: "a refused append can be made right and sent again", run: refusedIsMadeRight},
		{sentence: "streams of one name in two categories are two streams", run: streamsAreTheirOwn},
	}
}

func versionsCount(b *bed) {
	if receipt := b.ok(put("order-1", 0, "a", "b")); receipt.Version() != 2 || len(receipt.Streams) != 1 || receipt.Streams[0].Stream != "order-1" {
		b.Errorf("receipt is %+v", receipt)
	}
	b.ok(put("order-2", 0, "c"))
	if receipt := b.ok(put("order-1", 2, "d", "e", "f")); receipt.Version() != 5 {
		b.Errorf("receipt is %+v", receipt)
	}
	for i, r := range b.read(deed.Query{Stream: "order-1"}) {
		if r.Version != deed.Version(i+1) {
			b.Errorf("event %d has version %d", i+1, r.Version)
		}
	}
	b.reads(deed.Query{Stream: "order-1"}, "a", "b", "d", "e", "f")
}

func zeroWantsNoStream(b *bed) {
	b.ok(put("order-1", 0, "a"))
	b.conflict(put("order-1", 0, "b"), "order-1", 0, 1)
}

func versionIsTheLast(b *bed) {
	b.conflict(put("order-1", 1, "x"), "order-1", 1, 0)
	b.ok(put("order-1", 0, "a", "b", "c"))
	for _, version := range []deed.Version{1, 2, 4, 1 << 62} {
		b.conflict(put("order-1", version, "x"), "order-1", version, 3)
	}
	b.ok(put("order-1", 3, "d"))
}

func anyTakesAll(b *bed) {
	b.ok(put("order-1", deed.Any, "a", "b"))
	if receipt := b.ok(put("order-1", deed.Any, "c")); receipt.Version() != 3 {
		b.Errorf("receipt is %+v", receipt)
	}
	b.reads(deed.Query{}, "a", "b", "c")
}

func existsWantsOne(b *bed) {
	b.conflict(put("order-1", deed.Exists, "x"), "order-1", deed.Exists, 0)
	b.ok(put("order-1", 0, "a"))
	if receipt := b.ok(put("order-1", deed.Exists, "b")); receipt.Version() != 2 {
		b.Errorf("receipt is %+v", receipt)
	}
	b.ok(put("order-1", deed.Exists, "c"))
}

func severalStreams(b *bed) {
	b.ok(put("order-2", 0, "a"))
	receipt := b.ok(batch(write("order-2", 1, "b", "c"), write("customer-1", 0, "d"), write("order-1", deed.Any, "e")))
	want := receiptAt(b.positions()["e"], ends("order-2", 3), ends("customer-1", 1), ends("order-1", 1))
	if !sameReceipt(receipt, want) {
		b.Errorf("receipt is %+v, want %+v", receipt, want)
	}
	if receipt.Version() != 3 {
		b.Errorf("version of the receipt is %d, want that of the first write", receipt.Version())
	}
}

func nothingInTheOthers(b *bed) {
	b.ok(put("order-2", 0, "a"))
	b.conflict(batch(write("order-1", 0, "x"), write("order-2", 0, "y"), write("order-3", 0, "z")), "order-2", 0, 1)
	b.conflict(batch(write("order-1", deed.Any, "x"), write("order-3", 1, "z")), "order-3", 1, 0)
	b.reopen()
	b.reads(deed.Query{}, "a")
}

func refusedIsMadeRight(b *bed) {
	b.ok(put("order-1", 0, "a"))
	b.conflict(put("order-1", 0, "b"), "order-1", 0, 1)
	if receipt := b.ok(put("order-1", 1, "b")); receipt.Version() != 2 {
		b.Errorf("receipt is %+v", receipt)
	}
	b.reads(deed.Query{}, "a", "b")
}

func streamsAreTheirOwn(b *bed) {
	streams := []deed.StreamID{
		"order-1", "orders-1", "order_x-1", "order-11", "order-1-1", "order-A", "order-a", "order-1 ",
		"order-é", "order-e\u0301",
	}
	for _, stream := range streams {
		b.ok(put(stream, 0, "id of "+string(stream)))
	}
	for _, stream := range streams {
		b.reads(deed.Query{Stream: stream}, "id of "+string(stream))
	}
}
