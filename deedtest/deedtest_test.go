package deedtest_test

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/deedtest"
)

type added struct {
	Item string `json:"item"`
}

func (added) EventType() string     { return "added" }
func (e added) EventTags() []string { return []string{"item:" + e.Item} }

type add struct {
	Item string `json:"item"`
}

func (add) CommandType() string { return "add" }

// leaky loses something when it is stored.
type leaky struct{ hidden string }

func (leaky) EventType() string   { return "leaky" }
func (leaky) CommandType() string { return "leak" }

type list struct{ Items map[string]int }

func (l list) with(item string) list {
	items := map[string]int{item: 1}
	for k, v := range l.Items {
		items[k] += v
	}
	return list{items}
}

type (
	decider    = deed.Decider[list, deed.Command, deed.Event]
	projection = deed.Projection[list, deed.Event]
	process    = deed.Process[list, deed.Event]
)

var (
	errFull = errors.New("the list is full")
	lists   = decider{
		Category: "list", Commands: []deed.Command{add{}, leaky{}}, Events: []deed.Event{added{}, leaky{}},
		Decide: func(l list, cmd deed.Command) ([]deed.Event, error) {
			c, ok := cmd.(add)
			switch {
			case !ok:
				return []deed.Event{leaky{}}, nil
			case c.Item == "":
				return nil, &deed.InvalidError{Field: "item", Reason: "is required"}
			case l.Items[c.Item] > 0:
				return nil, nil
			case len(l.Items) == 2:
				return nil, errFull
			}
			return []deed.Event{added(c)}, nil
		},
		Evolve: func(l list, e deed.Event) list {
			if e, ok := e.(added); ok {
				return l.with(e.Item)
			}
			return l
		},
	}
	views = projection{
		Name: "lists", Events: []deed.Event{added{}, leaky{}}, Key: func(r deed.Recorded[deed.Event]) string { return r.Stream.ID() },
		Evolve: func(l list, r deed.Recorded[deed.Event]) list { return lists.Evolve(l, r.Event) },
	}
	reminders = process{
		Name: "reminders", Events: []deed.Event{added{}}, Key: views.Key, Evolve: views.Evolve,
		React: func(l list, r deed.Recorded[deed.Event]) []deed.Effect {
			if len(l.Items) > 1 {
				return []deed.Effect{deed.Cancel("soon")}
			}
			return []deed.Effect{deed.Wake().At(r.Time.Add(time.Hour)).Named("soon")}
		},
		Woken: func(l list, w deed.Wakeup) (list, []deed.Effect) {
			return l, []deed.Effect{lists.Send("1", add{w.Name})}
		},
		Refused: func(l list, r deed.Refusal) (list, []deed.Effect) {
			return l, []deed.Effect{lists.Send("1", add{r.Code})}
		},
	}
)

