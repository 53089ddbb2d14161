package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/deed-es/deed"
)

// What a walk is made of: few names, so that things meet.
var (
	walkStreams    = []deed.StreamID{"order-1", "order-2", "orders-1", "customer-1", "customer-a b", "process-mail:1"}
	walkCategories = []string{"order", "orders", "customer", "process", "never"}
	walkTypes      = []string{"opened", "moved", "closed"}
	walkTags       = []string{"x:1", "x:2", "y:1", "y:2"}
)

// appendOf is a new append: up to three streams, versions mostly right, with or without checks and a command.
func (w *walk) appendOf() deed.Batch {
	streams := w.streams(1 + w.pick(8)/5)
	b := deed.Batch{}
	for _, stream := range streams {
		write := deed.Write{Stream: stream, Version: w.version(stream)}
		count := 1 + w.pick(3)
		if w.oneIn(100) {
			count = 300
		}
		for range count {
			write.Events = append(write.Events, w.event())
		}
		b.Writes = append(b.Writes, write)
	}
	if w.oneIn(3) {
		b.Checks = append(w.checks(0, 1), w.checks(1, w.pick(2))...)
	}
	return w.command(b)
}

// streams are n different streams.
func (w *walk) streams(n int) []deed.StreamID {
	first, stride := w.pick(len(walkStreams)), []int{1, 5}[w.pick(2)]
	var streams []deed.StreamID
	for i := range n {
		streams = append(streams, walkStreams[(first+i*stride)%len(walkStreams)])
	}
	return streams
}

func (w *walk) version(stream deed.StreamID) deed.Version {
	actual := w.model.version(stream)
	return []deed.Version{actual, actual, actual, actual, actual, 0, deed.Any, deed.Any, deed.Exists, actual + 1, max(actual-1, 0)}[w.pick(11)]
}

func (w *walk) event() deed.NewEvent {
	w.events++
	e := deed.NewEvent{
		ID: fmt.Sprint("e", w.events), Type: walkTypes[w.pick(len(walkTypes))], Schema: w.pick(3), Tags: w.tags(),
		Data: fmt.Appendf(nil, "%d", w.events),
	}
	if w.oneIn(8) {
		e.ContentType, e.Data, e.Metadata = "text/plain", nil, []byte(`{}`)
	}
	return e
}

// tags is a set of tags, empty in a quarter of all cases.
func (w *walk) tags() []string {
	var tags []string
	for i, bits := 0, w.pick(16); i < len(walkTags); i++ {
		if bits&(1<<i) != 0 {
			tags = append(tags, walkTags[i])
		}
	}
	if w.oneIn(4) {
		return nil
	}
	return tags
}

// checks are n checks of streams (kind 0) or by match (kind 1).
func (w *walk) checks(kind, n int) []deed.Check {
	var checks []deed.Check
	if kind == 0 {
		for _, stream := range w.streams(n) {
			version := w.version(stream)
			if version == deed.Any {
				version = w.model.version(stream)
			}
			checks = append(checks, at(stream, version))
		}
		return checks
	}
	for range n {
		c := deed.Check{Match: w.match(1 + w.pick(2)), After: w.position()}
		if w.oneIn(2) {
			c.After = w.model.head()
		}
		checks = append(checks, c)
	}
	return checks
}

func (w *walk) match(n int) []deed.Match {
	var items []deed.Match
	for range n {
		var m deed.Match
		for range w.pick(3) {
			m.Types = append(m.Types, walkTypes[w.pick(len(walkTypes))])
		}
		if m.Tags = w.tags(); len(m.Tags) > 2 {
			m.Tags = m.Tags[:2]
		}
		items = append(items, m)
	}
	return items
}

// position is one of the log, seldom behind its end.
func (w *walk) position() deed.Position {
	return deed.Position((w.pick(256)*256 + w.pick(256)) % (len(w.model.records) + 2))
}

// command gives b a new command in a third of all cases.
func (w *walk) command(b deed.Batch) deed.Batch {
	if w.oneIn(3) {
		w.events++
		b.Command = deed.CommandRef{ID: fmt.Sprint("c", w.events), Hash: []string{"h0", "h1", ""}[w.pick(3)]}
		w.asked = append(w.asked, b.Command)
	}
	return b
}

// repeat appends again what was stored before, changed or not, where the contract says what comes of it: writes with Any
// or Exists alone are only known by their command.
func (w *walk) repeat(change func(deed.Batch) deed.Batch) {
	w.Helper()
	if len(w.past) == 0 {
		return
	}
	b := change(w.past[len(w.past)-1-(w.pick(256)%len(w.past))])
	_, known := w.model.outcomes[b.Command.ID]
	if !known && len(b.Writes) > 0 {
		b.Command = deed.CommandRef{}
	}
	explicit := slices.ContainsFunc(b.Writes, func(write deed.Write) bool { return write.Version >= 0 })
	if explicit || known || len(b.Writes) == 0 {
		w.both(b)
	}
}

// spoiled is b with another hash, without its command, with one event more, or with another first event.
func (w *walk) spoiled(b deed.Batch) deed.Batch {
	switch choice := w.pick(4); {
	case choice == 0 && b.Command.ID != "":
		b.Command.Hash += "!"
	case choice < 2:
		b.Command = deed.CommandRef{}
	case len(b.Writes) > 0:
		b.Writes = slices.Clone(b.Writes)
		first := &b.Writes[w.pick(256)%len(b.Writes)]
		first.Events = slices.Clone(first.Events)
		if choice == 2 {
			first.Events = append(first.Events, w.event())
		} else {
			first.Events[0] = w.event()
		}
	}
	return b
}

// query is a read of any shape, now and then a contradictory one.
func (w *walk) query() deed.Query {
	var q deed.Query
	switch w.pick(4) {
	case 0:
		q.Stream = walkStreams[w.pick(len(walkStreams))]
		if w.oneIn(2) {
			q.AfterVersion = deed.Version(w.pick(6))
		}
	case 1:
		q.Category = walkCategories[w.pick(len(walkCategories))]
	}
	q.Match = w.match(max(0, w.pick(5)-2))
	if w.oneIn(2) {
		q.After = w.position()
	}
	if w.oneIn(3) {
		q.Before = w.position()
	}
	q.Backward = w.oneIn(2)
	q.Limit = []int{0, 0, 0, 1, 2, 7, 999, 1000}[w.pick(8)]
	if w.oneIn(32) {
		q.AfterVersion, q.Category = 1, "order"
	}
	return q
}

// rare are the steps that need not be frequent.
func (w *walk) rare() {
	w.Helper()
	switch w.pick(4) {
	case 0:
		w.note("%d open again", len(w.steps)+1)
		w.reopen()
		w.same(deed.Query{})
	case 1:
		d := time.Duration(w.pick(256)) * time.Minute
		w.note("%d the clock moves by %v", len(w.steps)+1, d)
		w.clock.move(d)
	case 2:
		t := w.clock.Now().Add(-time.Duration(w.pick(256)) * time.Minute)
		w.note("%d forget before %v", len(w.steps)+1, t)
		w.model.forget(t, func(string) bool { return false })
		w.forget(t)
	case 3:
		b := w.appendOf()
		b.Writes[0].Events[0].Type = "Opened"
		w.both(b)
	}
}
