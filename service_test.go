package deed_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/deedtest"
)

func TestNewService(t *testing.T) {
	db, _ := memory(t)
	good := deed.Config{Store: db, Views: db}
	p := keeps(when(""))
	r := deed.Reactor[deed.Event]{Name: "mailer", Events: accountEvents, React: noReaction}
	idle := func(ctx context.Context, _ deed.Lease) error { <-ctx.Done(); return nil }
	mended := func(change func(p *deed.Projection[line, deed.Event])) deed.Part {
		p := lines
		change(&p)
		return p
	}
	for _, c := range []struct {
		name  string
		cfg   deed.Config
		parts []deed.Part
		words []string
	}{
		{"no store", deed.Config{}, nil, []string{"Store"}},
		{"no views", deed.Config{Store: db}, []deed.Part{lines}, []string{"projection lines", "Views"}},
		{"a nil part", good, []deed.Part{nil}, []string{"nil"}},
		{"no engine", deed.Config{Store: plainStore{db}, Views: db}, []deed.Part{p, r}, []string{"process keeper", "reactor mailer", "engine"}},
		{"a log only", deed.Config{Log: db, Views: db}, []deed.Part{accounts, uniqueEmail}, []string{"decider account", "decision of customer", "Store"}},
		{"two deciders of a category", good, []deed.Part{accounts, accounts}, []string{"decider account", "already"}},
		{"the same command twice", good, []deed.Part{uniqueEmail, uniqueEmail}, []string{`"register"`, "customer", "already"}},
		{"one name for two parts", good, []deed.Part{lines, keeper{Name: "lines", Events: p.Events, Key: p.Key, Evolve: p.Evolve, React: p.React}}, []string{"process lines", "taken by a projection"}},
		{"two tasks of one name", good, []deed.Part{deed.Task{Name: "t", Run: idle}, deed.Task{Name: "t", Run: idle}}, []string{"task t", "taken"}},
		{"an empty task", good, []deed.Part{deed.Task{}}, []string{"task", "Run"}},
		{"an empty reactor", good, []deed.Part{deed.Reactor[deed.Event]{}}, []string{"Name", "Events", "React"}},
		{"an empty process", good, []deed.Part{keeper{}}, []string{"Name", "Events", "Key, Evolve, React"}},
		{"an empty projection", good, []deed.Part{deed.Projection[line, deed.Event]{}}, []string{"Name", "Events", "Key", "Evolve"}},
		{"Key and Route", good, []deed.Part{mended(func(p *deed.Projection[line, deed.Event]) { p.Route = dossiers.Route })}, []string{"exactly one of Key and Route"}},
		{"an index that is none", good, []deed.Part{mended(func(p *deed.Projection[line, deed.Event]) { p.Index = []string{"shoe", "owner", "owner"} })}, []string{`no JSON field "shoe"`, `"owner" is listed twice`}},
		{"a negative version", good, []deed.Part{mended(func(p *deed.Projection[line, deed.Event]) { p.Version = -1 })}, []string{"Version"}},
		{"an event twice", good, []deed.Part{mended(func(p *deed.Projection[line, deed.Event]) { p.Events = []deed.Event{opened{}, &opened{}, nil} })}, []string{"listed twice", "nil"}},
		{"a bad name", good, []deed.Part{mended(func(p *deed.Projection[line, deed.Event]) { p.Name = "Lines_" })}, []string{"Name"}},
		{"reserved words", good, []deed.Part{
			accountDecider{Category: "process", Commands: accountCommands, Events: accountEvents, Decide: account.decide, Evolve: account.evolve},
			keeper{Name: "k", Events: []deed.Event{named("process-woken")}, Key: p.Key, Evolve: p.Evolve, React: p.React},
		}, []string{"process is reserved", `Events: "process-woken" is reserved`}},
		{"both ways to decide", good, []deed.Part{accountDecider{
			Category: "Account", Commands: []deed.Command{open{}, open{}, nil}, Events: []deed.Event{named("Bad Name")}, Decide: account.decide, Evolve: account.evolve,
			DecideWith: func(account, deed.Command, deed.Meta) ([]deed.Event, error) { return nil, nil },
		}}, []string{"Category", "Commands", `"open" is listed twice`, "nil", "Bad Name", "exactly one of Decide and DecideWith"}},
		{"a decision without a query", good, []deed.Part{emailDecision{Category: "c", Commands: uniqueEmail.Commands, Events: uniqueEmail.Events, Decide: uniqueEmail.Decide, Evolve: uniqueEmail.Evolve}}, []string{"Query"}},
		{"many faults", good, []deed.Part{accounts, accounts, lines, lines, deed.Task{}, keeper{}}, []string{"decider account", "projection lines", "task", "process"}},
	} {
		t.Run("refuses "+c.name, func(t *testing.T) {
			_, err := deed.NewService(c.cfg, c.parts...)
			for _, word := range c.words {
				if err == nil || !strings.Contains(err.Error(), word) {
					t.Errorf("got %v, want it to say %q", err, word)
				}
			}
		})
	}
	t.Run("takes a decider and decisions of one category with commands of their own", func(t *testing.T) {
		d := accounts
		d.Category = "customer"
		newService(t, db, d, uniqueEmail)
	})
	t.Run("makes a query node of a log and views", func(t *testing.T) {
		views, _ := memory(t)
		write(t, db, "account-1", "account-paid", `{"amount":1}`)
		s, err := deed.NewService(deed.Config{Log: db, Views: views}, lines)
		must(t, err)
		startService(t, views, s)
		row, err := lines.View(views).Get(bounded(t), "1", 1)
		must(t, err)
		want(t, "row", row, line{Balance: 1, Payments: 1})
	})
}

