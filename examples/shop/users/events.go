package users

import "github.com/deed-es/deed"

// Event is what can happen to a user.
type Event interface {
	deed.Event
	userEvent()
}

type (
	// Created makes a user.
	Created struct {
		FirstName string `json:"firstName"`
		LastName  string `json:"lastName"`
	}
	// Updated holds the names as they are from now on.
	Updated struct {
		FirstName string `json:"firstName"`
		LastName  string `json:"lastName"`
	}
	// Welcomed happens once, a while after a user was created.
	Welcomed struct{}
	// Deleted ends a user.
	Deleted struct{}
)

// EventType is the name that users are created under in the log.
func (Created) EventType() string { return "user-created" }

// EventType is the name that changes are stored under.
func (Updated) EventType() string { return "user-updated" }

// EventType is the name that welcomes are stored under.
func (Welcomed) EventType() string { return "user-welcomed" }

// EventType is the name that deletions are stored under.
func (Deleted) EventType() string { return "user-deleted" }

func (Created) userEvent()  {}
func (Updated) userEvent()  {}
func (Welcomed) userEvent() {}
func (Deleted) userEvent()  {}

// Events is every member of Event.
var Events = []Event{Created{}, Updated{}, Welcomed{}, Deleted{}}
