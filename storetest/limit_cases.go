package storetest

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/deed-es/deed"
)

// limitCases are contract.md's names and limits: the same in all engines, refused before anything is stored.
func limitCases() []storeCase {
	return []storeCase{
		{sentence: "a stream is category-id, and nothing else", run: streamsAreChecked},
		{sentence: "names of events are [a-z][a-z0-9-]*", run: typesAreChecked},
		{sentence: "ids and tags are 1 to 255 bytes of UTF-8 without control characters", run: wordsAreChecked},
		{sentence: "the longest ids, names and tags are stored", run: longestWordsAreStored},
		{sentence: "JSON data and metadata are UTF-8", run: textIsUTF8},
		{sentence: "an append without writes and checks, or with an empty write, is invalid", run: emptyIsInvalid},
		{sentence: "a stream stands at most once in an append", run: streamOnce},
		{sentence: "an event id stands at most once in an append", run: idOnce},
		{sentence: "a version to expect is Any, Exists or not negative", run: versionsAreChecked},
		{sentence: "a check has either a stream and its version or a match, never Any", run: checksAreChecked},
		{sentence: "a command id is a word, and has to be there where a hash is", run: commandsAreChecked},
		{sentence: "an event of 1 MiB is stored, one byte more is refused", run: eventOfOneMebibyte},
		{sentence: "MaxEvent lowers and raises the limit of an event", run: maxEventIsKept},
		{sentence: "MaxEvent goes up to 16 MiB", run: eventOfSixteenMebibytes, claims: largeEvents},
		{sentence: "an event of 10 MB is stored where MaxEvent allows it", run: eventOfTenMegabytes, claims: largeEvents},
		{sentence: "an append has at most 1000 events", run: thousandEvents},
		{sentence: "an append has at most 32 MiB", run: bytesOfAnAppend},
		{sentence: "an append larger than a group is a group of its own", run: largeAppendIsStored},
		{sentence: "an event has at most 64 tags, each once, and 64 KiB of metadata", run: tagsAreCounted},
		{sentence: "one bad event refuses the whole append", run: oneBadEventRefusesAll},
	}
}

// badWords are no ids and no tags anywhere.
func badWords() []string {
	return []string{"", "a\x00b", "a\nb", "\t", "\x7f", "\u0085", "\xff", "a\xc3", strings.Repeat("x", 256), strings.Repeat("é", 128)}
}

func streamsAreChecked(b *bed) {
	bad := []string{
		"", "-", "order", "order-", "-1", "Order-1", "1order-1", "_order-1", "or.der-1", "ordér-1", "order-.", "order-..", "order-a/b",
		strings.Repeat("a", 65) + "-1", "process-" + strings.Repeat("x", 321),
	}
	for _, word := range badWords() {
		bad = append(bad, "order-"+word)
	}
	for _, stream := range bad {
		b.invalid(fmt.Sprintf("stream %.80q", stream), put(deed.StreamID(stream), deed.Any, "a"))
		if stream != "" {
			b.invalid(fmt.Sprintf("check of %.80q", stream), under(put("order-1", deed.Any, "a"), at(deed.StreamID(stream), 0)))
		}
	}
}

func typesAreChecked(b *bed) {
	for _, name := range []string{"", "Noted", "1noted", "-noted", "not_ed", "not ed", "not.ed", "notéd", "a\x00", strings.Repeat("a", 65)} {
		b.invalid(fmt.Sprintf("type %.80q", name), of("order-1", deed.Any, typed("a", name)))
		check := without(0, deed.Match{Types: []string{name}})
		b.invalid(fmt.Sprintf("check of type %.80q", name), under(put("order-1", deed.Any, "a"), check))
	}
}

func wordsAreChecked(b *bed) {
	for _, word := range badWords() {
		b.invalid(fmt.Sprintf("event id %.80q", word), of("order-1", deed.Any, event(word)))
		b.invalid(fmt.Sprintf("tag %.80q", word), of("order-1", deed.Any, event("a", "fine:1", word)))
		b.invalid(fmt.Sprintf("check of tag %.80q", word), under(put("order-1", deed.Any, "a"), without(0, tagged(word))))
	}
}