// plainStore is a store that is no engine.
type plainStore struct{ deed.Store }

// named is an event whose type is its value.
type named string

func (n named) EventType() string { return string(n) }

func TestDispatch(t *testing.T) {
	s := deedtest.Serve(t, accounts, uniqueEmail)
	dispatch := func(stream deed.StreamID, command, body string) error {
		_, err := s.Dispatch(s.Context(), stream, command, []byte(body))
		return err
	}
	t.Run("decodes and handles", func(t *testing.T) {
		receipt, err := s.Dispatch(s.Context(), "account-1", "open", []byte(` {"owner" : "ann"} `))
		must(t, err)
		want(t, "receipt", receipt, deed.Receipt{Position: 1, Streams: at("account-1", 1)})
		must(t, dispatch("customer-1", "register", `{"email":"a@b"}`))
		_, err = s.DispatchAt(s.Context(), "account-1", 0, "pay", []byte(`{"amount":1}`))
		wantErr(t, err, deed.ErrConflict)
		_, err = s.DispatchAt(s.Context(), "account-1", 1, "pay", []byte(`{"amount":1}`))
		must(t, err)
	})
	t.Run("says what is wrong", func(t *testing.T) {
		wantErr(t, dispatch("shoe-1", "open", `{}`), deed.ErrNotFound)
		wantErr(t, dispatch("account-1", "paint", `{}`), deed.ErrNotFound)
		wantErr(t, dispatch("account-1", "register", `{}`), deed.ErrNotFound)
		wantErr(t, dispatch("process-keeper:1", "open", `{}`), deed.ErrNotFound)
		for _, stream := range []deed.StreamID{"account", "account-", "account-a/b"} {
			if err := dispatch(stream, "open", `{"owner":"ann"}`); !errors.As(err, new(*deed.InvalidError)) {
				t.Errorf("%s: got %v, want *InvalidError", stream, err)
			}
		}
		if err := dispatch("account-1", "pay", `{"amount":1`); !errors.As(err, new(*deed.MalformedError)) {
			t.Errorf("got %v, want *MalformedError", err)
		}
		if err := dispatch("account-1", "pay", `{"Amount":1}`); !errors.As(err, new(*deed.InvalidError)) {
			t.Errorf("got %v, want *InvalidError", err)
		}
		if err := dispatch("account-1", "pay", `{"amount":-9}`); !errors.As(err, new(*deed.RejectedError)) {
			t.Errorf("got %v, want *RejectedError", err)
		}
	})
	t.Run("has its counterpart in Load", func(t *testing.T) {
		state, err := s.Load(s.Context(), "account-1")
		must(t, err)
		want(t, "state", state, deed.State{Stream: "account-1", Version: 2, Position: 3, State: account{Owner: "ann", Open: true, Balance: 1, Payments: []int{1}}})
		for _, stream := range []deed.StreamID{"account-2", "shoe-1", "customer-1"} { // not there, no category, a decision only
			_, err := s.Load(s.Context(), stream)
			wantErr(t, err, deed.ErrNotFound)
		}
	})
}

func TestModel(t *testing.T) {
	db, _ := memory(t)
	p := keeps(when(""))
	p.Version = 3
	s := newService(t, db, accounts, uniqueEmail, lines, p,
		deed.Reactor[deed.Event]{Name: "mailer", Events: []deed.Event{tagged{}}, React: noReaction},
		deed.Task{Name: "sweeper", Run: func(context.Context, deed.Lease) error { return nil }})
	m := s.Model()
	want(t, "deciders", len(m.Deciders), 2)
	want(t, "decider", m.Deciders[0].Kind+" "+m.Deciders[0].Category, "decider account")
	want(t, "decision", m.Deciders[1].Kind+" "+m.Deciders[1].Category, "decision customer")
	want(t, "command", m.Deciders[0].Commands[1], deed.TypeModel{Name: "pay", Type: reflect.TypeFor[pay]()})
	want(t, "event", m.Deciders[0].Events[0], deed.TypeModel{Name: "account-opened", Schema: 1, Type: reflect.TypeFor[opened]()})
	want(t, "state", m.Deciders[0].State, deed.TypeModel{Name: "account", Type: reflect.TypeFor[account]()})
	want(t, "view", m.Projections[0].Name, "lines")
	want(t, "index", m.Projections[0].Index, []string{"owner", "balance"})
	want(t, "row", m.Projections[0].Row.Type, reflect.TypeFor[line]())
	want(t, "process", m.Processes[0].Version, 3)
	want(t, "reactor", m.Reactors[0].Events[0], deed.TypeModel{Name: "tagged", Schema: 3, Type: reflect.TypeFor[tagged]()})
	want(t, "tasks", m.Tasks, []string{"sweeper"})
}

