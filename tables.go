package deed

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Tables is a projection into tables of its own, written in SQL, for views that want joins or full text. What an event writes
// and the mark are stored together, so that each event counts once. It is always Async, and needs a store of views that
// is a database.
//
// Tables are named in braces, {orders}, also in names of indexes: each version of each projection has its own. The SQL is that of
// the engine.
type Tables[E Event] struct {
	// Name of the view: [a-z][a-z0-9-]*, unique in a log.
	Name string
	// Version is raised when Write changes its meaning, so that the tables are made anew; 0 is 1.
	Version int
	// Events is a value of every event that the tables are made of; others are passed over.
	Events []E
	// Create are the statements that make the tables. Where they are changed, the tables are made anew.
	Create []string
	// Write returns the statements that an event comes to. It is pure. An event with a statement that fails is parked, with
	// those that follow of its stream.
	Write func(Recorded[E]) []Statement
	// MaxLag is how far behind the view may be and still count as ready; 0 is 10 s.
	MaxLag time.Duration
}

// Statement is one statement of SQL with its arguments: nil, numbers, bool, string, []byte or time.Time.
type Statement struct {
	SQL  string
	Args []any
}

// SQL returns a statement: deed.SQL("DELETE FROM {orders} WHERE id = ?", id).
func SQL(sql string, args ...any) Statement { return Statement{SQL: sql, Args: args} }

// TablesView reads the tables of a projection. Its methods may be called by many goroutines at once.
type TablesView struct {
	store TableStore
	ref   ViewRef
	fault error
}

// maxSelected is how many rows a query of tables may return.
const maxSelected = 10_000

// View returns the reading side of the tables over the store that keeps them.
func (p Tables[E]) View(views ViewStore) *TablesView {
	_, err := p.types()
	store, ok := views.(TableStore)
	if err == nil && !ok {
		err = fmt.Errorf("tables %s: this store of views has no tables", p.Name)
	}
	return &TablesView{store: store, ref: p.ref(), fault: err}
}

// Select returns the rows that a query gives, from tables that have reached after; it waits until then. Each value is nil, an
// int64, a float64, a string or a []byte. At most 10,000 rows. Where events are parked it returns the rows and a *ParkedError:
// nobody knows which of the rows lack them. *BehindError if ctx ends first.
func (v *TablesView) Select(ctx context.Context, after Position, sql string, args ...any) ([][]any, error) {
	if v.fault != nil {
		return nil, v.fault
	}
	if after > 0 {
		if _, err := v.store.WaitView(ctx, v.ref, after); err != nil {
			return nil, fmt.Errorf("select from %s: %w", v.ref.Name, err)
		}
	}
	parked, err := v.store.ViewParked(ctx, v.ref, "", 1) // before the rows: these have what is not parked any more
	if err != nil {
		return nil, fmt.Errorf("select from %s: %w", v.ref.Name, err)
	}
	rows, _, err := v.store.QueryTables(ctx, v.ref, SQL(sql, args...), maxSelected)
	if err != nil {
		return nil, fmt.Errorf("select from %s: %w", v.ref.Name, err)
	}
	if len(parked) > 0 {
		return rows, &ParkedError{View: v.ref.Name, Key: parked[0].Key, Position: parked[0].Position}
	}
	return rows, nil
}

func (p Tables[E]) ref() ViewRef { return ViewRef{Name: p.Name, Version: max(p.Version, 1)} }

func (p Tables[E]) types() (eventTypes[E], error) {
	types, err := newEventTypes(p.Events)
	errs := []error{err}
	if !validName(p.Name) {
		errs = append(errs, fmt.Errorf("Name: %q must be %s", p.Name, nameForm))
	}
	if p.Version < 0 {
		errs = append(errs, errors.New("Version: is negative"))
	}
	if len(p.Create) == 0 || p.Write == nil {
		errs = append(errs, errors.New("Create, Write: must be set"))
	}
	if err := errors.Join(errs...); err != nil {
		return types, fmt.Errorf("tables %s: %w", p.Name, err)
	}
	return types, nil
}

