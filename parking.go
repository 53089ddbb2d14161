package deed

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"
)

// defaultMaxParked is how many keys of a part are parked before it stops.
const defaultMaxParked = 100

// parking is what a part holds back: keys with a record that it could not handle, and what follows of them. It has the step
// under way in it.
type parking struct {
	kind    string // of the part
	part    string
	limit   int // of keys
	now     func() time.Time
	logger  *slog.Logger
	folded  func(position Position) bool // whether a record's effects were made before; nil: there are none
	keys    map[string]bool
	changes []ParkChange
	at      map[string]int // key → its change
}

func (s *Service) parking(kind, part string) parking {
	p := newParking(kind, part, s.logger, s.config.MaxParked)
	p.now = func() time.Time { return s.clock().Now() }
	return p
}

func newParking(kind, part string, logger *slog.Logger, limit int) parking {
	if limit == 0 {
		limit = defaultMaxParked
	}
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return parking{kind: kind, part: part, limit: max(limit, 0), logger: logger, now: SystemClock().Now}
}

// load reads anew what is stored; list gives the parked keys behind a key.
func (p *parking) load(list func(after string, limit int) ([]ParkedKey, error)) error {
	p.keys = map[string]bool{}
	p.forget()
	for after := ""; ; {
		page, err := list(after, maxPage)
		if err != nil {
			return err
		}
		for _, k := range page {
			p.keys[k.Key], after = true, k.Key
		}
		if len(page) < maxPage {
			return nil
		}
	}
}

// forget begins the next step.
func (p *parking) forget() { p.changes, p.at = nil, nil }

func (p *parking) holds(key string) bool { return p.keys[key] }

// full tells whether so many more keys are too many.
func (p *parking) full(more int) bool { return len(p.keys)+more > p.limit }

// park holds a key back from a record on: fault is why, nil if it is held back already.
func (p *parking) park(key string, record Record, fault error) {
	p.parkAs(key, record, fault, p.folded != nil && p.folded(record.Position))
}

// parkAs is park where it is known whether the record's effects were made before.
func (p *parking) parkAs(key string, record Record, fault error, folded bool) {
	r := ParkedRecord{Position: record.Position, Time: p.now(), Folded: folded}
	if fault != nil {
		r.Error = fault.Error()
		p.logger.Error("a record cannot be handled and is parked with what follows of its key",
			"kind", p.kind, "part", p.part, "key", key, "position", record.Position, "stream", record.Stream, "type", record.Type, "error", fault)
	}
	p.keys[key] = true
	c := p.change(key)
	c.Records = append(c.Records, r)
}

// release lets go of a key's records up to a position: of the key too, if nothing is left.
func (p *parking) release(key string, until Position, all bool) {
	p.change(key).Until = until
	if all {
		delete(p.keys, key)
	}
}

func (p *parking) change(key string) *ParkChange {
	if p.at == nil {
		p.at = map[string]int{}
	}
	i, there := p.at[key]
	if !there {
		i = len(p.changes)
		p.at[key] = i
		p.changes = append(p.changes, ParkChange{Key: key})
	}
	return &p.changes[i]
}

// instances are the parked keys that are not those of streams.
func (p *parking) instances() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(p.keys)), isLost)
}

// unmade is the key under which a process whose version was raised keeps what the old version had parked, until it has come
// there: records whose effects were never made. It holds nothing back.
const unmade = "//"

// lost is the key under which the records of a stream are parked whose own keys are not known.
func lost(s StreamID) string { return "/" + string(s) }

func isLost(key string) bool { return key != "" && key[0] == '/' }

// tooMany is what stops a part at a record: one more key would have to be parked.
func (p *parking) tooMany(r Record, fault error) error {
	if p.limit == 0 {
		return &recordError{r, fault}
	}
	return &recordError{r, fmt.Errorf("%w; %d keys are parked already, and it stops there", fault, len(p.keys))}
}

// retrying is how a part handles anew what it has parked.
type retrying struct {
	page   func(ctx context.Context, after Position, limit int) ([]ParkedRecord, error) // what is parked of the key
	record func(ctx context.Context, position Position) (Record, error)
	// again handles a record. It returns as fault why it cannot; nothing has changed then.
	again func(ctx context.Context, record Record, parked ParkedRecord) (fault, err error)
}

// retry does what somebody has said about a key that is held: it handles what is parked of it, but for the record that is to be
// left out, up to the first that fails, which is parked as it is now. After an error nothing in memory is to be trusted.
func (p *parking) retry(ctx context.Context, c control, r retrying) error {
	var done Position
	for {
		page, err := r.page(ctx, done, stepRecords)
		if err != nil {
			return err
		}
		for _, parked := range page {
			if parked.Position != c.skips() {
				record, err := r.record(ctx, parked.Position)
				if err != nil {
					return err
				}
				fault, err := r.again(ctx, record, parked)
				if err != nil {
					return err
				}
				if fault != nil {
					p.release(c.Key, done, false)
					p.parkAs(c.Key, record, fault, parked.Folded)
					return nil
				}
			}
			done = parked.Position
		}
		if len(page) < stepRecords {
			p.release(c.Key, done, true)
			return nil
		}
	}
}

// recordAt reads the record at a position.
func recordAt(ctx context.Context, log Reader, position Position) (Record, error) {
	for r, err := range log.Read(ctx, Query{After: position - 1, Before: position + 1}) {
		return r, err
	}
	return Record{}, fmt.Errorf("the record at position %d: %w", position, ErrNotFound)
}
