// Package orders is the context of what customers buy: an order is placed, confirmed by itself or by somebody, or
// cancelled.
package orders

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/money"
)

// Why an order says no.
var (
	ErrNone          = fmt.Errorf("order %w", deed.ErrNotFound)
	ErrConfirmed     = deed.Reject("already-confirmed", "the order is confirmed")
	ErrCancelled     = deed.Reject("order-cancelled", "the order is cancelled")
	ErrRequired      = deed.Reject("confirmation-already-required", "the order waits for confirmation already")
	ErrNotWaiting    = deed.Reject("not-waiting", "the order does not wait for confirmation")
	ErrNotPriced     = deed.Reject("not-priced", "the order has to be priced first")
	ErrUnknownStatus = deed.Reject("unknown-status", "the order is in a state that is not known here")
)

// Status is where an order stands: none, the zero value, then new, then unconfirmed or confirmed; cancelled ends it before
// it is confirmed.
type Status string

// The states of an order.
const (
	StatusNew         Status = "new"
	StatusUnconfirmed Status = "unconfirmed"
	StatusConfirmed   Status = "confirmed"
	StatusCancelled   Status = "cancelled"
)

// JSONSchema is for the service's documentation.
func (Status) JSONSchema() map[string]any {
	return map[string]any{"type": "string", "enum": []any{string(StatusNew), string(StatusUnconfirmed), string(StatusConfirmed), string(StatusCancelled)}}
}

// Order is the state that decisions need; the zero Order is none.
type Order struct {
	Status     Status       `json:"status"`
	CustomerID string       `json:"customerId"`
	Value      money.Amount `json:"value"`
	USD        USD          `json:"usd,omitzero"`
}

// USD is what an order is worth in US dollars, at the rate of a day.
type USD struct {
	Rate  money.Rate   `json:"rate"`
	Date  string       `json:"date"`
	Value money.Amount `json:"value"`
}

// Decider is the write side of orders, but for placing them.
var Decider = deed.Decider[Order, Command, Event]{
	Category: "order",
	Commands: Commands,
	Events:   Events,
	Decide:   Order.Decide,
	Evolve:   Order.Evolve,
}

// Evolve returns the order after e.
func (o Order) Evolve(e Event) Order {
	switch e := e.(type) {
	case Placed:
		o.Status, o.CustomerID, o.Value = StatusNew, e.CustomerID, e.Value
	case Priced:
		o.Value = e.Value
	case ConfirmationRequired:
		o.Status = StatusUnconfirmed
	case Confirmed:
		o.Status = StatusConfirmed
	case Cancelled:
		o.Status = StatusCancelled
	case USDValueAdded:
		o.USD = USD{Rate: e.Rate, Date: e.RateDate, Value: e.USDValue}
	}
	return o
}

// Decide returns what happens when cmd is asked of the order.
func (o Order) Decide(cmd Command) ([]Event, error) {
	if o.Status == "" {
		return nil, ErrNone
	}
	switch cmd := cmd.(type) {
	case Price:
		return o.price(cmd)
	case RequireConfirmation:
		return o.requireConfirmation()
	case Confirm:
		return o.confirm()
	case Cancel:
		return o.cancel(cmd)
	case AddUSDRate:
		return o.addUSDRate(cmd)
	}
	return nil, fmt.Errorf("unknown command %T", cmd)
}

// ended says no for an order that can change no more.
func (o Order) ended() error {
	switch o.Status {
	case StatusNew, StatusUnconfirmed:
		return nil
	case StatusConfirmed:
		return ErrConfirmed
	case StatusCancelled:
		return ErrCancelled
	}
	return ErrUnknownStatus
}

func (o Order) price(cmd Price) ([]Event, error) {
	if err := o.ended(); err != nil {
		return nil, err
	}
	if o.Status != StatusUnconfirmed {
		return nil, ErrNotWaiting
	}
	if cmd.Value.IsZero() {
		return nil, &deed.InvalidError{Field: "value", Reason: "must be above 0"}
	}
	if err := checkValue(cmd.Value); err != nil {
		return nil, err
	}
	if cmd.Value == o.Value {
		return nil, nil
	}
	return []Event{Priced(cmd)}, nil
}

func (o Order) requireConfirmation() ([]Event, error) {
	if err := o.ended(); err != nil {
		return nil, err
	}
	if o.Status == StatusUnconfirmed {
		return nil, ErrRequired
	}
	return []Event{ConfirmationRequired{}}, nil
}

func (o Order) confirm() ([]Event, error) {
	if err := o.ended(); err != nil {
		return nil, err
	}
	if o.Value.IsZero() {
		return nil, ErrNotPriced
	}
	return []Event{Confirmed{CustomerID: o.CustomerID, Value: o.Value}}, nil
}

func (o Order) cancel(cmd Cancel) ([]Event, error) {
	if err := o.ended(); err != nil {
		return nil, err
	}
	if strings.TrimSpace(cmd.Reason) == "" || utf8.RuneCountInString(cmd.Reason) > maxReason {
		return nil, &deed.InvalidError{Field: "reason", Reason: fmt.Sprintf("must have 1 to %d characters", maxReason)}
	}
	return []Event{Cancelled{CustomerID: o.CustomerID, Value: o.Value, Reason: cmd.Reason}}, nil
}

// addUSDRate is for information only: it is taken in every state, since the rate may come late.
func (o Order) addUSDRate(cmd AddUSDRate) ([]Event, error) {
	if cmd.Rate.IsZero() {
		return nil, &deed.InvalidError{Field: "rate", Reason: "must be above 0"}
	}
	if _, err := time.Parse(time.DateOnly, cmd.RateDate); err != nil {
		return nil, &deed.InvalidError{Field: "rateDate", Reason: "must be a day such as 2026-11-20"}
	}
	if o.USD == (USD{Rate: cmd.Rate, Date: cmd.RateDate, Value: cmd.USDValue}) {
		return nil, nil
	}
	return []Event{USDValueAdded(cmd)}, nil
}
