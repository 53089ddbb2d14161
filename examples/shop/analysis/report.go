package analysis

import (
	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/campaigns"
	"github.com/deed-es/deed/examples/shop/customers"
	"github.com/deed-es/deed/examples/shop/money"
	"github.com/deed-es/deed/examples/shop/orders"
)

// Report is what a customer comes to: the class, the orders, what the confirmed ones are worth, and the mails.
type Report struct {
	CustomerID     string                   `json:"customerId"`
	Email          string                   `json:"email"`
	FirstName      string                   `json:"firstName"`
	LastName       string                   `json:"lastName"`
	Classification customers.Classification `json:"classification"`
	Orders         int                      `json:"orders"` // placed
	Confirmed      int                      `json:"confirmed"`
	Cancelled      int                      `json:"cancelled"`
	Total          money.Amount             `json:"total"` // of the confirmed orders
	Mails          int                      `json:"mails"` // sent
	Reactions      int                      `json:"reactions"`
}

// ReportView is the reports of all customers. A forgotten one is not in it.
var ReportView = deed.Projection[Report, deed.Event]{
	Name: "customer-report",
	Events: []deed.Event{
		customers.Registered{},
		customers.Updated{},
		customers.EmailChanged{},
		customers.Classified{},
		customers.Forgotten{},
		orders.Placed{},
		orders.Confirmed{},
		orders.Cancelled{},
		campaigns.EmailSent{},
		campaigns.EmailReacted{},
	},
	Key:    customerOf,
	Index:  []string{"classification", "orders", "mails", "lastName"},
	Evolve: Report.Evolve,
}

// customerOf is the id of the customer that an event is about; empty if it is about none.
func customerOf(r deed.Recorded[deed.Event]) string {
	switch e := r.Event.(type) {
	case customers.Event:
		return r.Stream.ID()
	case orders.Placed:
		return e.CustomerID
	case orders.Confirmed:
		return e.CustomerID
	case orders.Cancelled:
		return e.CustomerID
	case campaigns.EmailSent:
		return e.CustomerID
	case campaigns.EmailReacted:
		return e.CustomerID
	}
	return ""
}

// Evolve returns the report after r. There is none of who is not registered, or forgotten.
func (v Report) Evolve(r deed.Recorded[deed.Event]) Report {
	if e, ok := r.Event.(customers.Registered); ok {
		return Report{CustomerID: e.CustomerID, Email: e.Email, FirstName: e.FirstName, LastName: e.LastName}
	}
	if v == (Report{}) {
		return v
	}
	switch e := r.Event.(type) {
	case customers.Updated:
		v.FirstName, v.LastName = e.FirstName, e.LastName
	case customers.EmailChanged:
		v.Email = e.Email
	case customers.Classified:
		v.Classification = e.Classification
	case customers.Forgotten:
		return Report{}
	case orders.Placed:
		v.Orders++
	case orders.Confirmed:
		v.Confirmed, v.Total = v.Confirmed+1, v.Total.Add(e.Value)
	case orders.Cancelled:
		v.Cancelled++
	case campaigns.EmailSent:
		v.Mails++
	case campaigns.EmailReacted:
		v.Reactions++
	}
	return v
}
