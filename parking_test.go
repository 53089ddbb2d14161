package deed_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/deed-es/deed"
)

// parked are the keys that a part holds back, with the positions and how many records each.
func (r *running) parked(part string) []deed.Parked {
	r.t.Helper()
	all, err := r.Control().Parked(bounded(r.t), part, "", 1000)
	must(r.t, err)
	return all
}

func (r *running) retry(part, key string) deed.Position {
	r.t.Helper()
	receipt, err := r.Control().Retry(bounded(r.t), part, key)
	must(r.t, err)
	return receipt.Position
}

func (r *running) skip(part, key string) deed.Position {
	r.t.Helper()
	receipt, err := r.Control().Skip(bounded(r.t), part, key)
	must(r.t, err)
	return receipt.Position
}

// fragile is the view of accounts, which breaks at payments of 13 for as long as it is broken.
func fragile(broken *atomic.Bool) deed.Projection[line, deed.Event] {
	p := lines
	p.Evolve = func(l line, r deed.Recorded[deed.Event]) line {
		if e, ok := r.Event.(paid); ok && e.Amount == 13 && broken.Load() {
			panic("unlucky")
		}
		return l.evolve(r)
	}
	return p
}

func TestParkedRows(t *testing.T) {
	begin := func(t *testing.T) (*running, *deed.View[line], *atomic.Bool) {
		db, _ := memory(t)
		var broken atomic.Bool
		broken.Store(true)
		p := fragile(&broken)
		s := start(t, db, accounts, p)
		for _, key := range []string{"1", "2"} {
			s.send(accounts.Send(key, open{"ann"}), accounts.Send(key, pay{1}))
		}
		s.send(accounts.Send("1", pay{13}), accounts.Send("1", pay{2}), accounts.Send("2", pay{2}))
		s.settle()
		return s, p.View(db), &broken
	}
	t.Run("are held back with what follows, while others go on", func(t *testing.T) {
		s, view, _ := begin(t)
		got, err := view.Get(bounded(t), "1", 7)
		var parked *deed.ParkedError
		if !errors.As(err, &parked) || *parked != (deed.ParkedError{View: "lines", Key: "1", Position: 5}) || !errors.Is(err, deed.ErrParked) {
			t.Fatalf("got %v, want *ParkedError at 5", err)
		}
		want(t, "the parked row", got, line{"ann", 1, 1})
		got, err = view.Get(bounded(t), "2", 7)
		must(t, err)
		want(t, "the other row", got, line{"ann", 3, 2})
		rows, err := view.List(bounded(t), nil, deed.Page{}, 7)
		must(t, err)
		want(t, "marks", []deed.Position{rows.Rows[0].Parked, rows.Rows[1].Parked}, []deed.Position{5, 0})
		all := s.parked("lines")
		want(t, "how many", len(all), 1)
		p := all[0]
		want(t, "time", p.Time.IsZero(), false)
		p.Time = all[0].Time.UTC().AddDate(-3000, 0, 0)
		p.Time = deed.Parked{}.Time
		want(t, "parked", p, deed.Parked{
			Part: "lines", Kind: "projection", Key: "1", Position: 5, Stream: "account-1", Type: "account-paid",
			Error: "evolve row 1: panic: unlucky", Records: 2,
		})
		if part := s.part("lines"); part.Parked != 1 || part.State != deed.StateLive || !part.Ready {
			t.Errorf("the status is %+v, want one parked key of a part that goes on", part)
		}
	})
	t.Run("are folded on retry, at the position where that was said", func(t *testing.T) {
		s, view, broken := begin(t)
		broken.Store(false)
		at := s.retry("lines", "1")
		got, err := view.Get(bounded(t), "1", at)
		must(t, err)
		want(t, "row", got, line{"ann", 16, 3})
		rows, err := view.List(bounded(t), nil, deed.Page{}, at)
		must(t, err)
		want(t, "place in the changes", rows.Rows[0].Position, at)
		want(t, "parked", len(s.parked("lines")), 0)
		s.settle()
		want(t, "status", s.part("lines").Parked, 0)
		s.send(accounts.Send("1", pay{4}))
		got, err = view.Get(bounded(t), "1", at+1)
		must(t, err)
		want(t, "row", got, line{"ann", 20, 4})
	})
	t.Run("stay where retrying fails", func(t *testing.T) {
		s, view, _ := begin(t)
		at := s.retry("lines", "1")
		_, err := view.Get(bounded(t), "1", at)
		wantErr(t, err, deed.ErrParked)
		s.settle()
		want(t, "records", s.parked("lines")[0].Records, 2)
	})
	t.Run("go on behind what is skipped", func(t *testing.T) {
		s, view, _ := begin(t)
		got, err := view.Get(bounded(t), "1", s.skip("lines", "1"))
		must(t, err)
		want(t, "row", got, line{"ann", 3, 2})
		want(t, "audit", types(t, s.store, deed.Query{Stream: "process-lines"}), []string{"part-skipped"})
	})
	t.Run("are parked again at the next that fails", func(t *testing.T) {
		s, view, _ := begin(t)
		s.send(accounts.Send("1", pay{13}), accounts.Send("1", pay{3}))
		_, err := view.Get(bounded(t), "1", s.skip("lines", "1"))
		wantErr(t, err, deed.ErrParked)
		s.settle()
		all := s.parked("lines")
		want(t, "records", all[0].Records, 2)
		want(t, "position", all[0].Position, 8)
		got, err := view.Get(bounded(t), "1", s.skip("lines", "1"))
		must(t, err)
		want(t, "row", got, line{"ann", 6, 3})
	})
	t.Run("that are none are ErrNotFound", func(t *testing.T) {
		s, _, _ := begin(t)
		for _, err := range []error{
			second(s.Control().Retry(bounded(t), "lines", "2")), second(s.Control().Skip(bounded(t), "lines", "2")),
			second(s.Control().Retry(bounded(t), "nothing", "1")), second(s.Control().Parked(bounded(t), "nothing", "", 10)),
		} {
			wantErr(t, err, deed.ErrNotFound)
		}
	})
	t.Run("mark a row that is not there", func(t *testing.T) {
		db, _ := memory(t)
		p := lines
		p.Evolve = func(line, deed.Recorded[deed.Event]) line { panic("always") }
		s := start(t, db, accounts, p)
		at := s.send(accounts.Send("1", open{"ann"})).Position
		_, err := p.View(db).Get(bounded(t), "1", at)
		wantErr(t, err, deed.ErrParked)
	})
	t.Run("mark all rows where the key is not known", func(t *testing.T) {
		db, _ := memory(t)
		var broken atomic.Bool
		broken.Store(true)
		p := lines
		p.Key = func(r deed.Recorded[deed.Event]) string {
			if e, ok := r.Event.(paid); ok && e.Amount == 13 && broken.Load() {
				panic("where to?")
			}
			return r.Stream.ID()
		}
		s := start(t, db, accounts, p)
		s.send(accounts.Send("1", open{"ann"}), accounts.Send("2", open{"bob"}), accounts.Send("1", pay{13}), accounts.Send("1", pay{1}), accounts.Send("2", pay{1}))
		s.settle()
		want(t, "key", s.parked("lines")[0].Key, "/account-1")
		got, err := p.View(db).Get(bounded(t), "2", 5)
		wantErr(t, err, deed.ErrParked)
		want(t, "the other row", got, line{"bob", 1, 1})
		broken.Store(false)
		at := s.retry("lines", "/account-1")
		got, err = p.View(db).Get(bounded(t), "1", at)
		must(t, err)
		want(t, "row", got, line{"ann", 14, 2})
	})
	t.Run("stop the part where they are too many", func(t *testing.T) {
		db, _ := memory(t)
		var broken atomic.Bool
		broken.Store(true)
		service, err := deed.NewService(deed.Config{Store: db, Views: db, MaxParked: 2}, accounts, fragile(&broken))
		must(t, err)
		s := startService(t, db, service)
		for i := range 4 {
			s.send(accounts.Send(id(i), open{"ann"}), accounts.Send(id(i), pay{13}))
		}
		_, _ = lines.View(db).Get(bounded(t), "0", 4)
		s.settle()
		_, _ = s.Views().List(bounded(t), "lines", nil, deed.Page{}, 0)
		part := s.part("lines")
		want(t, "state", part.State, deed.StateStopped)
		want(t, "parked", part.Parked, 2)
		want(t, "record", part.Record.Position, 6)
	})
}

