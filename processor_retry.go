package deed

import (
	"context"
	"maps"
	"slices"
)

// controlled does what somebody has said about a parked key, or about an effect that is held back.
func (p *processor[S, E]) controlled(ctx context.Context, record Record) error {
	c, err := decodeControl(ctx, p.codec, record)
	if err != nil {
		return err
	}
	t := transition{changed: map[string]Position{}}
	if p.holds(c.Key) {
		err := p.retry(ctx, c, retrying{
			page: func(ctx context.Context, after Position, limit int) ([]ParkedRecord, error) {
				return p.store.PartParkedRecords(ctx, p.name, c.Key, after, limit)
			},
			record: func(ctx context.Context, position Position) (Record, error) { return recordAt(ctx, p.log, position) },
			again: func(ctx context.Context, parked Record, was ParkedRecord) (fault, err error) {
				return p.again(ctx, &t, c.Key, parked, record.Position, !was.Folded)
			},
		})
		if err != nil {
			return err
		}
	}
	if err := p.executor.controlled(ctx, p.name, c); err != nil {
		return err
	}
	return p.commit(ctx, t, []Record{record}, record.Position)
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
		p.parkAs(in.key, record, nil, !makes)
		return nil, nil
	}
	if err := p.load(ctx, instances); err != nil {
		return nil, err
	}
	next, effects, fault := p.next(in, makes)
	if fault == nil {
		_, fault = stateChange(in.key, next, at)
	}
	if fault == nil {
		*p.states[in.key] = next
		t.add(in.key, at, effects)
	}
	return fault, nil
}

// inherit takes over what an older version had parked and this one, folding anew, has not come to. Whose the records are in this
// version, it will see; that their effects were never made is kept until then.
func (p *processor[S, E]) inherit(ctx context.Context) error {
	var old []ParkedRecord
	for _, key := range slices.Sorted(maps.Keys(p.keys)) {
		for after, more := p.stored.Position, true; more; { // what this version has parked itself is not behind its mark
			page, err := p.store.PartParkedRecords(ctx, p.name, key, after, stepRecords)
			if err != nil {
				return err
			}
			for _, r := range page {
				after = r.Position
				if !r.Folded {
					p.unmade[r.Position] = true
					old = append(old, r)
				}
			}
			if more = len(page) == stepRecords; after > p.stored.Position && key != unmade {
				p.release(key, after, true)
			}
		}
	}
	if len(p.changes) == 0 {
		return nil
	}
	kept := p.change(unmade)
	kept.Records = old
	c := PartCommit{
		Part: p.name, Version: p.process.version(), Lease: p.progress.lease, From: p.stored.Position, Checkpoint: p.stored, Parked: p.changes,
	}
	p.forget()
	return p.store.CommitPart(ctx, c)
}
