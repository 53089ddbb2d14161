package deed_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/deedtest"
	"github.com/deed-es/deed/sqlite"
)

// lit names the function that panics from now on; empty: none does.
var lit atomic.Value

// may is called by every function of the domain below with its name.
func may(name string) {
	if lit.Load() == name {
		panic("bang in " + name)
	}
}

// The domain of these tests: risks that are taken, any of whose functions may panic.
type (
	taken struct {
		How string `json:"how"`
	}
	take struct {
		How string `json:"how"`
	}
	tallied struct {
		N int `json:"n"`
	}
)

func (taken) EventType() string { return "risk-taken" }

func (take) CommandType() string {
	may("CommandType")
	return "take"
}

func (taken) EventTags() []string {
	may("EventTags")
	return []string{"risk:taken"}
}

func (e taken) MarshalJSON() ([]byte, error) {
	may("MarshalJSON of an event")
	type plain taken
	return json.Marshal(plain(e))
}

func (e *taken) UnmarshalJSON(data []byte) error {
	may("UnmarshalJSON of an event")
	type plain taken
	return json.Unmarshal(data, (*plain)(e))
}

func (c take) MarshalJSON() ([]byte, error) {
	may("MarshalJSON of a command")
	type plain take
	return json.Marshal(plain(c))
}

func (c *take) UnmarshalJSON(data []byte) error {
	may("UnmarshalJSON of a command")
	type plain take
	return json.Unmarshal(data, (*plain)(c))
}

func (s tallied) MarshalJSON() ([]byte, error) {
	may("MarshalJSON of a row or state")
	type plain tallied
	return json.Marshal(plain(s))
}

func (s *tallied) UnmarshalJSON(data []byte) error {
	may("UnmarshalJSON of a row or state")
	type plain tallied
	return json.Unmarshal(data, (*plain)(s))
}

var (
	risks = deed.Decider[tallied, take, taken]{
		Category: "risk", Commands: []take{{}}, Events: []taken{{}},
		Decide: func(_ tallied, c take) ([]taken, error) {
			may("Decide")
			if c.How == "too much" {
				return nil, errors.New("that is too much")
			}
			return []taken{taken(c)}, nil
		},
		Evolve: func(s tallied, _ taken) tallied {
			may("Evolve of a decider")
			return tallied{s.N + 1}
		},
	}
	withMeta = deed.Decider[tallied, take, taken]{
		Category: "other", Commands: []take{{}}, Events: []taken{{}},
		DecideWith: func(_ tallied, c take, _ deed.Meta) ([]taken, error) {
			may("DecideWith")
			return []taken{taken(c)}, nil
		},
		Evolve: risks.Evolve,
	}
	deals = deed.Decision[tallied, take, taken]{
		Category: "deal", Commands: []take{{}}, Events: []taken{{}},
		Query: func(string, take) []deed.Match {
			may("Query")
			return []deed.Match{{Tags: []string{"risk:taken"}}}
		},
		Stream: func(id string, _ taken) deed.StreamID {
			may("Stream")
			return deed.Stream("deal", id)
		},
		Decide: func(_ tallied, c take) ([]taken, error) {
			may("Decide of a decision")
			return []taken{taken(c)}, nil
		},
		Evolve: func(s tallied, _ taken) tallied {
			may("Evolve of a decision")
			return tallied{s.N + 1}
		},
	}
	byKey = deed.Projection[tallied, taken]{
		Name: "by-key", Events: []taken{{}},
		Key: func(r deed.Recorded[taken]) string {
			may("Key of a projection")
			return r.Stream.ID()
		},
		Evolve: func(s tallied, _ deed.Recorded[taken]) tallied {
			may("Evolve of a projection")
			return tallied{s.N + 1}
		},
	}
	byRoute = deed.Projection[tallied, taken]{
		Name: "by-route", Events: []taken{{}},
		Route: func(r deed.Recorded[taken]) []deed.Target {
			may("Route")
			return []deed.Target{deed.ToKey(r.Stream.ID())}
		},
		Evolve: func(s tallied, _ deed.Recorded[taken]) tallied { return tallied{s.N + 1} },
	}
	saga = deed.Process[tallied, taken]{
		Name: "saga", Events: []taken{{}},
		Key: func(r deed.Recorded[taken]) string {
			may("Key of a process")
			return r.Stream.ID()
		},
		Evolve: func(s tallied, _ deed.Recorded[taken]) tallied {
			may("Evolve of a process")
			return tallied{s.N + 1}
		},
		React: func(_ tallied, r deed.Recorded[taken]) []deed.Effect {
			may("React of a process")
			switch r.Event.How {
			case "asleep":
				return []deed.Effect{deed.Wake()}
			case "for an hour":
				return []deed.Effect{deed.Wake().In(time.Hour)}
			case "boldly":
				return []deed.Effect{risks.Send("2", take{"too much"})}
			case "again":
				return []deed.Effect{risks.Send("2", take{"once more"})}
			}
			return nil
		},
		Woken: func(s tallied, _ deed.Wakeup) (tallied, []deed.Effect) {
			may("Woken")
			return s, nil
		},
		Refused: func(s tallied, _ deed.Refusal) (tallied, []deed.Effect) {
			may("Refused")
			return s, nil
		},
	}
	inTables = deed.Tables[taken]{
		Name: "in-tables", Events: []taken{{}},
		Create: []string{"CREATE TABLE {risks} (position INTEGER PRIMARY KEY)"},
		Write: func(r deed.Recorded[taken]) []deed.Statement {
			may("Write of tables")
			return []deed.Statement{deed.SQL("INSERT INTO {risks} VALUES (?)", r.Position)}
		},
	}
	hook = deed.Reactor[taken]{
		Name: "hook", Events: []taken{{}},
		React: func(context.Context, deed.Recorded[taken], string) ([]deed.Effect, error) {
			may("React of a reactor")
			return nil, nil
		},
	}
)

