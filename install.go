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
	switch p.Mode.or() {
	case Async:
		if s.config.Views == nil {
			return fmt.Errorf("projection %s: Config needs Views", p.Name)
		}
	case Inline:
		if s.engine == nil {
			return fmt.Errorf("projection %s: an Inline one needs a Store that is an engine", p.Name)
		}
	case Live:
	}
	version, single := ViewVersion{Version: p.ref().Version, Partitions: p.cut()}, p.Mode.or() != Async
	if err := s.nameView(p.Name, version, single); err != nil {
		return err
	}
	s.model.addView(ViewModel{
		PartModel: PartModel{Name: p.Name, Version: version.Version, Events: eventModels(p.Events)},
		Row:       typeModelFor[V](), Index: slices.Clone(p.Index), Mode: p.Mode,
	})
	views := map[Mode]any{Async: s.config.Views, Inline: s.engine, Live: s.log}[p.Mode.or()]
	for _, part := range partitions(p.cut()) {
		ref := ViewRef{Name: part.name(p.Name), Version: p.ref().Version}
		run := &projector[V, E]{
			projection: p, events: types, part: part, view: rawView{ref: ref, index: index}, log: s.log, info: s.Info(), codec: s.codec(),
			progress: s.board.add(p.Name, kindProjection, ref.Version), parking: s.parking(kindProjection, p.Name),
		}
		run.progress.maxLag, run.progress.partition = p.MaxLag, part
		if p.Mode.or() == Inline {
			run.log = s.engine
		}
		view := run.view
		if view.store, err = p.storeIn(views, run); err != nil {
			return fmt.Errorf("projection %s: %w", p.Name, err)
		}
		s.addVersion(p.Name, version, rawView{store: view.store, ref: p.ref(), index: index}, single)
		s.keep(p.Mode.or(), view, run.loops(view))
	}
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
	l := loop{progress: p.progress, run: p.fold, role: RoleProjections, stored: func(ctx context.Context) (Position, int, error) {
		position, err := view.store.WaitView(ctx, view.ref, 0)
		if err != nil {
			return 0, 0, err
		}
		parked, err := view.store.ViewParked(ctx, view.ref, "", 0)
		return position, len(parked), err
	}}
	l.drop = func(ctx context.Context) error { return view.store.DropView(ctx, view.ref) }
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
		l.run = p.watch
	case Async:
		l.fleet, l.lease = s.fleet(view.store), leaseOf(view.ref.Name, view.ref.Version)
	}
	s.add(l, func(ctx context.Context) error { _, err := p.open(ctx); return err })
}

// add has a loop kept going, once what it works on is opened.
func (s *Service) add(l loop, open func(ctx context.Context) error) {
	if l.fleet != nil {
		l.progress.away = true
		if s.has(l.role) {
			l.fleet.add(l.lease)
		}
	}
	s.loops = append(s.loops, l)
	if open == nil {
		return
	}
	s.openings = append(s.openings, func(ctx context.Context) error {
		err := open(ctx)
		if err == nil {
			l.progress.position, l.progress.parked, err = l.stored(ctx)
		}
		if err != nil {
			return fmt.Errorf("%s %s: %w", l.progress.kind, l.progress.name, err)
		}
		return nil
	})
}

func (p Process[S, E]) install(s *Service) error {
	types, err := p.types()
	if err != nil {
		return err
	}
	begin, err := s.register(kindProcess, p.Name, p.Partitions, p.From)
	if err != nil {
		return err
	}
	for _, part := range partitions(p.Partitions) {
		run := &processor[S, E]{
			process: p, name: part.name(p.Name), part: part, events: types, log: s.log, store: s.engine, codec: s.codec(), executor: s.executor,
			progress: s.board.add(p.Name, kindProcess, p.version()), parking: s.parking(kindProcess, p.Name),
		}
		run.progress.partition = part
		s.follow(run.progress, run.fold, run.spec, begin)
	}
	s.model.Processes = append(s.model.Processes, PartModel{Name: p.Name, Version: p.version(), Events: eventModels(p.Events)})
	return nil
}

func (r Reactor[E]) install(s *Service) error {
	types, err := r.types()
	if err != nil {
		return err
	}
	begin, err := s.register(kindReactor, r.Name, r.Partitions, r.From)
	if err != nil {
		return err
	}
	for _, part := range partitions(r.Partitions) {
		run := &reacting[E]{
			reactor: r, name: part.name(r.Name), part: part, events: types, log: s.log, store: s.engine, codec: s.codec(), executor: s.executor,
			progress: s.board.add(r.Name, kindReactor, 1), parking: s.parking(kindReactor, r.Name),
		}
		run.progress.partition = part
		s.follow(run.progress, run.follow, run.spec, begin)
	}
	s.model.Reactors = append(s.model.Reactors, PartModel{Name: r.Name, Version: 1, Events: eventModels(r.Events)})
	return nil
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
