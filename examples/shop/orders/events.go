package orders

import (
	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/money"
)

// Event is what can happen to an order.
type Event interface {
	deed.Event
	orderEvent()
}

type (
	// Placed makes an order of a customer, who was called CustomerName then. A Value of 0 means "to be priced".
	Placed struct {
		OrderID      string       `json:"orderId"`
		CustomerID   string       `json:"customerId"`
		CustomerName string       `json:"customerName"`
		Description  string       `json:"description"`
		Quantity     int          `json:"quantity"`
		Value        money.Amount `json:"value"`
	}
	// Priced gives an order that waits for confirmation a value.
	Priced struct {
		Value money.Amount `json:"value"`
	}
	// ConfirmationRequired lets an order wait until somebody confirms it.
	ConfirmationRequired struct{}
	// Confirmed makes an order binding.
	Confirmed struct {
		CustomerID string       `json:"customerId"`
		Value      money.Amount `json:"value"`
	}
	// Cancelled ends an order that is not confirmed.
	Cancelled struct {
		CustomerID string       `json:"customerId"`
		Value      money.Amount `json:"value"`
		Reason     string       `json:"reason"`
	}
	// USDValueAdded says what the order is worth in US dollars, at the rate of a day.
	USDValueAdded struct {
		Rate     money.Rate   `json:"rate"`
		RateDate string       `json:"rateDate"`
		USDValue money.Amount `json:"usdValue"`
	}
)

// EventType is the name that orders are stored under.
func (Placed) EventType() string { return "order-placed" }

// EventType is the name that prices are stored under.
func (Priced) EventType() string { return "order-priced" }

// EventType is the name that required confirmations are stored under.
func (ConfirmationRequired) EventType() string { return "order-confirmation-required" }

// EventType is the name that confirmations are stored under.
func (Confirmed) EventType() string { return "order-confirmed" }

// EventType is the name that cancellations are stored under.
func (Cancelled) EventType() string { return "order-cancelled" }

// EventType is the name that values in US dollars are stored under.
func (USDValueAdded) EventType() string { return "order-usd-value-added" }

// EventTags is the order, for the decision to place it.
func (e Placed) EventTags() []string { return []string{Tag(e.OrderID)} }

func (Placed) orderEvent()               {}
func (Priced) orderEvent()               {}
func (ConfirmationRequired) orderEvent() {}
func (Confirmed) orderEvent()            {}
func (Cancelled) orderEvent()            {}
func (USDValueAdded) orderEvent()        {}

// Events is every member of Event.
var Events = []Event{Placed{}, Priced{}, ConfirmationRequired{}, Confirmed{}, Cancelled{}, USDValueAdded{}}
