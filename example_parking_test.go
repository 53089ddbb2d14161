package deed_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/cart"
)

// A record that a part cannot handle is parked with what follows of its key. The row says so, other rows go on, and once that
// is mended, somebody has the key tried again.
func ExampleControl_Retry() {
	var mended atomic.Bool
	rows := deed.Projection[cart.Summary, cart.Event]{
		Name:   "rows",
		Events: cart.Events,
		Key:    func(r deed.Recorded[cart.Event]) string { return r.Stream.ID() },
		Evolve: func(s cart.Summary, r deed.Recorded[cart.Event]) cart.Summary {
			if r.Event == (cart.ItemAdded{SKU: "pen"}) && !mended.Load() {
				panic("pens are not foreseen")
			}
			return s.Evolve(r)
		},
	}
	db, _ := openExample()
	service, stop := runExample(db, cart.Decider, rows)
	defer stop()
	ctx := context.Background()
	carts := cart.Decider.Handler(db)
	var position deed.Position
	handle := func(id string, command cart.Command) {
		receipt, err := carts.Handle(ctx, id, command)
		check(err)
		position = receipt.Position
	}
	handle("a", cart.Open{Owner: "ann"})
	handle("a", cart.AddItem{SKU: "pen"})
	handle("a", cart.AddItem{SKU: "book"})
	handle("b", cart.Open{Owner: "bob"})
	handle("b", cart.AddItem{SKU: "book"})

	show := func(id string) {
		row, err := rows.View(db).Get(ctx, id, position)
		fmt.Printf("%s has %d items, some are parked: %t\n", id, row.Items, errors.Is(err, deed.ErrParked))
	}
	show("a")
	show("b")
	parked, err := service.Control().Parked(ctx, "rows", "", 10)
	check(err)
	for _, p := range parked {
		fmt.Printf("%s is parked from position %d, %d records: %s\n", p.Key, p.Position, p.Records, p.Error)
	}

	mended.Store(true)
	retried, err := service.Control().Retry(ctx, "rows", "a")
	check(err)
	position = retried.Position // the part has tried when it has come so far
	show("a")
	// Output:
	// a has 0 items, some are parked: true
	// b has 1 items, some are parked: false
	// a is parked from position 2, 2 records: evolve row a: panic: pens are not foreseen
	// a has 2 items, some are parked: false
}
