package deed_test

import (
	"context"
	"fmt"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/cart"
)

// A query reads the log: by stream, category, type or tag, from a position on, forward or backward.
func ExampleQuery() {
	db, _ := openExample()
	defer db.Close()
	ctx := context.Background()
	carts := cart.Decider.Handler(db)
	for _, id := range []string{"1", "2"} {
		for _, cmd := range []cart.Command{cart.Open{Owner: "ann"}, cart.AddItem{SKU: "book"}} {
			_, err := carts.Handle(ctx, id, cmd)
			check(err)
		}
	}

	added := deed.Query{Category: "cart", Match: []deed.Match{{Types: []string{"cart-item-added"}}}, After: 2}
	for r, err := range db.Read(ctx, added) {
		check(err)
		fmt.Println(r.Position, r.Stream, r.Version, r.Type, string(r.Data))
	}
	for r, err := range db.Read(ctx, deed.Query{Backward: true, Limit: 1}) {
		check(err)
		fmt.Println("the last is", r.Position)
	}
	// Output:
	// 4 cart-2 2 cart-item-added {"sku":"book"}
	// the last is 4
}
