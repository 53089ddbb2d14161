package deed

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Mode says when a projection folds events into rows. Whichever it is, the rows are the same.
type Mode int

const (
	// Async: after the append, by the service's loops. Reading what one wrote waits for the view to come that far.
	Async Mode = iota
	// Inline: in the transaction that stores the events, so that the rows are there as soon as the append is acknowledged. They
	// are kept in the log's own database, and folding them takes its time from appending. Whoever writes to the log has to have
	// the projection: an engine refuses appends by a program that has not.
	Inline
	// Live: when they are read. Nothing is stored; the rows stand in memory, are folded from the log's start when they are first
	// read, and are brought up to date by each reading after that.
	Live
)

// String is the mode's name: async, inline or live.
func (m Mode) String() string {
	names := []string{"async", "inline", "live"}
	if m < Async || m > Live {
		return fmt.Sprintf("mode %d", int(m))
	}
	return names[m]
}

// standard is what Async means: tests run those of Async in the other modes too.
var standard = Async

func (m Mode) or() Mode {
	if m == Async {
		return standard
	}
	return m
}

// storeIn returns where a projection's rows are kept, given the store of a log and its views. The store of Live rows is new.
func (p Projection[V, E]) storeIn(views any, run *projector[V, E]) (ViewStore, error) {
	switch p.Mode.or() {
	case Async:
		if store, ok := views.(ViewStore); ok && store != nil {
			return store, nil
		}
		return nil, errors.New("no store of views is given")
	case Inline:
		if store, ok := views.(InlineStore); ok {
			return store.InlineViews(), nil
		}
		return nil, errors.New("an Inline projection needs an engine that keeps views in the log's own database")
	case Live:
		if log, ok := views.(Reader); ok {
			return newLiveView(run, log), nil
		}
		return nil, errors.New("a Live projection needs the log to be read from")
	}
	return nil, fmt.Errorf("Mode: %d is none", p.Mode)
}

// foldInline is what an engine calls in the transaction that stores records.
func (p *projector[V, E]) foldInline(ctx context.Context, tx ViewTx, from Checkpoint, records []Record, to Position) (stopped bool, err error) {
	if err := p.begin(ctx, tx, from); err != nil {
		return false, err
	}
	match := p.match()
	selected := slices.Clone(records)
	selected = slices.DeleteFunc(selected, func(r Record) bool { return !MatchAny(match, r.Type, r.Tags) })
	err = p.step(ctx, selected, to)
	if errors.As(err, new(*recordError)) {
		return true, nil
	}
	return false, err
}

// watchInline runs until ctx is done: it brings an Inline view up to where its engine goes on with it, and tells how far it is.
func (p *projector[V, E]) watchInline(ctx context.Context) error {
	engine := p.log.(Engine)
	for ctx.Err() == nil {
		head, err := engine.Head(ctx) // first: a view that goes with the log is not behind what the head was
		if err != nil {
			return err
		}
		checkpoint, err := p.open(ctx)
		if err != nil {
			return err
		}
		if checkpoint.Position < head {
			err := p.catchUp(ctx, checkpoint, head)
			if err != nil && !errors.Is(err, ErrConflict) { // a conflict is the engine's, which was first
				return err
			}
			continue
		}
		parked, err := p.view.store.ViewParked(ctx, p.view.ref, "", 0)
		if err != nil {
			return err
		}
		p.progress.begins(checkpoint.Position, len(parked))
		p.progress.reached(checkpoint.Position, len(parked))
		if err := moved(ctx, p.log, checkpoint.Position); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// moved returns when a log has more than a position.
func moved(ctx context.Context, log Reader, than Position) error {
	for r, err := range log.Read(ctx, Query{After: than, Follow: true, Marks: true}) {
		if err != nil || r.Position > than {
			return err
		}
	}
	return ctx.Err()
}

// catchUp folds from a checkpoint until the view is where the log was.
func (p *projector[V, E]) catchUp(ctx context.Context, from Checkpoint, head Position) error {
	if err := p.begin(ctx, storeTx{p.view.store, p.log}, from); err != nil {
		return err
	}
	p.progress.begins(from.Position, len(p.keys))
	return p.foldUntil(ctx, head)
}

// foldUntil folds what the log has after the checkpoint until it is at head.
func (p *projector[V, E]) foldUntil(ctx context.Context, head Position) error {
	if p.checkpoint.Position >= head {
		return nil
	}
	err := follow(ctx, p.log, p.match(), p.checkpoint.Position, func(records []Record, to Position) error {
		if err := p.step(ctx, records, to); err != nil {
			return err
		}
		if to >= head {
			return errThere
		}
		return nil
	})
	if errors.Is(err, errThere) {
		return nil
	}
	return err
}

// errThere ends following the log.
var errThere = errors.New("the position is reached")

// adoptInline drops those of the views in the log's own database that this service has in another version or mode, and refuses
// those that it does not have at all: they would be left behind.
func (s *Service) adoptInline(ctx context.Context) error {
	store, ok := s.config.Store.(InlineStore)
	if !ok {
		return nil
	}
	refs, err := store.ListInline(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, ref := range refs {
		view, known := s.views[ref.Name]
		switch {
		case !known:
			errs = append(errs, fmt.Errorf("the log keeps the inline projection %s (version %d), which is not among the parts; add it, or drop it with InlineViews().DropView", ref.Name, ref.Version))
		case view.known[view.newest].ref != ref || !s.inline[ref.Name]:
			errs = append(errs, store.InlineViews().DropView(ctx, ref))
		}
	}
	return errors.Join(errs...)
}
