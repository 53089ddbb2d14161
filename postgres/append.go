package postgres

import (
	"context"
	"slices"

	"github.com/deed-es/deed"
)

// Append stores b, all of it or nothing, and returns where it went. It returns only after the flush. See deed.Store.
func (db *DB) Append(ctx context.Context, b deed.Batch) (deed.Receipt, error) {
	if err := b.Validate(db.limits); err != nil {
		return deed.Receipt{}, err
	}
	t := newAppend(b)
	if err := db.write(ctx, t, t.size); err != nil {
		return deed.Receipt{}, err
	}
	return t.receipt, nil
}

// appendTask is a batch on its way to the log. It owns its bytes: a caller may stop waiting and use its own again.
type appendTask struct {
	writes  []deed.Write  // without their events
	counts  []int         // how many events each write has
	records []deed.Record // of all writes, in order; place and time are given by the writer
	checks  []deed.Check
	command deed.CommandRef
	size    int
	receipt deed.Receipt

	oneWrite [1]deed.Write
	oneCount [1]int
}

func newAppend(b deed.Batch) *appendTask {
	t := &appendTask{checks: cloneChecks(b.Checks), command: b.Command}
	t.writes, t.counts = t.oneWrite[:0], t.oneCount[:0]
	events := 0
	for _, w := range b.Writes {
		events += len(w.Events)
	}
	bytes := 0
	t.records = make([]deed.Record, 0, events)
	for _, w := range b.Writes {
		t.writes = append(t.writes, deed.Write{Stream: w.Stream, Version: w.Version})
		t.counts = append(t.counts, len(w.Events))
		for i := range w.Events {
			r := deed.Record{NewEvent: w.Events[i], Stream: w.Stream}
			if r.Schema == 0 {
				r.Schema = 1
			}
			if r.ContentType == "" {
				r.ContentType = "application/json"
			}
			bytes += len(r.Data) + len(r.Metadata)
			t.size += r.Size()
			t.records = append(t.records, r)
		}
	}
	own(t.records, bytes)
	return t
}

// own gives the records bytes of their own, cut from one piece.
func own(records []deed.Record, bytes int) {
	piece := make([]byte, 0, bytes)
	cut := func(b []byte) []byte {
		if len(b) == 0 {
			return nil
		}
		from := len(piece)
		piece = append(piece, b...)
		return piece[from:len(piece):len(piece)]
	}
	for i := range records {
		r := &records[i]
		r.Data, r.Metadata = cut(r.Data), cut(r.Metadata)
		if len(r.Tags) == 0 {
			r.Tags = nil
			continue
		}
		r.Tags = slices.Clone(r.Tags)
	}
}

func cloneChecks(checks []deed.Check) []deed.Check {
	if len(checks) == 0 {
		return nil
	}
	own := slices.Clone(checks)
	for i := range own {
		own[i].Match = cloneMatch(own[i].Match)
	}
	return own
}

func cloneMatch(items []deed.Match) []deed.Match {
	own := slices.Clone(items)
	for i := range own {
		own[i].Types, own[i].Tags = slices.Clone(own[i].Types), slices.Clone(own[i].Tags)
	}
	return own
}

// shares tells whether nothing else has to stand still: the unique versions of a stream protect it, and nothing protects a check.
func (t *appendTask) shares() bool { return len(t.checks) == 0 }

// ask says what has to be looked up: where the streams end, the command, and what the checks are about.
func (t *appendTask) ask(a *asked) {
	for i := range t.writes {
		a.stream(t.writes[i].Stream, t.writes[i].Version == 0)
	}
	for i := range t.checks {
		if check := &t.checks[i]; check.Stream != "" {
			a.stream(check.Stream, false)
		} else {
			a.check(check)
		}
	}
	if t.command.ID != "" {
		a.commands = append(a.commands, t.command.ID)
	}
	a.events += len(t.records)
}

