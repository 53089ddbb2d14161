package postgres_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/cart"
	"github.com/deed-es/deed/postgres"
)

// items are what lies in carts, in tables, with how many of what over all of them.
var items = deed.Tables[cart.Event]{
	Name:   "items",
	Events: []cart.Event{cart.Opened{}, cart.ItemAdded{}},
	Create: []string{
		`CREATE TABLE {carts} (id text PRIMARY KEY, owner text NOT NULL)`,
		`CREATE TABLE {items} (cart text NOT NULL REFERENCES {carts}, sku text NOT NULL CHECK (sku <> 'bad'))`,
		`CREATE INDEX {items_cart} ON {items} (cart)`,
	},
	Write: func(r deed.Recorded[cart.Event]) []deed.Statement {
		switch e := r.Event.(type) {
		case cart.Opened:
			return []deed.Statement{deed.SQL(`INSERT INTO {carts} VALUES ($1, $2)`, r.Stream.ID(), e.Owner)}
		case cart.ItemAdded:
			return []deed.Statement{deed.SQL(`INSERT INTO {items} VALUES ($1, $2)`, r.Stream.ID(), e.SKU)}
		}
		return nil
	},
}

const itemsSQL = `SELECT c.id, string_agg(i.sku, ' ' ORDER BY i.sku) FROM {carts} c LEFT JOIN {items} i ON i.cart = c.id WHERE c.owner = $1 GROUP BY c.id ORDER BY c.id`

// Tables in a whole service: one event that cannot be written is parked with what follows of its stream, the rest goes on, and it is
// retried when the tables can take it.
func TestAServiceWithTables(t *testing.T) {
	t.Parallel()
	o := &postgres.Options{Schema: fresh(t)}
	db := opened(t, o)
	service, err := deed.NewService(deed.Config{Store: db, Views: db}, cart.Decider, items)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := running(t, service)
	handler := cart.Decider.Handler(db)
	var last deed.Receipt
	for _, step := range []struct {
		id  string
		cmd cart.Command
	}{
		{"1", cart.Open{Owner: "ann"}}, {"2", cart.Open{Owner: "ann"}}, {"1", cart.AddItem{SKU: "x"}}, {"2", cart.AddItem{SKU: "bad"}}, {"2", cart.AddItem{SKU: "y"}}, {"1", cart.AddItem{SKU: "z"}},
	} {
		if last, err = handler.Handle(ctx, step.id, step.cmd); err != nil {
			t.Fatal(err)
		}
	}
	view := items.View(db)
	rows, err := view.Select(ctx, last.Position, itemsSQL, "ann")
	var parked *deed.ParkedError
	if want := [][]any{{"1", "x z"}, {"2", nil}}; !errors.As(err, &parked) || parked.Key != "cart-2" || !reflect.DeepEqual(rows, want) {
		t.Errorf("got %v (%v), want %v and what is parked", rows, err, want)
	}
	held, err := db.ViewParkedRecords(ctx, deed.ViewRef{Name: "items", Version: 1}, "cart-2", 0, 0)
	if err != nil || len(held) != 2 || !strings.Contains(held[0].Error, "check constraint") {
		t.Errorf("parked are %+v (%v)", held, err)
	}
	execute(t, server, "ALTER TABLE "+o.Schema+".t1_items DROP CONSTRAINT t1_items_sku_check")
	if last, err = service.Control().Retry(ctx, "items", "cart-2"); err != nil {
		t.Fatal(err)
	}
	rows, err = view.Select(ctx, last.Position, itemsSQL, "ann")
	if want := [][]any{{"1", "x z"}, {"2", "bad y"}}; err != nil || !reflect.DeepEqual(rows, want) {
		t.Errorf("retried: got %v (%v), want %v", rows, err, want)
	}
	stop()
	writes := 0
	again := items
	again.Write = func(r deed.Recorded[cart.Event]) []deed.Statement { writes++; return items.Write(r) }
	if service, err = deed.NewService(deed.Config{Store: db, Views: db}, cart.Decider, again); err != nil {
		t.Fatal(err)
	}
	ctx, stop = running(t, service)
	defer stop()
	if rows, err = view.Select(ctx, last.Position, itemsSQL, "ann"); err != nil || len(rows) != 2 || writes > 0 {
		t.Errorf("after a restart: %v (%v), %d events written", rows, err, writes)
	}
}

// running runs a service until stop.
func running(t *testing.T, service *deed.Service) (ctx context.Context, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(within(t))
	stopped := make(chan error, 1)
	go func() { stopped <- service.Run(ctx) }()
	return ctx, func() {
		cancel()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	}
}
