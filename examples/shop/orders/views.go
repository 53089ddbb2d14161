package orders

import (
	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/customers"
	"github.com/deed-es/deed/examples/shop/money"
)

// Row is an order as lists show it.
type Row struct {
	ID           string       `json:"id"`
	CustomerID   string       `json:"customerId"`
	CustomerName string       `json:"customerName"`
	Description  string       `json:"description"`
	Quantity     int          `json:"quantity"`
	Value        money.Amount `json:"value"`
	Status       Status       `json:"status"`
	USD          USD          `json:"usd,omitzero"`
	PlacedAt     string       `json:"placedAt"`
}

// sortable is a time as text that sorts like the time.
const sortable = "2006-01-02T15:04:05.000000Z07:00"

// View is the list of orders. A customer renamed is renamed in all of them.
var View = deed.Projection[Row, deed.Event]{
	Name:   "orders",
	Events: append([]deed.Event{Placed{}, Priced{}, ConfirmationRequired{}, Confirmed{}, Cancelled{}, USDValueAdded{}}, renamings...),
	Route:  route,
	Index:  []string{"customerId", "customerName", "status", "placedAt"},
	Evolve: Row.Evolve,
}

// renamings are the events that change what the customer of an order is called.
var renamings = []deed.Event{customers.Updated{}, customers.Forgotten{}}

// route sends an order's events to its row, and a customer's to the rows of all orders of that customer.
func route(r deed.Recorded[deed.Event]) []deed.Target {
	switch e := r.Event.(type) {
	case customers.Updated:
		return []deed.Target{deed.ToWhere("customerId", e.CustomerID)}
	case customers.Forgotten:
		return []deed.Target{deed.ToWhere("customerId", e.CustomerID)}
	}
	return []deed.Target{deed.ToKey(r.Stream.ID())}
}

// Evolve returns the row after r.
func (v Row) Evolve(r deed.Recorded[deed.Event]) Row {
	switch e := r.Event.(type) {
	case Placed:
		v = Row{
			ID: e.OrderID, CustomerID: e.CustomerID, CustomerName: e.CustomerName, Description: e.Description, Quantity: e.Quantity,
			Value: e.Value, Status: StatusNew, PlacedAt: r.Time.Format(sortable),
		}
	case Priced:
		v.Value = e.Value
	case ConfirmationRequired:
		v.Status = StatusUnconfirmed
	case Confirmed:
		v.Status = StatusConfirmed
	case Cancelled:
		v.Status = StatusCancelled
	case USDValueAdded:
		v.USD = USD{Rate: e.Rate, Date: e.RateDate, Value: e.USDValue}
	case customers.Updated:
		v.CustomerName = customers.FullName(e.FirstName, e.LastName)
	case customers.Forgotten:
		v.CustomerName = ""
	}
	return v
}

// Request is an order that somebody has to confirm.
type Request struct {
	ID           string       `json:"id"`
	CustomerID   string       `json:"customerId"`
	CustomerName string       `json:"customerName"`
	Description  string       `json:"description"`
	Quantity     int          `json:"quantity"`
	Value        money.Amount `json:"value"`
	Status       Status       `json:"status"`
	PlacedAt     string       `json:"placedAt"`
}

// RequestView is the list of orders that somebody has to confirm. An order that will have to be confirmed stands in it from
// the moment it is placed: its value says so.
var RequestView = deed.Projection[Request, deed.Event]{
	Name:   "confirmation-requests",
	Events: append([]deed.Event{Placed{}, Priced{}, ConfirmationRequired{}, Confirmed{}, Cancelled{}}, renamings...),
	Route:  route,
	Index:  []string{"customerId", "customerName", "status", "placedAt"},
	Evolve: Request.Evolve,
}

// Evolve returns the request after r; the zero Request once nothing is asked for.
func (v Request) Evolve(r deed.Recorded[deed.Event]) Request {
	if placed, ok := r.Event.(Placed); ok && WaitsForConfirmation(placed.Value) {
		return Request{
			ID: placed.OrderID, CustomerID: placed.CustomerID, CustomerName: placed.CustomerName, Description: placed.Description,
			Quantity: placed.Quantity, Value: placed.Value, Status: StatusNew, PlacedAt: r.Time.Format(sortable),
		}
	}
	if v == (Request{}) { // an order that is confirmed by itself
		return v
	}
	switch e := r.Event.(type) {
	case Priced:
		v.Value = e.Value
	case ConfirmationRequired:
		v.Status = StatusUnconfirmed
	case Confirmed, Cancelled:
		return Request{}
	case customers.Updated:
		v.CustomerName = customers.FullName(e.FirstName, e.LastName)
	case customers.Forgotten:
		v.CustomerName = ""
	}
	return v
}
