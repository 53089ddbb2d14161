package deed_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/deed-es/deed"
)

func TestDecision(t *testing.T) {
	t.Run("lets exactly one of many racers have an address", func(t *testing.T) {
		db, _ := memory(t)
		var handlers []*deed.DecisionHandler[bool, register, deed.Event]
		for range 4 {
			handlers = append(handlers, uniqueEmail.Handler(db))
		}
		const racers = 64
		rounds := max(50/raceScale, 3)
		for round := range rounds {
			var won, taken atomic.Int64
			var racing sync.WaitGroup
			for i := range racers {
				racing.Go(func() {
					email := fmt.Sprintf("%d@b", round)
					_, err := handlers[i%4].Handle(bounded(t), fmt.Sprintf("%d.%d", round, i), register{email})
					switch {
					case err == nil:
						won.Add(1)
					case errors.Is(err, errTaken):
						taken.Add(1)
					default:
						t.Error(err)
					}
				})
			}
			racing.Wait()
			if won.Load() != 1 || taken.Load() != racers-1 {
				t.Fatalf("round %d: %d won, %d were refused", round, won.Load(), taken.Load())
			}
		}
		want(t, "events", len(records(t, db, deed.Query{})), rounds)
	})
	t.Run("decides again when the query has moved, and is not disturbed by anything else", func(t *testing.T) {
		db, _ := memory(t)
		appends, decided := 0, 0
		store := &hooked{DB: db}
		store.onAppend = func(ctx context.Context, b deed.Batch) (deed.Receipt, error) {
			if appends++; appends == 1 {
				write(t, db, "customer-7", "registered", `{"email":"a@b"}`, "email:a@b")
			}
			write(t, db, "customer-8", "registered", `{"email":"x@y"}`, "email:x@y") // another address
			write(t, db, "customer-1", "elsewhere", `{}`)                            // the own stream, not in the query
			return db.Append(ctx, b)
		}
		d := uniqueEmail
		d.Decide = func(taken bool, c register) ([]deed.Event, error) {
			decided++
			return uniqueEmail.Decide(taken, c)
		}
		h := d.Handler(store)
		_, err := h.Handle(bounded(t), "1", register{"a@b"})
		wantErr(t, err, errTaken)
		want(t, "decided", decided, 2)
		_, err = h.Handle(bounded(t), "1", register{"c@d"})
		must(t, err)
		want(t, "appends", appends, 2)
	})
	t.Run("ends with a CheckError after so many tries", func(t *testing.T) {
		db, _ := memory(t)
		appends := 0
		store := &hooked{DB: db, onAppend: func(_ context.Context, b deed.Batch) (deed.Receipt, error) {
			appends++
			return deed.Receipt{}, &deed.CheckError{Check: b.Checks[0], Position: 1}
		}}
		_, err := uniqueEmail.Handler(store).Handle(bounded(t), "1", register{"a@b"})
		var check *deed.CheckError
		if !errors.As(err, &check) || !errors.Is(err, deed.ErrConflict) {
			t.Fatalf("got %v, want *CheckError", err)
		}
		want(t, "appends", appends, 21)
	})
	t.Run("sends events to the streams that Stream says, in one append", func(t *testing.T) {
		db, _ := memory(t)
		d := uniqueEmail
		d.Events = append(d.Events, opened{})
		d.Decide = func(bool, register) ([]deed.Event, error) {
			return []deed.Event{registered{"a@b"}, opened{"ann"}, registered{"c@d"}}, nil
		}
		d.Stream = func(id string, e deed.Event) deed.StreamID {
			if _, ok := e.(opened); ok {
				return deed.Stream("account", id)
			}
			return deed.Stream("customer", id)
		}
		receipt, err := d.Handler(db).Handle(bounded(t), "1", register{"a@b"})
		must(t, err)
		want(t, "receipt", receipt, deed.Receipt{Position: 3, Streams: append(at("customer-1", 2), at("account-1", 1)...)})
		want(t, "account", types(t, db, deed.Query{Stream: "account-1"}), []string{"account-opened"})
	})
	t.Run("tells what it would decide from, and up to where", func(t *testing.T) {
		db, _ := memory(t)
		h := uniqueEmail.Handler(db)
		taken, position, err := h.Load(bounded(t), "1", register{"a@b"})
		must(t, err)
		want(t, "taken", taken, false)
		want(t, "position", position, 0)
		_, err = h.Handle(bounded(t), "1", register{"a@b"})
		must(t, err)
		write(t, db, "noise-1", "noise", `{}`)
		taken, position, err = h.Load(bounded(t), "2", register{"a@b"})
		must(t, err)
		want(t, "taken", taken, true)
		want(t, "position", position, 1)
	})
	t.Run("answers nothing to do with the own stream's version", func(t *testing.T) {
		db, _ := memory(t)
		d := uniqueEmail
		d.Decide = func(taken bool, c register) ([]deed.Event, error) {
			if taken {
				return nil, nil
			}
			return []deed.Event{registered(c)}, nil
		}
		h := d.Handler(db)
		_, err := h.Handle(bounded(t), "1", register{"a@b"})
		must(t, err)
		write(t, db, "noise-1", "noise", `{}`)
		first, err := h.Handle(withID(bounded(t), "c1"), "1", register{"a@b"})
		must(t, err)
		want(t, "receipt", first, deed.Receipt{Position: 1, Streams: at("customer-1", 1)})
		receipt, err := h.Handle(bounded(t), "2", register{"a@b"})
		must(t, err)
		want(t, "receipt of what is not there", receipt, deed.Receipt{Position: 1, Streams: at("customer-2", 0)})
		write(t, db, "customer-1", "noise", `{}`)
		first.Again = true
		again, err := h.Handle(withID(bounded(t), "c1"), "1", register{"a@b"})
		must(t, err)
		want(t, "again", again, first)
	})
	t.Run("passes over types that it does not list", func(t *testing.T) {
		db, _ := memory(t)
		d := uniqueEmail
		d.Query = func(string, register) []deed.Match { return []deed.Match{{Tags: []string{"email:a@b"}}} }
		write(t, db, "customer-7", "mailed", `{}`, "email:a@b")
		_, err := d.Handler(db).Handle(bounded(t), "1", register{"a@b"})
		must(t, err)
	})
	t.Run("refuses a query of the whole log, and one that panics", func(t *testing.T) {
		db, _ := memory(t)
		d := uniqueEmail
		d.Query = func(string, register) []deed.Match { return nil }
		if _, err := d.Handler(db).Handle(bounded(t), "1", register{"a@b"}); err == nil {
			t.Error("a query without items was let pass")
		}
		d.Query = func(string, register) []deed.Match { panic("no") }
		if _, err := d.Handler(db).Handle(bounded(t), "1", register{"a@b"}); !errors.As(err, new(*deed.PanicError)) {
			t.Errorf("got %v, want *PanicError", err)
		}
	})
	t.Run("answers with what is wrong with it", func(t *testing.T) {
		db, _ := memory(t)
		var none emailDecision
		if _, err := none.Handler(db).Handle(bounded(t), "1", register{"a@b"}); err == nil {
			t.Error("a decision without anything in it was let pass")
		}
		if _, _, err := none.Handler(db).Load(bounded(t), "1", register{"a@b"}); err == nil {
			t.Error("Load of a decision without anything in it went well")
		}
	})
}

