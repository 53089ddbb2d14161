package deed_test

import (
	"context"
	"fmt"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/cart"
)

// Popularity is how often a thing was put into a cart.
type Popularity struct {
	Times int `json:"times"`
}

// Popular has a row for each thing, not for each cart: Key says which.
var Popular = deed.Projection[Popularity, cart.Event]{
	Name:   "popular",
	Events: []cart.Event{cart.ItemAdded{}},
	Key:    func(r deed.Recorded[cart.Event]) string { return r.Event.(cart.ItemAdded).SKU },
	Evolve: func(p Popularity, _ deed.Recorded[cart.Event]) Popularity {
		p.Times++
		return p
	},
}

// A projection folds events into rows. Get waits until the view has reached what its caller has just done.
func ExampleProjection() {
	db, _ := openExample()
	service, stop := runExample(db, cart.Decider, Popular)
	defer stop()
	ctx := context.Background()

	var receipt deed.Receipt
	for _, id := range []string{"1", "2"} {
		_, err := service.Dispatch(ctx, deed.Stream("cart", id), "open", []byte(`{"owner": "ann"}`))
		check(err)
		receipt, err = service.Dispatch(ctx, deed.Stream("cart", id), "add-item", []byte(`{"sku": "book"}`))
		check(err)
	}

	book, err := Popular.View(db).Get(ctx, "book", receipt.Position)
	fmt.Println(book.Times, err)
	// Output: 2 <nil>
}
