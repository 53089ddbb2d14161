package deed_test

import (
	"strings"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/deedtest"
	"github.com/deed-es/deed/sqlite"
)

func TestProcess(t *testing.T) {
	t.Run("sends commands, and its events know what they came of", func(t *testing.T) {
		gift := keeps(when("account-opened", accounts.Send("1", pay{7})))
		s := deedtest.Serve(t, accounts, gift)
		_, err := s.Dispatch(deed.WithMeta(s.Context(), deed.Meta{Actor: "ann", Correlation: "visit 7"}), "account-1", "open", []byte(`{"owner":"ann"}`))
		must(t, err)
		s.Settle()
		all := records(t, s.DB, deed.Query{Stream: "account-1"})
		want(t, "types", types(t, s.DB, deed.Query{Stream: "account-1"}), []string{"account-opened", "account-paid"})
		meta := all[1].Meta()
		want(t, "meta", meta, deed.Meta{CommandID: meta.CommandID, Correlation: "visit 7", Causation: all[0].ID})
		if meta.CommandID == "" {
			t.Error("the effect's command has no id")
		}
	})
	t.Run("keeps a state for each key, and none for the zero state", func(t *testing.T) {
		p := keeps(when(""))
		note := p.Evolve
		p.Evolve = func(d diary, r deed.Recorded[deed.Event]) diary {
			if r.Type == "account-closed" {
				return diary{}
			}
			return note(d, r)
		}
		p.Key = func(r deed.Recorded[deed.Event]) string { return strings.TrimPrefix(r.Stream.ID(), "x") }
		db, _ := memory(t)
		s := start(t, db, accounts, p)
		s.send(accounts.Send("1", open{"ann"}), accounts.Send("x1", open{"bob"}), accounts.Send("x", open{"bob"}), accounts.Send("2", open{"cat"}), accounts.Send("2", shut{}))
		s.settle()
		states, err := s.Processes().States(bounded(t), "keeper", "", 10)
		must(t, err)
		want(t, "states", len(states), 1)
		want(t, "notes", s.notes("keeper", "1"), []string{"account-opened 1", "account-opened 1"})
	})
	t.Run("has effects of one key carried out in order, those of others beside them", func(t *testing.T) {
		p := keeps(func(_ diary, r deed.Recorded[deed.Event]) []deed.Effect {
			if e, ok := r.Event.(paid); ok && e.Amount < 100 {
				target := "to" + r.Stream.ID()
				return []deed.Effect{accounts.Send(target, pay{100 * e.Amount}), accounts.Send(target, pay{100*e.Amount + 1})}
			}
			return nil
		})
		db, _ := memory(t)
		s := start(t, db, accounts, p)
		var expect []string
		n := max(30/raceScale, 3)
		for _, key := range []string{"1", "2", "3"} {
			s.send(accounts.Send("to"+key, open{"ann"}), accounts.Send(key, open{"ann"}))
		}
		for i := 1; i <= n; i++ {
			for _, key := range []string{"1", "2", "3"} {
				s.send(accounts.Send(key, pay{i}))
			}
			expect = append(expect, `{"amount":`+id(100*i)+`}`, `{"amount":`+id(100*i+1)+`}`)
		}
		s.settle()
		for _, key := range []string{"to1", "to2", "to3"} {
			want(t, key, payments(t, db, key), expect)
		}
		want(t, "pending", len(s.pending("keeper")), 0)
	})
	t.Run("reacts to the state after the event", func(t *testing.T) {
		var seen []int
		s := deedtest.Serve(t, accounts, keeps(func(d diary, _ deed.Recorded[deed.Event]) []deed.Effect {
			seen = append(seen, len(d.Notes))
			return nil
		}))
		s.Send(accounts.Send("1", open{"ann"}))
		s.Send(accounts.Send("1", pay{1}))
		s.Settle()
		want(t, "notes", seen, []int{1, 2})
	})
	t.Run("learns of refusals, and can compensate", func(t *testing.T) {
		p := keeps(when("account-opened", accounts.Send("1", pay{-1}).Named("fee")))
		plain := p.Refused
		p.Refused = func(d diary, r deed.Refusal) (diary, []deed.Effect) {
			d, _ = plain(d, r)
			return d, []deed.Effect{accounts.Send("1", rename{"debtor"})}
		}
		s := deedtest.Serve(t, accounts, p)
		s.Send(accounts.Send("1", open{"ann"}))
		s.Settle()
		states, err := s.Processes().States(s.Context(), "keeper", "", 10)
		must(t, err)
		want(t, "state", string(states[0].Data),
			`{"notes":["account-opened 1","refused \"fee\" account-1 pay: there is not enough on the account (overdrawn)","account-renamed 2"]}`)
		want(t, "own stream", types(t, s.DB, deed.Query{Stream: "process-keeper:1"}), []string{"effect-refused"})
	})
	t.Run("stops at a record that fails for good, with what came before it committed", func(t *testing.T) {
		for name, fault := range map[string]func(p *keeper){
			"in Key": func(p *keeper) { p.Key = func(r deed.Recorded[deed.Event]) string { return unluckyAt(r, ownID(r)) } },
			"with a bad key": func(p *keeper) {
				p.Key = func(r deed.Recorded[deed.Event]) string { return strings.Repeat("/", int(r.Position/3)) + "1" }
			},
			"with a nil effect": func(p *keeper) { p.React = when("account-renamed", accounts.Send("1", nil)) },
			"with a zero effect": func(p *keeper) {
				p.React = when("account-renamed", deed.Effect{})
			},
			"with a bad target":   func(p *keeper) { p.React = when("account-renamed", accounts.Send("", pay{1})) },
			"with a nameless end": func(p *keeper) { p.React = when("account-renamed", deed.Cancel("")) },
			"in React": func(p *keeper) {
				p.React = func(d diary, r deed.Recorded[deed.Event]) []deed.Effect { unluckyAt(r, ""); return nil }
			},
			"in Evolve": func(p *keeper) {
				evolve := p.Evolve
				p.Evolve = func(d diary, r deed.Recorded[deed.Event]) diary { unluckyAt(r, ""); return evolve(d, r) }
			},
			"with a state that cannot be encoded": func(p *keeper) {
				evolve := p.Evolve
				p.Evolve = func(d diary, r deed.Recorded[deed.Event]) diary {
					d = evolve(d, r)
					if r.Position == 3 {
						d.Notes[0] = "\xff"
					}
					return d
				}
			},
		} {
			t.Run(name, func(t *testing.T) {
				db, _ := memory(t)
				s := start(t, db, accounts)
				s.send(accounts.Send("1", open{"ann"}), accounts.Send("1", pay{1}), accounts.Send("1", rename{"bob"}), accounts.Send("1", pay{1}))
				s.stop()
				faulty := keeps(when(""))
				faulty.From = deed.FromStart()
				mended := faulty
				fault(&faulty)
				s = strict(t, db, accounts, faulty)
				s.settle()
				part := s.part("keeper")
				want(t, "state", part.State, deed.StateStopped)
				want(t, "record", part.Record, &deed.FailedRecord{Position: 3, Stream: "account-1", Type: "account-renamed"})
				want(t, "notes", s.notes("keeper", "1"), []string{"account-opened 1", "account-paid 2"})
				want(t, "position", part.Position, 2)
				s.stop()
				s = start(t, db, accounts, mended)
				s.settle()
				want(t, "notes", s.notes("keeper", "1"), []string{"account-opened 1", "account-paid 2", "account-renamed 3", "account-paid 4"})
			})
		}
	})
}