// apply evaluates the batch against the store and the batches before it in the group, in the contract's order: command,
// event ids, versions, checks. Then it is to be stored.
func (t *appendTask) apply(ctx context.Context, g *group) (refusal, failure error) {
	t.receipt = deed.Receipt{}
	if refusal := g.unknownInline(); refusal != nil {
		return refusal, nil
	}
	if t.command.ID != "" {
		if known, there := g.outcomes[t.command.ID]; there {
			t.receipt, refusal = known.answer(t.command)
			g.repeats = true
			return refusal, nil
		}
	}
	if conflict := t.conflict(g); conflict != nil {
		if g.guess {
			return nil, errGuess
		}
		again, err := t.stands(ctx, g)
		if err != nil || again {
			return nil, err
		}
		return conflict, nil
	}
	if broken := t.broken(g); broken != nil {
		return broken, nil
	}
	if len(t.writes) == 0 {
		t.checked(g)
	} else {
		t.place(g)
	}
	if t.command.ID != "" {
		g.keep(t.command, t.receipt)
	}
	return nil, nil
}

// conflict returns the first write whose stream does not have the version it expects, or nil.
func (t *appendTask) conflict(g *group) error {
	for i := range t.writes {
		w := &t.writes[i]
		if actual := g.l.streamHead(w.Stream).version; !w.Version.Holds(actual) {
			return &deed.ConflictError{Stream: w.Stream, Want: w.Version, Actual: actual}
		}
	}
	return nil
}

// stands tells whether all events stand already where this append would put them, each under its id. Then the first
// receipt is in place. An append with Any or Exists never does.
func (t *appendTask) stands(ctx context.Context, g *group) (bool, error) {
	first := deed.Receipt{Again: true, Streams: make([]deed.StreamVersion, 0, len(t.writes))}
	rest := t.records
	for i := range t.writes {
		w := &t.writes[i]
		if w.Version < 0 {
			return false, nil
		}
		events := rest[:t.counts[i]]
		rest = rest[t.counts[i]:]
		position, err := g.standing(ctx, w, events)
		if err != nil || position == 0 {
			return false, err
		}
		first.Position = max(first.Position, position)
		first.Streams = append(first.Streams, deed.StreamVersion{Stream: w.Stream, Version: w.Version + deed.Version(len(events))})
	}
	t.receipt = first
	g.repeats = true
	return true, nil
}

// broken returns the first check that does not hold, as the log is before the batch, or nil.
func (t *appendTask) broken(g *group) error {
	for i := range t.checks {
		check := &t.checks[i]
		if check.Stream != "" {
			if h := g.l.streamHead(check.Stream); !check.Version.Holds(h.version) {
				return &deed.CheckError{Check: *check, Actual: h.version, Position: h.position}
			}
			continue
		}
		if position := g.firstMatch(check); position != 0 {
			return &deed.CheckError{Check: *check, Position: position}
		}
	}
	return nil
}

// checked makes the receipt of a batch that writes nothing.
func (t *appendTask) checked(g *group) {
	for i := range t.checks {
		check := &t.checks[i]
		t.receipt.Position = max(t.receipt.Position, check.After)
		if check.Stream == "" {
			continue
		}
		h := g.l.streamHead(check.Stream)
		t.receipt.Position = max(t.receipt.Position, h.position)
		t.receipt.Streams = append(t.receipt.Streams, deed.StreamVersion{Stream: check.Stream, Version: h.version})
	}
}

// place gives the events their places and makes the receipt.
func (t *appendTask) place(g *group) {
	l, recorded := g.l, timeOf(g.now)
	rest := t.records
	t.receipt.Streams = make([]deed.StreamVersion, len(t.writes))
	for i := range t.writes {
		stream := t.writes[i].Stream
		h := l.streamHead(stream)
		for j := range rest[:t.counts[i]] {
			r := &rest[j]
			h.version++
			l.head = g.next()
			h.position = l.head
			r.Version, r.Position, r.Time = h.version, l.head, recorded
		}
		rest = rest[t.counts[i]:]
		g.setHead(stream, h)
		t.receipt.Streams[i] = deed.StreamVersion{Stream: stream, Version: h.version}
	}
	t.receipt.Position = l.head
	g.records = append(g.records, t.records...)
}
