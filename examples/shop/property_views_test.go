package main

import (
	"time"

	"github.com/deed-es/deed/examples/shop/analysis"
	"github.com/deed-es/deed/examples/shop/customers"
	"github.com/deed-es/deed/examples/shop/money"
	"github.com/deed-es/deed/examples/shop/orders"
	"github.com/deed-es/deed/examples/shop/users"
)

// class is the customers of a class, and what they are worth.
type class struct {
	customers int
	value     money.Amount
	days      []analysis.Day
}

// moved says that a customer who was of one class and worth so much is of another, and worth so much now. No class is none.
func (m *model) moved(to customers.Classification, value money.Amount, from customers.Classification, before money.Amount) {
	if from != "" {
		c := m.classes[from]
		c.customers, c.value = c.customers-1, c.value.Sub(before)
	}
	if to != "" {
		if m.classes[to] == nil {
			m.classes[to] = &class{}
		}
		c := m.classes[to]
		c.customers, c.value = c.customers+1, c.value.Add(value)
	}
	for name, c := range m.classes {
		if name != to && name != from {
			continue
		}
		day := analysis.Day{Day: m.at.Time.Format(time.DateOnly), Customers: c.customers, Value: c.value}
		if last := len(c.days) - 1; last >= 0 && c.days[last].Day == day.Day {
			c.days[last] = day
		} else {
			c.days = append(c.days, day)
		}
	}
}

// atRest holds what has to be so once nothing is left to do.
func (m *model) atRest() {
	m.t.Helper()
	for id, u := range m.users {
		if u.Status == "active" && u.WelcomedAt.IsZero() {
			m.t.Errorf("user %s was not welcomed", id)
		}
	}
	owned := 0
	for id, c := range m.buyers {
		if c.forgotten {
			continue
		}
		owned++
		if m.addresses[c.Email] != id {
			m.t.Errorf("the address of customer %s belongs to %q", id, m.addresses[c.Email])
		}
		want := customers.Classification("")
		if c.confirms > 0 {
			want = classOf(c.confirmed)
		}
		if c.Classification != want || c.TotalValue != c.confirmed {
			m.t.Errorf("customer %s is %q with %s; the confirmed orders are worth %s", id, c.Classification, c.TotalValue, c.confirmed)
		}
	}
	if owned != len(m.addresses) {
		m.t.Errorf("%d customers have %d addresses", owned, len(m.addresses))
	}
	for id, o := range m.orders {
		if o.Status == "new" || o.USD.Date == "" {
			m.t.Errorf("nobody has looked after order %s: %+v", id, o.Row)
		}
	}
	m.mailsAtRest()
}

func (m *model) mailsAtRest() {
	m.t.Helper()
	for id, c := range m.campaigns {
		if c.Requested != c.Sent+c.Failed+c.Skipped {
			m.t.Errorf("the totals of campaign %s do not add up: %+v", id, c.Row)
		}
		for customer, b := range m.buyers {
			if c.started > 0 && b.always(c.started, m.at.Position+1, c.Classification) && c.mails[customer] == nil {
				m.t.Errorf("campaign %s passed over customer %s", id, customer)
			}
		}
	}
}

// most is how many entries or days a row keeps.
const most = 100

// views are all rows of all views as they ought to be.
func (m *model) views() map[string]map[string]any {
	all := map[string]map[string]any{}
	put := func(view, key string, row any) {
		if all[view] == nil {
			all[view] = map[string]any{}
		}
		all[view][key] = row
	}
	for id, u := range m.users {
		put("users", id, u)
		entries := m.history[id]
		earlier := max(len(entries)-most, 0)
		put("user-history", id, users.History{ID: id, Entries: entries[earlier:], Earlier: earlier})
	}
	for id, c := range m.buyers {
		if c.forgotten {
			continue
		}
		put("customers", id, c.Overview)
		put("customer", id, customers.Form{
			ID: id, Version: c.version, Email: c.Email, FirstName: c.FirstName, LastName: c.LastName, Location: c.Location, EmailAllowed: c.EmailAllowed,
		})
		put("customer-report", id, analysis.Report{
			CustomerID: id, Email: c.Email, FirstName: c.FirstName, LastName: c.LastName, Classification: c.Classification, Orders: c.placed,
			Confirmed: c.confirms, Cancelled: c.cancels, Total: c.confirmed, Mails: c.mails, Reactions: c.reacts,
		})
	}
	for id, o := range m.orders {
		put("orders", id, o.Row)
		if o.Status == "unconfirmed" {
			put("confirmation-requests", id, orders.Request{
				ID: id, CustomerID: o.CustomerID, CustomerName: o.CustomerName, Description: o.Description, Quantity: o.Quantity, Value: o.Value,
				Status: o.Status, PlacedAt: o.PlacedAt,
			})
		}
	}
	for id, c := range m.campaigns {
		put("campaigns", id, c.Row)
	}
	for name, c := range m.classes {
		earlier := max(len(c.days)-most, 0)
		put("classifications", string(name), analysis.Share{
			Classification: name, Customers: c.customers, Value: c.value, Days: c.days[earlier:], Earlier: earlier,
		})
	}
	return all
}