func TestDecisionHandleAt(t *testing.T) {
	conflict := func(t *testing.T, err error, wanted, actual deed.Version) {
		t.Helper()
		var conflict *deed.ConflictError
		if !errors.As(err, &conflict) || *conflict != (deed.ConflictError{Stream: "customer-1", Want: wanted, Actual: actual}) {
			t.Errorf("got %v, want a conflict of %d with %d", err, wanted, actual)
		}
	}
	t.Run("handles at the own stream's version and refuses at another, whatever would be decided", func(t *testing.T) {
		db, _ := memory(t)
		h := uniqueEmail.Handler(db)
		ctx := bounded(t)
		_, err := h.HandleAt(ctx, "1", 1, register{"a@b"})
		conflict(t, err, 1, 0)
		_, err = h.HandleAt(ctx, "1", deed.Exists, register{"a@b"})
		conflict(t, err, deed.Exists, 0)
		_, err = h.HandleAt(ctx, "1", 0, register{"a@b"})
		must(t, err)
		_, err = h.HandleAt(ctx, "1", 0, register{"a@b"}) // which would be refused
		conflict(t, err, 0, 1)
		_, err = h.HandleAt(ctx, "1", 1, register{"a@b"})
		wantErr(t, err, errTaken)
		_, err = h.HandleAt(ctx, "1", deed.Exists, register{"c@d"})
		must(t, err)
	})
	t.Run("does not try again", func(t *testing.T) {
		db, _ := memory(t)
		appends := 0
		store := &hooked{DB: db, onAppend: func(_ context.Context, b deed.Batch) (deed.Receipt, error) {
			appends++
			return deed.Receipt{}, &deed.CheckError{Check: b.Checks[0], Position: 1}
		}}
		_, err := uniqueEmail.Handler(store).HandleAt(bounded(t), "1", 0, register{"a@b"})
		wantErr(t, err, deed.ErrConflict)
		want(t, "appends", appends, 1)
	})
	t.Run("looks at the own stream where the events go elsewhere, too", func(t *testing.T) {
		db, _ := memory(t)
		d := uniqueEmail
		d.Stream = func(id string, _ deed.Event) deed.StreamID { return deed.Stream("address", id) }
		store := &hooked{DB: db, onAppend: func(ctx context.Context, b deed.Batch) (deed.Receipt, error) {
			write(t, db, "customer-1", "noise", `{}`) // somebody is faster
			return db.Append(ctx, b)
		}}
		_, err := d.Handler(store).HandleAt(bounded(t), "1", 0, register{"a@b"})
		wantErr(t, err, deed.ErrConflict)
		want(t, "addresses", len(records(t, db, deed.Query{Category: "address"})), 0)
	})
}