func TestForDecider(t *testing.T) {
	passes(t, "what is right", func(t testing.TB) {
		l := deedtest.For(t, lists)
		l.When(add{"a"}).Then(added{"a"})
		l.Given(added{"a"}).When(add{"a"}).Nothing()
		l.Given(added{"a"}, added{"b"}).When(add{"c"}).Refused(errFull)
		l.Given(added{"a"}).Given(added{"b"}).When(add{"b"}).Nothing()
		l.When(add{""}).Invalid("item")
	})
	for name, f := range map[string]func(deedtest.DeciderTest[list, deed.Command, deed.Event]){
		"other events": func(l deedtest.DeciderTest[list, deed.Command, deed.Event]) { l.When(add{"a"}).Then(added{"b"}) },
		"more events": func(l deedtest.DeciderTest[list, deed.Command, deed.Event]) {
			l.When(add{"a"}).Then(added{"a"}, added{"a"})
		},
		"nothing":             func(l deedtest.DeciderTest[list, deed.Command, deed.Event]) { l.When(add{"a"}).Nothing() },
		"a refusal":           func(l deedtest.DeciderTest[list, deed.Command, deed.Event]) { l.When(add{"a"}).Refused(errFull) },
		"another refusal":     func(l deedtest.DeciderTest[list, deed.Command, deed.Event]) { l.When(add{""}).Refused(errFull) },
		"events of a refusal": func(l deedtest.DeciderTest[list, deed.Command, deed.Event]) { l.When(add{""}).Then(added{""}) },
		"another field":       func(l deedtest.DeciderTest[list, deed.Command, deed.Event]) { l.When(add{""}).Invalid("shoe") },
		"no field":            func(l deedtest.DeciderTest[list, deed.Command, deed.Event]) { l.When(add{"a"}).Invalid("item") },
	} {
		fails(t, "expecting "+name, "add", func(t testing.TB) { f(deedtest.For(t, lists)) })
	}
	t.Run("hands in the meta", func(t *testing.T) {
		var got deed.Meta
		d := lists
		d.Decide, d.DecideWith = nil, func(_ list, _ deed.Command, m deed.Meta) ([]deed.Event, error) {
			got = m
			return nil, nil
		}
		deedtest.For(t, d).When(add{"a"}).Nothing()
		if got != (deed.Meta{Now: deedtest.Start, Stream: "list-42"}) {
			t.Errorf("got %+v", got)
		}
		now := deedtest.Start.Add(time.Hour)
		deedtest.For(t, d).On("7").With(deed.Meta{Actor: "ann", Now: now}).When(add{"a"}).Nothing()
		if got != (deed.Meta{Actor: "ann", Now: now, Stream: "list-7"}) {
			t.Errorf("got %+v", got)
		}
	})
	fails(t, "an Evolve that changes its argument", "Evolve changed its argument", func(t testing.TB) {
		d := lists
		d.Evolve = func(l list, e deed.Event) list {
			if l.Items == nil {
				return l.with(e.(added).Item)
			}
			l.Items[e.(added).Item]++
			return l
		}
		deedtest.For(t, d).Given(added{"a"}, added{"b"}).When(add{"a"}).Nothing()
	})
	fails(t, "a Decide that changes its argument", "Decide changed its argument", func(t testing.TB) {
		d := lists
		d.Decide = func(l list, _ deed.Command) ([]deed.Event, error) { delete(l.Items, "a"); return nil, nil }
		deedtest.For(t, d).Given(added{"a"}).When(add{"a"}).Nothing()
	})
	fails(t, "an Evolve that changes what a pointer leads to", "Evolve changed its argument", func(t testing.TB) {
		type state = *list
		d := deed.Decider[state, deed.Command, deed.Event]{
			Category: "p", Commands: lists.Commands, Events: lists.Events,
			Decide: func(state, deed.Command) ([]deed.Event, error) { return nil, nil },
			Evolve: func(s state, e deed.Event) state {
				if s == nil {
					return &list{}
				}
				*s = s.with(e.(added).Item)
				return s
			},
		}
		deedtest.For(t, d).Given(added{"a"}, added{"b"}).When(add{"a"}).Nothing()
	})
	for name, f := range map[string]func(t testing.TB){
		"an event given":   func(t testing.TB) { deedtest.For(t, lists).Given(leaky{"x"}) },
		"a command":        func(t testing.TB) { deedtest.For(t, lists).When(leaky{"x"}) },
		"an event decided": func(t testing.TB) { d := lists; d.Decide = decideLeaky; deedtest.For(t, d).When(add{"a"}) },
	} {
		fails(t, name+" that loses an unexported field", "loses something", f)
	}
	fails(t, "a nil event", "nil event", func(t testing.TB) { deedtest.For(t, lists).Given(nil) })
	fails(t, "text that cannot be stored", "cannot be stored", func(t testing.TB) { deedtest.For(t, lists).Given(added{"\xff"}) })
}

func decideLeaky(list, deed.Command) ([]deed.Event, error) { return []deed.Event{leaky{"x"}}, nil }

