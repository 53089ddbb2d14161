package deed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// join makes the service a node of the fleets that it shares stores with. The function returned leaves them.
func (s *Service) join(ctx context.Context, fail func(error)) (leave func()) {
	if len(s.fleets) == 0 {
		return func() {}
	}
	working := ctx
	ctx = context.WithoutCancel(ctx) // what stands under a lease keeps it until it has ended
	beating, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	for _, f := range s.fleets {
		f.start()
		running.Go(func() {
			if err := f.run(beating); err != nil {
				fail(err)
			}
		})
	}
	running.Go(func() { s.heed(beating) })
	retired := context.AfterFunc(working, func() {
		for _, f := range s.fleets {
			f.retire()
		}
	})
	return func() {
		retired()
		stop()
		running.Wait()
		for _, f := range s.fleets {
			f.leave(ctx)
		}
	}
}

// keepUp keeps a loop going; in a fleet, whenever this node has its lease.
func (s *Service) keepUp(ctx context.Context, l loop) error {
	if l.fleet == nil {
		return s.keepUnder(ctx, l, Lease{})
	}
	run := l.run
	return l.fleet.under(ctx, l.lease, func(ctx context.Context, lease Lease) error {
		l.run = func(ctx context.Context) error {
			err := run(ctx)
			if errors.Is(err, ErrFenced) {
				l.fleet.fenced(lease)
			}
			return err
		}
		l.progress.isHere(true)
		err := s.keepUnder(ctx, l, lease)
		if err == nil { // also of a task that has done all there is to do: another node would do it again
			<-ctx.Done()
		}
		l.progress.isHere(false)
		return err
	})
}

// keepUnder keeps a loop going, and what it brings about.
func (s *Service) keepUnder(ctx context.Context, l loop, lease Lease) error {
	l.progress.lease = lease
	if l.effects != "" {
		s.executor.add(l.effects)
		defer s.executor.drop(l.effects)
	}
	return l.progress.keep(ctx, l.run)
}

// leaseOf is the lease that a version of a part, or of a partition of it, stands under.
func leaseOf(stored string, version int) string { return fmt.Sprintf("%s@%d", stored, version) }

// hearing is how far a node has done what was said about parts.
type hearing struct {
	heard   Position
	attempt int // since something was heard last
}

// heed has the loops do what other nodes were told about them, until ctx is done. What was said while the log could not be followed, or
// could not be done, is heard later.
func (s *Service) heed(ctx context.Context) {
	if s.engine == nil || len(s.board.loops) == 0 {
		return
	}
	h := hearing{heard: s.heeded()}
	for ctx.Err() == nil {
		err := guard(func() error { return s.hearOthers(ctx, &h) })
		if ctx.Err() == nil {
			s.logger.Warn("could not follow what is said about parts, and will try again", "attempt", h.attempt+1, "error", err)
			_ = pause(ctx, jittered(h.attempt, firstRetry, lastRetry))
			h.attempt++
		}
	}
}

// heeded is up to where nothing that was said is to be heard any more.
func (s *Service) heeded() Position {
	var from []Position
	for _, p := range s.board.loops {
		p.dropping.Lock()
		from = append(from, p.dropped)
		p.dropping.Unlock()
	}
	return slices.Min(from)
}

func (s *Service) hearOthers(ctx context.Context, h *hearing) error {
	if err := s.readPauses(ctx); err != nil { // whatever else cannot be done
		return err
	}
	said := Match{Types: []string{typePaused, typeResumed, typeRebuilt}}
	for r, err := range s.engine.Read(ctx, Query{Match: []Match{said}, After: h.heard, Follow: true, Marks: true}) {
		if err == nil && !r.IsMark() {
			err = s.hear(ctx, r)
		}
		if err != nil {
			return err
		}
		h.heard, h.attempt = r.Position, 0
	}
	return nil
}

// hear does what was said to another node.
func (s *Service) hear(ctx context.Context, r Record) error {
	c, err := decodeControl(ctx, s.codec(), r)
	if err != nil {
		return err
	}
	if r.Type == typeRebuilt {
		return s.makeAnew(ctx, c.Part, r.Position, false)
	}
	for _, p := range s.progresses(c.Part) {
		p.pause(r.Type == typePaused, r.Position)
	}
	return nil
}

// locate finds out how far those parts are that other nodes run, and whether they have effects that are due.
func (s *Service) locate(ctx context.Context) error {
	for _, l := range s.loops {
		s.board.mu.Lock()
		away, selection := l.progress.away, l.progress.selection
		s.board.mu.Unlock()
		if !away || l.stored == nil {
			continue
		}
		position, parked, err := l.stored(ctx)
		if errors.Is(err, ErrNotFound) { // it is being made anew
			position, parked, err = 0, 0, nil
		}
		if err == nil && len(selection.match) > 0 {
			position, err = s.unhandled(ctx, position, &selection)
		}
		var due []PendingEffect
		if err == nil && l.effects != "" {
			due, err = s.engine.Effects(ctx, EffectQuery{Parts: []string{l.effects}, Due: s.clock().Now(), Limit: 1})
		}
		if errors.As(err, new(*InvalidError)) { // another node has raised its version: this one's is past
			continue
		}
		if err != nil {
			return err
		}
		s.board.update(func() {
			if l.progress.away {
				l.progress.position, l.progress.parked, l.progress.owes = position, parked, len(due) > 0
				l.progress.selection = selection
			}
		})
	}
	return nil
}

// unhandled is how far a part is that is stored as being at a position: before the first record behind that which concerns it, or at the
// log's head.
func (s *Service) unhandled(ctx context.Context, position Position, of *selection) (Position, error) {
	if position < of.stored { // it has begun anew
		of.clear = 0
	}
	of.stored, of.clear = position, max(of.clear, position)
	head, err := s.engine.Head(ctx)
	if err != nil || head <= of.clear {
		return of.clear, err
	}
	for r, err := range s.engine.Read(ctx, Query{Match: of.match, After: of.clear, Before: head + 1}) {
		if err != nil {
			return position, err
		}
		if of.concerns(ctx, r) {
			of.clear = r.Position - 1
			return of.clear, nil
		}
	}
	of.clear = head
	return head, nil
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
