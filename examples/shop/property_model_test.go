package main

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/campaigns"
	"github.com/deed-es/deed/examples/shop/customers"
	"github.com/deed-es/deed/examples/shop/money"
	"github.com/deed-es/deed/examples/shop/orders"
	"github.com/deed-es/deed/examples/shop/users"
)

// model is the shop as somebody would keep it who reads the log from its start with the blueprint at hand. It shares no code
// with the folds of the shop.
type model struct {
	t         *testing.T
	at        deed.Record            // what is being read
	byID      map[string]deed.Record // what was read before, by event id
	addresses map[string]string      // owners
	users     map[string]*users.Row
	history   map[string][]users.Entry
	buyers    map[string]*buyer
	orders    map[string]*bought
	campaigns map[string]*sent
	classes   map[customers.Classification]*class
}

// buyer is a customer. What others say in views stands in the row that it is in.
type buyer struct {
	customers.Overview
	forgotten       bool
	version         deed.Version
	confirmed       money.Amount            // worth of the confirmed orders
	totals          map[string]money.Amount // the same after each of them, by event id
	spells          []spell
	placed, cancels int
	confirms        int
	mails, reacts   int
}

// spell is what a customer was to campaigns from a position on.
type spell struct {
	from    deed.Position
	class   customers.Classification
	allowed bool
}

type bought struct {
	orders.Row
	placed money.Amount // the value it was placed with
}

type sent struct {
	campaigns.Row
	started deed.Position
	mails   map[string]*mailed // by customer
}

type mailed struct {
	step      string
	requested deed.Position
	kinds     []string
}

// fault says that what is being read cannot be.
func (m *model) fault(format string, args ...any) {
	m.t.Helper()
	m.t.Errorf("position %d, %s of %s %s: %s", m.at.Position, m.at.Type, m.at.Stream, m.at.Data, fmt.Sprintf(format, args...))
}

// must says so unless ok.
func (m *model) must(ok bool, what string) {
	m.t.Helper()
	if !ok {
		m.fault("not true: %s", what)
	}
}

// cause is the record that made a process or reactor of the shop ask for what is being read; false: somebody else did.
func (m *model) cause() (deed.Record, bool) {
	id := m.at.Meta().Causation
	if id == "" {
		return deed.Record{}, false
	}
	r, known := m.byID[id]
	m.must(known, "what it came of happened before")
	return r, true
}

// stamp is a time as views show it.
func (m *model) stamp() string { return m.at.Time.Format("2006-01-02T15:04:05.000000Z07:00") }

// check holds the log against the blueprint, and the views against the log.
func (w *walk) check() {
	w.t.Helper()
	m := &model{
		t: w.t, byID: map[string]deed.Record{}, addresses: map[string]string{}, users: map[string]*users.Row{}, history: map[string][]users.Entry{},
		buyers: map[string]*buyer{}, orders: map[string]*bought{}, campaigns: map[string]*sent{}, classes: map[customers.Classification]*class{},
	}
	counts := map[string]int{}
	for _, r := range w.records() {
		m.at = r
		counts[r.Type]++
		switch r.Stream.Category() {
		case "user":
			m.user()
		case "customer":
			m.customer()
		case "order":
			m.order()
		case "campaign":
			m.campaign()
		default:
			m.must(r.Type == "effect-refused", "it is of the shop")
		}
		m.byID[r.ID] = r
	}
	w.t.Logf("the log holds %v", counts)
	m.atRest()
	want := m.views()
	for view, rows := range w.rows() {
		for _, key := range slices.Sorted(maps.Keys(want[view])) {
			data, err := deed.EncodeJSON(want[view][key])
			if err != nil {
				w.t.Fatal(err)
			}
			if rows[key].data != string(data) {
				w.t.Errorf("view %s, row %s:\n got %s\nwant %s", view, key, rows[key].data, data)
			}
		}
		for key := range rows {
			if want[view][key] == nil {
				w.t.Errorf("view %s, row %s: got %s, want none", view, key, rows[key].data)
			}
		}
	}
}

func (m *model) user() {
	id := m.at.Stream.ID()
	u := m.users[id]
	entry := users.Entry{At: m.at.Time, Version: m.at.Version}
	if m.at.Type == "user-created" {
		m.must(u == nil, "a user is created once")
		e := decodeAs[users.Created](m.t, m.at)
		u = &users.Row{ID: id, FirstName: e.FirstName, LastName: e.LastName, Status: "active", CreatedAt: m.stamp()}
		m.users[id] = u
		entry.What, entry.FirstName, entry.LastName = "created", e.FirstName, e.LastName
	} else if u == nil || u.Status != "active" {
		m.fault("the user is not active")
		return
	}
	switch m.at.Type {
	case "user-updated":
		e := decodeAs[users.Updated](m.t, m.at)
		m.must(e.FirstName != u.FirstName || e.LastName != u.LastName, "an update changes something")
		u.FirstName, u.LastName = e.FirstName, e.LastName
		entry.What, entry.FirstName, entry.LastName = "updated", e.FirstName, e.LastName
	case "user-welcomed":
		m.must(u.WelcomedAt.IsZero(), "a user is welcomed once")
		if created, ok := m.cause(); ok {
			m.must(created.Stream == m.at.Stream && !m.at.Time.Before(created.Time.Add(users.WelcomeDelay)), "a while has passed since the user was created")
		}
		u.WelcomedAt, entry.What = m.at.Time, "welcomed"
	case "user-deleted":
		u.Status, entry.What = "deleted", "deleted"
	}
	for _, name := range []string{u.FirstName, u.LastName} {
		m.must(strings.TrimSpace(name) != "" && len([]rune(name)) <= 100, "a user has two names of 1 to 100 characters")
	}
	m.history[id] = append(m.history[id], entry)
}