func (p Tables[E]) install(s *Service) error {
	types, err := p.types()
	if err != nil {
		return err
	}
	store, ok := s.config.Views.(TableStore)
	if !ok {
		return fmt.Errorf("tables %s: Config needs Views with tables", p.Name)
	}
	if err := s.name(kindTables, p.Name); err != nil {
		return err
	}
	progress := s.board.add(p.Name, kindTables, p.ref().Version)
	progress.maxLag = p.MaxLag
	run := &tabler[E]{
		tables: p, events: types, store: store, log: s.log, info: s.Info(), codec: s.codec(), progress: progress,
		parking: s.parking(kindTables, p.Name),
	}
	s.tables[p.Name] = rawView{store: store, ref: p.ref()}
	s.keep(Async, s.tables[p.Name], projecting{progress: progress, open: run.open, fold: run.fold})
	s.model.Tables = append(s.model.Tables, PartModel{Name: p.Name, Version: p.ref().Version, Events: eventModels(p.Events)})
	return nil
}

// tabler is the running side of Tables: it turns what comes in the log into statements, and commits what they do and the mark.
type tabler[E Event] struct {
	tables   Tables[E]
	events   eventTypes[E]
	store    TableStore
	log      Reader
	info     LogInfo
	codec    Codec
	progress *progress

	checkpoint Checkpoint
	parking
}

func (p *tabler[E]) open(ctx context.Context) (Checkpoint, error) {
	return p.store.OpenView(ctx, ViewSpec{ViewRef: p.tables.ref(), Tables: p.tables.Create, Log: p.info})
}

// fold runs until ctx is done or something fails.
func (p *tabler[E]) fold(ctx context.Context) error {
	checkpoint, err := p.open(ctx)
	if err != nil {
		return err
	}
	if engine, ok := p.log.(Engine); ok {
		if err := checkpoint.verify(ctx, engine); err != nil {
			return err
		}
	}
	p.checkpoint = checkpoint
	if err := p.begin(ctx); err != nil {
		return err
	}
	p.progress.begins(checkpoint.Position, len(p.keys))
	said := controlMatch(p.codec, p.tables.Name)
	said.Types = append(said.Types, typeRebuilt)
	return follow(ctx, p.log, []Match{{Types: p.events.names}, said}, checkpoint.Position, func(records []Record, to Position) error {
		return inSteps(records, to, func(records []Record, to Position) error { return p.several(ctx, records, to) },
			func(r Record) error { return p.controlled(ctx, r) })
	})
}

func (p *tabler[E]) begin(ctx context.Context) error {
	return p.load(func(after string, limit int) ([]ParkedKey, error) {
		return p.store.ViewParked(ctx, p.tables.ref(), after, limit)
	})
}

// several commits records together, or one by one where a statement of theirs fails, to find the one it is of.
func (p *tabler[E]) several(ctx context.Context, records []Record, to Position) error {
	err := p.together(ctx, records, to)
	if !errors.As(err, new(*StatementError)) {
		return err
	}
	for _, r := range records {
		if err := p.begin(ctx); err != nil {
			return err
		}
		err := p.together(ctx, []Record{r}, r.Position)
		var fault *StatementError
		if errors.As(err, &fault) {
			if err = p.begin(ctx); err == nil {
				err = p.parkAlone(ctx, r, fault)
			}
		}
		if err != nil {
			return err
		}
	}
	return p.together(ctx, nil, to)
}

func (p *tabler[E]) parkAlone(ctx context.Context, r Record, fault error) error {
	if p.full(1) {
		return p.tooMany(r, fault)
	}
	p.park(string(r.Stream), r, fault)
	return p.commit(ctx, nil, []Record{r}, r.Position)
}

// together commits what records come to; where one stops the part, those before it.
func (p *tabler[E]) together(ctx context.Context, records []Record, to Position) (err error) {
	ctx, end := p.progress.begin(ctx, records)
	defer func() { end(err) }()
	var all []Statement
	var stopped error
	for i, record := range records {
		key := string(record.Stream)
		if p.holds(key) {
			p.park(key, record, nil)
			continue
		}
		statements, fault, err := p.statements(ctx, record)
		if err != nil {
			return err
		}
		if fault != nil && p.full(1) {
			stopped, records, to = p.tooMany(record, fault), records[:i], p.checkpoint.Position
			if i > 0 {
				to = records[i-1].Position
			}
			break
		}
		if fault != nil {
			p.park(key, record, fault)
		}
		all = append(all, statements...)
	}
	if err := p.commit(ctx, all, records, to); err != nil {
		return err
	}
	return stopped
}

