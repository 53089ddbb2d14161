package deed

import (
	"context"
	"fmt"
	"sync"
)

// join makes the service a node of the fleets that it shares stores with. The function returned leaves them.
func (s *Service) join(ctx context.Context) (leave func()) {
	if len(s.fleets) == 0 {
		return func() {}
	}
	ctx = context.WithoutCancel(ctx) // what stands under a lease keeps it until it has ended
	beating, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	for _, f := range s.fleets {
		f.start()
		running.Go(func() { f.run(beating) })
	}
	running.Go(func() { s.heed(beating) })
	return func() {
		stop()
		running.Wait()
		for _, f := range s.fleets {
			f.leave(ctx)
		}
	}
}

// keepUp keeps a loop going; in a fleet, whenever this node has its lease.
func (s *Service) keepUp(ctx context.Context, l loop) error {
	run := func(ctx context.Context, lease Lease) error {
		l.progress.lease = lease
		if l.effects != "" {
			s.executor.add(l.effects)
			defer s.executor.drop(l.effects)
		}
		return l.progress.keep(ctx, l.run)
	}
	if l.fleet == nil {
		return run(ctx, Lease{})
	}
	return l.fleet.under(ctx, l.lease, func(ctx context.Context, lease Lease) error {
		l.progress.isHere(true)
		defer l.progress.isHere(false)
		return run(ctx, lease)
	})
}

// leaseOf is the lease that a version of a part, or of a partition of it, stands under.
func leaseOf(stored string, version int) string { return fmt.Sprintf("%s@%d", stored, version) }

// heed has the loops do what other nodes were told about them, until ctx is done.
func (s *Service) heed(ctx context.Context) {
	for attempt := 0; s.engine != nil && ctx.Err() == nil; attempt++ {
		err := guard(func() error { return s.hearOthers(ctx) })
		if ctx.Err() == nil {
			s.logger.Warn("could not follow what is said about parts, and will try again", "attempt", attempt+1, "error", err)
			_ = pause(ctx, jittered(attempt, firstRetry, lastRetry))
		}
	}
}

func (s *Service) hearOthers(ctx context.Context) error {
	head, err := s.engine.Head(ctx)
	if err != nil {
		return err
	}
	if err := s.readPauses(ctx); err != nil { // up to the head, at least
		return err
	}
	said := Match{Types: []string{typePaused, typeResumed, typeRebuilt}}
	for r, err := range s.engine.Read(ctx, Query{Match: []Match{said}, After: head, Follow: true}) {
		if err != nil {
			return err
		}
		c, err := decodeControl(ctx, s.codec(), r)
		if err != nil {
			return err
		}
		if r.Type != typeRebuilt {
			for _, p := range s.progresses(c.Part) {
				p.pause(r.Type == typePaused, r.Position)
			}
		} else if err := s.makeAnew(ctx, c.Part, r.Position, false); err != nil {
			return err
		}
	}
	return nil
}

// locate finds out how far those parts are that other nodes run.
func (s *Service) locate(ctx context.Context) error {
	for _, l := range s.loops {
		s.board.mu.Lock()
		away := l.progress.away
		s.board.mu.Unlock()
		if !away || l.stored == nil {
			continue
		}
		position, parked, err := l.stored(ctx)
		if err != nil {
			return err
		}
		s.board.update(func() {
			if l.progress.away {
				l.progress.position, l.progress.parked = position, parked
			}
		})
	}
	return nil
}

// holders says of each part that other nodes run which of them does.
func (s *Service) holders() {
	holders := map[*progress]string{}
	for _, l := range s.loops {
		if l.fleet != nil {
			holders[l.progress] = l.fleet.holder(l.lease)
		}
	}
	s.board.mu.Lock()
	defer s.board.mu.Unlock()
	for p, holder := range holders {
		p.node = holder
	}
}