func unluckyAt(r deed.Recorded[deed.Event], key string) string {
	if r.Position == 3 {
		panic("unlucky")
	}
	return key
}

func TestProcessTimers(t *testing.T) {
	t.Run("fall due when the clock says so", func(t *testing.T) {
		p := keeps(when("account-opened", deed.Wake().In(time.Hour), accounts.Send("1", pay{5}).At(deedtest.Start.Add(2*time.Hour)), accounts.Send("1", pay{1}).At(deedtest.Start.Add(-time.Hour))))
		s := deedtest.Serve(t, accounts, p)
		s.Send(accounts.Send("1", open{"ann"}))
		s.Settle()
		want(t, "at once", payments(t, s.DB, "1"), []string{`{"amount":1}`})
		s.Advance(time.Hour - time.Microsecond)
		want(t, "before", types(t, s.DB, deed.Query{Category: "process"}), nil)
		s.Advance(time.Microsecond)
		want(t, "after an hour", types(t, s.DB, deed.Query{Category: "process"}), []string{"process-woken"})
		s.Advance(time.Hour)
		want(t, "after two", payments(t, s.DB, "1"), []string{`{"amount":1}`, `{"amount":5}`})
		s.Advance(1000 * time.Hour)
		want(t, "ever after", len(records(t, s.DB, deed.Query{})), 4)
	})
	t.Run("survive restarts, and fire once however late, as due when they were", func(t *testing.T) {
		file := inFile(t)
		parts := []deed.Part{accounts, keeps(when("account-opened", deed.Wake().In(time.Hour).Named("w"), accounts.Send("1", pay{5}).In(2*time.Hour)))}
		file.served(parts, func(s *running, _ *sqlite.DB) {
			s.send(accounts.Send("1", open{"ann"}))
			s.settle()
			want(t, "pending", len(s.pending("keeper")), 2)
		})
		file.clock.Advance(30 * time.Minute)
		file.served(parts, func(s *running, _ *sqlite.DB) {
			s.settle()
			want(t, "pending", len(s.pending("keeper")), 2)
		})
		file.clock.Advance(100 * time.Hour)
		for range 2 {
			file.served(parts, func(s *running, db *sqlite.DB) {
				s.settle()
				want(t, "notes", s.notes("keeper", "1"),
					[]string{"account-opened 1", `woken "w" due 13:00:00 at 16:30:00`, "account-paid 2"})
				want(t, "payments", len(payments(t, db, "1")), 1)
				want(t, "pending", len(s.pending("keeper")), 0)
			})
		}
	})
	t.Run("count from the event, also where the process is late", func(t *testing.T) {
		db, clock := memory(t)
		s := start(t, db, accounts)
		s.send(accounts.Send("1", open{"ann"}))
		s.stop()
		clock.Advance(10 * time.Minute)
		p := keeps(when("account-opened", deed.Wake().In(time.Hour)))
		p.From = deed.FromStart()
		s = start(t, db, accounts, p)
		s.settle()
		want(t, "due", s.pending("keeper")[0].Due, deedtest.Start.Add(time.Hour))
		want(t, "next due", s.effects().NextDue, deedtest.Start.Add(time.Hour))
	})
	t.Run("are replaced by their name and cancelled by it, in their key and no other", func(t *testing.T) {
		p := keeps(func(_ diary, r deed.Recorded[deed.Event]) []deed.Effect {
			switch e := r.Event.(type) {
			case opened:
				return []deed.Effect{deed.Wake().In(time.Hour).Named("w"), deed.Wake().In(time.Hour), deed.Cancel("nothing")}
			case renamed:
				return []deed.Effect{deed.Wake().In(3 * time.Hour).Named("w")}
			case paid:
				return []deed.Effect{deed.Cancel("w")}
			default:
				t.Errorf("unexpected %v", e)
				return nil
			}
		})
		s := deedtest.Serve(t, accounts, p)
		for _, key := range []string{"kept", "replaced", "cancelled"} {
			s.Send(accounts.Send(key, open{"ann"}))
		}
		s.Send(accounts.Send("replaced", rename{"bob"}))
		s.Send(accounts.Send("cancelled", pay{1}))
		woken := func(key string) int {
			return len(records(t, s.DB, deed.Query{Stream: deed.StreamID("process-keeper:" + key)}))
		}
		s.Advance(time.Hour)
		want(t, "kept", woken("kept"), 2)
		want(t, "replaced", woken("replaced"), 1)
		want(t, "cancelled", woken("cancelled"), 1)
		s.Advance(2 * time.Hour)
		want(t, "replaced, later", woken("replaced"), 2)
		s.Send(accounts.Send("kept", pay{1})) // too late to cancel, which does nothing
		s.Advance(10 * time.Hour)
		want(t, "all", woken("kept")+woken("replaced")+woken("cancelled"), 5)
	})
}

