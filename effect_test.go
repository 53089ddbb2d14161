package deed_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/deedtest"
	"github.com/deed-es/deed/sqlite"
)

// An effect that is carried out and then not marked done is carried out again, and the receiving stream takes it once.
func TestEffectsCarriedOutTwice(t *testing.T) {
	p := keeps(when("account-opened", accounts.Send("1", pay{5}), deed.Wake(), accounts.Send("1", pay{-100}), accounts.Send("1", pay{0})))
	expect := func(t *testing.T, db *sqlite.DB) {
		t.Helper()
		want(t, "account", types(t, db, deed.Query{Stream: "account-1"}), []string{"account-opened", "account-paid"})
		want(t, "process", types(t, db, deed.Query{Stream: "process-keeper:1"}), []string{"process-woken", "effect-refused"})
	}
	t.Run("because marking it fails", func(t *testing.T) {
		db, _ := memory(t)
		finished := map[string]int{}
		store := &hooked{DB: db, onFinish: func(ids []string) error {
			if finished[ids[0]]++; finished[ids[0]] <= 2 {
				return errors.New("not now")
			}
			return nil
		}}
		s := start(t, store, accounts, p)
		s.send(accounts.Send("1", open{"ann"}))
		for range 12 {
			s.settle() // lets what has failed be tried again
		}
		want(t, "pending", len(s.pending("keeper")), 0)
		want(t, "effects", len(finished), 4)
		expect(t, db)
	})
	t.Run("because the program is killed before it is marked", func(t *testing.T) {
		file := inFile(t)
		for range 5 { // each time one more of the four is answered, and three times out of four none is marked
			file.during(func(db *sqlite.DB) {
				var answered atomic.Bool
				store := &hooked{DB: db, onFinish: func([]string) error {
					if !answered.Swap(true) {
						return nil
					}
					return errors.New("killed")
				}}
				s := start(t, store, accounts, p)
				if head, _ := db.Head(bounded(t)); head == 0 {
					s.send(accounts.Send("1", open{"ann"}))
				}
				s.settle()
				s.stop()
			})
			file.clock.Advance(30 * time.Hour) // longer than outcomes are kept
		}
		file.served([]deed.Part{accounts, p}, func(s *running, db *sqlite.DB) {
			s.settle()
			want(t, "pending", len(s.pending("keeper")), 0)
			expect(t, db)
		})
	})
	t.Run("and what was refused stays refused, though it would be taken now", func(t *testing.T) {
		db, _ := memory(t)
		killed := true
		store := &hooked{DB: db, onFinish: func([]string) error {
			if killed {
				return errors.New("killed")
			}
			return nil
		}}
		fee := keeps(when("account-opened", accounts.Send("1", pay{-5})))
		s := start(t, store, accounts, fee)
		s.send(accounts.Send("1", open{"ann"}))
		s.settle()
		want(t, "refusals", len(records(t, db, deed.Query{Category: "process"})), 1)
		s.send(accounts.Send("1", pay{100}))
		s.stop()
		killed = false
		s = start(t, store, accounts, fee)
		s.settle()
		want(t, "payments", payments(t, db, "1"), []string{`{"amount":100}`})
		want(t, "refusals", len(records(t, db, deed.Query{Category: "process"})), 1)
		want(t, "pending", len(s.pending("keeper")), 0)
	})
	t.Run("though a commit of the process is repeated", func(t *testing.T) {
		db, _ := memory(t)
		commits := 0
		store := &hooked{DB: db}
		store.onCommitPart = func(c deed.PartCommit) error {
			if commits++; commits%2 == 1 {
				must(t, db.CommitPart(bounded(t), c))
				return deed.ErrUnknown // it is stored all the same
			}
			return nil
		}
		s := start(t, store, accounts, p)
		s.send(accounts.Send("1", open{"ann"}))
		for range 5 {
			s.settle()
		}
		expect(t, db)
		want(t, "state", s.part("keeper").State, deed.StateLive)
	})
}

