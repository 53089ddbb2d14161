package deed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Config is what a service runs on.
type Config struct {
	// Store is the log that commands append to. An engine of deed's, or what passes storetest.
	Store Store
	// Log is where projections, processes and reactors read from; nil: Store.
	Log Reader
	// Views keeps the rows of projections.
	Views ViewStore
	// Codec turns data and tags at the edge; nil: they are stored as they are.
	Codec Codec
	// Middleware wraps the handling of every command, those of effects included; the first is the outermost.
	Middleware []Middleware
	// MaxParked is how many keys of a part may be parked before it stops: 0 is 100; below 0 it stops at the first record that it
	// cannot handle.
	MaxParked int
	// Keep is how long the outcomes of commands and the tombstones of rows are kept; 0 is a day.
	Keep time.Duration
	// Logger gets what goes wrong; nil: nothing is logged.
	Logger *slog.Logger
	// NewID makes event ids; nil: deed.NewID.
	NewID func() string
	// Roles are what this node does where several share the log; none: all of it.
	Roles []Role
	// Node is what people know this process by among those that share the log; empty: its host and process id.
	Node string
	// LeaseTTL is after how long others take over what a node ran that is not heard of any more; 0 is 5 s.
	LeaseTTL time.Duration
	// Observer is told what the service and its engine do, for metrics and traces; nil: nobody is.
	Observer Observer
}

// Part is what a service is made of: a Decider, Decision, Projection, Tables, Process, Reactor or Task.
type Part interface {
	install(s *Service) error
}

// Service runs its parts over a log. All methods may be called by many goroutines at once.
type Service struct {
	config   Config
	engine   Engine // nil where Store is none
	log      Reader
	logger   *slog.Logger
	board    *board
	fleets   []*fleet
	executor *executor

	model      Model
	names      map[string]string // part name → kind
	cut        map[string]int    // process or reactor → partitions
	categories map[string]*category
	views      map[string]*viewVersions
	inline     map[string]bool // views that are Inline
	tables     map[string]rawView
	unkept     absences
	live       []liveStore
	openings   []func(ctx context.Context) error // what registers parts in the stores
	loops      []loop
	running    atomic.Bool
}

// loop is what Run keeps going for a part.
type loop struct {
	progress *progress
	run      func(context.Context) error
	role     Role                                             // whose part it is
	fleet    *fleet                                           // nil: all that it works on is this process's own
	lease    string                                           // that it stands under in a fleet
	drop     func(ctx context.Context) error                  // takes away the rows that it makes; nil: it makes none
	effects  string                                           // the store's name of the part whose effects are carried out with it; empty: none
	stored   func(ctx context.Context) (Position, int, error) // how far it is by what is stored, and how many keys are parked
}

// category is what a service can do with the things of a category.
type category struct {
	commands map[string]dispatchFunc
	load     func(ctx context.Context, stream StreamID) (State, error) // nil: no decider
	loadAt   func(ctx context.Context, stream StreamID, version Version) (State, error)
}

type dispatchFunc func(ctx context.Context, id string, at Version, body []byte) (Receipt, error)

// The kinds of parts.
const (
	kindDecider    = "decider"
	kindDecision   = "decision"
	kindProjection = "projection"
	kindTables     = "tables"
	kindProcess    = "process"
	kindReactor    = "reactor"
	kindTask       = "task"
)

