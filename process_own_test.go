package deed_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/deed-es/deed"
)

// A process's own streams and the types of the events in them are its own.
func TestProcessOwnEvents(t *testing.T) {
	t.Run("are no other part's", func(t *testing.T) {
		db, _ := memory(t)
		for _, word := range []string{"process-woken", "effect-refused"} {
			events := []deed.Event{opened{}, named(word)}
			d, e, v, p := accounts, uniqueEmail, lines, keeps(when(""))
			d.Events, e.Events, v.Events, p.Events = events, events, events, events
			for kind, part := range map[string]deed.Part{
				"decider": d, "decision": e, "projection": v, "process": p,
				"reactor": deed.Reactor[deed.Event]{Name: "mailer", Events: events, React: noReaction},
			} {
				_, err := deed.NewService(deed.Config{Store: db, Views: db}, part)
				if err == nil || !strings.Contains(err.Error(), kind) || !strings.Contains(err.Error(), `"`+word+`" is reserved`) {
					t.Errorf("%s in the Events of a %s: got %v, want it to be refused", word, kind, err)
				}
			}
			if _, err := d.Handler(db).Handle(bounded(t), "1", open{"ann"}); err == nil {
				t.Errorf("a handler of a decider with %s handled a command", word)
			}
			if _, err := e.Handler(db).Handle(bounded(t), "1", register{"a@b"}); err == nil {
				t.Errorf("a handler of a decision with %s handled a command", word)
			}
		}
		want(t, "events", len(records(t, db, deed.Query{})), 0)
	})
	t.Run("do not come from a decision", func(t *testing.T) {
		db, _ := memory(t)
		s := start(t, db, accounts, keeps(when("")))
		for _, stream := range []deed.StreamID{"process-keeper:1", "process-other:1", "process-x"} {
			d := uniqueEmail
			d.Stream = func(string, deed.Event) deed.StreamID { return stream }
			_, err := d.Handler(db).Handle(bounded(t), "1", register{"a@b"})
			var invalid *deed.InvalidError
			if !errors.As(err, &invalid) || invalid.Field != "stream" {
				t.Errorf("an event for %s: got %v, want *InvalidError", stream, err)
			}
		}
		want(t, "events", len(records(t, db, deed.Query{})), 0)
		s.settle()
		want(t, "state", s.part("keeper").State, deed.StateLive)
	})
	t.Run("are passed over in streams that are not the process's own", func(t *testing.T) {
		db, _ := memory(t)
		s := start(t, db, accounts, keeps(when("")))
		s.send(accounts.Send("1", open{"ann"}))
		for _, stream := range []deed.StreamID{"process-other:1", "process-keepers:1", "process-keeper", "process-1", "process-other:keeper:1"} {
			for _, word := range []string{"process-woken", "effect-refused", "account-paid"} {
				write(t, db, stream, word, `{"amount":5}`, "process:keeper")
			}
			write(t, db, stream, "process-woken", `no JSON of ours`, "process:keeper")
		}
		s.send(accounts.Send("1", pay{7}))
		s.settle()
		part := s.part("keeper")
		want(t, "state", part.State, deed.StateLive)
		want(t, "error", part.Error, "")
		want(t, "notes", s.notes("keeper", "1"), []string{"account-opened 1", "account-paid 2"})
		states, err := s.Processes().States(bounded(t), "keeper", "", 10)
		must(t, err)
		want(t, "states", len(states), 1)
	})
}
