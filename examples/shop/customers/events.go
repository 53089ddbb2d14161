package customers

import (
	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/money"
)

// Event is what can happen to a customer. Every event is tagged with the customer; those about the e-mail address also with
// the addresses that they take and release.
type Event interface {
	deed.Event
	customerEvent()
}

type (
	// Registered makes a customer.
	Registered struct {
		CustomerID string `json:"customerId"`
		Email      string `json:"email"`
		FirstName  string `json:"firstName"`
		LastName   string `json:"lastName"`
		Location   string `json:"location,omitempty"`
	}
	// Updated holds names and location as they are from now on.
	Updated struct {
		CustomerID string `json:"customerId"`
		FirstName  string `json:"firstName"`
		LastName   string `json:"lastName"`
		Location   string `json:"location,omitempty"`
	}
	// EmailChanged takes one address and releases another.
	EmailChanged struct {
		CustomerID string `json:"customerId"`
		Email      string `json:"email"`
		Previous   string `json:"previous"`
	}
	// EmailPermissionSet says whether the customer wants mail.
	EmailPermissionSet struct {
		CustomerID string `json:"customerId"`
		Allowed    bool   `json:"allowed"`
	}
	// Classified says how much the customer is worth, what that is based on, and what was said before: nothing, the first
	// time.
	Classified struct {
		CustomerID             string         `json:"customerId"`
		Classification         Classification `json:"classification"`
		TotalValue             money.Amount   `json:"totalValue"`
		BasedOn                string         `json:"basedOn"`
		PreviousClassification Classification `json:"previousClassification,omitempty"`
		PreviousValue          money.Amount   `json:"previousValue,omitzero"`
	}
	// Forgotten ends a customer, who was worth so much. Released is the tag of the address that is free again; the address
	// itself is not repeated.
	Forgotten struct {
		CustomerID     string         `json:"customerId"`
		Released       string         `json:"released"`
		Classification Classification `json:"classification,omitempty"`
		TotalValue     money.Amount   `json:"totalValue,omitzero"`
	}
)

// EventType is the name that registrations are stored under.
func (Registered) EventType() string { return "customer-registered" }

// EventType is the name that changes are stored under.
func (Updated) EventType() string { return "customer-updated" }

// EventType is the name that changes of address are stored under.
func (EmailChanged) EventType() string { return "customer-email-changed" }

// EventType is the name that permissions are stored under.
func (EmailPermissionSet) EventType() string { return "customer-email-permission-set" }

// EventType is the name that classifications are stored under.
func (Classified) EventType() string { return "customer-classified" }

// EventType is the name that the end of a customer is stored under.
func (Forgotten) EventType() string { return "customer-forgotten" }

// EventTags are the customer and the address taken.
func (e Registered) EventTags() []string { return []string{Tag(e.CustomerID), EmailTag(e.Email)} }

// EventTags is the customer.
func (e Updated) EventTags() []string { return []string{Tag(e.CustomerID)} }

// EventTags are the customer, the address taken and the address released.
func (e EmailChanged) EventTags() []string {
	return []string{Tag(e.CustomerID), EmailTag(e.Email), EmailTag(e.Previous)}
}

// EventTags is the customer.
func (e EmailPermissionSet) EventTags() []string { return []string{Tag(e.CustomerID)} }

// EventTags is the customer.
func (e Classified) EventTags() []string { return []string{Tag(e.CustomerID)} }

// EventTags are the customer and the address released.
func (e Forgotten) EventTags() []string { return []string{Tag(e.CustomerID), e.Released} }

func (Registered) customerEvent()         {}
func (Updated) customerEvent()            {}
func (EmailChanged) customerEvent()       {}
func (EmailPermissionSet) customerEvent() {}
func (Classified) customerEvent()         {}
func (Forgotten) customerEvent()          {}

// Events is every member of Event.
var Events = []Event{Registered{}, Updated{}, EmailChanged{}, EmailPermissionSet{}, Classified{}, Forgotten{}}

// FullName is how a customer is called where there is one field for the name.
func FullName(first, last string) string { return first + " " + last }
