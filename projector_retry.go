package deed

import "context"

// controlled does what somebody has said about a parked key, at the position of what was said: who follows the view's changes
// sees the row change there.
func (p *projector[V, E]) controlled(ctx context.Context, record Record) error {
	c, err := decodeControl(ctx, p.codec, record)
	if err != nil {
		return err
	}
	if p.holds(c.Key) {
		if err := p.retry(ctx, c, record.Position); err != nil {
			return err
		}
	}
	return p.commit(ctx, []Record{record}, record.Position)
}

// retry folds what is parked of a key, up to the first record that fails, which is parked as it is now.
func (p *projector[V, E]) retry(ctx context.Context, c control, at Position) error {
	var done Position
	var failed error
	page := func(ctx context.Context, after Position, limit int) ([]ParkedRecord, error) {
		return p.tx.ViewParkedRecords(ctx, p.view.ref, c.Key, after, limit)
	}
	err := parkedRecords(ctx, page, func(parked ParkedRecord) (bool, error) {
		if parked.Position != c.skips() {
			record, err := p.tx.RecordAt(ctx, parked.Position)
			if err != nil {
				return false, err
			}
			if failed, err = p.again(ctx, c.Key, record, at); err != nil || failed != nil {
				p.release(c.Key, done, false)
				p.park(c.Key, record, failed)
				return false, err
			}
		}
		done = parked.Position
		return true, nil
	})
	if err == nil && failed == nil {
		p.release(c.Key, done, true)
	}
	return err
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
	before := map[string]heldRow[V]{}
	for _, k := range keys {
		if k != key && p.holds(k) {
			p.park(k, record, nil)
			continue
		}
		next, fault, err := p.evolved(k, r.Recorded)
		if err != nil {
			return nil, err
		}
		row := p.rows[k]
		before[k] = *row
		if fault == nil {
			p.set(k, next, at)
			_, fault = p.change(k)
		}
		if fault != nil {
			for k, row := range before {
				*p.rows[k] = row
			}
			return fault, nil
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
			if row.data != nil {
				if row.value, err = decodeRow[V](p.view.ref.Name, Row{Key: key, Data: row.data}); err != nil {
					return nil, nil, err
				}
				row.data = nil
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
		if !isControl(r) {
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
