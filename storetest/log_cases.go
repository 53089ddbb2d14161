package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/deed-es/deed"
)

// logCases are about the log as a whole: what is stored in it, what comes back, and what outlives the process.
func logCases() []storeCase {
	return []storeCase{
		{sentence: "an event comes back with all that it was given", run: eventComesBack},
		{sentence: "schema 0 is stored as 1 and no content type as JSON", run: defaultsAreStored},
		{sentence: "data and metadata come back byte for byte", run: bytesComeBack},
		{sentence: "data of another content type may be any bytes", run: anyBytesComeBack},
		{sentence: "an event may have no data, no metadata and no tags", run: emptyEventComesBack},
		{sentence: "what the caller does to its bytes afterwards changes nothing stored", run: bytesAreNotShared},
		{sentence: "head is 0 in an empty log and then the last position given out", run: headIsLastPosition},
		{sentence: "positions grow with each event, in the order of the writes", run: positionsGrow},
		{sentence: "positions count from 1 without gaps, whatever was refused", run: positionsAreDense, claims: dense},
		{sentence: "the log has one id, which outlives the opening again", run: logHasOneID},
		{sentence: "what is acknowledged is there after the opening again", run: acknowledgedIsThere},
		{sentence: "a closed store answers ErrClosed", run: closedAnswersErrClosed},
		{sentence: "an append whose context has ended is never there in part", run: endedAppendIsWhole},
	}
}

func eventComesBack(b *bed) {
	e := deed.NewEvent{
		ID: "0197-é-✓", Type: "item-added2", Schema: 7, ContentType: "application/json; charset=utf-8",
		Data: []byte(`{"sku":"x"}`), Metadata: []byte(`{"actor":"anna"}`), Tags: []string{"cart:7", "sku:x"},
	}
	stream := deed.StreamID("shopping_cart2-7-a b%_'\"ü")
	receipt := b.ok(of(stream, 0, e))
	records := b.log()
	if len(records) != 1 {
		b.Fatalf("%d records, want 1", len(records))
	}
	r := records[0]
	if diff := diffEvent(r.NewEvent, e); diff != "" {
		b.Errorf("%s", diff)
	}
	if r.Stream != stream || r.Version != 1 || r.Position != receipt.Position || r.Position < 1 {
		b.Errorf("read %s, the receipt is %+v", brief(r), receipt)
	}
}

func defaultsAreStored(b *bed) {
	b.ok(of("order-1", 0, deed.NewEvent{ID: "a", Type: "noted", Data: []byte(`1`)}))
	if r := b.log()[0]; r.Schema != 1 || r.ContentType != "application/json" {
		b.Errorf("schema is %d and content type %q", r.Schema, r.ContentType)
	}
}

func bytesComeBack(b *bed) {
	data := []string{
		` { "b" : 1, "a":2, "b": 3 } `, `123456789012345678901234567890.10`, `"\u0000 \ud83d\ude00 é <&>"`, "\"\u2028😀\"", `not JSON at all`,
		"{\n\t\"x\": 1e400\r\n}", `null`, ` `,
	}
	w := deed.Write{Stream: "order-1"}
	for i, text := range data {
		w.Events = append(w.Events, deed.NewEvent{ID: fmt.Sprint(i), Type: "noted", Data: []byte(text), Metadata: []byte(text)})
	}
	b.ok(batch(w))
	for i, r := range b.log() {
		if string(r.Data) != data[i] || string(r.Metadata) != data[i] {
			b.Errorf("data is %q and metadata %q, want %q", r.Data, r.Metadata, data[i])
		}
	}
}

func anyBytesComeBack(b *bed) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	e := deed.NewEvent{ID: "a", Type: "scanned", ContentType: "application/octet-stream", Data: every}
	b.ok(of("order-1", 0, e))
	if r := b.log()[0]; !bytes.Equal(r.Data, every) || r.ContentType != e.ContentType {
		b.Errorf("data is %q of %s", r.Data, r.ContentType)
	}
}

func emptyEventComesBack(b *bed) {
	b.ok(of("order-1", 0, deed.NewEvent{ID: "a", Type: "noted"}, deed.NewEvent{ID: "b", Type: "noted", Data: []byte{}, Tags: []string{}}))
	for _, r := range b.log() {
		if len(r.Data) != 0 || len(r.Metadata) != 0 || len(r.Tags) != 0 {
			b.Errorf("%s has data %q, metadata %q, tags %q", r.ID, r.Data, r.Metadata, r.Tags)
		}
	}
	b.reads(deed.Query{}, "a", "b")
}

func bytesAreNotShared(b *bed) {
	mine := event("a", "tag:1")
	b.ok(of("order-1", 0, mine))
	before := b.log()
	want := deed.Record{NewEvent: cloned(before[0].NewEvent)}
	spoil := func(e deed.NewEvent) {
		e.Data[0], e.Metadata[0], e.Tags[0] = 'X', 'X', "spoilt:1"
	}
	spoil(mine)
	spoil(before[0].NewEvent)
	if diff := diffEvent(b.log()[0].NewEvent, want.NewEvent); diff != "" {
		b.Errorf("%s", diff)
	}
	b.reads(deed.Query{Match: []deed.Match{tagged("tag:1")}}, "a")
}