func longestWordsAreStored(b *bed) {
	long := strings.Repeat("x", 255)
	e := typed(long, strings.Repeat("t", 64))
	for i := range 64 {
		e.Tags = append(e.Tags, fmt.Sprintf("%02d", i)+long[:253])
	}
	streams := []deed.StreamID{
		deed.Stream("order", long), deed.Stream(strings.Repeat("c", 64), long), deed.Stream("process", strings.Repeat("p", 320)),
	}
	for _, stream := range streams {
		b.ok(answering(of(stream, 0, e), string(stream[:40]), long))
		b.reads(deed.Query{Stream: stream, Match: []deed.Match{{Types: []string{e.Type}, Tags: e.Tags}}}, long)
		b.conflict(of(stream, 0, event("never")), stream, 0, 1)
	}
	b.ok(answering(put("order-1", 0, "a"), long, ""))
}

func textIsUTF8(b *bed) {
	for _, text := range []string{"\"\xff\"", "\"\xc3\"", "\"\xed\xa0\x80\""} {
		e := event("a")
		e.Data = []byte(text)
		b.invalid(fmt.Sprintf("data %q", text), of("order-1", deed.Any, e))
		e.ContentType = "application/json"
		b.invalid(fmt.Sprintf("data %q", text), of("order-1", deed.Any, e))
		e = event("a")
		e.Metadata = []byte(text)
		b.invalid(fmt.Sprintf("metadata %q", text), of("order-1", deed.Any, e))
		e = event("a")
		e.ContentType = text
		b.invalid(fmt.Sprintf("content type %q", text), of("order-1", deed.Any, e))
	}
	e := event("a")
	e.Schema = -1
	b.invalid("schema -1", of("order-1", deed.Any, e))
}

func emptyIsInvalid(b *bed) {
	b.invalid("nothing", deed.Batch{})
	b.invalid("a command alone", answering(deed.Batch{}, "c", "h"))
	b.invalid("an empty write", batch(write("order-1", 0)))
	b.invalid("an empty write beside another", batch(write("order-1", 0, "a"), write("order-2", 0)))
}

func streamOnce(b *bed) {
	b.invalid("a stream twice", batch(write("order-1", 0, "a"), write("order-2", 0, "b"), write("order-1", 1, "c")))
}

func versionsAreChecked(b *bed) {
	for _, version := range []deed.Version{-3, -1 << 63} {
		b.invalid(fmt.Sprintf("version %d", version), put("order-1", version, "a"))
	}
}

func checksAreChecked(b *bed) {
	for what, check := range map[string]deed.Check{
		"an empty check":         {},
		"a version alone":        {Version: 1},
		"a stream and a match":   {Stream: "order-1", Match: []deed.Match{tagged("a")}},
		"a stream at Any":        at("order-1", deed.Any),
		"a stream at -3":         at("order-1", -3),
		"a stream with After":    {Stream: "order-1", Version: 1, After: 1},
		"a match with a version": {Match: []deed.Match{tagged("a")}, Version: 1},
		"a match after -1":       without(-1, tagged("a")),
	} {
		b.invalid(what, under(put("order-1", deed.Any, "a"), check))
		b.invalid(what+", without writes", deed.Batch{Checks: []deed.Check{check}})
	}
}

func commandsAreChecked(b *bed) {
	for _, word := range badWords() {
		b.invalid(fmt.Sprintf("command %.80q", word), answering(put("order-1", deed.Any, "a"), word, "hash"))
	}
	b.invalid("a long hash", answering(put("order-1", deed.Any, "a"), "c", strings.Repeat("h", 256)))
}

func sized(id string, n int) deed.NewEvent {
	return deed.NewEvent{ID: id, Type: "noted", Data: append(append([]byte(`"`), bytes.Repeat([]byte("x"), n-2)...), '"')}
}

// stores checks that an event of n bytes is stored and comes back.
func (b *bed) stores(id string, n int) {
	b.Helper()
	e := sized(id, n)
	receipt := b.ok(of("order-1", deed.Any, e))
	records := b.read(deed.Query{After: receipt.Position - 1})
	if len(records) != 1 || !bytes.Equal(records[0].Data, e.Data) {
		b.Fatalf("an event of %d bytes did not come back as it was", n)
	}
}

func eventOfOneMebibyte(b *bed) {
	b.stores("a", 1<<20)
	b.invalid("one byte more", of("order-1", deed.Any, sized("b", 1<<20+1)))
}

