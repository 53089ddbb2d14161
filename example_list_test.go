package deed_test

import (
	"context"
	"fmt"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/cart"
)

// CartRows can be filtered and ordered by the fields that Index names.
var CartRows = deed.Projection[cart.Summary, cart.Event]{
	Name:   "cart-rows",
	Events: cart.Events,
	Key:    func(r deed.Recorded[cart.Event]) string { return r.Stream.ID() },
	Index:  []string{"owner", "items"},
	Evolve: cart.Summary.Evolve,
}

// Lists are filtered and ordered by index fields, and paged by cursor.
func ExampleView_List() {
	db, _ := openExample()
	service, stop := runExample(db, cart.Decider, CartRows)
	defer stop()
	ctx := context.Background()
	carts := cart.Decider.Handler(db)
	for items, id := range []string{"a", "b", "c"} {
		_, err := carts.Handle(ctx, id, cart.Open{Owner: "ann"})
		check(err)
		for range items {
			_, err = carts.Handle(ctx, id, cart.AddItem{SKU: "book"})
			check(err)
		}
	}
	check(service.Settle(ctx))

	of := []deed.Where{{Field: "owner", Value: "ann"}}
	page := deed.Page{Order: "-items", Limit: 2}
	for {
		rows, err := CartRows.View(db).List(ctx, of, page, 0)
		check(err)
		for _, r := range rows.Rows {
			fmt.Println(r.Key, r.Row.Items)
		}
		if page.Cursor = rows.Next; page.Cursor == "" {
			return
		}
		fmt.Println("next page")
	}
	// Output:
	// c 2
	// b 1
	// next page
	// a 0
}
