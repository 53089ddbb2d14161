// Package rates asks the outside world for exchange rates: the reactor that adds the value in US dollars to orders, the port
// that it asks, and two adapters of the port, the European Central Bank and a table for when there is no network.
package rates

import (
	"context"
	"fmt"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/money"
	"github.com/deed-es/deed/examples/shop/orders"
)

// Rates knows exchange rates. Implementations may be called by many goroutines at once.
type Rates interface {
	// USD returns what one euro is worth in US dollars on a day, or on the last day before of which that is known. An error
	// is a reason to ask again later.
	USD(ctx context.Context, day time.Time) (Rate, error)
}

// Rate is what one euro is worth, and since when.
type Rate struct {
	Rate money.Rate
	Date string // 2006-01-02
}

// Reactor adds the value in US dollars to every order that is placed, and again when it is priced. While the rates are
// away it tries again with growing pauses, and orders flow on without it.
func Reactor(source Rates) deed.Reactor[orders.Event] {
	return deed.Reactor[orders.Event]{
		Name:   "exchange-rate",
		Events: []orders.Event{orders.Placed{}, orders.Priced{}},
		React: func(ctx context.Context, r deed.Recorded[orders.Event], _ string) ([]deed.Effect, error) {
			rate, err := source.USD(ctx, r.Time)
			if err != nil {
				return nil, fmt.Errorf("ask for the rate of %s: %w", r.Time.Format(time.DateOnly), err)
			}
			value, err := rate.Rate.Convert(valueOf(r.Event))
			if err != nil {
				return nil, deed.Permanent(err)
			}
			return []deed.Effect{orders.Decider.Send(r.Stream.ID(), orders.AddUSDRate{Rate: rate.Rate, RateDate: rate.Date, USDValue: value})}, nil
		},
	}
}

func valueOf(e orders.Event) money.Amount {
	switch e := e.(type) {
	case orders.Placed:
		return e.Value
	case orders.Priced:
		return e.Value
	}
	return money.Amount{}
}
