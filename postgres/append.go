package postgres

import (
	"context"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/internal/engine"
)

// Append stores b, all of it or nothing, and returns where it went. It returns only after the flush. See deed.Store.
func (db *DB) Append(ctx context.Context, b deed.Batch) (deed.Receipt, error) {
	if err := b.Validate(db.limits); err != nil {
		return deed.Receipt{}, err
	}
	t := &appendTask{}
	t.Take(b)
	if err := db.write(ctx, t, t.Size); err != nil {
		return deed.Receipt{}, err
	}
	return t.Receipt, nil
}

// appendTask is a batch on its way to the log.
type appendTask struct{ engine.Append }

// shares tells whether nothing else has to stand still: the unique versions of a stream protect it, and nothing protects a check.
func (t *appendTask) shares() bool { return len(t.Checks) == 0 }

// ask says what has to be looked up: where the streams end, the command, and what the checks are about.
func (t *appendTask) ask(a *asked) {
	for i := range t.Writes {
		a.stream(t.Writes[i].Stream, t.Writes[i].Version == 0)
	}
	for i := range t.Checks {
		if check := &t.Checks[i]; check.Stream != "" {
			a.stream(check.Stream, false)
		} else {
			a.check(check)
		}
	}
	if t.Command.ID != "" {
		a.commands = append(a.commands, t.Command.ID)
	}
	a.events += len(t.Records)
}

// apply evaluates the batch against the store and the batches before it in the group, in the contract's order: command,
// event ids, versions, checks. Then it is to be stored.
func (t *appendTask) apply(ctx context.Context, g *group) (refusal, failure error) {
	t.Receipt = deed.Receipt{}
	if refusal := g.unknownInline(); refusal != nil {
		return refusal, nil
	}
	if t.Command.ID != "" {
		if known, there := g.outcomes[t.Command.ID]; there {
			t.Receipt, refusal = known.answer(t.Command)
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
	if len(t.Writes) == 0 {
		t.checked(g)
	} else {
		t.place(g)
	}
	if t.Command.ID != "" {
		g.keep(t.Command, t.Receipt)
	}
	return nil, nil
}

// conflict returns the first write whose stream does not have the version it expects, or nil.
func (t *appendTask) conflict(g *group) error {
	for i := range t.Writes {
		w := &t.Writes[i]
		if actual := g.l.streamHead(w.Stream).version; !w.Version.Holds(actual) {
			return &deed.ConflictError{Stream: w.Stream, Want: w.Version, Actual: actual}
		}
	}
	return nil
}

// stands tells whether all of it stands already where it would be put.
func (t *appendTask) stands(ctx context.Context, g *group) (bool, error) {
	stands, err := t.Stands(func(w *deed.Write, events []deed.Record) (deed.Position, error) { return g.standing(ctx, w, events) })
	g.repeats = g.repeats || stands
	return stands, err
}

// broken returns the first check that does not hold, as the log is before the batch, or nil.
func (t *appendTask) broken(g *group) error {
	for i := range t.Checks {
		check := &t.Checks[i]
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
	for i := range t.Checks {
		check := &t.Checks[i]
		t.Receipt.Position = max(t.Receipt.Position, check.After)
		if check.Stream == "" {
			continue
		}
		h := g.l.streamHead(check.Stream)
		t.Receipt.Position = max(t.Receipt.Position, h.position)
		t.Receipt.Streams = append(t.Receipt.Streams, deed.StreamVersion{Stream: check.Stream, Version: h.version})
	}
}

// place gives the events their places and makes the receipt.
func (t *appendTask) place(g *group) {
	l, recorded := g.l, timeOf(g.now)
	rest := t.Records
	t.Receipt.Streams = make([]deed.StreamVersion, len(t.Writes))
	for i := range t.Writes {
		stream := t.Writes[i].Stream
		h := l.streamHead(stream)
		for j := range rest[:t.Counts[i]] {
			r := &rest[j]
			h.version++
			l.head = g.next()
			h.position = l.head
			r.Version, r.Position, r.Time = h.version, l.head, recorded
		}
		rest = rest[t.Counts[i]:]
		g.setHead(stream, h)
		t.Receipt.Streams[i] = deed.StreamVersion{Stream: stream, Version: h.version}
	}
	t.Receipt.Position = l.head
	g.records = append(g.records, t.Records...)
}
