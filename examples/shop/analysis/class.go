// Package analysis is the context of what customers are worth: it classifies them by what they have ordered, and counts.
package analysis

import (
	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/customers"
	"github.com/deed-es/deed/examples/shop/money"
	"github.com/deed-es/deed/examples/shop/orders"
)

// From here on a customer is more than bronze.
var (
	SilverFrom = money.Cents(1000_00)
	GoldFrom   = money.Cents(5000_00)
)

// Class is what a customer is whose confirmed orders are worth so much.
func Class(total money.Amount) customers.Classification {
	switch {
	case total.Compare(GoldFrom) >= 0:
		return customers.Gold
	case total.Compare(SilverFrom) >= 0:
		return customers.Silver
	}
	return customers.Bronze
}

// Classification is the process that says what a customer is worth, whenever that changes: with each confirmed order.
var Classification = deed.Process[Standing, deed.Event]{
	Name:   "classification",
	Events: []deed.Event{orders.Confirmed{}, customers.Forgotten{}},
	Key:    customerOf,
	Evolve: Standing.Evolve,
	React: func(s Standing, r deed.Recorded[deed.Event]) []deed.Effect {
		confirmed, ok := r.Event.(orders.Confirmed)
		if !ok {
			return nil
		}
		return []deed.Effect{customers.Decider.Send(confirmed.CustomerID, customers.Classify{
			Classification: Class(s.Total), TotalValue: s.Total, BasedOn: string(r.Stream),
		})}
	},
	From: deed.FromStart(), // what was ordered before counts too
}

// Standing is what the process keeps of a customer.
type Standing struct {
	Total money.Amount `json:"total"` // of all confirmed orders
}

// Evolve returns the standing after r. Nothing is kept of a forgotten customer.
func (s Standing) Evolve(r deed.Recorded[deed.Event]) Standing {
	switch e := r.Event.(type) {
	case orders.Confirmed:
		s.Total = s.Total.Add(e.Value)
	case customers.Forgotten:
		s = Standing{}
	}
	return s
}