func maxEventIsKept(b *bed) {
	b.config.MaxEvent = 1000
	b.reopen()
	b.stores("a", 1000)
	b.invalid("one byte more", of("order-1", deed.Any, sized("b", 1001)))
	if !b.claims.LargeEvents {
		return
	}
	b.config.MaxEvent = 3 << 19
	b.reopen()
	b.stores("c", 3<<19)
	b.invalid("one byte more", of("order-1", deed.Any, sized("d", 3<<19+1)))
}

func eventOfSixteenMebibytes(b *bed) {
	b.config.MaxEvent = 16 << 20
	b.reopen()
	b.invalid("one byte more", of("order-1", deed.Any, sized("b", 16<<20+1)))
	if scaled(100) > 10 {
		b.stores("a", 16<<20)
	}
}

func eventOfTenMegabytes(b *bed) {
	b.config.MaxEvent = 12 << 20
	b.reopen()
	b.stores("a", 10_000_000)
	b.ok(put("order-1", 1, "b"))
	b.reads(deed.Query{Stream: "order-1"}, "a", "b")
}

func thousandEvents(b *bed) {
	var ids []string
	for i := range 1001 {
		ids = append(ids, fmt.Sprint("e", i))
	}
	b.invalid("1001 events", put("order-1", 0, ids...))
	b.invalid("1001 events in two writes", batch(write("order-1", 0, ids[:500]...), write("order-2", 0, ids[500:]...)))
	receipt := b.ok(put("order-1", 0, ids[:1000]...))
	b.reads(deed.Query{}, ids[:1000]...)
	b.again(put("order-1", 0, ids[:1000]...), receipt)
}

func bytesOfAnAppend(b *bed) {
	w := deed.Write{Stream: "order-1"}
	e := sized("e", 1<<20)
	for i := range 33 {
		e.ID = fmt.Sprint("e", i)
		w.Events = append(w.Events, e)
	}
	b.invalid("33 MiB", batch(w))
	e = sized("e", 1<<20-1000)
	e.Metadata = bytes.Repeat([]byte(" "), 1001)
	for i := range w.Events[:32] {
		e.ID = fmt.Sprint("e", i)
		w.Events[i] = e
	}
	w.Events = w.Events[:32]
	b.invalid("32 MiB and 32 bytes, with the metadata", batch(w))
}

func largeAppendIsStored(b *bed) {
	const n = 6
	w := deed.Write{Stream: "order-1"}
	var ids []string
	for i := range n {
		ids = append(ids, fmt.Sprint("e", i))
		w.Events = append(w.Events, sized(ids[i], 1<<20))
	}
	receipt := b.ok(batch(w, write("order-2", 0, "f")))
	b.ok(put("order-2", 1, "g"))
	b.reads(deed.Query{}, append(ids, "f", "g")...)
	b.again(batch(w, write("order-2", 0, "f")), receipt)
}

func tagsAreCounted(b *bed) {
	e := event("a")
	for i := range 65 {
		e.Tags = append(e.Tags, fmt.Sprint("n:", i))
	}
	b.invalid("65 tags", of("order-1", 0, e))
	b.invalid("a tag twice", of("order-1", 0, event("a", "x:1", "y:1", "x:1")))
	e = event("a")
	e.Metadata = bytes.Repeat([]byte(" "), 64<<10+1)
	b.invalid("metadata of 64 KiB and a byte", of("order-1", 0, e))
	e.Metadata = e.Metadata[1:]
	b.ok(of("order-1", 0, e))
}

func oneBadEventRefusesAll(b *bed) {
	first := b.ok(put("order-1", 0, "a"))
	w := write("order-1", 1, "b", "c", "d")
	w.Events[2].Data = []byte("\"\xff\"")
	b.invalid("a bad event", batch(write("order-2", 0, "e"), w))
	if head := b.head(); head != first.Position {
		b.Errorf("head went from %d to %d", first.Position, head)
	}
	b.ok(put("order-1", 1, "b", "c", "d"))
}

func idOnce(b *bed) {
	b.invalid("an id twice in a write", batch(write("order-1", 0, "a", "a")))
	b.invalid("an id in two writes", batch(write("order-1", 0, "a"), write("order-2", 0, "b", "a")))
}
