package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/deed-es/deed"
)

// Append stores b, all of it or nothing, and returns where it went. It returns only after the flush. See deed.Store.
func (db *DB) Append(ctx context.Context, b deed.Batch) (deed.Receipt, error) {
	if err := b.Validate(db.limits); err != nil {
		return deed.Receipt{}, err
	}
	t := newAppend(db.ledger, b)
	if err := db.submit(ctx, t, t.size); err != nil {
		return deed.Receipt{}, err
	}
	return t.receipt, nil
}

// appendTask is a batch on its way to the log. It owns its bytes: a caller may stop waiting and use its own again.
type appendTask struct {
	l       *logLedger
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

func newAppend(l *logLedger, b deed.Batch) *appendTask {
	t := &appendTask{l: l, checks: cloneChecks(b.Checks), command: b.Command}
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

// apply evaluates the batch against the store and the batches before it in the group, in the contract's order: command,
// event ids, versions, checks. Then it stores it.
func (t *appendTask) apply(c *conn) (refusal, failure error) {
	t.receipt = deed.Receipt{}
	if len(t.l.inline.views) > 0 {
		if refusal, failure := t.l.unknownInline(c); refusal != nil || failure != nil {
			return refusal, failure
		}
	}
	if t.command.ID != "" {
		known, err := t.known(c)
		if err != nil || known {
			return refusalOf(err)
		}
	}
	if t.creates() {
		if err := t.store(c, true); !errors.Is(err, errThere) {
			return nil, err
		}
		t.receipt = deed.Receipt{}
	}
	conflict, err := t.versions(c)
	if err != nil {
		return fail(err)
	}
	if conflict != nil {
		again, err := t.stands(c)
		if err != nil || again {
			return nil, err
		}
		return refuse(conflict)
	}
	if broken, err := t.broken(c); err != nil || broken != nil {
		if err != nil {
			return fail(err)
		}
		return refuse(broken)
	}
	if err := t.store(c, false); err != nil {
		return fail(err)
	}
	return nil, nil
}

// errThere is a stream that was to be created and is there.
var errThere = errors.New("the stream is there")

// creates tells whether all that the batch asks is that one stream is not there, of which the writer remembers nothing. Then
// it need not be looked up: storing its first event finds out.
func (t *appendTask) creates() bool {
	return len(t.writes) == 1 && t.writes[0].Version == 0 && len(t.checks) == 0 && !t.l.remembers(t.writes[0].Stream)
}

// known looks the command up. It returns true with the first receipt in place.
func (t *appendTask) known(c *conn) (bool, error) {
	receipt, found, err := outcome(c, t.command)
	if err != nil || !found {
		return false, err
	}
	t.receipt = receipt
	return true, nil
}

// versions returns the first write whose stream does not have the version it expects.
func (t *appendTask) versions(c *conn) (*deed.ConflictError, error) {
	for _, w := range t.writes {
		if w.Version == deed.Any {
			continue
		}
		h, err := t.l.streamHead(c, w.Stream)
		if err != nil {
			return nil, err
		}
		if !w.Version.Holds(h.version) {
			return &deed.ConflictError{Stream: w.Stream, Want: w.Version, Actual: h.version}, nil
		}
	}
	return nil, nil
}

// stands tells whether all events stand already where this append would put them, each under its id. Then the first
// receipt is in place. An append with Any or Exists never does.
func (t *appendTask) stands(c *conn) (bool, error) {
	first := deed.Receipt{Again: true, Streams: make([]deed.StreamVersion, 0, len(t.writes))}
	rest := t.records
	for i, w := range t.writes {
		if w.Version < 0 {
			return false, nil
		}
		events := rest[:t.counts[i]]
		rest = rest[t.counts[i]:]
		position, err := standing(c, w, events)
		if err != nil || position == 0 {
			return false, err
		}
		first.Position = max(first.Position, position)
		first.Streams = append(first.Streams, deed.StreamVersion{Stream: w.Stream, Version: w.Version + deed.Version(len(events))})
	}
	t.receipt = first
	return true, nil
}

// standing returns the position of the last of the events if they all stand behind the version that w expects; else 0.
func standing(c *conn, w deed.Write, events []deed.Record) (deed.Position, error) {
	q := c.query("SELECT id, position FROM events WHERE stream = ? AND version > ? ORDER BY version LIMIT ?")
	q.text(string(w.Stream))
	q.int(int64(w.Version))
	q.int(int64(len(events)))
	found := 0
	var position deed.Position
	for q.step() && string(q.s.ColumnRawText(0)) == events[found].ID {
		position = deed.Position(q.s.ColumnInt64(1))
		found++
	}
	if err := q.end(); err != nil || found < len(events) {
		return 0, err
	}
	return position, nil
}

// store gives the events their places, writes them, and makes the receipt. Of a stream that it creates it finds out whether it
// is there: errThere, and nothing is stored.
func (t *appendTask) store(c *conn, creates bool) error {
	if len(t.writes) == 0 {
		if err := t.checked(c); err != nil {
			return err
		}
	} else if err := t.insert(c, creates); err != nil {
		return err
	}
	if t.command.ID == "" {
		return nil
	}
	return insertCommand(c, t.command, t.receipt, t.l.now)
}

// checked makes the receipt of a batch that writes nothing.
func (t *appendTask) checked(c *conn) error {
	for _, check := range t.checks {
		t.receipt.Position = max(t.receipt.Position, check.After)
		if check.Stream == "" {
			continue
		}
		h, err := t.l.streamHead(c, check.Stream)
		if err != nil {
			return err
		}
		t.receipt.Position = max(t.receipt.Position, h.position)
		t.receipt.Streams = append(t.receipt.Streams, deed.StreamVersion{Stream: check.Stream, Version: h.version})
	}
	return nil
}

func (t *appendTask) insert(c *conn, creates bool) error {
	l := t.l
	recorded := timeOf(l.now)
	rest := t.records
	t.receipt.Streams = make([]deed.StreamVersion, len(t.writes))
	for i, w := range t.writes {
		var h streamHead
		if !creates {
			var err error
			if h, err = l.streamHead(c, w.Stream); err != nil {
				return err
			}
		}
		for j := range rest[:t.counts[i]] {
			r := &rest[j]
			h.version++
			l.head++
			h.position = l.head
			r.Version, r.Position, r.Time = h.version, l.head, recorded
			if inserted, err := l.insertEvent(c, r); err != nil {
				return err
			} else if !inserted {
				l.head--
				return fmt.Errorf("%w: %s at version %d", errThere, w.Stream, h.version)
			}
		}
		rest = rest[t.counts[i]:]
		l.setHead(w.Stream, h)
		t.receipt.Streams[i] = deed.StreamVersion{Stream: w.Stream, Version: h.version}
	}
	t.receipt.Position = l.head
	l.pending = append(l.pending, t.records...)
	return nil
}

// refusalOf tells a refusal, which is one of deed's errors, from a statement's failure.
func refusalOf(err error) (refusal, failure error) {
	if isRefusal(err) {
		return err, nil
	}
	return nil, err
}