func second[T any](_ T, err error) error { return err }

// An event that goes to all rows with a value waits for those that are parked, and applies on retry where the value is then
// theirs.
func TestParkedRowsWaitForWhatIsRouted(t *testing.T) {
	db, _ := memory(t)
	var broken atomic.Bool
	broken.Store(true)
	p := fragile(&broken)
	p.Key = nil
	p.Route = func(r deed.Recorded[deed.Event]) []deed.Target {
		if r.Type == "account-renamed" {
			return []deed.Target{deed.ToWhere("owner", "ann")}
		}
		return []deed.Target{deed.ToKey(r.Stream.ID())}
	}
	s := start(t, db, accounts, p)
	for key, owner := range map[string]string{"1": "ann", "2": "bob", "3": "ann"} {
		s.send(accounts.Send(key, open{owner}))
	}
	s.send(accounts.Send("1", pay{13}), accounts.Send("2", pay{13}), accounts.Send("3", rename{"anna"}))
	s.settle()
	want(t, "parked", len(s.parked("lines")), 2)
	want(t, "records of both", s.parked("lines")[0].Records+s.parked("lines")[1].Records, 4)
	broken.Store(false)
	s.retry("lines", "1")
	s.retry("lines", "2")
	s.settle()
	for key, owner := range map[string]string{"1": "anna", "2": "bob", "3": "anna"} {
		got, err := p.View(db).Get(bounded(t), key, 0)
		must(t, err)
		want(t, "owner of "+key, got.Owner, owner)
	}
}