func TestForDecision(t *testing.T) {
	taken := errors.New("taken")
	d := deed.Decision[int, add, deed.Event]{
		Category: "list", Commands: []add{{}}, Events: []deed.Event{added{}},
		Query: func(_ string, c add) []deed.Match { return []deed.Match{{Tags: []string{"item:" + c.Item}}} },
		Decide: func(n int, c add) ([]deed.Event, error) {
			if n > 0 {
				return nil, taken
			}
			return []deed.Event{added(c)}, nil
		},
		Evolve: func(n int, _ deed.Event) int { return n + 1 },
	}
	deedtest.ForDecision(t, d).Given(added{"a"}, leaky{}).When(add{"b"}).Then(added{"b"})
	deedtest.ForDecision(t, d).Given(added{"a"}, added{"b"}).When(add{"b"}).Refused(taken)
}

func TestProject(t *testing.T) {
	passes(t, "what is right", func(t testing.TB) {
		p := deedtest.Project(t, views)
		p.Given(added{"a"}).Then(list{map[string]int{"a": 1}})
		p.On("7").Given(added{"a"}).ThenRow("7", list{map[string]int{"a": 1}})
		p.Gone()
	})
	fails(t, "another row", "row 42", func(t testing.TB) { deedtest.Project(t, views).Given(added{"a"}).Then(list{}) })
	fails(t, "a row that is not there", "not found", func(t testing.TB) { deedtest.Project(t, views).Then(list{}) })
	fails(t, "a row that is there", "want none", func(t testing.TB) { deedtest.Project(t, views).Given(added{"a"}).Gone() })
	fails(t, "an Evolve that panics", "panic: no", func(t testing.TB) {
		p := views
		p.Evolve = func(list, deed.Recorded[deed.Event]) list { panic("no") }
		deedtest.Project(t, p).Given(added{"a"}).Gone()
	})
	fails(t, "an Evolve that changes its argument", "Evolve changed its argument", func(t testing.TB) {
		p := views
		p.Evolve = func(l list, r deed.Recorded[deed.Event]) list {
			if l.Items == nil {
				return l.with("a")
			}
			l.Items["b"]++
			return l
		}
		deedtest.Project(t, p).Given(added{"a"}, added{"a"}).Gone()
	})
	t.Run("records events when it is told to", func(t *testing.T) {
		at := deedtest.Start.Add(time.Hour)
		p := deed.Projection[time.Time, deed.Event]{
			Name: "times", Events: []deed.Event{added{}}, Key: views.Key,
			Evolve: func(_ time.Time, r deed.Recorded[deed.Event]) time.Time { return r.Time },
		}
		deedtest.Project(t, p).At(at).Given(added{"a"}).Then(at)
	})
}

func TestReact(t *testing.T) {
	at := deedtest.Start.Add(time.Minute)
	passes(t, "what is right", func(t testing.TB) {
		p := deedtest.React(t, reminders)
		p.When(added{"a"}).Then(deed.Wake().At(deedtest.Start.Add(time.Hour)).Named("soon"))
		p.At(at).When(added{"a"}).Then(deed.Wake().At(at.Add(time.Hour)).Named("soon"))
		p.Given(added{"a"}).When(added{"b"}).Then(deed.Cancel("soon"))
		p.On("7").Given(added{"a"}).On("8").When(added{"b"}).Then(deed.Wake().At(deedtest.Start.Add(time.Hour)).Named("soon"))
		p.Given(added{"a"}).WhenWoken(deed.Wakeup{Name: "soon"}).Then(lists.Send("1", add{"soon"}))
		p.Given(added{"a"}).WhenRefused(deed.Refusal{Code: "no"}).Then(lists.Send("1", add{"no"}))
		keyless := reminders
		keyless.Key = func(deed.Recorded[deed.Event]) string { return "" }
		deedtest.React(t, keyless).When(added{"a"}).Nothing()
	})
	fails(t, "other effects", `wake at`, func(t testing.TB) { deedtest.React(t, reminders).When(added{"a"}).Nothing() })
	fails(t, "a React that changes its argument", "React changed its argument", func(t testing.TB) {
		p := reminders
		p.React = func(l list, _ deed.Recorded[deed.Event]) []deed.Effect { l.Items["x"]++; return nil }
		deedtest.React(t, p).When(added{"a"}).Nothing()
	})
	fails(t, "an Evolve that changes its argument", "Evolve changed its argument", func(t testing.TB) {
		p := reminders
		p.Evolve = func(l list, _ deed.Recorded[deed.Event]) list {
			if l.Items == nil {
				return l.with("a")
			}
			l.Items["a"]++
			return l
		}
		deedtest.React(t, p).Given(added{"a"}).When(added{"b"})
	})
	fails(t, "a state that loses something", "loses something", func(t testing.TB) {
		p := deed.Process[leaky, deed.Event]{
			Name: "leaky", Events: reminders.Events, Key: reminders.Key,
			Evolve: func(leaky, deed.Recorded[deed.Event]) leaky { return leaky{"x"} },
			React:  func(leaky, deed.Recorded[deed.Event]) []deed.Effect { return nil },
		}
		deedtest.React(t, p).When(added{"a"})
	})
}

