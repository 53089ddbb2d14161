package shoptest

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/campaigns"
	"github.com/deed-es/deed/examples/shop/customers"
	"github.com/deed-es/deed/examples/shop/money"
	"github.com/deed-es/deed/examples/shop/orders"
	"github.com/deed-es/deed/examples/shop/users"
)

// How many things of a kind a history has; the ids go from 1 up.
const (
	Users     = 12
	Customers = 7
	Orders    = 40
	Campaigns = 5
)

// ID is the id of one of a few things, so that commands meet, or something that is hardly an id.
func (d *Dice) ID(few int) string { return d.text(strconv.Itoa(1 + d.IntN(few))) }

func (d *Dice) first() string { return d.text("Ann", "Ann", "Bob") }
func (d *Dice) last() string  { return d.text("Lee", "Lee", "Poe") }

// FullName is what customers are often called here.
func (d *Dice) FullName() string { return customers.FullName(d.first(), d.last()) }

// perhaps is f's, or nothing.
func perhaps(d *Dice, f func() string) *string {
	if d.Chance(50) {
		return nil
	}
	return new(f())
}

// Email is one of a few addresses, written in one way or another, or none.
func (d *Dice) Email() string {
	return d.text("ann@example.org", " Ann@Example.ORG ", "bob@example.org", "BOB@example.org\t", "cem@example.org", "dee@example.org", "bounce@example.org",
		"gil@example.org", "hal@example.org", "ida@example.org", "joe@example.org", "kim@example.org", "lou@example.org", "max@example.org", "nat@example.org",
		"eve@example.org", "fay@example.org", "a@b@c", strings.Repeat("a", 250)+"@b.c", strings.Repeat("a", 251)+"@b.c")
}

// Amount is around where something changes, or any.
func (d *Dice) Amount() money.Amount {
	return amount(d, "0", "0.01", "12.50", "250", "500", "999.99", "1000", "1000.01", "3999.99", "4000", "4999.99", "5000", "5000.01", "999999999999.99", "1000000000000", "999999999999999.99")
}

// Price is what somebody would pay, or 0.
func (d *Dice) Price() money.Amount {
	return amount(d, "0", "0.01", "12.50", "250", "500", "999.99", "1000", "1000.01", "2500", "4000", "5000")
}

func amount(d *Dice, of ...string) money.Amount {
	if d.Chance(10) {
		return money.Cents(int64(d.IntN(1_000_000)))
	}
	a, err := money.Parse(Pick(d, of...))
	if err != nil {
		panic(err)
	}
	return a
}

func (d *Dice) rate() (r money.Rate) {
	if err := json.Unmarshal([]byte(Pick(d, "0", "0.000001", "1", "1.1587", "9999.999999")), &r); err != nil {
		panic(err)
	}
	return r
}

// User is something to ask of a user.
func (d *Dice) User() users.Command {
	switch d.IntN(40) {
	case 0, 1, 2, 3, 4, 5, 6, 7:
		return users.Create{FirstName: d.first(), LastName: d.last()}
	case 8:
		return users.Delete{}
	case 9, 10, 11:
		return users.Welcome{}
	}
	return users.Update{FirstName: perhaps(d, d.first), LastName: perhaps(d, d.last)}
}

// Customer is something to ask a customer; what the customer does not decide alone, too.
func (d *Dice) Customer(id string) deed.Effect {
	switch d.IntN(50) {
	case 0:
		return customers.Decider.Send(id, customers.Forget{})
	case 1, 2, 3, 4, 5, 6, 7:
		return customers.Addressing.Send(id, customers.ChangeEmail{Email: d.Email()})
	case 8, 9, 10, 11, 12, 13, 14, 15, 16, 17:
		return customers.Decider.Send(id, customers.Update{FirstName: perhaps(d, d.first), LastName: perhaps(d, d.last), Location: perhaps(d, d.place)})
	case 18, 19, 20, 21, 22, 23, 24, 25, 26, 27:
		return customers.Decider.Send(id, customers.PermitEmail{Allowed: d.Chance(60)})
	}
	return customers.Addressing.Send(id, customers.Register{Email: d.Email(), FirstName: d.first(), LastName: d.last(), Location: d.place()})
}

func (d *Dice) place() string { return d.text("", "Bern") }

// Classify is what analysis says, were it to say anything.
func (d *Dice) Classify() customers.Classify {
	return customers.Classify{Classification: d.class(), TotalValue: d.Amount(), BasedOn: d.text("order-1", "order-2")}
}

func (d *Dice) class() customers.Classification {
	return customers.Classification(d.text("bronze", "silver", "gold"))
}

// Place is an order that somebody would place, but for what is odd in it.
func (d *Dice) Place(value money.Amount) orders.Place {
	return orders.Place{
		CustomerID: d.ID(Customers), CustomerName: d.FullName(), Description: d.text("tea", "a ship"),
		Quantity: Pick(d, 1, 2, 1_000_000, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, -1, 1_000_001), Value: value,
	}
}

// Order is something to ask of an order that is placed, perhaps.
func (d *Dice) Order(value money.Amount) orders.Command {
	switch d.IntN(10) {
	case 0, 1, 2:
		return orders.Price{Value: value}
	case 3:
		return orders.RequireConfirmation{}
	case 4, 5, 6:
		return orders.Confirm{}
	case 7, 8:
		return orders.AddUSDRate{Rate: d.rate(), RateDate: d.text("2026-11-20", "2026-11-31"), USDValue: d.Amount()}
	}
	return orders.Cancel{Reason: d.text("changed my mind", "too late")}
}

// Campaign is something to ask of a campaign as a whole.
func (d *Dice) Campaign() campaigns.Command {
	if d.Chance(50) {
		return campaigns.Start{}
	}
	return campaigns.Create{Name: d.text("spring", "autumn"), Classification: d.class(), Subject: d.text("Tea"), Body: d.text("There is tea.\n")}
}

// Mail is something to ask of a campaign about one customer's mail.
func (d *Dice) Mail() campaigns.MailCommand {
	id := d.ID(Customers)
	switch d.IntN(8) {
	case 0, 1, 2:
		return campaigns.RequestMail{CustomerID: id}
	case 3:
		return campaigns.RecordSent{CustomerID: id, MessageID: d.text("<m@x>")}
	case 4:
		return campaigns.RecordFailed{CustomerID: id, Reason: d.text("no")}
	case 5:
		return campaigns.RecordSkipped{CustomerID: id, Reason: d.text("no")}
	}
	return d.Reaction(id)
}

// Reaction is what a customer does with a mail.
func (d *Dice) Reaction(customerID string) campaigns.MailCommand {
	return campaigns.RecordReaction{CustomerID: customerID, Kind: d.text("opened", "clicked", "answered")}
}