// risky is a service of parts that may panic, and of accounts, which do not.
type risky struct {
	*running
	t      *testing.T
	db     *sqlite.DB
	clock  *deedtest.Clock
	parts  []deed.Part // that count risks, but for the task
	swept  chan struct{}
	logged *logged
}

// newRisky starts a service of all parts above, or of these instead of those that follow the log.
func newRisky(t *testing.T, parts ...deed.Part) *risky {
	t.Helper()
	if len(parts) == 0 {
		parts = []deed.Part{byKey, byRoute, saga, hook}
	}
	r := &risky{t: t, clock: deedtest.NewClock(deedtest.Start), parts: parts, swept: make(chan struct{}), logged: &logged{}}
	var err error
	r.db, err = sqlite.OpenMemory(&sqlite.Options{Clock: riskyClock{r.clock}})
	must(t, err)
	t.Cleanup(func() { _ = r.db.Close() })
	r.start()
	r.send(accounts.Send("1", open{"ann"}))
	must(t, r.take("risk-1", "calmly"))
	r.settle()
	return r
}

func (r *risky) start() {
	r.t.Helper()
	r.running = startService(r.t, r.db, r.service())
}

func (r *risky) service() *deed.Service {
	r.t.Helper()
	sweeper := deed.Task{Name: "sweeper", Run: func(ctx context.Context, _ deed.Lease) error {
		for {
			may("Run of a task")
			select {
			case <-ctx.Done():
				return nil
			case <-r.swept:
			}
		}
	}}
	s, err := deed.NewService(deed.Config{
		Store: r.db, Views: r.db, Codec: riskyCodec{}, Middleware: []deed.Middleware{riskyMiddleware}, NewID: riskyID,
		Observer: riskyObserver{}, Logger: r.logged.logger(),
	}, append(slices.Clone(r.parts), risks, withMeta, deals, sweeper, accounts, lines)...)
	must(r.t, err)
	return s
}

