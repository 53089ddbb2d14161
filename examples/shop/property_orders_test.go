package main

import (
	"math/big"
	"slices"
	"strings"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/campaigns"
	"github.com/deed-es/deed/examples/shop/customers"
	"github.com/deed-es/deed/examples/shop/money"
	"github.com/deed-es/deed/examples/shop/orders"
)

func (m *model) order() {
	id := m.at.Stream.ID()
	o := m.orders[id]
	if m.at.Type == "order-placed" {
		m.must(o == nil, "an order is placed once")
		m.place(decodeAs[orders.Placed](m.t, m.at))
		return
	} else if o == nil {
		m.fault("there is no such order")
		return
	}
	c, open := m.buyers[o.CustomerID], o.Status == "new" || o.Status == "unconfirmed"
	cause, caused := m.cause()
	if caused {
		m.must(cause.Stream == m.at.Stream, "it came of the order itself")
	}
	switch m.at.Type {
	case "order-priced":
		e := decodeAs[orders.Priced](m.t, m.at)
		m.must(o.Status == "unconfirmed" && e.Value != o.Value && !below(e.Value, 0) && e.Value.String() != "0", "an order that waits is priced")
		o.Value = e.Value
	case "order-confirmation-required":
		m.must(o.Status == "new" && (!caused || waits(o.placed)), "what is above 1000, or 0, has to be confirmed")
		o.Status = "unconfirmed"
	case "order-confirmed":
		e := decodeAs[orders.Confirmed](m.t, m.at)
		m.must(open && o.Value.String() != "0", "an order is confirmed that is open and priced")
		m.must(!caused || !waits(o.placed), "what is confirmed by itself is at most 1000, and not 0")
		m.must(e.CustomerID == o.CustomerID && e.Value == o.Value, "it says whose order it is, and what it is worth")
		o.Status = "confirmed"
		c.confirms++
		c.confirmed = c.confirmed.Add(e.Value)
		c.totals[m.at.ID] = c.confirmed
	case "order-cancelled":
		e := decodeAs[orders.Cancelled](m.t, m.at)
		m.must(open && e.CustomerID == o.CustomerID && e.Value == o.Value && strings.TrimSpace(e.Reason) != "", "an order is cancelled that is open")
		o.Status = "cancelled"
		c.cancels++
	case "order-usd-value-added":
		e := decodeAs[orders.USDValueAdded](m.t, m.at)
		if caused && m.at.Meta().Actor == "" {
			m.converted(cause, e)
		}
		o.USD = orders.USD{Rate: e.Rate, Date: e.RateDate, Value: e.USDValue}
	}
}

// waits tells whether an order of this value has to be confirmed by somebody.
func waits(value money.Amount) bool {
	v := number(value)
	return v.Sign() == 0 || v.Cmp(big.NewRat(1000, 1)) > 0
}

func (m *model) place(e orders.Placed) {
	m.t.Helper()
	id := m.at.Stream.ID()
	o := &bought{placed: e.Value}
	o.ID, o.CustomerID, o.CustomerName, o.Description = e.OrderID, e.CustomerID, e.CustomerName, e.Description
	o.Quantity, o.Value, o.Status, o.PlacedAt = e.Quantity, e.Value, "new", m.stamp()
	m.must(e.OrderID == id && e.Quantity >= 1 && e.Quantity <= 1_000_000 && e.Description != "" && below(e.Value, 1_000_000_000_000), "an order is as orders are")
	m.orders[id] = o
	c := m.buyers[e.CustomerID]
	if c == nil || c.forgotten {
		m.fault("there is no such customer")
		return
	}
	m.must(e.CustomerName == c.FirstName+" "+c.LastName, "the customer is called so now")
	c.placed++
}

// converted holds a value in dollars against the value that it came of: exact, and rounded to the nearest cent.
func (m *model) converted(cause deed.Record, e orders.USDValueAdded) {
	m.t.Helper()
	value := decodeAs[orders.Priced](m.t, cause).Value // a placed order says it in the same words
	off := new(big.Rat).Sub(new(big.Rat).Mul(number(value), number(e.Rate)), number(e.USDValue))
	m.must(off.Abs(off).Cmp(big.NewRat(1, 200)) <= 0, "the dollars are worth the euros")
}

