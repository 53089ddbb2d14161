package deed_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/deed-es/deed"
)

// diary is the state of the processes of these tests: what they have seen.
type diary struct {
	Notes []string `json:"notes"`
}

func (d diary) note(format string, args ...any) diary {
	return diary{append(append([]string{}, d.Notes...), fmt.Sprintf(format, args...))}
}

type keeper = deed.Process[diary, deed.Event]

// keeps returns a process that notes everything it is told, and reacts as it is told to.
func keeps(react func(diary, deed.Recorded[deed.Event]) []deed.Effect) keeper {
	return keeper{
		Name:   "keeper",
		Events: accountEvents,
		Key:    ownID[deed.Event],
		Evolve: func(d diary, r deed.Recorded[deed.Event]) diary { return d.note("%s %d", r.Type, r.Version) },
		React:  react,
		Woken: func(d diary, w deed.Wakeup) (diary, []deed.Effect) {
			return d.note("woken %q due %s at %s", w.Name, w.Due.Format(time.TimeOnly), w.Time.Format(time.TimeOnly)), nil
		},
		Refused: func(d diary, r deed.Refusal) (diary, []deed.Effect) {
			return d.note("refused %q %s %s: %s (%s)", r.Name, r.Stream, r.Command, r.Text, r.Code), nil
		},
	}
}

// when reacts to one type of event only.
func when(eventType string, effects ...deed.Effect) func(diary, deed.Recorded[deed.Event]) []deed.Effect {
	return func(_ diary, r deed.Recorded[deed.Event]) []deed.Effect {
		if r.Type == eventType {
			return effects
		}
		return nil
	}
}

// notes are what a process has noted for a key.
func (r *running) notes(process, key string) []string {
	r.t.Helper()
	states, err := r.Processes().States(bounded(r.t), process, "", 1000)
	must(r.t, err)
	for _, s := range states {
		if s.Key == key {
			var d diary
			must(r.t, json.Unmarshal(s.Data, &d))
			return d.Notes
		}
	}
	return nil
}

func (r *running) pending(process string) []deed.PendingEffect {
	r.t.Helper()
	effects, err := r.Processes().Effects(bounded(r.t), process, "", nil, 1000)
	must(r.t, err)
	return effects
}

func payments(t testing.TB, log deed.Reader, account string) []string {
	t.Helper()
	var amounts []string
	for _, r := range records(t, log, deed.Query{Stream: deed.Stream("account", account), Match: []deed.Match{{Types: []string{"account-paid"}}}}) {
		amounts = append(amounts, string(r.Data))
	}
	return amounts
}