// NewService makes a service of parts. It registers them in the stores: from then on it is fixed where a process or reactor
// begins. It returns everything that is wrong with the parts themselves at once, and registers nothing then; what the
// stores have against a part comes after that, and others may be registered already.
func NewService(cfg Config, parts ...Part) (*Service, error) {
	s := &Service{
		config: cfg, log: cfg.Log, logger: cfg.Logger,
		names: map[string]string{}, cut: map[string]int{}, categories: map[string]*category{}, views: map[string]*viewVersions{}, inline: map[string]bool{}, tables: map[string]rawView{},
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	s.board = newBoard(s.logger)
	cfg.Observer = observed(cfg.Observer, s.logger)
	s.config, s.board.observer = cfg, cfg.Observer
	if s.log == nil {
		s.log = cfg.Store
	}
	if s.log == nil {
		return nil, errors.New("new service: Config needs a Store, or a Log to read")
	}
	if cfg.Keep < 0 {
		return nil, errors.New("new service: Config.Keep is negative")
	}
	if cfg.LeaseTTL != 0 && cfg.LeaseTTL < leastLeaseTTL {
		return nil, fmt.Errorf("new service: Config.LeaseTTL is %v; it must be at least %v", cfg.LeaseTTL, leastLeaseTTL)
	}
	if cfg.Node != "" && ValidID(cfg.Node) != nil {
		return nil, invalid("Config.Node", "must be a valid id: without a slash, and at most 255 bytes")
	}
	if err := validRoles(cfg.Roles); err != nil {
		return nil, fmt.Errorf("new service: %w", err)
	}
	s.engine, _ = cfg.Store.(Engine)
	for _, store := range []any{cfg.Store, cfg.Views} {
		if observed, ok := store.(Observed); ok && cfg.Observer != nil {
			observed.Observe(cfg.Observer)
		}
	}
	s.executor = newExecutor(s.engine, s.codec(), s.board, s.logger)
	s.executor.observer = cfg.Observer
	s.executor.dispatch = func(ctx context.Context, stream StreamID, command string, body []byte) error {
		_, err := s.dispatch(ctx, stream, Any, command, body)
		return err
	}
	var errs []error
	for _, part := range parts {
		if part == nil {
			errs = append(errs, errors.New("a part is nil"))
			continue
		}
		errs = append(errs, part.install(s))
	}
	if len(slices.DeleteFunc(errs, func(err error) bool { return err == nil })) == 0 {
		errs = append(errs, s.adoptInline(context.Background()))
		for _, open := range s.openings {
			err := open(context.Background())
			errs = append(errs, err)
			if err != nil { // what comes after may be of the same part, and is not to be fixed as it must not be
				break
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("new service: %w", err)
	}
	return s, nil
}

// name takes a part's name, which is unique in a service.
func (s *Service) name(kind, name string) error {
	if old, taken := s.names[name]; taken {
		return fmt.Errorf("%s %s: the name is taken by a %s", kind, name, old)
	}
	s.names[name] = kind
	return nil
}

func (s *Service) handlerOptions() *HandlerOptions {
	return &HandlerOptions{Middleware: s.config.Middleware, Codec: s.config.Codec, NewID: s.config.NewID, Observer: s.config.Observer}
}

func (s *Service) codec() Codec { return guardCodec(s.config.Codec) }

// Run keeps the service's projections, processes, reactors, effects and tasks going until ctx is done, and returns nil
// then. Before, it returns an error only for what retrying cannot mend. It ends the record in hand and leaves the backlog.
// A service runs once at a time; a second Run is an error.
func (s *Service) Run(ctx context.Context) error {
	if !s.running.CompareAndSwap(false, true) {
		return errors.New("run: the service is running already")
	}
	defer s.running.Store(false)
	s.board.update(func() {
		for _, p := range s.board.loops {
			p.stopped, p.waiting = false, false
			if p.kind == kindTask {
				p.err, p.attempts = nil, 0
			}
		}
	})
	s.logger.Info("the service runs", "parts", len(s.names))
	defer s.logger.Info("the service has stopped")
	s.takePauses(ctx)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var failed sync.Once
	var failure error
	var running sync.WaitGroup
	fail := func(err error) {
		failed.Do(func() { failure = err })
		cancel()
	}
	leave := s.join(ctx, fail)
	for _, l := range s.loops {
		if !s.has(l.role) {
			continue
		}
		running.Go(func() {
			if err := s.keepUp(ctx, l); err != nil {
				s.logger.Error("a part stopped the service", "kind", l.progress.kind, "part", l.progress.name, "error", err)
				fail(err)
			}
		})
	}
	if len(s.cut) > 0 && s.has(RoleProcesses) {
		running.Go(func() { s.executor.run(ctx) })
	}
	running.Go(func() { s.tidy(ctx) })
	running.Go(func() { s.tendVersions(ctx) })
	running.Wait()
	leave()
	s.board.update(func() {
		for _, p := range s.board.loops {
			p.running = false
		}
	})
	return failure
}

const (
	tidyEvery = 10 * time.Minute
	keepFor   = 24 * time.Hour
)

// tidy removes what has been kept long enough, again and again.
func (s *Service) tidy(ctx context.Context) {
	keep := s.config.Keep
	if keep == 0 {
		keep = keepFor
	}
	for {
		err := guard(func() (err error) {
			before := s.clock().Now().Add(-keep)
			if s.engine != nil {
				err = s.engine.Forget(ctx, before)
			}
			for _, views := range s.viewStores() {
				err = errors.Join(err, views.DropTombstones(ctx, before))
			}
			return err
		})
		if err != nil && ctx.Err() == nil {
			s.logger.Error("could not remove outcomes and tombstones that are old", "error", err)
		}
		if pause(ctx, tidyEvery) != nil {
			return
		}
	}
}

// viewStores are all places where the service's rows are kept.
func (s *Service) viewStores() []ViewStore {
	var stores []ViewStore
	for _, live := range s.live {
		stores = append(stores, live)
	}
	if s.config.Views != nil {
		stores = append(stores, s.config.Views)
	}
	if engine, ok := s.config.Store.(InlineStore); ok && len(s.inline) > 0 {
		stores = append(stores, engine.InlineViews())
	}
	return stores
}

// Dispatch decodes a command from strict JSON and handles it for the thing that stream names; see Handler.Handle for the
// rest. Errors besides those: ErrNotFound for an unknown category or command, *MalformedError, *InvalidError, ErrElsewhere.
func (s *Service) Dispatch(ctx context.Context, stream StreamID, command string, body []byte) (Receipt, error) {
	return s.DispatchAt(ctx, stream, Any, command, body)
}

// DispatchAt is Dispatch if the stream is at this version, and ErrConflict if not.
func (s *Service) DispatchAt(ctx context.Context, stream StreamID, version Version, command string, body []byte) (Receipt, error) {
	if err := s.must(RoleCommands); err != nil {
		return Receipt{}, err
	}
	return s.dispatch(ctx, stream, version, command, body)
}

func (s *Service) dispatch(ctx context.Context, stream StreamID, version Version, command string, body []byte) (Receipt, error) {
	c, ok := s.categories[stream.Category()]
	if !ok {
		return Receipt{}, fmt.Errorf("category %.80q: %w", stream.Category(), ErrNotFound)
	}
	dispatch, ok := c.commands[command]
	if !ok {
		return Receipt{}, fmt.Errorf("command %.80q of %s: %w", command, stream.Category(), ErrNotFound)
	}
	return dispatch(ctx, stream.ID(), version, body)
}

// State is a thing as its decider sees it.
type State struct {
	Stream   StreamID
	Version  Version
	Position Position // of its last event
	State    any
}

// Load returns the state of the thing that stream names, as it is now. ErrNotFound if its category has no decider, or it
// has no events.
func (s *Service) Load(ctx context.Context, stream StreamID) (State, error) {
	c, ok := s.categories[stream.Category()]
	if !ok || c.load == nil {
		return State{}, fmt.Errorf("category %.80q: %w", stream.Category(), ErrNotFound)
	}
	state, err := c.load(ctx, stream)
	if err == nil && state.Version == 0 {
		err = fmt.Errorf("%s: %w", stream, ErrNotFound)
	}
	return state, err
}

// Log reads the service's log, through its codec.
func (s *Service) Log() Reader { return decodingReader{s.log, s.codec()} }

// Info identifies the log; it is zero where the Store is no engine.
func (s *Service) Info() LogInfo {
	if s.engine == nil {
		return LogInfo{}
	}
	return s.engine.Info()
}

// Head is the last position given out.
func (s *Service) Head(ctx context.Context) (Position, error) {
	if s.engine != nil {
		return s.engine.Head(ctx)
	}
	return headOf(ctx, s.log)
}

// clock is the engine's, or the machine's where there is none.
func (s *Service) clock() Clock {
	if s.engine == nil {
		return SystemClock()
	}
	return s.engine.Clock()
}

// Settle returns when nothing is left to do: every part has handled the whole log, no effect is due, and what fails has
// failed once more. It is meant for tests and batch jobs; a service that others write to may never settle.
func (s *Service) Settle(ctx context.Context) error {
	return guard(func() error { return s.settle(ctx) })
}

func (s *Service) settle(ctx context.Context) error {
	s.board.retryNow()
	s.executor.retryNow()
	for {
		head, err := s.Head(ctx)
		if err != nil {
			return err
		}
		for _, view := range s.live {
			if err := view.catchUp(ctx); err != nil && !errors.As(err, new(*recordError)) {
				return err
			}
		}
		if err := s.locate(ctx); err != nil {
			return err
		}
		changed, settled := s.settled(head)
		if settled {
			now, err := s.Head(ctx)
			if err != nil {
				return err
			}
			if now == head {
				return s.promote(ctx)
			}
			continue
		}
		if !s.awaitChange(ctx, changed) {
			return fmt.Errorf("settle: %w: %s", ctx.Err(), s.unsettled(head))
		}
	}
}

// lookAgain is how often it is looked how far parts are that other nodes run.
const lookAgain = 20 * time.Millisecond

// awaitChange returns when something may have changed; false if ctx is done.
func (s *Service) awaitChange(ctx context.Context, changed chan struct{}) bool {
	var again <-chan time.Time
	if len(s.fleets) > 0 {
		timer := time.NewTimer(lookAgain)
		defer timer.Stop()
		again = timer.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-changed:
	case <-again:
	}
	return true
}

// settled tells whether nothing is left to do in a log that ends at head, and what is closed when that may have changed.
func (s *Service) settled(head Position) (changed chan struct{}, settled bool) {
	s.board.mu.Lock()
	defer s.board.mu.Unlock()
	settled = s.executor.settled()
	for _, p := range s.board.loops {
		settled = settled && p.settled(head)
	}
	return s.board.changed, settled
}

// unsettled says what has something left to do.
func (s *Service) unsettled(head Position) string {
	s.board.mu.Lock()
	defer s.board.mu.Unlock()
	text := fmt.Sprintf("the log is at %d", head)
	for _, p := range s.board.loops {
		if !p.settled(head) {
			text += fmt.Sprintf(", %s %s at %d", p.kind, p.name, p.position)
		}
	}
	if !s.executor.settled() {
		text += fmt.Sprintf(", %d effects are under way", len(s.executor.busy))
	}
	return text
}
