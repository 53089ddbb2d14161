package deed_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/deed-es/deed"
)

func TestHandlerFaults(t *testing.T) {
	t.Run("a panic in Decide is an error of that command and nothing else", func(t *testing.T) {
		db, _ := memory(t)
		d := accounts
		d.Decide = func(a account, cmd deed.Command) ([]deed.Event, error) {
			if cmd == (pay{13}) {
				panic("unlucky")
			}
			return a.decide(cmd)
		}
		h := d.Handler(db)
		_, err := h.Handle(bounded(t), "1", open{"ann"})
		must(t, err)
		_, err = h.Handle(bounded(t), "1", pay{13})
		var panicked *deed.PanicError
		if !errors.As(err, &panicked) || panicked.Value != "unlucky" || !strings.Contains(string(panicked.Stack), "handler_fault_test") {
			t.Fatalf("got %v, want a *PanicError with its value and stack", err)
		}
		receipt, err := h.Handle(bounded(t), "1", pay{5})
		must(t, err)
		want(t, "version", receipt.Version(), 2)
	})
	t.Run("a panic in Evolve stores nothing", func(t *testing.T) {
		db, _ := memory(t)
		d := accounts
		d.Evolve = func(a account, e deed.Event) account {
			if e == (paid{13}) {
				panic("unlucky")
			}
			return a.evolve(e)
		}
		h := d.Handler(db)
		_, err := h.Handle(bounded(t), "1", open{"ann"})
		must(t, err)
		if _, err = h.Handle(bounded(t), "1", pay{13}); !errors.As(err, new(*deed.PanicError)) {
			t.Fatalf("got %v, want *PanicError", err)
		}
		receipt, err := h.Handle(bounded(t), "1", pay{5})
		must(t, err)
		want(t, "version", receipt.Version(), 2)
		state, _, err := h.Load(bounded(t), "1")
		must(t, err)
		want(t, "balance", state.Balance, 5)

		write(t, db, "account-2", "account-paid", `{"amount":13}`) // by an older program
		if _, _, err := h.Load(bounded(t), "2"); !errors.As(err, new(*deed.PanicError)) {
			t.Fatalf("Load: got %v, want *PanicError", err)
		}
	})
	t.Run("an event type that the decider does not list fails its stream and no other", func(t *testing.T) {
		db, _ := memory(t)
		h := accounts.Handler(db)
		_, err := h.Handle(bounded(t), "1", open{"ann"})
		must(t, err)
		_, err = h.Handle(bounded(t), "2", open{"bob"})
		must(t, err)
		write(t, db, "account-1", "account-frozen", `{}`)
		var unknown *deed.UnknownEventError
		for range 2 { // the first time there is a cached state to conflict with
			_, err = h.Handle(bounded(t), "1", pay{5})
			if !errors.As(err, &unknown) || *unknown != (deed.UnknownEventError{Type: "account-frozen", Stream: "account-1"}) {
				t.Fatalf("got %v, want *UnknownEventError", err)
			}
		}
		if _, _, err := h.Load(bounded(t), "1"); !errors.As(err, &unknown) {
			t.Fatalf("Load: got %v, want *UnknownEventError", err)
		}
		_, err = h.Handle(bounded(t), "2", pay{5})
		must(t, err)
	})
	t.Run("data that is not the event's JSON fails the stream and says where", func(t *testing.T) {
		db, _ := memory(t)
		write(t, db, "account-1", "account-opened", `{"owner":7}`)
		_, err := accounts.Handler(db).Handle(bounded(t), "1", pay{5})
		if err == nil || !strings.Contains(err.Error(), "account-opened at position 1") {
			t.Fatalf("got %v, want it to name type and position", err)
		}
	})
	t.Run("an event of a schema newer than this program is refused", func(t *testing.T) {
		db, _ := memory(t)
		e := deed.NewEvent{ID: "e", Type: "account-opened", Schema: 2, Data: []byte(`{}`)}
		_, err := db.Append(bounded(t), deed.Batch{Writes: []deed.Write{{Stream: "account-1", Events: []deed.NewEvent{e}}}})
		must(t, err)
		if _, _, err := accounts.Handler(db).Load(bounded(t), "1"); err == nil || !strings.Contains(err.Error(), "newer") {
			t.Fatalf("got %v, want it to say that the schema is newer", err)
		}
	})
	t.Run("events that may not be stored are errors", func(t *testing.T) {
		db, _ := memory(t)
		for name, events := range map[string][]deed.Event{
			"nil":                    {nil},
			"not listed":             {tagged{}},
			"invalid UTF-8":          {opened{"\xff"}},
			"with something in time": {opened{"ann"}, nil},
		} {
			d := accounts
			d.Decide = func(account, deed.Command) ([]deed.Event, error) { return events, nil }
			if _, err := d.Handler(db).Handle(bounded(t), "1", shut{}); err == nil || errors.As(err, new(*deed.RejectedError)) {
				t.Errorf("%s: got %v, want an error that is no refusal", name, err)
			}
		}
		want(t, "records", len(records(t, db, deed.Query{})), 0)
	})
}