func TestSettle(t *testing.T) {
	t.Run("waits for views, processes, effects, and what comes of them", func(t *testing.T) {
		chain := keeps(func(_ diary, r deed.Recorded[deed.Event]) []deed.Effect {
			if e, ok := r.Event.(paid); ok && e.Amount > 1 {
				return []deed.Effect{accounts.Send(r.Stream.ID(), pay{e.Amount - 1})}
			}
			return nil
		})
		db, _ := memory(t)
		s := start(t, db, accounts, chain, lines)
		for round := range max(20/raceScale, 3) {
			key := id(round)
			s.send(accounts.Send(key, open{"ann"}), accounts.Send(key, pay{10}))
			s.settle()
			row, err := lines.View(db).Get(bounded(t), key, 0) // without waiting for it
			must(t, err)
			want(t, "row", row, line{"ann", 55, 10})
			want(t, "pending", len(s.pending("keeper")), 0)
		}
	})
	t.Run("ends with its context, and says what is left", func(t *testing.T) {
		db, _ := memory(t)
		s := newService(t, db, accounts, lines) // which nobody runs
		write(t, db, "account-1", "account-paid", `{"amount":1}`)
		ctx, cancel := context.WithTimeout(bounded(t), 10*time.Millisecond)
		defer cancel()
		err := s.Settle(ctx)
		wantErr(t, err, context.DeadlineExceeded)
		if !strings.Contains(err.Error(), "the log is at 1, projection lines at 0") {
			t.Errorf("got %v, want it to say what is left", err)
		}
	})
}

func TestStatus(t *testing.T) {
	t.Run("is off, then live, and off again", func(t *testing.T) {
		db, clock := memory(t)
		service := newService(t, db, accounts, lines)
		write(t, db, "account-1", "account-paid", `{"amount":1}`)
		clock.Advance(time.Minute)
		status, err := service.Status(bounded(t))
		must(t, err)
		off := deed.PartStatus{Name: "lines", Kind: "projection", Version: 1, State: deed.StateOff, Lag: 1, Behind: time.Minute, Read: true}
		want(t, "part", status.Parts, []deed.PartStatus{off})
		want(t, "head", status.Head, 1)
		want(t, "log", status.Log, db.Info())
		s := startService(t, db, service)
		s.settle()
		want(t, "part", s.part("lines"), deed.PartStatus{Name: "lines", Kind: "projection", Version: 1, State: deed.StateLive, Position: 1, Ready: true, Read: true})
		s.stop()
		want(t, "state", s.part("lines").State, deed.StateOff)
	})
	t.Run("never says live of what lags", func(t *testing.T) {
		db, clock := memory(t)
		begun, goOn := make(chan struct{}), make(chan struct{})
		var held atomic.Bool
		held.Store(true)
		store := &hooked{DB: db, onCommitView: func(deed.ViewCommit) error {
			if held.Load() {
				begun <- struct{}{}
				<-goOn
			}
			return nil
		}}
		p := lines
		p.MaxLag = time.Minute
		s := start(t, store, accounts, p)
		s.send(accounts.Send("1", open{"ann"}), accounts.Send("1", pay{1}))
		<-begun
		part := s.part("lines")
		want(t, "state", part.State, deed.StateCatchingUp)
		want(t, "ready", part.Ready, true)
		if part.Lag < 1 {
			t.Errorf("lag %d, want one at least", part.Lag)
		}
		clock.Advance(2 * time.Minute)
		part = s.part("lines")
		want(t, "behind", part.Behind, 2*time.Minute)
		want(t, "ready", part.Ready, false)
		held.Store(false)
		close(goOn)
		s.settle()
		want(t, "state", s.part("lines").State, deed.StateLive)
	})
}

func TestTask(t *testing.T) {
	t.Run("runs with a lease until Run ends, again after an error or a panic, and not after it is done", func(t *testing.T) {
		db, _ := memory(t)
		var calls atomic.Int64
		running, ended := make(chan deed.Lease), make(chan struct{})
		faulty := deed.Task{Name: "faulty", Run: func(ctx context.Context, lease deed.Lease) error {
			switch calls.Add(1) {
			case 1:
				return errors.New("not now")
			case 2:
				panic("bang")
			}
			running <- lease
			<-ctx.Done()
			close(ended)
			return ctx.Err()
		}}
		var once atomic.Int64
		short := deed.Task{Name: "short", Run: func(context.Context, deed.Lease) error { once.Add(1); return nil }}
		s := start(t, db, faulty, short)
		want(t, "lease", <-running, deed.Lease{Part: "faulty", Token: 1})
		part := s.part("faulty") // it has not run for long
		want(t, "state", part.State, deed.StateRetrying)
		want(t, "error", part.Error, "panic: bang")
		s.settle() // which no task holds up
		s.stop()
		<-ended
		want(t, "calls of what was done", once.Load(), 1)
	})
}