// take sends the command to a thing, over the way that commands come in from outside.
func (r *risky) take(stream deed.StreamID, how string) error {
	ctx := deed.WithMeta(bounded(r.t), deed.Meta{CommandID: deed.NewID()})
	_, err := r.Dispatch(ctx, stream, "take", fmt.Appendf(nil, `{"how":%q}`, how))
	return err
}

// othersGoOn uses a decider and a projection that have nothing to do with it.
func (r *risky) othersGoOn() {
	r.t.Helper()
	receipt := r.send(accounts.Send("1", pay{1}))
	if _, err := lines.View(r.db).Get(bounded(r.t), "1", receipt.Position); err != nil {
		r.t.Errorf("another view: %v", err)
	}
	r.settle()
	want(r.t, "another part", r.part("lines").State, deed.StateLive)
}

// told is all that the service says of what went wrong.
func (r *risky) told() string {
	r.t.Helper()
	status, err := r.Status(bounded(r.t))
	must(r.t, err)
	text := fmt.Sprintf("%+v", status.Effects.Held)
	for _, p := range status.Parts {
		parked, err := r.Control().Parked(bounded(r.t), p.Name, "", 100)
		must(r.t, err)
		text += fmt.Sprintf("\n%s is %s: %s %+v", p.Name, p.State, p.Error, parked)
	}
	return text
}

// tells waits until the service says so. A task is nothing to settle for.
func (r *risky) tells(want string) {
	r.t.Helper()
	r.settle()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for ctx := bounded(r.t); !strings.Contains(r.told(), want); {
		select {
		case <-look.C:
		case <-ctx.Done():
			r.t.Fatalf("want %q told, and the service says\n%s", want, r.told())
		}
	}
}

// recovers restarts the service and has everything done that is held back; then every event is in every part, once.
func (r *risky) recovers() {
	r.t.Helper()
	r.stop()
	r.start()
	must(r.t, r.take("risk-1", "in the end"))
	r.settle()
	status, err := r.Status(bounded(r.t))
	must(r.t, err)
	for _, part := range status.Parts {
		parked, err := r.Control().Parked(bounded(r.t), part.Name, "", 100)
		must(r.t, err)
		for _, held := range parked {
			_, err := r.Control().Retry(bounded(r.t), part.Name, held.Key)
			must(r.t, err)
		}
	}
	r.settle()
	if told := r.told(); strings.Contains(told, "bang") {
		r.t.Errorf("in the end the service says\n%s", told)
	}
	events := len(records(r.t, r.db, deed.Query{Match: []deed.Match{{Types: []string{"risk-taken"}}}}))
	for _, part := range r.parts {
		switch p := part.(type) {
		case deed.Projection[tallied, taken]:
			rows, err := r.Views().List(bounded(r.t), p.Name, nil, deed.Page{}, 0)
			must(r.t, err)
			var counts []json.RawMessage
			for _, row := range rows.Rows {
				counts = append(counts, row.Row)
			}
			want(r.t, "events in "+p.Name, total(r.t, counts), events)
		case deed.Tables[taken]:
			rows, err := p.View(r.db).Select(bounded(r.t), 0, "SELECT count(*) FROM {risks}")
			must(r.t, err)
			want(r.t, "events in "+p.Name, rows, [][]any{{int64(events)}})
		case deed.Process[tallied, taken]:
			states, err := r.Processes().States(bounded(r.t), p.Name, "", 100)
			must(r.t, err)
			var counts []json.RawMessage
			for _, s := range states {
				counts = append(counts, s.Data)
			}
			want(r.t, "events in "+p.Name, total(r.t, counts), events)
		}
	}
}

func total(t *testing.T, counts []json.RawMessage) (n int) {
	t.Helper()
	for _, c := range counts {
		var counted tallied
		must(t, json.Unmarshal(c, &counted))
		n += counted.N
	}
	return n
}
