package deed_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/cart"
)

// A handler loads, folds, decides and appends; its receipt tells where the events went.
func ExampleHandler() {
	db, _ := openExample()
	defer db.Close()
	ctx := context.Background()

	carts := cart.Decider.Handler(db)
	receipt, err := carts.Handle(ctx, "42", cart.Open{Owner: "ann"})
	fmt.Println(receipt.Version(), err)
	receipt, err = carts.Handle(ctx, "42", cart.AddItem{SKU: "book"})
	fmt.Println(receipt.Version(), err)

	_, err = carts.Handle(ctx, "42", cart.Open{Owner: "bob"})
	var refused *deed.RejectedError
	fmt.Println(errors.As(err, &refused), errors.Is(err, cart.ErrExists))

	state, version, err := carts.Load(ctx, "42")
	fmt.Println(state.Items, version, err)
	// Output:
	// 1 <nil>
	// 2 <nil>
	// true true
	// 1 2 <nil>
}
