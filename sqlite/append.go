package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/internal/engine"
)

// Append stores b, all of it or nothing, and returns where it went. It returns only after the flush. See deed.Store.
func (db *DB) Append(ctx context.Context, b deed.Batch) (deed.Receipt, error) {
	if err := b.Validate(db.limits); err != nil {
		return deed.Receipt{}, err
	}
	t := &appendTask{l: db.ledger}
	t.Take(b)
	if err := db.submit(ctx, t, t.Size); err != nil {
		return deed.Receipt{}, err
	}
	return t.Receipt, nil
}

// appendTask is a batch on its way to the log.
type appendTask struct {
	engine.Append
	l *logLedger
}

// apply evaluates the batch against the store and the batches before it in the group, in the contract's order: command,
// event ids, versions, checks. Then it stores it.
func (t *appendTask) apply(c *conn) (refusal, failure error) {
	t.Receipt = deed.Receipt{}
	if len(t.l.inline.views) > 0 {
		if refusal, failure := t.l.unknownInline(c); refusal != nil || failure != nil {
			return refusal, failure
		}
	}
	if t.Command.ID != "" {
		known, err := t.known(c)
		if err != nil || known {
			return refusalOf(err)
		}
	}
	if t.creates() {
		if err := t.store(c, true); !errors.Is(err, errThere) {
			return nil, err
		}
		t.Receipt = deed.Receipt{}
	}
	conflict, err := t.versions(c)
	if err != nil {
		return fail(err)
	}
	if conflict != nil {
		again, err := t.Stands(func(w *deed.Write, events []deed.Record) (deed.Position, error) { return standing(c, w, events) })
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
	return len(t.Writes) == 1 && t.Writes[0].Version == 0 && len(t.Checks) == 0 && !t.l.remembers(t.Writes[0].Stream)
}

// known looks the command up. It returns true with the first receipt in place.
func (t *appendTask) known(c *conn) (bool, error) {
	receipt, found, err := outcome(c, t.Command)
	if err != nil || !found {
		return false, err
	}
	t.Receipt = receipt
	return true, nil
}

// versions returns the first write whose stream does not have the version it expects.
func (t *appendTask) versions(c *conn) (*deed.ConflictError, error) {
	for _, w := range t.Writes {
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

// standing returns the position of the last of the events if they all stand behind the version that w expects; else 0.
func standing(c *conn, w *deed.Write, events []deed.Record) (deed.Position, error) {
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
	if len(t.Writes) == 0 {
		if err := t.checked(c); err != nil {
			return err
		}
	} else if err := t.insert(c, creates); err != nil {
		return err
	}
	if t.Command.ID == "" {
		return nil
	}
	return insertCommand(c, t.Command, t.Receipt, t.l.now)
}

// checked makes the receipt of a batch that writes nothing.
func (t *appendTask) checked(c *conn) error {
	for _, check := range t.Checks {
		t.Receipt.Position = max(t.Receipt.Position, check.After)
		if check.Stream == "" {
			continue
		}
		h, err := t.l.streamHead(c, check.Stream)
		if err != nil {
			return err
		}
		t.Receipt.Position = max(t.Receipt.Position, h.position)
		t.Receipt.Streams = append(t.Receipt.Streams, deed.StreamVersion{Stream: check.Stream, Version: h.version})
	}
	return nil
}

func (t *appendTask) insert(c *conn, creates bool) error {
	l := t.l
	recorded := timeOf(l.now)
	rest := t.Records
	t.Receipt.Streams = make([]deed.StreamVersion, len(t.Writes))
	for i, w := range t.Writes {
		var h streamHead
		if !creates {
			var err error
			if h, err = l.streamHead(c, w.Stream); err != nil {
				return err
			}
		}
		for j := range rest[:t.Counts[i]] {
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
		rest = rest[t.Counts[i]:]
		l.setHead(w.Stream, h)
		t.Receipt.Streams[i] = deed.StreamVersion{Stream: w.Stream, Version: h.version}
	}
	t.Receipt.Position = l.head
	l.pending = append(l.pending, t.Records...)
	return nil
}

// refusalOf tells a refusal, which is one of deed's errors, from a statement's failure.
func refusalOf(err error) (refusal, failure error) {
	if isRefusal(err) {
		return err, nil
	}
	return nil, err
}