func TestParkedInstances(t *testing.T) {
	begin := func(t *testing.T, broken *atomic.Bool, versions ...int) (*running, func(version int) *running) {
		db, _ := memory(t)
		make := func(version int) *running {
			p := keeps(func(_ diary, r deed.Recorded[deed.Event]) []deed.Effect {
				if e, ok := r.Event.(paid); ok && e.Amount == 13 && broken.Load() {
					panic("unlucky")
				}
				if r.Type == "account-paid" {
					return []deed.Effect{accounts.Send(r.Stream.ID()+"-"+id(int(r.Position)), open{"fee"})}
				}
				return nil
			})
			p.Version = version
			p.From = deed.FromStart()
			return start(t, db, accounts, p)
		}
		s := make(1)
		s.send(accounts.Send("1", open{"ann"}), accounts.Send("2", open{"bob"}), accounts.Send("1", pay{13}), accounts.Send("1", pay{2}), accounts.Send("2", pay{3}))
		s.settle()
		return s, make
	}
	made := func(s *running) []string {
		var ids []string
		for _, r := range records(t, s.store, deed.Query{Category: "account", Match: []deed.Match{{Types: []string{"account-opened"}}}}) {
			if id := r.Stream.ID(); len(id) > 1 {
				ids = append(ids, id)
			}
		}
		slices.Sort(ids)
		return ids
	}
	t.Run("are held back with what follows, and make their effects on retry", func(t *testing.T) {
		var broken atomic.Bool
		broken.Store(true)
		s, _ := begin(t, &broken)
		want(t, "effects of the other", made(s), []string{"2-5"})
		want(t, "parked", s.parked("keeper")[0].Records, 2)
		want(t, "status", s.part("keeper").Parked, 1)
		broken.Store(false)
		s.retry("keeper", "1")
		s.settle()
		want(t, "effects", made(s), []string{"1-3", "1-4", "2-5"})
		want(t, "notes", s.notes("keeper", "1"), []string{"account-opened 1", "account-paid 2", "account-paid 3"})
		want(t, "parked", len(s.parked("keeper")), 0)
	})
	t.Run("go on behind what is skipped", func(t *testing.T) {
		var broken atomic.Bool
		broken.Store(true)
		s, _ := begin(t, &broken)
		s.skip("keeper", "1")
		s.settle()
		want(t, "effects", made(s), []string{"1-4", "2-5"})
		want(t, "notes", s.notes("keeper", "1"), []string{"account-opened 1", "account-paid 3"})
	})
	t.Run("of an old version make in a new one the effects that were never made, and no others", func(t *testing.T) {
		var broken atomic.Bool
		broken.Store(true)
		s, make := begin(t, &broken)
		s.stop()
		broken.Store(false)
		s = make(2)
		s.settle()
		want(t, "effects", made(s), []string{"1-3", "1-4", "2-5"})
		want(t, "parked", len(s.parked("keeper")), 0)
		want(t, "notes", s.notes("keeper", "1"), []string{"account-opened 1", "account-paid 2", "account-paid 3"})
	})
	t.Run("of an old version that are broken in a new one too stay parked", func(t *testing.T) {
		var broken atomic.Bool
		broken.Store(true)
		s, make := begin(t, &broken)
		s.stop()
		s = make(2)
		s.settle()
		want(t, "parked", s.parked("keeper")[0].Records, 2)
		broken.Store(false)
		s.retry("keeper", "1")
		s.settle()
		want(t, "effects", made(s), []string{"1-3", "1-4", "2-5"})
	})
}

