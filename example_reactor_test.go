package deed_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/cart"
)

// A reactor touches the outside world. What fails is tried again with the same id, by which the other side can tell a
// repetition; deed.Permanent would park it instead.
func ExampleReactor() {
	attempts := 0
	mail := func(to, id string) error {
		if attempts++; attempts == 1 {
			return errors.New("the mail server is away")
		}
		fmt.Println("mail to", to, "at attempt", attempts, "with an id of", len(id), "bytes")
		return nil
	}
	welcome := deed.Reactor[cart.Event]{
		Name:   "welcome-mail",
		Events: []cart.Event{cart.Opened{}},
		React: func(_ context.Context, r deed.Recorded[cart.Event], id string) ([]deed.Effect, error) {
			return nil, mail(r.Event.(cart.Opened).Owner, id)
		},
	}

	db, _ := openExample()
	service, stop := runExample(db, cart.Decider, welcome)
	defer stop()
	ctx := context.Background()
	_, err := cart.Decider.Handler(db).Handle(ctx, "42", cart.Open{Owner: "ann"})
	check(err)
	check(service.Settle(ctx)) // what fails is tried once more by each call
	check(service.Settle(ctx))
	// Output: mail to ann at attempt 2 with an id of 36 bytes
}
