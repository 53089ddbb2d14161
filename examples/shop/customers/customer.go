// Package customers is the context of those who buy: who they are, how they are reached, and what they are worth.
package customers

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/money"
)

// Why a customer says no.
var (
	ErrNone       = fmt.Errorf("customer %w", deed.ErrNotFound)
	ErrExists     = deed.Reject("customer-exists", "there is a customer with this id")
	ErrForgotten  = deed.Reject("customer-forgotten", "the customer is forgotten")
	ErrEmailTaken = deed.Reject("email-taken", "the e-mail address belongs to another customer")
)

// Classification is what a customer is worth, in a word. The zero Classification is none yet.
type Classification string

// The classes of customers.
const (
	Bronze Classification = "bronze"
	Silver Classification = "silver"
	Gold   Classification = "gold"
)

// JSONSchema is for the service's documentation.
func (Classification) JSONSchema() map[string]any {
	return map[string]any{
		"type": "string", "enum": []any{"", string(Bronze), string(Silver), string(Gold)},
		"description": "what a customer is worth; empty: nothing is known yet, which no command can say",
	}
}

// Status is where a customer stands: none, the zero value, then known, then forgotten.
type Status string

// The states of a customer.
const (
	Known Status = "known"
	Lost  Status = "forgotten"
)

// JSONSchema is for the service's documentation.
func (Status) JSONSchema() map[string]any {
	return map[string]any{"type": "string", "enum": []any{string(Known), string(Lost)}}
}

// Customer is the state that decisions need; the zero Customer is none.
type Customer struct {
	Status         Status         `json:"status"`
	Email          string         `json:"email"`
	FirstName      string         `json:"firstName"`
	LastName       string         `json:"lastName"`
	Location       string         `json:"location,omitempty"`
	EmailAllowed   bool           `json:"emailAllowed"`
	Classification Classification `json:"classification,omitempty"`
	TotalValue     money.Amount   `json:"totalValue"`
	BasedOn        string         `json:"basedOn,omitempty"`
}

// Decider is the write side of customers, but for what Addressing decides.
var Decider = deed.Decider[Customer, Command, Event]{
	Category:   "customer",
	Commands:   Commands,
	Events:     Events,
	DecideWith: Customer.Decide,
	Evolve:     Customer.Evolve,
}

// Evolve returns the customer after e.
func (c Customer) Evolve(e Event) Customer {
	switch e := e.(type) {
	case Registered:
		c.Status, c.Email = Known, e.Email
		c.FirstName, c.LastName, c.Location = e.FirstName, e.LastName, e.Location
	case Updated:
		c.FirstName, c.LastName, c.Location = e.FirstName, e.LastName, e.Location
	case EmailChanged:
		c.Email = e.Email
	case EmailPermissionSet:
		c.EmailAllowed = e.Allowed
	case Classified:
		c.Classification, c.TotalValue, c.BasedOn = e.Classification, e.TotalValue, e.BasedOn
	case Forgotten:
		c = Customer{Status: Lost}
	}
	return c
}

// Decide returns what happens when cmd is asked of the customer that m names.
func (c Customer) Decide(cmd Command, m deed.Meta) ([]Event, error) {
	switch c.Status {
	case Known:
		return c.decide(cmd, m.Stream.ID())
	case Lost:
		return nil, ErrForgotten
	}
	return nil, ErrNone
}

// decide answers what only a known customer can be asked.
func (c Customer) decide(cmd Command, id string) ([]Event, error) {
	switch cmd := cmd.(type) {
	case Update:
		return c.update(cmd, id)
	case PermitEmail:
		if cmd.Allowed == c.EmailAllowed {
			return nil, nil
		}
		return []Event{EmailPermissionSet{CustomerID: id, Allowed: cmd.Allowed}}, nil
	case Classify:
		return c.classify(cmd, id)
	case Forget:
		return []Event{Forgotten{
			CustomerID: id, Released: EmailTag(c.Email), Classification: c.Classification, TotalValue: c.TotalValue,
		}}, nil
	}
	return nil, fmt.Errorf("unknown command %T", cmd)
}

func (c Customer) update(cmd Update, id string) ([]Event, error) {
	now := Updated{CustomerID: id, FirstName: c.FirstName, LastName: c.LastName, Location: c.Location}
	next := now
	if cmd.FirstName != nil {
		next.FirstName = *cmd.FirstName
	}
	if cmd.LastName != nil {
		next.LastName = *cmd.LastName
	}
	if cmd.Location != nil {
		next.Location = *cmd.Location
	}
	if next == now {
		return nil, nil
	}
	if err := checkNames(next.FirstName, next.LastName, next.Location); err != nil {
		return nil, err
	}
	return []Event{next}, nil
}

func (c Customer) classify(cmd Classify, id string) ([]Event, error) {
	switch cmd.Classification {
	case Bronze, Silver, Gold:
	default:
		return nil, &deed.InvalidError{Field: "classification", Reason: "must be bronze, silver or gold"}
	}
	if n := len(cmd.BasedOn); n == 0 || n > maxBasedOn {
		return nil, &deed.InvalidError{Field: "basedOn", Reason: fmt.Sprintf("must have 1 to %d bytes", maxBasedOn)}
	}
	if cmd == (Classify{Classification: c.Classification, TotalValue: c.TotalValue, BasedOn: c.BasedOn}) {
		return nil, nil
	}
	return []Event{Classified{
		CustomerID: id, Classification: cmd.Classification, TotalValue: cmd.TotalValue, BasedOn: cmd.BasedOn,
		PreviousClassification: c.Classification, PreviousValue: c.TotalValue,
	}}, nil
}

const (
	maxName     = 100 // characters
	maxLocation = 200 // characters
	maxBasedOn  = 255 // bytes
)

// checkNames returns an *deed.InvalidError about the first field that a customer cannot have: both names are required, with
// at most 100 characters each, and the location has at most 200.
func checkNames(first, last, location string) error {
	if err := checkName("firstName", first); err != nil {
		return err
	}
	if err := checkName("lastName", last); err != nil {
		return err
	}
	if utf8.RuneCountInString(location) > maxLocation {
		return &deed.InvalidError{Field: "location", Reason: fmt.Sprintf("has more than %d characters", maxLocation)}
	}
	return nil
}

func checkName(field, name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return &deed.InvalidError{Field: field, Reason: "is required"}
	case utf8.RuneCountInString(name) > maxName:
		return &deed.InvalidError{Field: field, Reason: fmt.Sprintf("has more than %d characters", maxName)}
	}
	return nil
}
