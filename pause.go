package deed

import (
	"context"
	"fmt"
)

// Pause has a part wait, now and whenever the service is started, until it is resumed: it handles nothing meanwhile. Effects that
// are pending already are carried out all the same. A second Pause changes nothing. ErrNotFound if there is no such part;
// *InvalidError for a projection that is Inline or Live, which has no loop to pause.
func (c Control) Pause(ctx context.Context, part string) (Receipt, error) {
	return c.steer(ctx, typePaused, part, func(p *progress, said Position) { p.pause(true, said) })
}

// Resume has a part go on that was paused. The rest is as with Pause.
func (c Control) Resume(ctx context.Context, part string) (Receipt, error) {
	return c.steer(ctx, typeResumed, part, func(p *progress, said Position) { p.pause(false, said) })
}

// Rebuild has a projection, or tables, made anew from the log's start; the rows that are there are gone at once. *InvalidError for
// other parts: a process folds its states anew when its Version is raised. The rest is as with Pause.
func (c Control) Rebuild(ctx context.Context, part string) (Receipt, error) {
	view, err := c.rebuildable(part)
	if err != nil {
		return Receipt{}, err
	}
	receipt, err := c.steer(ctx, typeRebuilt, part, func(*progress, Position) {})
	if err != nil || receipt.Again {
		return receipt, err
	}
	loop := c.service.loop(part)
	loop.bar()
	defer loop.lift()
	if err := view.store.DropView(ctx, view.ref); err != nil {
		return receipt, fmt.Errorf("rebuild %s: %w", part, err)
	}
	return receipt, nil
}

func (c Control) rebuildable(part string) (rawView, error) {
	s := c.service
	kind, known := s.names[part]
	view, isView := s.views[part]
	if !isView {
		view, isView = s.tables[part]
	}
	switch {
	case !known:
		return view, fmt.Errorf("part %.80q: %w", part, ErrNotFound)
	case !isView:
		return view, invalid("part", fmt.Sprintf("a %s is not rebuilt; raise the Version of a process to have its states folded anew", kind))
	case s.loop(part).always:
		return view, invalid("part", "a Live projection has nothing stored")
	}
	return view, nil
}

// steer stores that something was said about a part, and does it.
func (c Control) steer(ctx context.Context, eventType, part string, do func(*progress, Position)) (Receipt, error) {
	s := c.service
	if s.engine == nil {
		return Receipt{}, errOnlyReads(part)
	}
	p := s.loop(part)
	switch {
	case p == nil:
		return Receipt{}, fmt.Errorf("part %.80q: %w", part, ErrNotFound)
	case eventType != typeRebuilt && (p.always || s.inline[part]):
		return Receipt{}, invalid("part", "an Inline or Live projection has no loop to pause")
	}
	ref := CommandRef{ID: MetaFrom(ctx).CommandID}
	if ref.ID != "" {
		ref.Hash = HashID(eventType, part)
	}
	receipt, err := c.say(ctx, ref, eventType, control{Part: part})
	if err == nil && !receipt.Again {
		do(p, receipt.Position)
	}
	return receipt, err
}

// loop is what keeps a part going; nil if there is no such part.
func (s *Service) loop(part string) *progress {
	for _, p := range s.board.loops {
		if p.name == part {
			return p
		}
	}
	return nil
}

// takePauses finds out which parts were told to wait, however long that takes.
func (s *Service) takePauses(ctx context.Context) {
	for attempt := 0; s.engine != nil && ctx.Err() == nil; attempt++ {
		err := guard(func() error { return s.readPauses(ctx) })
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