func TestProcessBegins(t *testing.T) {
	db, _ := memory(t)
	s := start(t, db, accounts)
	s.send(accounts.Send("1", open{"ann"}))
	s.stop()
	react := when("account-opened", accounts.Send("1", pay{5}))

	t.Run("not on a log that has events, unless it says where", func(t *testing.T) {
		_, err := deed.NewService(deed.Config{Store: db, Views: db}, accounts, keeps(react))
		if err == nil || !strings.Contains(err.Error(), "process keeper") || !strings.Contains(err.Error(), "From") {
			t.Errorf("got %v, want it to ask for From", err)
		}
		r := deed.Reactor[deed.Event]{Name: "mailer", Events: accountEvents, React: noReaction}
		if _, err := deed.NewService(deed.Config{Store: db, Views: db}, accounts, r); err == nil || !strings.Contains(err.Error(), "From") {
			t.Errorf("got %v, want it to ask for From", err)
		}
	})
	for _, c := range []struct {
		name  string
		from  deed.From
		notes []string
	}{
		{"now", deed.FromNow(), []string{"account-paid 2"}},
		{"start", deed.FromStart(), []string{"account-opened 1", "account-paid 2", "account-paid 3", "account-paid 4"}},
		{"position", deed.FromPosition(2), []string{"account-paid 3", "account-paid 4", "account-paid 5"}},
		{"beyond", deed.FromPosition(99), []string{"account-paid 6"}}, // the end of the log
	} {
		t.Run("from "+c.name, func(t *testing.T) {
			p := keeps(react)
			p.Name, p.From = "from-"+c.name, c.from
			newService(t, db, accounts, p) // which fixes where it begins, though nothing runs yet
			s := start(t, db, accounts, p)
			s.settle()
			s.stop()
			if c.name == "now" {
				want(t, "paid to old accounts", len(payments(t, db, "1")), 0)
			}
			s = start(t, db, accounts)
			s.send(accounts.Send("1", pay{1}))
			s.stop()
			p.From = deed.From{} // once it is known it need not say
			s = start(t, db, accounts, p)
			s.settle()
			want(t, "notes", s.notes(p.Name, "1"), c.notes)
		})
	}
	t.Run("anywhere on an empty log", func(t *testing.T) {
		db, _ := memory(t)
		newService(t, db, accounts, keeps(react))
	})
	t.Run("nowhere if another part of the service is at fault", func(t *testing.T) {
		db, _ := memory(t)
		p := keeps(react)
		broken := lines
		broken.Index = []string{"shoe"}
		if _, err := deed.NewService(deed.Config{Store: db, Views: db}, accounts, p, broken); err == nil {
			t.Fatal("a broken projection was let pass")
		}
		_, err := db.OpenPart(bounded(t), deed.PartSpec{Name: p.Name, Kind: "process", Version: 1})
		wantErr(t, err, deed.ErrNotFound)
	})
}

