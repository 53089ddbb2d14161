package deed_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/cart"
)

// Middleware stands around the handling of every command: here it lets nobody in without a name.
func ExampleMiddleware() {
	db, _ := openExample()
	defer db.Close()

	known := func(next deed.HandleFunc) deed.HandleFunc {
		return func(ctx context.Context, req deed.Request) (deed.Receipt, error) {
			if req.Meta.Actor == "" {
				return deed.Receipt{}, errors.New("who are you?")
			}
			return next(ctx, req)
		}
	}
	carts := cart.Decider.HandlerWith(db, &deed.HandlerOptions{Middleware: []deed.Middleware{known}})

	ctx := context.Background()
	_, err := carts.Handle(ctx, "42", cart.Open{Owner: "ann"})
	fmt.Println(err)
	_, err = carts.Handle(deed.WithMeta(ctx, deed.Meta{Actor: "ann"}), "42", cart.Open{Owner: "ann"})
	fmt.Println(err)
	// Output:
	// open cart-42: who are you?
	// <nil>
}