func TestMiddleware(t *testing.T) {
	t.Run("wraps handling, the first outermost", func(t *testing.T) {
		db, _ := memory(t)
		var log []string
		named := func(name string) deed.Middleware {
			return func(next deed.HandleFunc) deed.HandleFunc {
				return func(ctx context.Context, req deed.Request) (deed.Receipt, error) {
					log = append(log, name+" in")
					defer func() { log = append(log, name+" out") }()
					return next(ctx, req)
				}
			}
		}
		d := accounts
		d.Decide = func(a account, cmd deed.Command) ([]deed.Event, error) {
			log = append(log, "decide")
			return a.decide(cmd)
		}
		h := d.HandlerWith(db, &deed.HandlerOptions{Middleware: []deed.Middleware{named("a"), named("b")}})
		_, err := h.Handle(bounded(t), "1", open{"ann"})
		must(t, err)
		want(t, "order", log, []string{"a in", "b in", "decide", "b out", "a out"})
	})
	t.Run("authorises", func(t *testing.T) {
		db, _ := memory(t)
		errForbidden := errors.New("forbidden")
		only := func(next deed.HandleFunc) deed.HandleFunc {
			return func(ctx context.Context, req deed.Request) (deed.Receipt, error) {
				if req.Meta.Actor != "ann" {
					return deed.Receipt{}, errForbidden
				}
				return next(ctx, req)
			}
		}
		h := accounts.HandlerWith(db, &deed.HandlerOptions{Middleware: []deed.Middleware{only}})
		_, err := h.Handle(deed.WithMeta(bounded(t), deed.Meta{Actor: "bob"}), "1", open{"bob"})
		wantErr(t, err, errForbidden)
		_, err = h.Handle(deed.WithMeta(bounded(t), deed.Meta{Actor: "ann"}), "1", open{"ann"})
		must(t, err)
		want(t, "actor", records(t, db, deed.Query{})[0].Meta().Actor, "ann")
	})
	t.Run("adds to a command and its meta, and the command's id stays tied to what was asked first", func(t *testing.T) {
		db, _ := memory(t)
		calls := 0
		enrich := func(next deed.HandleFunc) deed.HandleFunc {
			return func(ctx context.Context, req deed.Request) (deed.Receipt, error) {
				calls++
				req.Command = open{id(calls)} // another one each time
				req.Meta.Actor = "the authoriser's word"
				return next(ctx, req)
			}
		}
		h := accounts.HandlerWith(db, &deed.HandlerOptions{Middleware: []deed.Middleware{enrich}})
		for i := range 2 {
			receipt, err := h.Handle(withID(bounded(t), "c1"), "1", open{"ann"})
			must(t, err)
			want(t, "again", receipt.Again, i == 1)
		}
		all := records(t, db, deed.Query{})
		want(t, "events", len(all), 1)
		want(t, "data", string(all[0].Data), `{"owner":"1"}`)
		want(t, "actor", all[0].Meta().Actor, "the authoriser's word")
	})
	t.Run("cannot put a foreign command in place", func(t *testing.T) {
		db, _ := memory(t)
		foreign := func(next deed.HandleFunc) deed.HandleFunc {
			return func(ctx context.Context, req deed.Request) (deed.Receipt, error) {
				req.Command = open{"ann"}
				return next(ctx, req)
			}
		}
		h := uniqueEmail.HandlerWith(db, &deed.HandlerOptions{Middleware: []deed.Middleware{foreign}})
		if _, err := h.Handle(bounded(t), "1", register{"a@b"}); !errors.As(err, new(*deed.InvalidError)) {
			t.Errorf("got %v, want *InvalidError", err)
		}
	})
}
