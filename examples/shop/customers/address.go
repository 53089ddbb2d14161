package customers

import (
	"fmt"
	"maps"

	"github.com/deed-es/deed"
)

// Addresses is what a decision about an e-mail address depends on: who has the address, and where the customer that asks
// for it stands.
type Addresses struct {
	// Owners are ids of customers by the tag of their address. Only the address asked about is sure to be complete.
	Owners map[string]string `json:"owners,omitempty"`
	// Customers are the customers met on the way, by their id.
	Customers map[string]Holder `json:"customers,omitempty"`
}

// Holder is a customer as far as addresses go.
type Holder struct {
	Email     string `json:"email,omitempty"`
	Forgotten bool   `json:"forgotten,omitempty"`
}

// Addressing is the decision that an e-mail address belongs to one customer, whatever races: it is appended under a check
// that nothing else has happened to the address, or to the customer's own.
var Addressing = deed.Decision[Addresses, AddressCommand, Event]{
	Category:   "customer",
	Commands:   AddressCommands,
	Events:     addressEvents,
	Query:      addressQuery,
	DecideWith: Addresses.Decide,
	Evolve:     Addresses.Evolve,
}

// addressEvents are the events that take and release addresses.
var addressEvents = []Event{Registered{}, EmailChanged{}, Forgotten{}}

func addressQuery(id string, cmd AddressCommand) []deed.Match {
	var types []string
	for _, e := range addressEvents {
		types = append(types, e.EventType())
	}
	matches := []deed.Match{{Types: types, Tags: []string{EmailTag(wanted(cmd))}}}
	if len(id) <= maxID { // Decide refuses longer ones
		matches = append(matches, deed.Match{Types: types, Tags: []string{Tag(id)}})
	}
	return matches
}

// wanted is the address that cmd asks for.
func wanted(cmd AddressCommand) string {
	switch cmd := cmd.(type) {
	case Register:
		return cmd.Email
	case ChangeEmail:
		return cmd.Email
	}
	return ""
}

// Owner is the id of the customer that an address belongs to; empty if it is free.
func (a Addresses) Owner(email string) string { return a.Owners[EmailTag(email)] }

// Evolve returns what is known of addresses after e.
func (a Addresses) Evolve(e Event) Addresses {
	a = Addresses{Owners: clone(a.Owners), Customers: clone(a.Customers)}
	switch e := e.(type) {
	case Registered:
		a.Owners[EmailTag(e.Email)] = e.CustomerID
		a.Customers[e.CustomerID] = Holder{Email: e.Email}
	case EmailChanged:
		delete(a.Owners, EmailTag(e.Previous))
		a.Owners[EmailTag(e.Email)] = e.CustomerID
		a.Customers[e.CustomerID] = Holder{Email: e.Email}
	case Forgotten:
		delete(a.Owners, e.Released)
		a.Customers[e.CustomerID] = Holder{Forgotten: true}
	}
	return a
}

func clone[V any](m map[string]V) map[string]V {
	c := make(map[string]V, len(m)+1)
	maps.Copy(c, m)
	return c
}

// Decide returns what happens when the customer that m names asks for an address.
func (a Addresses) Decide(cmd AddressCommand, m deed.Meta) ([]Event, error) {
	id := m.Stream.ID()
	self, known := a.Customers[id]
	switch cmd := cmd.(type) {
	case Register:
		if err := cmd.check(id); err != nil {
			return nil, err
		}
		switch owner := a.Owner(cmd.Email); {
		case self.Forgotten:
			return nil, ErrForgotten
		case known:
			return nil, ErrExists
		case owner != "":
			return nil, ErrEmailTaken
		}
		return []Event{Registered{
			CustomerID: id, Email: NormalEmail(cmd.Email), FirstName: cmd.FirstName, LastName: cmd.LastName, Location: cmd.Location,
		}}, nil
	case ChangeEmail:
		if err := CheckEmail(cmd.Email); err != nil {
			return nil, err
		}
		switch owner := a.Owner(cmd.Email); {
		case !known:
			return nil, ErrNone
		case self.Forgotten:
			return nil, ErrForgotten
		case owner == id:
			return nil, nil
		case owner != "":
			return nil, ErrEmailTaken
		}
		return []Event{EmailChanged{CustomerID: id, Email: NormalEmail(cmd.Email), Previous: self.Email}}, nil
	}
	return nil, fmt.Errorf("unknown command %T", cmd)
}

func (c Register) check(id string) error {
	if len(id) > maxID {
		return &deed.InvalidError{Field: "id", Reason: fmt.Sprintf("has more than %d bytes", maxID)}
	}
	if err := CheckEmail(c.Email); err != nil {
		return err
	}
	return checkNames(c.FirstName, c.LastName, c.Location)
}