func headIsLastPosition(b *bed) {
	if head := b.head(); head != 0 {
		b.Errorf("head of the empty log is %d", head)
	}
	receipt := b.ok(put("order-1", 0, "a", "b"))
	if head := b.head(); head != receipt.Position {
		b.Errorf("head is %d, the last position given out is %d", head, receipt.Position)
	}
	b.reopen()
	if head := b.head(); head != receipt.Position {
		b.Errorf("head is %d after the opening again, and was %d", head, receipt.Position)
	}
	if next := b.ok(put("order-1", 2, "c")); next.Position <= receipt.Position {
		b.Errorf("position %d was given out after %d", next.Position, receipt.Position)
	}
}

func positionsGrow(b *bed) {
	b.ok(put("order-1", 0, "a", "b"))
	b.ok(batch(write("order-2", 0, "c", "d"), write("customer-1", 0, "e"), write("order-1", 2, "f")))
	b.ok(put("customer-1", 1, "g"))
	b.reads(deed.Query{}, "a", "b", "c", "d", "e", "f", "g")
	records := b.log()
	for i, r := range records[1:] {
		if r.Position <= records[i].Position {
			b.Errorf("%s stands behind %s", brief(r), brief(records[i]))
		}
	}
}

func positionsAreDense(b *bed) {
	for i := range 10 {
		b.ok(put("order-1", deed.Version(2*i), fmt.Sprint("a", i), fmt.Sprint("b", i)))
		b.conflict(put("order-1", 0, "never"), "order-1", 0, deed.Version(2*i+2))
		b.unmet(under(put("order-2", deed.Any, "never"), at("order-1", 0)))
		b.again(put("order-1", deed.Version(2*i), fmt.Sprint("a", i), fmt.Sprint("b", i)), b.receiptOf(2*i+1))
		if i%4 == 3 {
			b.reopen()
		}
	}
	for i, r := range b.log() {
		if r.Position != deed.Position(i+1) {
			b.Fatalf("record %d has position %d", i+1, r.Position)
		}
	}
}

// receiptOf is the receipt of an append to one stream that ended with the log's i-th record.
func (b *bed) receiptOf(i int) deed.Receipt {
	b.Helper()
	r := b.log()[i]
	return deed.Receipt{Position: r.Position, Streams: []deed.StreamVersion{{Stream: r.Stream, Version: r.Version}}}
}

func logHasOneID(b *bed) {
	info := b.store.Info()
	if info.ID == "" || info.Incarnation != 1 || info.Began != 0 {
		b.Errorf("info of a new log is %+v", info)
	}
	b.ok(put("order-1", 0, "a"))
	b.reopen()
	if again := b.store.Info(); again != info {
		b.Errorf("info is %+v after the opening again, and was %+v", again, info)
	}
	config := b.config
	config.Dir = b.TempDir()
	other := b.open(config)
	if theirs := other.Info(); theirs.ID == info.ID {
		b.Errorf("another log has the same id %q", theirs.ID)
	}
	if err := closeStore(other); err != nil {
		b.Errorf("close: %v", err)
	}
}

func acknowledgedIsThere(b *bed) {
	tags := []string{"email:a@b.c"}
	for i := range 20 {
		b.ok(of("order-1", deed.Version(i), event(fmt.Sprint("a", i), tags...)))
		b.ok(batch(write("order-2", deed.Any, fmt.Sprint("b", i)), write("customer-1", deed.Any, fmt.Sprint("c", i))))
	}
	want := b.log()
	for range 3 {
		b.reopen()
		b.unchanged(want)
		b.conflict(put("order-1", 19, "never"), "order-1", 19, 20)
		b.unmet(under(put("order-3", 0, "never"), without(0, tagged(tags...))))
	}
}

func closedAnswersErrClosed(b *bed) {
	b.ok(put("order-1", 0, "a"))
	store := b.store
	b.close()
	if _, err := store.Append(b.ctx, put("order-1", 1, "b")); !errors.Is(err, deed.ErrClosed) {
		b.Errorf("append: %v, want ErrClosed", err)
	}
	if _, err := collect(b.ctx, store, deed.Query{}); !errors.Is(err, deed.ErrClosed) {
		b.Errorf("read: %v, want ErrClosed", err)
	}
	if _, err := store.Head(b.ctx); !errors.Is(err, deed.ErrClosed) {
		b.Errorf("head: %v, want ErrClosed", err)
	}
	b.store = b.open(b.config)
	b.reads(deed.Query{}, "a")
}

func endedAppendIsWhole(b *bed) {
	ctx, cancel := context.WithCancel(b.ctx)
	cancel()
	attempt := batch(write("order-1", 0, "a", "b"), write("order-2", 0, "c"))
	_, err := b.store.Append(ctx, attempt)
	got := strings.Join(idsOf(b.log()), "")
	switch {
	case err == nil:
		if got != "abc" {
			b.Fatalf("acknowledged, and the log has %q", got)
		}
	case errors.Is(err, deed.ErrUnknown):
		if got != "" && got != "abc" {
			b.Fatalf("unknown, and the log has %q", got)
		}
	case !errors.Is(err, context.Canceled):
		b.Fatalf("error is %v, want the context's", err)
	case got != "":
		b.Fatalf("refused, and the log has %q", got)
	}
	if _, err := b.store.Append(b.ctx, attempt); err != nil {
		b.Fatalf("the retry: %v", err)
	}
	if ids := idsOf(b.log()); !slices.Equal(ids, []string{"a", "b", "c"}) {
		b.Fatalf("the log has %v after the retry", ids)
	}
}
