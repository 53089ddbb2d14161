package deed_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/cart"
)

// HandleAt handles a command only if the thing is still at the version that the caller has seen.
func ExampleHandler_HandleAt() {
	db, _ := openExample()
	defer db.Close()
	ctx := context.Background()

	carts := cart.Decider.Handler(db)
	seen, err := carts.Handle(ctx, "42", cart.Open{Owner: "ann"})
	check(err)
	_, err = carts.Handle(ctx, "42", cart.AddItem{SKU: "book"}) // somebody else is faster
	check(err)

	_, err = carts.HandleAt(ctx, "42", seen.Version(), cart.CheckOut{})
	var conflict *deed.ConflictError
	if errors.As(err, &conflict) {
		fmt.Println("seen", conflict.Want, "but it is at", conflict.Actual)
	}
	// Output: seen 1 but it is at 2
}
