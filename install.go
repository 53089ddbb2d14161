package deed

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
)

func (s *Service) category(name string) *category {
	c := s.categories[name]
	if c == nil {
		c = &category{commands: map[string]dispatchFunc{}}
		s.categories[name] = c
	}
	return c
}

func (d Decider[S, C, E]) install(s *Service) error {
	if _, err := d.types(); err != nil {
		return err
	}
	if s.config.Store == nil {
		return fmt.Errorf("decider %s: Config needs a Store", d.Category)
	}
	c := s.category(d.Category)
	if c.load != nil {
		return fmt.Errorf("decider %s: the category has a decider already", d.Category)
	}
	h := d.HandlerWith(s.config.Store, s.handlerOptions())
	c.load = func(ctx context.Context, stream StreamID) (State, error) {
		f, err := h.load(ctx, stream)
		return State{Stream: stream, Version: f.version, Position: f.position, State: f.state}, err
	}
	c.loadAt = func(ctx context.Context, stream StreamID, version Version) (State, error) {
		f, err := h.loadAt(ctx, stream, version)
		return State{Stream: stream, Version: f.version, Position: f.position, State: f.state}, err
	}
	s.model.addDecider(kindDecider, d.Category, commandModels(d.Commands), eventModels(d.Events), typeModelFor[S]())
	return addCommands(c, kindDecider, d.Category, d.Commands, h.HandleAt)
}

func (d Decision[S, C, E]) install(s *Service) error {
	if _, err := d.types(); err != nil {
		return err
	}
	if s.config.Store == nil {
		return fmt.Errorf("decision of %s: Config needs a Store", d.Category)
	}
	h := d.HandlerWith(s.config.Store, s.handlerOptions())
	s.model.addDecider(kindDecision, d.Category, commandModels(d.Commands), eventModels(d.Events), typeModelFor[S]())
	return addCommands(s.category(d.Category), kindDecision, d.Category, d.Commands, h.HandleAt)
}

// addCommands makes a category's commands known by their names.
func addCommands[C Command](c *category, kind, category string, commands []C, handle func(context.Context, string, Version, C) (Receipt, error)) error {
	types, err := newCommandTypes(commands)
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range types.names {
		if _, taken := c.commands[name]; taken {
			errs = append(errs, fmt.Errorf("%s of %s: the category has a command %q already", kind, category, name))
		}
		c.commands[name] = func(ctx context.Context, id string, at Version, body []byte) (Receipt, error) {
			cmd, err := types.decode(name, body)
			if err != nil {
				return Receipt{}, fmt.Errorf("%s: %w", name, err)
			}
			return handle(ctx, id, at, cmd)
		}
	}
	return errors.Join(errs...)
}

func (p Projection[V, E]) install(s *Service) error {
	types, index, err := p.types()
	if err != nil {
		return err
	}
	var views any = s.config.Views
	switch p.Mode.or() {
	case Async:
		if s.config.Views == nil {
			return fmt.Errorf("projection %s: Config needs Views", p.Name)
		}
	case Inline:
		if s.engine == nil {
			return fmt.Errorf("projection %s: an Inline one needs a Store that is an engine", p.Name)
		}
		views = s.engine
	case Live:
		views = s.log
	}
	if err := s.name(kindProjection, p.Name); err != nil {
		return err
	}
	progress := s.board.add(p.Name, kindProjection, p.ref().Version)
	progress.maxLag = p.MaxLag
	run := &projector[V, E]{
		projection: p, events: types, view: rawView{ref: p.ref(), index: index}, log: s.log, info: s.Info(), codec: s.codec(),
		progress: progress, parking: s.parking(kindProjection, p.Name),
	}
	if p.Mode.or() == Inline {
		run.log = s.engine
	}
	view := run.view
	if view.store, err = p.storeIn(views, run); err != nil {
		return fmt.Errorf("projection %s: %w", p.Name, err)
	}
	s.views[p.Name] = view
	s.keep(p.Mode.or(), view, run.loops(view))
	s.model.Projections = append(s.model.Projections, ViewModel{
		PartModel: PartModel{Name: p.Name, Version: p.ref().Version, Events: eventModels(p.Events)},
		Row:       typeModelFor[V](), Index: slices.Clone(p.Index), Mode: p.Mode,
	})
	return nil
}

// projecting is what keeps a projection going, whatever its types.
type projecting struct {
	progress *progress
	open     func(ctx context.Context) (Checkpoint, error)
	fold     func(ctx context.Context) error // Async
	watch    func(ctx context.Context) error // Inline
	inline   InlineFold
}

