package deed_test

import (
	"context"
	"fmt"
	"sync"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/cart"
)

// teller writes down what it is told.
type teller struct {
	mu    sync.Mutex
	lines []string
}

func (t *teller) Begin(ctx context.Context, o deed.Operation) (context.Context, func(error)) {
	if o.Kind != deed.OpCommand {
		return ctx, func(error) {}
	}
	return ctx, func(err error) {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.lines = append(t.lines, fmt.Sprintf("%s of %s: %v", o.Type, o.Stream, err))
	}
}

func (t *teller) Wrote(deed.Group) {}

// An Observer is told where operations begin and how they end. Package telemetry makes metrics and traces of it.
func ExampleObserver() {
	db, _ := openExample()
	defer db.Close()
	told := &teller{}
	service, err := deed.NewService(deed.Config{Store: db, Observer: told}, cart.Decider)
	check(err)
	ctx := context.Background()
	_, err = service.Dispatch(ctx, "cart-42", "open", []byte(`{"owner": "ann"}`))
	check(err)
	_, _ = service.Dispatch(ctx, "cart-43", "check-out", []byte(`{}`))
	for _, line := range told.lines {
		fmt.Println(line)
	}
	// Output:
	// open of cart-42: <nil>
	// check-out of cart-43: check-out cart-43: there is no such cart
}
