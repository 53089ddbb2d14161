package customers

import (
	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/money"
)

// Overview is a customer as lists show it.
type Overview struct {
	ID             string         `json:"id"`
	Email          string         `json:"email"`
	FirstName      string         `json:"firstName"`
	LastName       string         `json:"lastName"`
	Location       string         `json:"location,omitempty"`
	EmailAllowed   bool           `json:"emailAllowed"`
	Classification Classification `json:"classification"`
	TotalValue     money.Amount   `json:"totalValue"`
	RegisteredAt   string         `json:"registeredAt"`
}

// OverviewView is the list of customers. A forgotten one is not in it.
var OverviewView = deed.Projection[Overview, Event]{
	Name:   "customers",
	Events: Events,
	Key:    func(r deed.Recorded[Event]) string { return r.Stream.ID() },
	Index:  []string{"email", "lastName", "classification", "emailAllowed", "registeredAt"},
	Evolve: Overview.Evolve,
}

// sortable is a time as text that sorts like the time.
const sortable = "2006-01-02T15:04:05.000000Z07:00"

// Evolve returns the row after r.
func (v Overview) Evolve(r deed.Recorded[Event]) Overview {
	switch e := r.Event.(type) {
	case Registered:
		v = Overview{
			ID: e.CustomerID, Email: e.Email, FirstName: e.FirstName, LastName: e.LastName, Location: e.Location,
			RegisteredAt: r.Time.Format(sortable),
		}
	case Updated:
		v.FirstName, v.LastName, v.Location = e.FirstName, e.LastName, e.Location
	case EmailChanged:
		v.Email = e.Email
	case EmailPermissionSet:
		v.EmailAllowed = e.Allowed
	case Classified:
		v.Classification, v.TotalValue = e.Classification, e.TotalValue
	case Forgotten:
		v = Overview{}
	}
	return v
}

// Form is a customer for editing: what its commands can change, and the version to change it at.
type Form struct {
	ID           string       `json:"id"`
	Version      deed.Version `json:"version"`
	Email        string       `json:"email"`
	FirstName    string       `json:"firstName"`
	LastName     string       `json:"lastName"`
	Location     string       `json:"location,omitempty"`
	EmailAllowed bool         `json:"emailAllowed"`
}

// FormView is the customers for editing.
var FormView = deed.Projection[Form, Event]{
	Name:   "customer",
	Events: Events,
	Key:    func(r deed.Recorded[Event]) string { return r.Stream.ID() },
	Evolve: Form.Evolve,
}

// Evolve returns the form after r.
func (v Form) Evolve(r deed.Recorded[Event]) Form {
	v.Version = r.Version
	switch e := r.Event.(type) {
	case Registered:
		v.ID, v.Email, v.FirstName, v.LastName, v.Location = e.CustomerID, e.Email, e.FirstName, e.LastName, e.Location
	case Updated:
		v.FirstName, v.LastName, v.Location = e.FirstName, e.LastName, e.Location
	case EmailChanged:
		v.Email = e.Email
	case EmailPermissionSet:
		v.EmailAllowed = e.Allowed
	case Classified: // moves the version only
	case Forgotten:
		v = Form{}
	}
	return v
}