func TestEffectsHeld(t *testing.T) {
	gift := func() keeper {
		return keeps(func(_ diary, r deed.Recorded[deed.Event]) []deed.Effect {
			switch r.Event.(type) {
			case opened:
				return []deed.Effect{accounts.Send(r.Stream.ID(), pay{1}).Named("first"), accounts.Send(r.Stream.ID(), pay{2})}
			case renamed:
				return []deed.Effect{deed.Cancel("first")}
			}
			return nil
		})
	}
	// sick is a decider for which nothing can be done to account 1 while it is sick.
	sick := func(is *atomic.Bool) accountDecider {
		d := accounts
		d.Decide = func(a account, cmd deed.Command) ([]deed.Event, error) {
			if p, ok := cmd.(pay); ok && p.Amount == 1 && a.Owner == "sick" && is.Load() {
				panic("ill")
			}
			return a.decide(cmd)
		}
		return d
	}
	t.Run("hold back their key only, are shown, and go on when they can", func(t *testing.T) {
		db, _ := memory(t)
		var ill atomic.Bool
		ill.Store(true)
		s := start(t, db, sick(&ill), gift())
		s.send(accounts.Send("1", open{"sick"}), accounts.Send("2", open{"well"}))
		s.settle()
		want(t, "the sick one", len(payments(t, db, "1")), 0)
		want(t, "the well one", payments(t, db, "2"), []string{`{"amount":1}`, `{"amount":2}`})
		for range 3 {
			s.settle()
		}
		held := s.effects().Held
		want(t, "held", len(held), 1)
		h := held[0]
		if h.Attempts < 4 {
			t.Errorf("%d attempts, want each counted", h.Attempts)
		}
		h.ID, h.Attempts = "", 0
		want(t, "held", h, deed.HeldEffect{Part: "keeper", Key: "1", Stream: "account-1", Command: "pay", Error: "pay account-1: panic: ill"})
		want(t, "the process", s.part("keeper").State, deed.StateLive)
		want(t, "pending", len(s.pending("keeper")), 2)

		ill.Store(false)
		s.settle()
		want(t, "the sick one, mended", payments(t, db, "1"), []string{`{"amount":1}`, `{"amount":2}`})
		want(t, "held", len(s.effects().Held), 0)
	})
	t.Run("hold back later ones of their key, also such as are due at a time before theirs", func(t *testing.T) {
		db, clock := memory(t)
		var ill atomic.Bool
		ill.Store(true)
		p := keeps(func(_ diary, r deed.Recorded[deed.Event]) []deed.Effect {
			switch r.Event.(type) {
			case opened:
				return []deed.Effect{accounts.Send(r.Stream.ID(), pay{1})}
			case renamed:
				return []deed.Effect{
					accounts.Send(r.Stream.ID(), pay{2}).At(deedtest.Start.Add(-time.Hour)),
					accounts.Send(r.Stream.ID(), pay{3}).At(r.Time.Add(-time.Nanosecond)),
					accounts.Send(r.Stream.ID(), pay{4}).In(-time.Hour),
					accounts.Send(r.Stream.ID(), pay{5}),
				}
			}
			return nil
		})
		s := start(t, db, sick(&ill), p)
		s.send(accounts.Send("1", open{"sick"}))
		s.settle()
		clock.Advance(time.Minute)
		s.send(accounts.Send("1", rename{"sick"}))
		s.settle()
		want(t, "while the first is held", len(payments(t, db, "1")), 0)
		pending := s.pending("keeper")
		want(t, "pending", len(pending), 5)
		want(t, "due, at the earliest when it was recorded", pending[1].Due, deedtest.Start.Add(time.Minute))
		ill.Store(false)
		s.settle()
		want(t, "mended", payments(t, db, "1"), []string{`{"amount":1}`, `{"amount":2}`, `{"amount":3}`, `{"amount":4}`, `{"amount":5}`})
	})
	t.Run("are let go when they are cancelled", func(t *testing.T) {
		db, _ := memory(t)
		var ill atomic.Bool
		ill.Store(true)
		s := start(t, db, sick(&ill), gift())
		s.send(accounts.Send("1", open{"sick"}))
		s.settle()
		want(t, "held", len(s.effects().Held), 1)
		s.send(accounts.Send("1", rename{"sick"}))
		s.settle()
		want(t, "payments", payments(t, db, "1"), []string{`{"amount":2}`})
		want(t, "held", len(s.effects().Held), 0)
	})
	t.Run("are let go when they are cancelled and nothing else is pending", func(t *testing.T) {
		db, _ := memory(t)
		var ill atomic.Bool
		ill.Store(true)
		p := gift()
		react := p.React
		p.React = func(d diary, r deed.Recorded[deed.Event]) []deed.Effect {
			return slices.DeleteFunc(react(d, r), func(e deed.Effect) bool { return e.Command() == pay{2} })
		}
		s := start(t, db, sick(&ill), p)
		s.send(accounts.Send("1", open{"sick"}))
		s.settle()
		s.send(accounts.Send("1", rename{"sick"}))
		s.settle()
		want(t, "held", len(s.effects().Held), 0)
		want(t, "pending", len(s.pending("keeper")), 0)
	})
	t.Run("are not looked for in a busy loop while one is tried again", func(t *testing.T) {
		db, _ := memory(t)
		var looks atomic.Int64
		tries := 0
		trying, goOn := make(chan struct{}), make(chan struct{})
		store := &hooked{DB: db, onEffects: func() { looks.Add(1) }}
		store.onAppend = func(ctx context.Context, b deed.Batch) (deed.Receipt, error) {
			if b.Command.ID != "" {
				if tries++; tries == 1 {
					return deed.Receipt{}, errors.New("not now")
				}
				close(trying)
				<-goOn
			}
			return db.Append(ctx, b)
		}
		s := start(t, store, accounts, keeps(when("account-opened", accounts.Send("1", pay{1}))))
		s.send(accounts.Send("1", open{"ann"}))
		<-trying
		before := looks.Load()
		for range 500 / raceScale {
			write(t, db, "noise-1", "noise", `{}`)
		}
		if n := looks.Load() - before; n > 3 {
			t.Errorf("looked %d times at what is pending while nothing happened", n)
		}
		close(goOn)
		s.settle()
		want(t, "payments", len(payments(t, db, "1")), 1)
	})
	t.Run("are carried out one at a time in a key, and once", func(t *testing.T) {
		db, _ := memory(t)
		var first atomic.Int64
		trying, goOn, others := make(chan struct{}), make(chan struct{}), make(chan struct{}, 10)
		watch := func(next deed.HandleFunc) deed.HandleFunc {
			return func(ctx context.Context, req deed.Request) (deed.Receipt, error) {
				switch {
				case req.Command != (pay{1}):
				case req.Stream != "account-1":
					defer func() { others <- struct{}{} }()
				default:
					if first.Add(1) == 1 {
						close(trying)
					}
					<-goOn
				}
				return next(ctx, req)
			}
		}
		p := keeps(func(_ diary, r deed.Recorded[deed.Event]) []deed.Effect {
			if r.Type == "account-opened" {
				return []deed.Effect{accounts.Send(r.Stream.ID(), pay{1})}
			}
			return nil
		})
		service, err := deed.NewService(deed.Config{Store: db, Views: db, Middleware: []deed.Middleware{watch}}, accounts, p)
		must(t, err)
		s := startService(t, db, service)
		s.send(accounts.Send("1", open{"ann"}))
		<-trying
		for i := range 5 { // each makes the pending effects be looked at
			s.send(accounts.Send(id(2+i), open{"bob"}))
			<-others
		}
		want(t, "times that the first was begun", first.Load(), 1)
		close(goOn)
		s.settle()
		want(t, "payments", len(payments(t, db, "1")), 1)
	})
	t.Run("do not end the service by a panic outside Decide", func(t *testing.T) {
		db, _ := memory(t)
		p := keeps(when("account-opened", accounts.Send("1", pay{1})))
		var panics atomic.Bool
		panics.Store(true)
		service, err := deed.NewService(deed.Config{Store: db, Views: db, Middleware: []deed.Middleware{
			func(next deed.HandleFunc) deed.HandleFunc {
				return func(ctx context.Context, req deed.Request) (deed.Receipt, error) {
					if req.Command == (pay{1}) && panics.Load() {
						panic("in middleware")
					}
					return next(ctx, req)
				}
			},
		}}, accounts, p)
		must(t, err)
		s := startService(t, db, service)
		s.send(accounts.Send("1", open{"ann"}))
		s.settle()
		want(t, "held", s.effects().Held[0].Error, "pay account-1: panic: in middleware")
		panics.Store(false)
		s.settle()
		want(t, "payments", len(payments(t, db, "1")), 1)
	})
}

func TestEffectIsData(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("x", 3600))
	e := accounts.Send("1", pay{5}).In(time.Hour).Named("n")
	want(t, "equal effects", e, accounts.Send("1", pay{5}).Named("n").In(time.Hour))
	want(t, "equal times", deed.Wake().At(at), deed.Wake().At(at.UTC()))
	want(t, "the last of In and At counts", deed.Wake().At(at).In(time.Hour), deed.Wake().In(time.Hour))
	want(t, "the last of At and In counts", deed.Wake().In(time.Hour).At(at), deed.Wake().At(at))
	want(t, "command", e.Command(), deed.Command(pay{5}))
	want(t, "stream", e.Stream(), "account-1")
	for _, c := range []struct {
		effect deed.Effect
		text   string
	}{
		{e, `send pay {Amount:5} to account-1 in 1h0m0s named "n"`},
		{deed.Wake().At(at), "wake at 2026-01-02T02:04:05Z"},
		{deed.Cancel("n"), `cancel "n"`},
		{accounts.Send("1", nil), "send nil <nil> to account-1"},
	} {
		want(t, "text", c.effect.String(), c.text)
	}
}