func TestParkedReactions(t *testing.T) {
	away := errors.New("the port is away")
	begin := func(t *testing.T, react func(r deed.Recorded[deed.Event]) error) (*running, *[]deed.Position) {
		db, _ := memory(t)
		var done []deed.Position
		s := start(t, db, accounts, deed.Reactor[deed.Event]{
			Name: "mailer", Events: accountEvents, Attempts: 2,
			React: func(_ context.Context, r deed.Recorded[deed.Event], _ string) ([]deed.Effect, error) {
				if err := react(r); err != nil {
					return nil, err
				}
				done = append(done, r.Position)
				return nil, nil
			},
		})
		s.send(accounts.Send("1", open{"ann"}), accounts.Send("2", open{"bob"}), accounts.Send("1", pay{13}), accounts.Send("1", pay{2}), accounts.Send("2", pay{3}))
		return s, &done
	}
	for name, fault := range map[string]error{"a permanent error": deed.Permanent(away), "attempts used up": away} {
		t.Run("are held back by stream after "+name, func(t *testing.T) {
			var broken atomic.Bool
			broken.Store(true)
			s, done := begin(t, func(r deed.Recorded[deed.Event]) error {
				if r.Position == 3 && broken.Load() {
					return fault
				}
				return nil
			})
			for len(s.parked("mailer")) == 0 || s.part("mailer").Position < 5 {
				s.settle() // ends the waits between attempts
			}
			want(t, "done", *done, []deed.Position{1, 2, 5})
			p := s.parked("mailer")[0]
			want(t, "parked", []any{p.Key, p.Records, p.Error}, []any{"account-1", 2, "the port is away"})
			broken.Store(false)
			s.retry("mailer", "account-1")
			s.settle()
			want(t, "done", *done, []deed.Position{1, 2, 5, 3, 4})
			want(t, "parked", len(s.parked("mailer")), 0)
		})
	}
}

// An effect that cannot be carried out holds back its key, is listed with what is parked, and can be dropped.
func TestHeldEffectsAreSkipped(t *testing.T) {
	db, _ := memory(t)
	nowhere := deed.Decider[account, deed.Command, deed.Event]{Category: "nowhere", Commands: accountCommands, Events: accountEvents, Decide: account.decide, Evolve: account.evolve}
	p := keeps(func(_ diary, r deed.Recorded[deed.Event]) []deed.Effect {
		if r.Type == "account-opened" && len(r.Stream.ID()) == 1 {
			return []deed.Effect{nowhere.Send("1", open{"x"}), accounts.Send("fee", open{"x"})}
		}
		return nil
	})
	s := start(t, db, accounts, p)
	s.send(accounts.Send("1", open{"ann"}))
	s.settle()
	held := s.parked("keeper")
	want(t, "held", len(held), 1)
	if held[0].Effect == "" || held[0].Stream != "nowhere-1" {
		t.Fatalf("got %+v, want the effect on nowhere-1", held[0])
	}
	s.skip("keeper", "1")
	s.settle()
	want(t, "held", len(s.parked("keeper")), 0)
	want(t, "the next effect", types(t, db, deed.Query{Stream: "account-fee"}), []string{"account-opened"})
}