func (m *model) campaign() {
	id := m.at.Stream.ID()
	c := m.campaigns[id]
	if m.at.Type == "campaign-created" {
		m.must(c == nil, "a campaign is created once")
		e := decodeAs[campaigns.Created](m.t, m.at)
		c = &sent{mails: map[string]*mailed{}}
		c.ID, c.Name, c.Classification, c.Subject, c.Status, c.CreatedAt = e.CampaignID, e.Name, e.Classification, e.Subject, "created", m.stamp()
		m.must(e.CampaignID == id, "an event names its own campaign")
		m.campaigns[id] = c
		return
	} else if c == nil {
		m.fault("there is no such campaign")
		return
	}
	if m.at.Type == "campaign-started" {
		m.must(c.Status == "created", "a campaign is started once")
		c.Status, c.StartedAt, c.started = "started", m.stamp(), m.at.Position
		return
	}
	m.mail(c, decodeAs[campaigns.EmailReacted](m.t, m.at)) // all say in the same words whom they are about
}

func (m *model) mail(c *sent, e campaigns.EmailReacted) {
	m.t.Helper()
	mail, b := c.mails[e.CustomerID], m.buyers[e.CustomerID]
	if mail == nil {
		mail = &mailed{}
		c.mails[e.CustomerID] = mail
	}
	cause, caused := m.cause()
	switch m.at.Type {
	case "campaign-email-requested":
		m.must(c.Status == "started" && mail.step == "", "a mail is requested once, of a campaign that is started")
		m.must(!caused || b.ever(cause.Position, m.at.Position, c.Classification), "the customer was of the class, and permitted mail, after the start")
		mail.step, mail.requested = "requested", m.at.Position
		c.Requested++
		return
	case "campaign-email-reacted":
		m.must(mail.step == "sent" && !slices.Contains(mail.kinds, e.Kind) && e.First == (len(mail.kinds) == 0), "a reaction to a mail that was sent, once of each kind")
		if mail.kinds = append(mail.kinds, e.Kind); e.First {
			c.Reacted++
		}
		if b != nil {
			b.reacts++
		}
		return
	}
	m.must(mail.step == "requested" && caused && cause.Position == mail.requested, "what became of a mail is known once, from who sends it")
	switch mail.step = strings.TrimPrefix(m.at.Type, "campaign-email-"); mail.step {
	case "sent":
		m.must(b.ever(mail.requested, m.at.Position, ""), "the customer permitted mail after it was requested")
		c.Sent++
		b.mails++
	case "failed":
		m.must(b.ever(mail.requested, m.at.Position, ""), "the customer permitted mail after it was requested")
		c.Failed++
	case "skipped":
		m.must(!b.always(mail.requested, m.at.Position, ""), "the customer did not permit mail all the while")
		c.Skipped++
	}
}

// ever tells whether a customer permitted mail, and was of the class if one is given, at some time from one position on and
// before another.
func (b *buyer) ever(from, to deed.Position, class customers.Classification) bool {
	return slices.Contains(b.during(from, to, class), true)
}

// always is ever for all of the time.
func (b *buyer) always(from, to deed.Position, class customers.Classification) bool {
	all := b.during(from, to, class)
	return len(all) > 0 && !slices.Contains(all, false)
}

// during tells for each of the customer's spells between two positions whether it was one to send mail in.
func (b *buyer) during(from, to deed.Position, class customers.Classification) (fit []bool) {
	if b == nil {
		return nil
	}
	for i, s := range b.spells {
		if ended := i+1 < len(b.spells) && b.spells[i+1].from <= from; ended || s.from >= to {
			continue
		}
		fit = append(fit, s.allowed && (class == "" || s.class == class))
	}
	if len(b.spells) > 0 && b.spells[0].from > from {
		fit = append(fit, false)
	}
	return fit
}
