package orders

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/customers"
	"github.com/deed-es/deed/examples/shop/money"
)

// Place makes an order of a customer, under the name that the customer has now. A Value of 0 means "to be priced".
type Place struct {
	CustomerID   string       `json:"customerId"`
	CustomerName string       `json:"customerName"`
	Description  string       `json:"description"`
	Quantity     int          `json:"quantity"`
	Value        money.Amount `json:"value"`
}

// CommandType is place.
func (Place) CommandType() string { return "place" }

// Why an order is not placed.
var (
	ErrExists          = deed.Reject("order-exists", "there is an order with this id")
	ErrCustomerUnknown = deed.Reject("customer-unknown", "there is no such customer")
	ErrCustomerChanged = deed.Reject("customer-changed", "the customer is called otherwise now")
)

// Placing is what the decision to place an order depends on: that the order is not there, and the customer as it is now.
type Placing struct {
	Placed bool `json:"placed"`
	// Known tells whether there is the customer, and Name what it is called.
	Known bool   `json:"known"`
	Name  string `json:"name"`
}

// Placement is the decision to place an order. It is appended under a check that the customer's name is still the same, so
// that no change of name slips in between.
var Placement = deed.Decision[Placing, Place, deed.Event]{
	Category:   "order",
	Commands:   []Place{{}},
	Events:     append([]deed.Event{Placed{}}, nameEvents...),
	Query:      placeQuery,
	DecideWith: Placing.Decide,
	Evolve:     Placing.Evolve,
}

// nameEvents are the events that say what a customer is called.
var nameEvents = []deed.Event{customers.Registered{}, customers.Updated{}, customers.Forgotten{}}

const (
	tagged = "order:"
	// maxID is how long an id may be to fit into a tag, which has at most 255 bytes.
	maxID = 240
)

// Tag is the tag of what concerns an order.
func Tag(orderID string) string { return tagged + orderID }

func placeQuery(id string, cmd Place) []deed.Match {
	matches := []deed.Match{{Types: []string{Placed{}.EventType()}, Tags: []string{Tag(short(id))}}}
	if checkID("customerId", cmd.CustomerID) == nil { // else Decide refuses it
		var types []string
		for _, e := range nameEvents {
			types = append(types, e.EventType())
		}
		matches = append(matches, deed.Match{Types: types, Tags: []string{customers.Tag(cmd.CustomerID)}})
	}
	return matches
}

// short keeps an id that Decide refuses from making a tag that the log refuses first.
func short(id string) string { return id[:min(len(id), maxID)] }

// Evolve returns what is known after e.
func (p Placing) Evolve(e deed.Event) Placing {
	switch e := e.(type) {
	case Placed:
		p.Placed = true
	case customers.Registered:
		p.Known, p.Name = true, customers.FullName(e.FirstName, e.LastName)
	case customers.Updated:
		p.Name = customers.FullName(e.FirstName, e.LastName)
	case customers.Forgotten:
		p.Known, p.Name = false, ""
	}
	return p
}

// Decide returns what happens when cmd is asked of the order that m names.
func (p Placing) Decide(cmd Place, m deed.Meta) ([]deed.Event, error) {
	id := m.Stream.ID()
	if err := cmd.check(id); err != nil {
		return nil, err
	}
	switch {
	case p.Placed:
		return nil, ErrExists
	case !p.Known:
		return nil, ErrCustomerUnknown
	case p.Name != cmd.CustomerName:
		return nil, ErrCustomerChanged
	}
	return []deed.Event{Placed{
		OrderID: id, CustomerID: cmd.CustomerID, CustomerName: cmd.CustomerName,
		Description: cmd.Description, Quantity: cmd.Quantity, Value: cmd.Value,
	}}, nil
}

func (c Place) check(id string) error {
	if err := checkID("id", id); err != nil {
		return err
	}
	if err := checkID("customerId", c.CustomerID); err != nil {
		return err
	}
	if n := utf8.RuneCountInString(c.CustomerName); strings.TrimSpace(c.CustomerName) == "" || n > maxName {
		return &deed.InvalidError{Field: "customerName", Reason: fmt.Sprintf("must have 1 to %d characters", maxName)}
	}
	return c.CheckTerms()
}

// MaxValue is the greatest value that an order may have.
var MaxValue = money.Cents(99_999_999_999_999)

const (
	maxDescription = 100_000 // bytes
	maxQuantity    = 1_000_000
	maxName        = 201   // characters: two names of 100 and a blank
	maxReason      = 1_000 // characters
)

// CheckTerms returns an *deed.InvalidError about the first field that no order can have, whoever the customer is.
func (c Place) CheckTerms() error {
	switch n := len(c.Description); {
	case n == 0 || n > maxDescription:
		return &deed.InvalidError{Field: "description", Reason: fmt.Sprintf("must have 1 to %d bytes", maxDescription)}
	case c.Quantity < 1 || c.Quantity > maxQuantity:
		return &deed.InvalidError{Field: "quantity", Reason: fmt.Sprintf("must be 1 to %d", maxQuantity)}
	}
	return checkValue(c.Value)
}

func checkValue(value money.Amount) error {
	if value.Compare(MaxValue) > 0 {
		return &deed.InvalidError{Field: "value", Reason: fmt.Sprintf("must be at most %s", MaxValue)}
	}
	return nil
}

func checkID(field, id string) error {
	if deed.ValidID(id) != nil || len(id) > maxID {
		return &deed.InvalidError{Field: field, Reason: fmt.Sprintf("must be an id of 1 to %d bytes", maxID)}
	}
	return nil
}
