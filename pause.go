package deed

import (
	"context"
	"errors"
	"fmt"
)

// Pause has a part wait, now and whenever the service is started, until it is resumed: it handles nothing meanwhile. Effects that
// are pending already are carried out all the same. A second Pause changes nothing. ErrNotFound if there is no such part;
// *InvalidError for a projection that is Inline or Live, which has no loop to pause.
func (c Control) Pause(ctx context.Context, part string) (Receipt, error) {
	return c.steer(ctx, typePaused, part, true)
}

// Resume has a part go on that was paused. The rest is as with Pause.
func (c Control) Resume(ctx context.Context, part string) (Receipt, error) {
	return c.steer(ctx, typeResumed, part, false)
}

// Rebuild has a projection, or tables, made anew from the log's start. The rows that are there are gone when it returns; in a fleet,
// where another node folds them, soon after: that node takes them away when it hears of it. Who waits for the Receipt's Position sees
// them made anew. *InvalidError for other parts: a process folds its states anew when its Version is raised. The rest is as with Pause.
func (c Control) Rebuild(ctx context.Context, part string) (Receipt, error) {
	if err := c.rebuildable(part); err != nil {
		return Receipt{}, err
	}
	receipt, err := c.steer(ctx, typeRebuilt, part, false)
	if err != nil {
		return receipt, err
	}
	return receipt, c.service.makeAnew(ctx, part, receipt.Position, true)
}

// makeAnew takes away the rows of a view that somebody has said, at a position, is to be rebuilt, while its loops rest. In a fleet the node
// does that which folds them, or whichever was told if there is none, or if they are in the log's own database.
func (s *Service) makeAnew(ctx context.Context, part string, said Position, told bool) error {
	if s.inline[part] && !told {
		return nil
	}
	var errs []error
	for _, l := range s.loops {
		ours := l.fleet == nil || l.progress.here() || told && l.fleet.holder(l.lease) == ""
		if l.progress.name == part && l.drop != nil && ours {
			errs = append(errs, l.progress.rebuild(said, func() error { return l.drop(ctx) }))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("rebuild %s: %w", part, err)
	}
	return nil
}

func (c Control) rebuildable(part string) error {
	s := c.service
	kind, known := s.names[part]
	switch {
	case !known:
		return fmt.Errorf("part %.80q: %w", part, ErrNotFound)
	case kind != kindProjection && kind != kindTables:
		return invalid("part", fmt.Sprintf("a %s is not rebuilt; raise the Version of a process to have its states folded anew", kind))
	case s.progresses(part)[0].always:
		return invalid("part", "a Live projection has nothing stored")
	}
	return nil
}

// steer stores that something was said about a part, and has its loops pause or go on.
func (c Control) steer(ctx context.Context, eventType, part string, paused bool) (Receipt, error) {
	s := c.service
	if s.engine == nil {
		return Receipt{}, errOnlyReads(part)
	}
	loops := s.progresses(part)
	switch {
	case len(loops) == 0:
		return Receipt{}, fmt.Errorf("part %.80q: %w", part, ErrNotFound)
	case eventType != typeRebuilt && (loops[0].always || s.inline[part]):
		return Receipt{}, invalid("part", "an Inline or Live projection has no loop to pause")
	}
	ref := CommandRef{ID: MetaFrom(ctx).CommandID}
	if ref.ID != "" {
		ref.Hash = HashID(eventType, part)
	}
	receipt, err := c.say(ctx, ref, eventType, control{Part: part})
	if err == nil && eventType != typeRebuilt { // a repetition too: nobody may have learned of the first, and what is older counts no more
		for _, p := range loops {
			p.pause(paused, receipt.Position)
		}
	}
	return receipt, err
}

// progresses are how the partitions of a part stand; none if there is no such part.
func (s *Service) progresses(part string) []*progress {
	var loops []*progress
	for _, p := range s.board.loops {
		if p.name == part {
			loops = append(loops, p)
		}
	}
	return loops
}

// takePauses finds out which parts were told to wait, and from where on rebuilds are to be heeded, however long that takes.
func (s *Service) takePauses(ctx context.Context) {
	for attempt := 0; s.engine != nil && ctx.Err() == nil; attempt++ {
		err := guard(func() error {
			head, err := s.engine.Head(ctx)
			if err != nil {
				return err
			}
			for _, p := range s.board.loops {
				p.heed(head)
			}
			return s.readPauses(ctx)
		})
		if err == nil || ctx.Err() != nil {
			return
		}
		s.logger.Warn("could not read which parts are paused, and will try again", "attempt", attempt+1, "error", err)
		_ = pause(ctx, jittered(attempt, firstRetry, lastRetry))
	}
}

func (s *Service) readPauses(ctx context.Context) error {
	for _, p := range s.board.loops {
		said := Match{Types: []string{typePaused, typeResumed}, Tags: codecTags(s.codec(), []string{partTag(p.name)})}
		for r, err := range s.engine.Read(ctx, Query{Match: []Match{said}, Backward: true, Limit: 1}) {
			if err != nil {
				return err
			}
			p.pause(r.Type == typePaused, r.Position)
		}
	}
	return nil
}
