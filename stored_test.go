package deed_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

// entry is an event of which not all is stored: fields that JSON leaves out, and a time with the name of a zone and a
// monotonic reading.
type entry struct {
	At     time.Time `json:"at"`
	Text   string    `json:"text"`
	Secret string    `json:"-"`
	hidden int
}

func (entry) EventType() string { return "entry-made" }

type enter struct {
	Text string `json:"text"`
}

func (enter) CommandType() string { return "enter" }

type logbook struct {
	Entries []entry
	Secrets int
}

var (
	entryZone = time.FixedZone("elsewhere", 5400)
	entryTime = time.Now() // with a monotonic reading, which In takes away
)

// logbooks answers each command with all that it knows.
var logbooks = deed.Decider[logbook, enter, entry]{
	Category: "logbook",
	Commands: []enter{{}},
	Events:   []entry{{}},
	Decide: func(l logbook, c enter) ([]entry, error) {
		text := fmt.Sprintf("%s after %d secrets", c.Text, l.Secrets)
		for _, e := range l.Entries {
			text += fmt.Sprintf(", %v %q %d", e.At, e.Secret, e.hidden)
		}
		n := len(l.Entries)
		at := entryTime.Add(time.Duration(n) * time.Second)
		return []entry{{at.In(entryZone), text, "s", n + 1}, {At: at, Text: "and"}}, nil
	},
	Evolve: func(l logbook, e entry) logbook {
		if e.Secret != "" {
			l.Secrets++
		}
		return logbook{append(l.Entries[:len(l.Entries):len(l.Entries)], e), l.Secrets}
	},
}

// A state that a handler has in its cache is the one that it would fold from what is stored.
func TestCachedStateIsTheStoredOne(t *testing.T) {
	t.Run("for what JSON leaves out and times that it writes in another way", func(t *testing.T) {
		cached, _ := memory(t)
		fresh, _ := memory(t)
		h := logbooks.Handler(cached)
		without := logbooks.HandlerWith(fresh, &deed.HandlerOptions{Cache: -1})
		for i := range 4 {
			receipt, err := h.Handle(bounded(t), "1", enter{id(i)})
			must(t, err)
			again, err := without.Handle(bounded(t), "1", enter{id(i)})
			must(t, err)
			want(t, "receipt", receipt, again)
			state, version, err := h.Load(bounded(t), "1")
			must(t, err)
			refolded, now, err := logbooks.Handler(cached).Load(bounded(t), "1")
			must(t, err)
			want(t, "version", version, now)
			want(t, "state", state, refolded)
		}
		expect := records(t, fresh, deed.Query{})
		for i, r := range records(t, cached, deed.Query{}) {
			want(t, "event", string(r.Data), string(expect[i].Data))
		}
	})
	t.Run("and the events that Decide returned stay as they were", func(t *testing.T) {
		db, _ := memory(t)
		own := []entry{{At: entryTime, Text: "always the same", Secret: "s", hidden: 7}}
		as := own[0]
		d := logbooks
		d.Decide = func(logbook, enter) ([]entry, error) { return own, nil }
		h := d.Handler(db)
		decision := deed.Decision[logbook, enter, entry]{
			Category: "page", Commands: d.Commands, Events: d.Events, Decide: d.Decide, Evolve: d.Evolve,
			Query: func(string, enter) []deed.Match { return []deed.Match{{Types: []string{"entry-made"}}} },
		}.Handler(db)
		for range 2 {
			_, err := h.Handle(bounded(t), "1", enter{})
			must(t, err)
			_, err = decision.Handle(bounded(t), "1", enter{})
			must(t, err)
			want(t, "event", own[0], as)
		}
	})
}

// tally is a row, and a state of a process, of which not all is stored.
type tally struct {
	Seen      int       `json:"seen"`
	At        time.Time `json:"at"`
	Told      string    `json:"told"`
	Forgotten int       `json:"-"`
	hidden    int
}

func (t tally) next(deed.Recorded[deed.Event]) tally {
	t.Told = fmt.Sprintf("%s; %v %d %d", t.Told, t.At, t.Forgotten, t.hidden)
	t.Seen++
	t.Forgotten++
	t.hidden++
	t.At = entryTime.Add(time.Duration(t.Seen) * time.Second)
	if t.Seen%2 == 0 {
		t.At = t.At.In(entryZone)
	}
	return t
}

// What a projection and a process keep in memory from step to step is what they would read after a restart.
func TestKeptStateIsTheStoredOne(t *testing.T) {
	rows := deed.Projection[tally, deed.Event]{Name: "tallies", Events: accountEvents, Key: ownID[deed.Event], Index: []string{"seen", "at"}, Evolve: tally.next}
	process := deed.Process[tally, deed.Event]{
		Name: "teller", Events: accountEvents, Key: ownID[deed.Event], Evolve: tally.next,
		React: func(tally, deed.Recorded[deed.Event]) []deed.Effect { return nil },
	}
	parts := []deed.Part{accounts, rows, process}
	commands := []deed.Effect{
		accounts.Send("1", open{"ann"}), accounts.Send("1", pay{1}), accounts.Send("2", open{"bob"}),
		accounts.Send("1", pay{2}), accounts.Send("1", rename{"cat"}), accounts.Send("2", pay{3}),
	}
	// told is what is there after all commands: rows as JSON, and states.
	told := func(s *running) (found []string) {
		list, err := s.Views().List(bounded(t), "tallies", nil, deed.Page{Order: "at"}, 0)
		must(t, err)
		for _, r := range list.Rows {
			found = append(found, r.Key+" "+string(r.Row))
		}
		states, err := s.Processes().States(bounded(t), "teller", "", 10)
		must(t, err)
		for _, state := range states {
			found = append(found, state.Key+" "+string(state.Data))
		}
		return found
	}
	var kept, restarted []string
	inFile(t).served(parts, func(s *running, _ *sqlite.DB) {
		for _, c := range commands {
			s.send(c)
			s.settle() // a step for each
		}
		kept = told(s)
	})
	file := inFile(t)
	for _, c := range commands {
		file.served(parts, func(s *running, _ *sqlite.DB) {
			s.send(c)
			s.settle()
			restarted = told(s)
		})
	}
	want(t, "rows and states", len(kept), 4)
	want(t, "kept in memory", kept, restarted)
}
