package storetest

import (
	"slices"
	"time"

	"github.com/deed-es/deed"
)

// A model is the contract of Append and Read in the plainest code: one goroutine, slices and loops. Its positions are
// dense. The suite walks beside it, and its own tests run an engine made of it.
type model struct {
	clock    deed.Clock
	limits   deed.Limits
	records  []deed.Record
	streams  map[deed.StreamID][]int // where its events are in records
	outcomes map[string]outcome
}

type outcome struct {
	hash    string
	receipt deed.Receipt
	time    time.Time
}

func newModel(clock deed.Clock, limits deed.Limits) *model {
	return &model{clock: clock, limits: limits, streams: map[deed.StreamID][]int{}, outcomes: map[string]outcome{}}
}

func (m *model) head() deed.Position { return deed.Position(len(m.records)) }

// append is Store.Append: validity, the command, ids, versions, checks, in this order.
func (m *model) append(b deed.Batch) (deed.Receipt, error) {
	if err := b.Validate(m.limits); err != nil {
		return deed.Receipt{}, err
	}
	if receipt, known, err := m.outcome(b.Command); known || err != nil {
		return receipt, err
	}
	if receipt, stands := m.standing(b); stands {
		return receipt, nil
	}
	if err := m.admit(b); err != nil {
		return deed.Receipt{}, err
	}
	receipt := m.store(b)
	if b.Command.ID != "" {
		m.outcomes[b.Command.ID] = outcome{b.Command.Hash, receipt, m.clock.Now()}
	}
	return receipt, nil
}

// outcome is Engine.Outcome.
func (m *model) outcome(ref deed.CommandRef) (deed.Receipt, bool, error) {
	known, found := m.outcomes[ref.ID]
	switch {
	case ref.ID == "" || !found:
		return deed.Receipt{}, false, nil
	case known.hash != ref.Hash:
		return deed.Receipt{}, false, deed.ErrReused
	}
	receipt := known.receipt
	receipt.Streams = slices.Clone(receipt.Streams)
	receipt.Again = true
	return receipt, true, nil
}

// forget is Engine.Forget, but for the outcomes that keep says to keep.
func (m *model) forget(t time.Time, keep func(id string) bool) {
	for id, o := range m.outcomes {
		if o.time.Before(t) && !keep(id) {
			delete(m.outcomes, id)
		}
	}
}

// standing tells whether all events of b stand where b would put them, and what its first receipt was.
func (m *model) standing(b deed.Batch) (deed.Receipt, bool) {
	if len(b.Writes) == 0 {
		return deed.Receipt{}, false
	}
	receipt := deed.Receipt{Again: true}
	for _, w := range b.Writes {
		if w.Version < 0 {
			return deed.Receipt{}, false
		}
		stream := m.streams[w.Stream]
		end := int(w.Version) + len(w.Events)
		if end > len(stream) {
			return deed.Receipt{}, false
		}
		for i := range w.Events {
			if m.records[stream[int(w.Version)+i]].ID != w.Events[i].ID {
				return deed.Receipt{}, false
			}
		}
		receipt.Position = max(receipt.Position, m.records[stream[end-1]].Position)
		receipt.Streams = append(receipt.Streams, deed.StreamVersion{Stream: w.Stream, Version: deed.Version(end)})
	}
	return receipt, true
}

// admit looks at versions, then checks.
func (m *model) admit(b deed.Batch) error {
	for _, w := range b.Writes {
		if err := m.conflict(w.Stream, w.Version); err != nil {
			return err
		}
	}
	for _, c := range b.Checks {
		if c.Stream != "" {
			if err := m.conflict(c.Stream, c.Version); err != nil {
				return &deed.CheckError{Check: c, Actual: err.Actual}
			}
			continue
		}
		for _, r := range m.records[min(int(c.After), len(m.records)):] {
			if deed.MatchAny(c.Match, r.Type, r.Tags) {
				return &deed.CheckError{Check: c, Position: r.Position}
			}
		}
	}
	return nil
}

func (m *model) conflict(stream deed.StreamID, want deed.Version) *deed.ConflictError {
	actual := m.version(stream)
	if want == deed.Any || want == deed.Exists && actual > 0 || want == actual {
		return nil
	}
	return &deed.ConflictError{Stream: stream, Want: want, Actual: actual}
}

func (m *model) store(b deed.Batch) deed.Receipt {
	var receipt deed.Receipt
	now := m.now()
	for _, w := range b.Writes {
		version := m.version(w.Stream)
		for _, e := range w.Events {
			version++
			m.streams[w.Stream] = append(m.streams[w.Stream], len(m.records))
			m.records = append(m.records, deed.Record{
				NewEvent: cloned(stored(e)), Stream: w.Stream, Version: version, Position: m.head() + 1, Time: now,
			})
		}
		receipt.Position = m.head()
		receipt.Streams = append(receipt.Streams, deed.StreamVersion{Stream: w.Stream, Version: version})
	}
	if len(b.Writes) > 0 {
		return receipt
	}
	for _, c := range b.Checks {
		receipt.Position = max(receipt.Position, c.After)
		if c.Stream == "" {
			continue
		}
		version := m.version(c.Stream)
		if version > 0 {
			receipt.Position = max(receipt.Position, m.records[m.streams[c.Stream][version-1]].Position)
		}
		receipt.Streams = append(receipt.Streams, deed.StreamVersion{Stream: c.Stream, Version: version})
	}
	return receipt
}

// now is the clock's time to the microsecond, and never before the last record's.
func (m *model) now() time.Time {
	now := m.clock.Now().UTC().Truncate(time.Microsecond)
	if n := len(m.records); n > 0 && m.records[n-1].Time.After(now) {
		return m.records[n-1].Time
	}
	return now
}

func (m *model) version(id deed.StreamID) deed.Version { return deed.Version(len(m.streams[id])) }

// read is Store.Read without following.
func (m *model) read(q deed.Query) ([]deed.Record, error) {
	if err := q.Validate(); err != nil {
		return nil, err
	}
	return selected(m.records, q), nil
}

// selected is what q selects of a log, in q's order.
func selected(log []deed.Record, q deed.Query) []deed.Record {
	records := []deed.Record{}
	for i := range log {
		r := log[i]
		if q.Backward {
			r = log[len(log)-1-i]
		}
		if !q.Selects(r) {
			continue
		}
		r.NewEvent = cloned(r.NewEvent)
		records = append(records, r)
		if len(records) == q.Limit {
			break
		}
	}
	return records
}

func cloned(e deed.NewEvent) deed.NewEvent {
	e.Data, e.Metadata, e.Tags = slices.Clone(e.Data), slices.Clone(e.Metadata), slices.Clone(e.Tags)
	return e
}
