package postgres_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/cart"
	"github.com/deed-es/deed/postgres"
)

// What cannot be stored, as the server keeps no NUL in a text, is not there.
func TestKeysThatNobodyCanHave(t *testing.T) {
	db, ctx := opened(t, &postgres.Options{Schema: fresh(t)}), within(t)
	view := deed.ViewRef{Name: "v", Version: 1}
	if _, err := db.OpenView(ctx, deed.ViewSpec{ViewRef: view}); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a\x00", "\xff"} {
		if _, _, err := db.Row(ctx, view, key); !errors.Is(err, deed.ErrNotFound) {
			t.Errorf("row %q: %v", key, err)
		}
		if rows, err := db.Rows(ctx, view, []string{key, "b"}); err != nil || len(rows) != 0 {
			t.Errorf("rows %q: %v, %v", key, rows, err)
		}
		if states, err := db.States(ctx, "p", []string{key}); err != nil || len(states) != 0 {
			t.Errorf("states %q: %v, %v", key, states, err)
		}
		if records, err := db.ViewParkedRecords(ctx, view, key, 0, 10); err != nil || len(records) != 0 {
			t.Errorf("parked %q: %v, %v", key, records, err)
		}
		if _, found, err := db.Outcome(ctx, deed.CommandRef{ID: key, Hash: "x"}); err != nil || found {
			t.Errorf("command %q: found %v, %v", key, found, err)
		}
	}
}

type said struct {
	Who string `json:"who"`
}

func (said) EventType() string { return "said" }

type times struct{ N int }

// A key that is none of a row's is its record's fault, and parked as any other.
func TestAKeyWithANulIsParked(t *testing.T) {
	for name, mode := range map[string]deed.Mode{"async": deed.Async, "inline": deed.Inline} {
		t.Run(name, func(t *testing.T) {
			db := opened(t, &postgres.Options{Schema: fresh(t)})
			who := deed.Projection[times, said]{
				Name: "by-who", Events: []said{{}}, Mode: mode, Key: func(r deed.Recorded[said]) string { return r.Event.Who },
				Evolve: func(v times, _ deed.Recorded[said]) times { v.N++; return v },
			}
			service, ctx, _ := serves(t, db, who)
			for i, name := range []string{"ann", `b\u0000b`, "cid"} {
				e := deed.NewEvent{ID: fmt.Sprint(i), Type: "said", Data: fmt.Appendf(nil, `{"who":"%s"}`, name)}
				appended(t, db, deed.Batch{Writes: []deed.Write{{Stream: deed.Stream("a", fmt.Sprint(i)), Events: []deed.NewEvent{e}}}})
			}
			if err := service.Settle(ctx); err != nil {
				t.Fatal(err)
			}
			status, err := service.Status(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if p := status.Parts[0]; p.Parked != 1 {
				t.Errorf("%d keys are parked, the part is %s: %s", p.Parked, p.State, p.Error)
			}
			for _, key := range []string{"ann", "cid"} {
				row, err := who.View(db).Get(ctx, key, 0)
				if row.N != 1 || !errors.Is(err, deed.ErrParked) { // which row the parked one would have changed is not known
					t.Errorf("%s: %+v, %v", key, row, err)
				}
			}
		})
	}
}

// What a client calls its command's correlation keeps no process from its work.
func TestACorrelationWithANulStopsNoProcess(t *testing.T) {
	db := opened(t, &postgres.Options{Schema: fresh(t)})
	ctx, _ := serving(t, db, cart.Summaries)
	handler := cart.Decider.Handler(db)
	for i, correlation := range []string{"a\x00b", "fine"} {
		for _, c := range []cart.Command{cart.Open{Owner: "ann"}, cart.AddItem{SKU: "x"}} {
			if _, err := handler.Handle(deed.WithMeta(ctx, deed.Meta{Correlation: correlation}), fmt.Sprint(i), c); err != nil {
				t.Fatal(err)
			}
		}
	}
	eventually(t, "both carts are to be reminded of", func() bool {
		pending, err := db.Effects(ctx, deed.EffectQuery{Parts: []string{cart.Reminders.Name}})
		return err == nil && len(pending) == 2
	})
}