func (m *model) customer() {
	id := m.at.Stream.ID()
	c := m.buyers[id]
	if m.at.Type == "customer-registered" {
		m.must(c == nil, "a customer is registered once")
		e := decodeAs[customers.Registered](m.t, m.at)
		c = &buyer{totals: map[string]money.Amount{}}
		c.ID, c.FirstName, c.LastName, c.Location, c.RegisteredAt = e.CustomerID, e.FirstName, e.LastName, e.Location, m.stamp()
		m.must(e.CustomerID == id, "an event names its own customer")
		m.buyers[id] = c
		m.take(c, e.Email)
	} else if c == nil || c.forgotten {
		m.fault("there is no such customer")
		return
	}
	c.version = m.at.Version
	switch m.at.Type {
	case "customer-updated":
		e := decodeAs[customers.Updated](m.t, m.at)
		m.must(e.FirstName != c.FirstName || e.LastName != c.LastName || e.Location != c.Location, "an update changes something")
		c.FirstName, c.LastName, c.Location = e.FirstName, e.LastName, e.Location
		m.rename(id, e.FirstName+" "+e.LastName)
	case "customer-email-changed":
		e := decodeAs[customers.EmailChanged](m.t, m.at)
		m.must(e.Previous == c.Email, "the address before is the one that the customer had")
		delete(m.addresses, e.Previous)
		m.take(c, e.Email)
	case "customer-email-permission-set":
		e := decodeAs[customers.EmailPermissionSet](m.t, m.at)
		m.must(e.Allowed != c.EmailAllowed, "a permission changes something")
		c.EmailAllowed = e.Allowed
	case "customer-classified":
		m.classified(c, decodeAs[customers.Classified](m.t, m.at))
	case "customer-forgotten":
		e := decodeAs[customers.Forgotten](m.t, m.at)
		m.must(e.Released == fmt.Sprintf("email:%x", sha256.Sum256([]byte(c.Email))), "the address is released under its tag")
		m.must(e.Classification == c.Classification && e.TotalValue == c.TotalValue, "it says what the customer was worth")
		delete(m.addresses, c.Email)
		c.forgotten, c.EmailAllowed = true, false
		m.rename(id, "")
		m.moved("", money.Amount{}, c.Classification, c.TotalValue)
	}
	c.spells = append(c.spells, spell{m.at.Position, c.Classification, c.EmailAllowed})
}

// take gives an address to a customer, if it is nobody's.
func (m *model) take(c *buyer, email string) {
	m.t.Helper()
	if owner, taken := m.addresses[email]; taken {
		m.fault("the address belongs to customer %s", owner)
	}
	m.must(email == strings.ToLower(strings.TrimSpace(email)) && strings.Count(email, "@") == 1 && len(email) <= 254, "an address is as addresses are")
	m.addresses[email], c.Email = c.ID, email
}

// rename gives a customer's orders another name.
func (m *model) rename(customer, name string) {
	for _, o := range m.orders {
		if o.CustomerID == customer {
			o.CustomerName = name
		}
	}
}

func (m *model) classified(c *buyer, e customers.Classified) {
	m.t.Helper()
	cause, ok := m.cause()
	m.must(ok, "only analysis classifies")
	m.must(e.TotalValue == c.totals[cause.ID] && e.BasedOn == string(cause.Stream), "it is based on the orders confirmed up to then")
	m.must(e.Classification == classOf(e.TotalValue), "the class is that of the value")
	m.must(e.PreviousClassification == c.Classification && e.PreviousValue == c.TotalValue, "it says what was said before")
	m.moved(e.Classification, e.TotalValue, c.Classification, c.TotalValue)
	c.Classification, c.TotalValue = e.Classification, e.TotalValue
}

// number is an amount or a rate, exactly.
func number(v fmt.Stringer) *big.Rat {
	r, ok := new(big.Rat).SetString(v.String())
	if !ok {
		panic("no number: " + v.String())
	}
	return r
}

// below tells whether an amount is less than so many euros.
func below(v money.Amount, euros int64) bool { return number(v).Cmp(big.NewRat(euros, 1)) < 0 }

func classOf(v money.Amount) customers.Classification {
	switch {
	case below(v, 1000):
		return "bronze"
	case below(v, 5000):
		return "silver"
	}
	return "gold"
}
