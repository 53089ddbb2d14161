package deed_test

import (
	"context"
	"fmt"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/cart"
)

// Rows of an Inline projection are stored with the events, and those of a Live one are folded when they are read. Neither has
// to be waited for, nor needs a service that runs.
func ExampleMode() {
	db, _ := openExample()
	defer db.Close()
	ctx := context.Background()
	inline, live := cart.Summaries, cart.Summaries
	inline.Name, inline.Mode = "inline", deed.Inline
	live.Name, live.Mode = "live", deed.Live

	// A log that keeps Inline rows is appended to by programs that fold them: the service says how.
	_, err := deed.NewService(deed.Config{Store: db}, cart.Decider, inline, live)
	check(err)
	_, err = cart.Decider.Handler(db).Handle(ctx, "42", cart.Open{Owner: "ann"})
	check(err)

	for _, p := range []deed.Projection[cart.Summary, cart.Event]{inline, live} {
		row, err := p.View(db).Get(ctx, "42", 0)
		fmt.Println(p.Name, row.Owner, row.Status, err)
	}
	// Output:
	// inline ann open <nil>
	// live ann open <nil>
}
