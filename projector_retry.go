package deed

import (
	"context"
	"errors"
)

// controlled does what somebody has said about a parked key, at the position of what was said: who follows the view's changes
// sees the row change there.
func (p *projector[V, E]) controlled(ctx context.Context, record Record) error {
	if record.Type == typeRebuilt {
		return p.rebuilt(ctx, record)
	}
	c, err := decodeControl(ctx, p.codec, record)
	if err != nil {
		return err
	}
	if p.holds(c.Key) {
		err := p.retry(ctx, c, retrying{
			page: func(ctx context.Context, after Position, limit int) ([]ParkedRecord, error) {
				return p.tx.ViewParkedRecords(ctx, p.view.ref, c.Key, after, limit)
			},
			record: p.tx.RecordAt,
			again: func(ctx context.Context, parked Record, _ ParkedRecord) (fault, err error) {
				return p.again(ctx, c.Key, parked, record.Position)
			},
		})
		if err != nil {
			return err
		}
	}
	return p.commit(ctx, []Record{record}, record.Position)
}

// rebuilt sees to it that a view does not get past where somebody has said that it is to be made anew, unless that is done: in a
// fleet, who is told may run it no more, and who runs it by now was told before it did.
func (p *projector[V, E]) rebuilt(ctx context.Context, record Record) error {
	if p.projection.Mode.or() == Async {
		anew, err := p.progress.rebuildAt(record.Position, func() error { return p.view.store.DropView(ctx, p.view.ref) })
		if err != nil {
			return err
		}
		if anew {
			return errors.New("the view is made anew")
		}
	}
	return p.commit(ctx, []Record{record}, record.Position)
}

// again folds a parked record into the row that it was parked for, or into all of its rows where those were not known. It
// returns as fault why it cannot; nothing has changed then.
func (p *projector[V, E]) again(ctx context.Context, key string, record Record, at Position) (fault, err error) {
	events, err := p.route(ctx, []Record{record})
	if err != nil {
		return nil, err
	}
	r := events[0]
	if r.fault != nil {
		return r.fault, nil
	}
	if err := p.load(ctx, events); err != nil {
		return nil, err
	}
	keys, fault, err := p.retargets(ctx, key, r)
	if err != nil || fault != nil {
		return fault, err
	}
	next := map[string]V{}
	for _, k := range keys {
		if k != key && p.holds(k) {
			continue
		}
		value, fault, err := p.evolved(k, r.Recorded)
		if err != nil {
			return nil, err
		}
		if fault == nil {
			_, fault = p.change(k, newHeldRow(value, at))
		}
		if fault != nil {
			return fault, nil
		}
		next[k] = value
	}
	for _, k := range keys {
		if value, folded := next[k]; folded {
			p.set(k, value, at)
		} else {
			p.park(k, record, nil)
		}
	}
	return nil, nil
}

// retargets returns the rows that a parked record goes to: the one that it was parked for, if it still does.
func (p *projector[V, E]) retargets(ctx context.Context, key string, r routed[E]) (keys []string, fault, err error) {
	if isLost(key) {
		return p.targets(ctx, r)
	}
	if p.rows[key] == nil {
		p.rows[key] = &heldRow[V]{}
		if err := p.hold(ctx, []string{key}); err != nil {
			return nil, nil, err
		}
	}
	for _, t := range r.targets {
		hit := t.field == "" && t.key == key
		if t.field != "" {
			value, fault := p.view.index.value(t.field, t.value)
			if fault != nil {
				return nil, fault, nil
			}
			row := p.rows[key]
			if err := p.decode(key, row); err != nil {
				return nil, nil, err
			}
			if hit, fault = p.has(row, t.field, value); fault != nil {
				return nil, fault, nil
			}
		}
		if hit {
			return []string{key}, nil, nil
		}
	}
	return nil, nil, nil
}

// inSteps hands on records in stretches, and those alone in which somebody says something about the part.
func inSteps(records []Record, to Position, several func([]Record, Position) error, controlled func(Record) error) error {
	from := 0
	for i, r := range records {
		if !isControl(r) && r.Type != typeRebuilt {
			continue
		}
		if from < i {
			if err := several(records[from:i], records[i-1].Position); err != nil {
				return err
			}
		}
		if err := controlled(r); err != nil {
			return err
		}
		from = i + 1
	}
	return several(records[from:], to)
}
