package postgres_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/cart"
	"github.com/deed-es/deed/postgres"
)

// A whole service: commands in one process, the view and the process manager in another, a timer that outlives it, and both ways to
// make rows.
func TestAServiceOfTwoProcesses(t *testing.T) {
	t.Parallel()
	for name, mode := range map[string]deed.Mode{"async": deed.Async, "inline": deed.Inline, "async in parallel": deed.Async, "inline in parallel": deed.Inline} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := newHandClock()
			o := &postgres.Options{Schema: fresh(t), Clock: clock}
			summaries := cart.Summaries
			summaries.Mode = mode
			front := opened(t, o)
			if strings.HasSuffix(name, "parallel") {
				if err := front.SetOrder(t.Context(), postgres.Parallel); err != nil {
					t.Fatal(err)
				}
			}
			shoppingIn(t, front, opened(t, o), summaries)
			clock.move(2 * cart.Patience)
			after := opened(t, o)
			ctx, stop := serving(t, after, summaries)
			handler := cart.Decider.Handler(front)
			if mode == deed.Inline { // whoever appends has to fold
				handler = cart.Decider.Handler(after)
			}
			eventually(t, "the timer has closed the cart", func() bool {
				c, version, err := handler.Load(ctx, "42")
				return err == nil && c.Closed && version == 4
			})
			stop()
		})
	}
}

// shoppingIn fills a cart at one process, and reads it at the other.
func shoppingIn(t *testing.T, front, back *postgres.DB, summaries deed.Projection[cart.Summary, cart.Event]) {
	t.Helper()
	ctx, stop := serving(t, back, summaries)
	defer stop()
	if summaries.Mode == deed.Inline {
		front = back
	}
	handler := cart.Decider.Handler(front)
	var last deed.Receipt
	for _, cmd := range []cart.Command{cart.Open{Owner: "ann"}, cart.AddItem{SKU: "x"}, cart.AddItem{SKU: "y"}} {
		var err error
		if last, err = handler.Handle(ctx, "42", cmd); err != nil {
			t.Fatal(err)
		}
	}
	got, err := summaries.View(back).Get(ctx, "42", last.Position)
	if err != nil || got != (cart.Summary{Owner: "ann", Status: "open", Items: 2}) {
		t.Errorf("the row is %+v, %v", got, err)
	}
}

// serving runs a service until stop.
func serving(t *testing.T, db *postgres.DB, summaries deed.Projection[cart.Summary, cart.Event]) (ctx context.Context, stop func()) {
	t.Helper()
	_, ctx, stop = serves(t, db, cart.Decider, summaries, cart.Reminders)
	return ctx, stop
}

// serves runs a service of these parts until stop, or to the end of the test.
func serves(t *testing.T, db *postgres.DB, parts ...deed.Part) (service *deed.Service, ctx context.Context, stop func()) {
	t.Helper()
	service, err := deed.NewService(deed.Config{Store: db, Views: db}, parts...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(within(t))
	stopped := make(chan error, 1)
	go func() { stopped <- service.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return service, ctx, stop
}
