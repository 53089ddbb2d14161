package deed_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/cart"
)

// A command with an id is safe to repeat: it gets its first answer again.
func ExampleWithMeta() {
	db, _ := openExample()
	defer db.Close()
	carts := cart.Decider.Handler(db)
	_, err := carts.Handle(context.Background(), "42", cart.Open{Owner: "ann"})
	check(err)

	ctx := deed.WithMeta(context.Background(), deed.Meta{CommandID: "request-7", Actor: "ann"})
	for range 2 {
		receipt, err := carts.Handle(ctx, "42", cart.AddItem{SKU: "book"})
		fmt.Println(receipt.Version(), receipt.Again, err)
	}
	_, err = carts.Handle(ctx, "42", cart.AddItem{SKU: "lamp"})
	fmt.Println(errors.Is(err, deed.ErrReused))
	// Output:
	// 2 false <nil>
	// 2 true <nil>
	// true
}