// A raised version folds the old events again without a sound: the same states, no effect twice, pending timers as they were.
func TestProcessVersions(t *testing.T) {
	file := inFile(t)
	react := func(_ diary, r deed.Recorded[deed.Event]) []deed.Effect {
		switch r.Event.(type) {
		case opened:
			return []deed.Effect{
				deed.Wake().In(time.Minute).Named("soon"),
				deed.Wake().In(time.Hour).Named("late"),
				accounts.Send("1", pay{5}),
				accounts.Send("1", pay{-50}).Named("fee"),
			}
		}
		return nil
	}
	p := keeps(react)
	plain := p.Woken
	p.Woken = func(d diary, w deed.Wakeup) (diary, []deed.Effect) {
		d, _ = plain(d, w)
		return d, []deed.Effect{accounts.Send("1", pay{1})}
	}
	var before []string
	var pending []deed.PendingEffect
	var head deed.Position
	file.served([]deed.Part{accounts, p}, func(s *running, db *sqlite.DB) {
		s.send(accounts.Send("1", open{"ann"}))
		s.settle()
		file.clock.Advance(time.Minute)
		s.settle()
		before, pending = s.notes("keeper", "1"), s.pending("keeper")
		head, _ = s.Head(bounded(t))
		want(t, "payments", len(payments(t, db, "1")), 2)
		want(t, "notes", len(before), 5) // opened, paid, refused, woken, paid
		want(t, "pending", len(pending), 1)
	})
	raised := p
	raised.Version = 2
	evolve := p.Evolve
	folded := 0
	raised.Evolve = func(d diary, r deed.Recorded[deed.Event]) diary {
		folded++
		return evolve(d, r)
	}
	file.during(func(db *sqlite.DB) {
		effects := 0
		store := &hooked{DB: db, onCommitPart: func(c deed.PartCommit) error { effects += len(c.Effects); return nil }}
		s := start(t, store, accounts, raised)
		defer s.stop()
		s.settle()
		want(t, "effects, even such as would be taken for repetitions", effects, 0)
		now, _ := s.Head(bounded(t))
		want(t, "head", now, head)
		want(t, "events folded", folded, 3)
		want(t, "notes", s.notes("keeper", "1"), before)
		want(t, "pending", s.pending("keeper"), pending)
		s.send(accounts.Send("2", open{"bob"})) // and it is live from there
		s.settle()
		want(t, "payments", len(payments(t, db, "1")), 3)
		file.clock.Advance(time.Hour)
		s.settle()
		want(t, "timers fired since", len(types(t, db, deed.Query{After: head, Match: []deed.Match{{Types: []string{"process-woken"}}}})), 3)
	})
	file.during(func(db *sqlite.DB) {
		if _, err := deed.NewService(deed.Config{Store: db, Views: db}, accounts, p); err == nil || !strings.Contains(err.Error(), "version") {
			t.Errorf("an old version over a new one: got %v, want it refused", err)
		}
	})
}