// statements are what a record comes to; fault is that the projection cannot tell.
func (p *tabler[E]) statements(ctx context.Context, record Record) (statements []Statement, fault, err error) {
	r, err := p.codec.Decode(ctx, record)
	if err != nil {
		return nil, nil, err
	}
	e, fault := p.events.decode(r)
	if fault == nil {
		fault = guard(func() error {
			statements = p.tables.Write(Recorded[E]{Event: e, Record: r})
			return checkArgs(statements)
		})
	}
	if fault != nil {
		return nil, fault, nil
	}
	return statements, nil, nil
}

// checkArgs refuses arguments that no database takes.
func checkArgs(statements []Statement) error {
	for _, s := range statements {
		for i, arg := range s.Args {
			switch arg.(type) {
			case nil, bool, string, []byte, time.Time:
				continue
			}
			if v := reflect.ValueOf(arg); !v.CanInt() && !v.CanUint() && !v.CanFloat() {
				return fmt.Errorf("argument %d of %.80q is a %T, which is no value of SQL", i+1, strings.TrimSpace(s.SQL), arg)
			}
		}
	}
	return nil
}

func (p *tabler[E]) commit(ctx context.Context, statements []Statement, records []Record, to Position) error {
	if to > p.checkpoint.Position || len(p.changes) > 0 {
		c := ViewCommit{
			View: p.tables.ref(), Lease: p.progress.lease, From: p.checkpoint.Position, Checkpoint: p.checkpoint.after(p.info, records, to),
			Statements: statements, Parked: slices.Clone(p.changes),
		}
		if err := p.store.CommitView(ctx, c); err != nil {
			return err
		}
		p.checkpoint = c.Checkpoint
		p.forget()
	}
	p.progress.reached(to, len(p.keys))
	return nil
}

// controlled does what somebody has said about a parked stream: its records are written one by one, each with what is parked.
func (p *tabler[E]) controlled(ctx context.Context, record Record) error {
	if record.Type == typeRebuilt {
		return p.rebuilt(ctx, record)
	}
	c, err := decodeControl(ctx, p.codec, record)
	if err != nil {
		return err
	}
	if p.holds(c.Key) {
		err := p.retry(ctx, c, retrying{
			page: func(ctx context.Context, after Position, limit int) ([]ParkedRecord, error) {
				return p.store.ViewParkedRecords(ctx, p.tables.ref(), c.Key, after, limit)
			},
			record: func(ctx context.Context, position Position) (Record, error) { return recordAt(ctx, p.log, position) },
			again: func(ctx context.Context, parked Record, _ ParkedRecord) (fault, err error) {
				return p.again(ctx, c.Key, parked)
			},
		})
		if err != nil {
			return err
		}
	}
	return p.commit(ctx, nil, []Record{record}, record.Position)
}

// rebuilt sees to it that the tables do not get past where somebody has said that they are to be made anew, unless that is done.
func (p *tabler[E]) rebuilt(ctx context.Context, record Record) error {
	anew, err := p.progress.rebuildAt(record.Position, func() error { return p.store.DropView(ctx, p.tables.ref()) })
	if err != nil {
		return err
	}
	if anew {
		return errors.New("the tables are made anew")
	}
	return p.commit(ctx, nil, []Record{record}, record.Position)
}

// again writes a parked record, and commits that.
func (p *tabler[E]) again(ctx context.Context, key string, record Record) (fault, err error) {
	statements, fault, err := p.statements(ctx, record)
	if err != nil || fault != nil {
		return fault, err
	}
	p.release(key, record.Position, false)
	err = p.commit(ctx, statements, nil, p.checkpoint.Position)
	var broken *StatementError
	if errors.As(err, &broken) {
		p.forget()
		return broken, nil
	}
	return nil, err
}
