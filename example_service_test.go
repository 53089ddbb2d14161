package deed_test

import (
	"context"
	"fmt"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/cart"
	"github.com/deed-es/deed/sqlite"
)

// A service runs its parts over a log: commands come in as JSON, views and processes follow.
func ExampleService() {
	db, err := sqlite.OpenMemory(nil) // or sqlite.Open("cart.db", nil)
	check(err)
	defer db.Close()
	service, err := deed.NewService(deed.Config{Store: db, Views: db}, cart.Decider, cart.Summaries, cart.Reminders)
	check(err)

	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- service.Run(ctx) }()

	receipt, err := service.Dispatch(ctx, "cart-42", "open", []byte(`{"owner": "ann"}`))
	check(err)
	row, _, err := service.Views().Get(ctx, "cart-summaries", "42", receipt.Position)
	fmt.Println(string(row.Row), err)

	check(service.Settle(ctx))
	status, err := service.Status(ctx)
	check(err)
	for _, part := range status.Parts {
		fmt.Println(part.Kind, part.Name, part.State)
	}

	cancel()
	fmt.Println(<-ended)
	// Output:
	// {"owner":"ann","status":"open","items":0} <nil>
	// projection cart-summaries live
	// process cart-reminders live
	// <nil>
}