func TestFrozen(t *testing.T) {
	t.Chdir(t.TempDir())
	frozen := func(d decider) func(t testing.TB) { return func(t testing.TB) { deedtest.Frozen(t, d) } }
	fails(t, "before there is a digest", "DEED_UPDATE=1", frozen(lists))
	t.Setenv("DEED_UPDATE", "1")
	passes(t, "the run that writes it", frozen(lists))
	if err := os.Unsetenv("DEED_UPDATE"); err != nil {
		t.Fatal(err)
	}
	passes(t, "the same Evolve", frozen(lists))
	changed := lists
	changed.Evolve = func(l list, e deed.Event) list {
		if e, ok := e.(added); ok && e.Item == "text-3" { // seldom
			return l
		}
		return lists.Evolve(l, e)
	}
	fails(t, "another Evolve", "raise Version", frozen(changed))
	changed.Version = 2
	fails(t, "another Version", "has changed", frozen(changed))
}

func TestClock(t *testing.T) {
	clock := deedtest.NewClock(deedtest.Start)
	isDue := func(due <-chan struct{}) bool {
		select {
		case <-due:
			return true
		default:
			return false
		}
	}
	soon, _ := clock.Timer(deedtest.Start.Add(time.Minute))
	late, _ := clock.Timer(deedtest.Start.Add(time.Hour))
	stopped, stop := clock.Timer(deedtest.Start.Add(time.Minute))
	stop()
	if past, _ := clock.Timer(deedtest.Start); !isDue(past) {
		t.Error("a timer that is due already is not")
	}
	clock.Advance(time.Minute - 1)
	if isDue(soon) {
		t.Error("due too early")
	}
	clock.Advance(1)
	if !isDue(soon) || isDue(late) || isDue(stopped) {
		t.Errorf("soon %t, late %t, stopped %t", isDue(soon), isDue(late), isDue(stopped))
	}
	if !clock.Now().Equal(deedtest.Start.Add(time.Minute)) {
		t.Errorf("it is %s", clock.Now())
	}
}

func TestServe(t *testing.T) {
	s := deedtest.Serve(t, lists, views, reminders)
	receipt := s.Send(lists.Send("1", add{"a"}))
	s.Settle()
	row, err := views.View(s.DB).Get(s.Context(), "1", 0)
	if err != nil || row.Items["a"] != 1 || receipt.Version() != 1 {
		t.Errorf("got %v, %v, %v", receipt, row, err)
	}
	s.Advance(time.Hour)
	state, err := s.Load(s.Context(), "list-1")
	if err != nil || state.Version != 2 {
		t.Errorf("got %+v, %v, want what the timer has sent", state, err)
	}
	if _, err := s.Try(lists.Send("1", add{"c"})); !errors.Is(err, errFull) {
		t.Errorf("got %v, want %v", err, errFull)
	}
	fails(t, "Send of what is refused", "full", func(t testing.TB) {
		other := deedtest.Serve(t, lists)
		other.Send(lists.Send("1", add{"a"}))
		other.Send(lists.Send("1", add{"b"}))
		other.Send(lists.Send("1", add{"c"}))
	})
	fails(t, "Send of what sends nothing", "sends nothing", func(t testing.TB) { deedtest.Serve(t, lists).Send(deed.Wake()) })
}
