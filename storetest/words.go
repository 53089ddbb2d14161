package storetest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/deed-es/deed"
)

// event is an event with this id, of the type "noted".
func event(id string, tags ...string) deed.NewEvent { return typed(id, "noted", tags...) }

func typed(id, eventType string, tags ...string) deed.NewEvent {
	return deed.NewEvent{
		ID: id, Type: eventType, Tags: tags,
		Data: fmt.Appendf(nil, `{"id":%q}`, id), Metadata: fmt.Appendf(nil, `{"correlation":%q}`, id),
	}
}

// write is events with these ids, of the type "noted", for a stream.
func write(stream deed.StreamID, version deed.Version, ids ...string) deed.Write {
	w := deed.Write{Stream: stream, Version: version}
	for _, id := range ids {
		w.Events = append(w.Events, event(id))
	}
	return w
}

// batch is an append of these writes.
func batch(writes ...deed.Write) deed.Batch { return deed.Batch{Writes: writes} }

// put is an append of events with these ids, of the type "noted", to a stream.
func put(stream deed.StreamID, version deed.Version, ids ...string) deed.Batch {
	return batch(write(stream, version, ids...))
}

// of is an append of these events to a stream.
func of(stream deed.StreamID, version deed.Version, events ...deed.NewEvent) deed.Batch {
	return batch(deed.Write{Stream: stream, Version: version, Events: events})
}

// answering is b as the answer to a command.
func answering(b deed.Batch, id, hash string) deed.Batch {
	b.Command = deed.CommandRef{ID: id, Hash: hash}
	return b
}

// under is b under further checks.
func under(b deed.Batch, checks ...deed.Check) deed.Batch {
	b.Checks = append(slices.Clone(b.Checks), checks...)
	return b
}

// tagged matches events with all of these tags.
func tagged(tags ...string) deed.Match { return deed.Match{Tags: tags} }

// without is the check that nothing matches any of the items after a position.
func without(after deed.Position, items ...deed.Match) deed.Check {
	return deed.Check{Match: items, After: after}
}

// at is the check that a stream has a version.
func at(stream deed.StreamID, version deed.Version) deed.Check {
	return deed.Check{Stream: stream, Version: version}
}

// receiptAt is a receipt with this position and these streams.
func receiptAt(p deed.Position, streams ...deed.StreamVersion) deed.Receipt {
	return deed.Receipt{Position: p, Streams: streams}
}

func ends(stream deed.StreamID, version deed.Version) deed.StreamVersion {
	return deed.StreamVersion{Stream: stream, Version: version}
}

func idsOf(records []deed.Record) []string {
	ids := []string{}
	for _, r := range records {
		ids = append(ids, r.ID)
	}
	return ids
}

func isZero(r deed.Record) bool {
	return r.ID == "" && r.Type == "" && r.Position == 0 && isBare(r)
}

// isBare tells that r has nothing but a position, as a mark.
func isBare(r deed.Record) bool {
	return r.ID == "" && r.Type == "" && r.Schema == 0 && r.ContentType == "" && len(r.Data) == 0 && len(r.Metadata) == 0 &&
		len(r.Tags) == 0 && r.Stream == "" && r.Version == 0 && r.Time.IsZero()
}

func sameReceipt(a, b deed.Receipt) bool {
	return a.Position == b.Position && a.Again == b.Again && slices.Equal(a.Streams, b.Streams)
}

// diffRecords tells the first difference between what was read and what was to be read; empty if there is none.
func diffRecords(got, want []deed.Record) string {
	for i := range min(len(got), len(want)) {
		if diff := diffRecord(got[i], want[i]); diff != "" {
			return fmt.Sprintf("record %d (%s, want %s): %s", i, got[i].ID, want[i].ID, diff)
		}
	}
	switch {
	case len(got) > len(want):
		return fmt.Sprintf("%d records where %d were expected; the first too many is %s", len(got), len(want), brief(got[len(want)]))
	case len(got) < len(want):
		return fmt.Sprintf("%d records where %d were expected; the first missing is %s", len(got), len(want), brief(want[len(got)]))
	}
	return ""
}

func diffRecord(got, want deed.Record) string {
	diff := diffEvent(got.NewEvent, want.NewEvent)
	switch {
	case got.Stream != want.Stream:
		diff = fmt.Sprintf("stream is %q, want %q", got.Stream, want.Stream)
	case got.Version != want.Version:
		diff = fmt.Sprintf("version is %d, want %d", got.Version, want.Version)
	case got.Position != want.Position:
		diff = fmt.Sprintf("position is %d, want %d", got.Position, want.Position)
	case !got.Time.Equal(want.Time):
		diff = fmt.Sprintf("time is %v, want %v", got.Time, want.Time)
	}
	return diff
}

// diffEvent compares events as stored. The order of tags is nobody's promise.
func diffEvent(got, want deed.NewEvent) string {
	switch {
	case got.ID != want.ID:
		return fmt.Sprintf("id is %q, want %q", got.ID, want.ID)
	case got.Type != want.Type:
		return fmt.Sprintf("type is %q, want %q", got.Type, want.Type)
	case got.Schema != want.Schema:
		return fmt.Sprintf("schema is %d, want %d", got.Schema, want.Schema)
	case got.ContentType != want.ContentType:
		return fmt.Sprintf("content type is %q, want %q", got.ContentType, want.ContentType)
	case !bytes.Equal(got.Data, want.Data):
		return fmt.Sprintf("data is %.80q, want %.80q", got.Data, want.Data)
	case !bytes.Equal(got.Metadata, want.Metadata):
		return fmt.Sprintf("metadata is %.80q, want %.80q", got.Metadata, want.Metadata)
	case !slices.Equal(sorted(got.Tags), sorted(want.Tags)):
		return fmt.Sprintf("tags are %q, want %q", got.Tags, want.Tags)
	}
	return ""
}

func sorted(words []string) []string {
	words = slices.Clone(words)
	slices.Sort(words)
	return words
}

// stored is e as it is read again.
func stored(e deed.NewEvent) deed.NewEvent {
	if e.Schema == 0 {
		e.Schema = 1
	}
	if e.ContentType == "" {
		e.ContentType = "application/json"
	}
	return e
}

func brief(r deed.Record) string {
	return fmt.Sprintf("%s %s@%d at %d", r.ID, r.Stream, r.Version, r.Position)
}

// describe is a batch in one line, for failures.
func describe(b deed.Batch) string {
	var s strings.Builder
	s.WriteByte('{')
	for _, w := range b.Writes {
		fmt.Fprintf(&s, " %s@%d[", w.Stream, w.Version)
		for i := range w.Events[:min(len(w.Events), 8)] {
			e := &w.Events[i]
			fmt.Fprintf(&s, "%.40s:%.20s%.80q", e.ID, e.Type, e.Tags)
		}
		if len(w.Events) > 8 {
			fmt.Fprintf(&s, "… %d events", len(w.Events))
		}
		s.WriteByte(']')
	}
	for _, c := range b.Checks {
		if c.Stream != "" {
			fmt.Fprintf(&s, " if %s@%d", c.Stream, c.Version)
		} else {
			fmt.Fprintf(&s, " if none of %+v after %d", c.Match, c.After)
		}
	}
	if b.Command.ID != "" {
		fmt.Fprintf(&s, " command %s#%s", b.Command.ID, b.Command.Hash)
	}
	s.WriteString(" }")
	return s.String()
}
