package deed_test

import (
	"context"
	"fmt"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/cart"
)

// Closing checks a cart out that has not been touched for an hour. Its timers are rows in the store, not goroutines.
var Closing = deed.Process[bool, cart.Event]{
	Name:   "closing",
	Events: cart.Events,
	Key:    func(r deed.Recorded[cart.Event]) string { return r.Stream.ID() },
	Evolve: func(bool, deed.Recorded[cart.Event]) bool { return true },
	React: func(_ bool, r deed.Recorded[cart.Event]) []deed.Effect {
		if _, done := r.Event.(cart.CheckedOut); done {
			return []deed.Effect{deed.Cancel("close")}
		}
		// A second one of the same name replaces the first.
		return []deed.Effect{cart.Decider.Send(r.Stream.ID(), cart.CheckOut{}).In(time.Hour).Named("close")}
	},
}

// A process turns events into commands: at once, in a while, or not at all.
func ExampleProcess() {
	db, clock := openExample()
	service, stop := runExample(db, cart.Decider, Closing)
	defer stop()
	ctx := context.Background()
	carts := cart.Decider.Handler(db)

	_, err := carts.Handle(ctx, "42", cart.Open{Owner: "ann"})
	check(err)
	for range 3 { // each half an hour
		check(service.Settle(ctx))
		clock.Advance(30 * time.Minute)
		check(service.Settle(ctx))
		state, _, err := carts.Load(ctx, "42")
		fmt.Println(clock.Now().Format("15:04"), state.Closed, err)
		if clock.Now().Minute() == 30 && !state.Closed {
			_, err = carts.Handle(ctx, "42", cart.AddItem{SKU: "book"})
			check(err)
		}
	}
	// Output:
	// 12:30 false <nil>
	// 13:00 false <nil>
	// 13:30 true <nil>
}
