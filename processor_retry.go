package deed

import "context"

// controlled does what somebody has said about a parked key, or about an effect that is held back.
func (p *processor[S, E]) controlled(ctx context.Context, record Record) error {
	c, err := decodeControl(ctx, p.codec, record)
	if err != nil {
		return err
	}
	t := transition{changed: map[string]Position{}}
	if p.holds(c.Key) {
		if err := p.retry(ctx, &t, c, record.Position); err != nil {
			return err
		}
	}
	if err := p.executor.controlled(ctx, p.process.Name, c); err != nil {
		return err
	}
	return p.commit(ctx, t, []Record{record}, record.Position)
}

// retry folds what is parked of a key, up to the first record that fails, which is parked as it is now.
func (p *processor[S, E]) retry(ctx context.Context, t *transition, c control, at Position) error {
	var done Position
	var failed error
	page := func(ctx context.Context, after Position, limit int) ([]ParkedRecord, error) {
		return p.store.PartParkedRecords(ctx, p.process.Name, c.Key, after, limit)
	}
	err := parkedRecords(ctx, page, func(parked ParkedRecord) (bool, error) {
		if parked.Position != c.skips() {
			record, err := recordAt(ctx, p.log, parked.Position)
			if err != nil {
				return false, err
			}
			if failed, err = p.again(ctx, t, c.Key, record, at, !parked.Folded); err != nil || failed != nil {
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

// again folds a parked record into the instance that it was parked for, or into its own where that was not known. It returns as
// fault why it cannot; nothing has changed then.
func (p *processor[S, E]) again(ctx context.Context, t *transition, key string, record Record, at Position, makes bool) (fault, err error) {
	instances, err := p.decode(ctx, []Record{record})
	if err != nil {
		return nil, err
	}
	in := instances[0]
	switch {
	case in.fault != nil:
		return in.fault, nil
	case in.key == "" || in.key != key && !isLost(key): // it is somebody else's by now
		return nil, nil
	case in.key != key && p.holds(in.key):
		p.park(in.key, record, nil)
		return nil, nil
	}
	if err := p.load(ctx, instances); err != nil {
		return nil, err
	}
	before := *p.states[in.key]
	if fault := p.evolve(t, in, at, makes); fault != nil {
		return fault, nil
	}
	if _, fault := stateChange(in.key, *p.states[in.key], at); fault != nil {
		*p.states[in.key] = before
		return fault, nil
	}
	return nil, nil
}