// loops is p as one who writes to the view.
func (p *projector[V, E]) loops(view rawView) projecting {
	if p.projection.Mode.or() != Live {
		p.view = view
	}
	inner := *p // the engine folds in its own time, and what it has folded is not there before its commit
	inner.progress = unwatched(p.progress)
	inline := func(ctx context.Context, tx ViewTx, from Checkpoint, records []Record, to Position) (stopped bool, err error) {
		if p.progress.hasStopped() { // until the loop goes on: what a status says is to be so
			return true, nil
		}
		return inner.foldInline(ctx, tx, from, records, to)
	}
	return projecting{progress: p.progress, open: p.openView, fold: p.fold, watch: p.watchInline, inline: inline}
}

// keep has a projection's rows opened and kept up to date.
func (s *Service) keep(mode Mode, view rawView, p projecting) {
	switch mode {
	case Live:
		s.live = append(s.live, view.store.(liveStore))
		p.progress.follows, p.progress.always = false, true
		return
	case Inline:
		s.inline[view.ref.Name] = true
		s.openings = append(s.openings, func(ctx context.Context) error {
			return s.config.Store.(InlineStore).FoldInline(ctx, view.ref, p.inline)
		})
		s.loops = append(s.loops, loop{p.progress, p.watch})
	case Async:
		s.loops = append(s.loops, loop{p.progress, p.fold})
	}
	s.openings = append(s.openings, func(ctx context.Context) error {
		checkpoint, err := p.open(ctx)
		if err != nil {
			return fmt.Errorf("projection %s: %w", view.ref.Name, err)
		}
		parked, err := view.store.ViewParked(ctx, view.ref, "", 0)
		p.progress.position, p.progress.parked = checkpoint.Position, len(parked)
		return err
	})
}

func (p Process[S, E]) install(s *Service) error {
	types, err := p.types()
	if err != nil {
		return err
	}
	run := &processor[S, E]{
		process: p, events: types, log: s.log, store: s.engine, codec: s.codec(), executor: s.executor, parking: s.parking(kindProcess, p.Name),
	}
	if run.progress, err = s.register(kindProcess, p.Name, p.version(), p.From, run.spec); err != nil {
		return err
	}
	s.loops = append(s.loops, loop{run.progress, run.fold})
	s.model.Processes = append(s.model.Processes, PartModel{Name: p.Name, Version: p.version(), Events: eventModels(p.Events)})
	return nil
}

func (r Reactor[E]) install(s *Service) error {
	types, err := r.types()
	if err != nil {
		return err
	}
	run := &reacting[E]{
		reactor: r, events: types, log: s.log, store: s.engine, codec: s.codec(), executor: s.executor, parking: s.parking(kindReactor, r.Name),
	}
	if run.progress, err = s.register(kindReactor, r.Name, 1, r.From, run.spec); err != nil {
		return err
	}
	s.loops = append(s.loops, loop{run.progress, run.follow})
	s.model.Reactors = append(s.model.Reactors, PartModel{Name: r.Name, Version: 1, Events: eventModels(r.Events)})
	return nil
}

// register makes a process or reactor known to the store, which fixes where it begins.
func (s *Service) register(kind, name string, version int, from From, spec func(*Position) PartSpec) (*progress, error) {
	if s.engine == nil {
		return nil, fmt.Errorf("%s %s: Config needs a Store that is an engine", kind, name)
	}
	if err := s.name(kind, name); err != nil {
		return nil, err
	}
	s.executor.parts = append(s.executor.parts, name)
	progress := s.board.add(name, kind, version)
	s.openings = append(s.openings, func(ctx context.Context) error {
		begin, err := s.begin(ctx, from)
		if err != nil {
			return fmt.Errorf("%s %s: %w", kind, name, err)
		}
		state, err := s.engine.OpenPart(ctx, spec(begin))
		if errors.Is(err, ErrNotFound) {
			return fmt.Errorf("%s %s is new to a log that has events already: say From, FromStart to handle them too or FromNow to leave them", kind, name)
		}
		if err != nil {
			return fmt.Errorf("%s %s: %w", kind, name, err)
		}
		parked, err := s.engine.PartParked(ctx, name, "", 0)
		progress.position, progress.parked = state.Checkpoint.Position, len(parked)
		return err
	})
	return progress, nil
}

// begin is where a part begins that is not known to the store; nil if that has to be said and was not.
func (s *Service) begin(ctx context.Context, from From) (*Position, error) {
	head, err := s.engine.Head(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case from.now, from.said && from.position > head:
		return &head, nil
	case from.said, head == 0:
		return &from.position, nil
	}
	return nil, nil
}

// decodingReader reads a log through a codec.
type decodingReader struct {
	log   Reader
	codec Codec
}

func (d decodingReader) Read(ctx context.Context, q Query) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		q := q
		if err := guard(func() error { q.Match = codecMatches(d.codec, q.Match); return nil }); err != nil {
			yield(Record{}, err)
			return
		}
		for r, err := range d.log.Read(ctx, q) {
			if err == nil && !r.IsMark() {
				r, err = d.codec.Decode(ctx, r)
			}
			if err != nil {
				yield(Record{}, err)
				return
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}
