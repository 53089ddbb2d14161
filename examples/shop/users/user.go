// Package users is the context of those who may use the shop: they are created, renamed, welcomed once, and deleted.
package users

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/deed-es/deed"
)

// Why a user says no.
var (
	ErrNone     = fmt.Errorf("user %w", deed.ErrNotFound)
	ErrExists   = deed.Reject("user-exists", "there is a user with this id")
	ErrDeleted  = deed.Reject("user-deleted", "the user is deleted")
	ErrWelcomed = deed.Reject("already-welcomed", "the user has been welcomed")
)

// Status is where a user stands: none, the zero value, then active, then deleted.
type Status string

// The states of a user.
const (
	Active Status = "active"
	Gone   Status = "deleted"
)

// JSONSchema is for the service's documentation.
func (Status) JSONSchema() map[string]any {
	return map[string]any{"type": "string", "enum": []any{string(Active), string(Gone)}}
}

// User is the state that decisions need; the zero User is none.
type User struct {
	Status    Status `json:"status"`
	FirstName string `json:"firstName"`
	LastName  string `json:"lastName"`
	Welcomed  bool   `json:"welcomed"`
}

// Decider is the write side of users.
var Decider = deed.Decider[User, Command, Event]{
	Category: "user",
	Commands: Commands,
	Events:   Events,
	Decide:   User.Decide,
	Evolve:   User.Evolve,
}

// Evolve returns the user after e.
func (u User) Evolve(e Event) User {
	switch e := e.(type) {
	case Created:
		u.Status, u.FirstName, u.LastName = Active, e.FirstName, e.LastName
	case Updated:
		u.FirstName, u.LastName = e.FirstName, e.LastName
	case Welcomed:
		u.Welcomed = true
	case Deleted:
		u.Status = Gone
	}
	return u
}

// Decide returns what happens when cmd is asked of the user.
func (u User) Decide(cmd Command) ([]Event, error) {
	if cmd, ok := cmd.(Create); ok {
		return u.create(cmd)
	}
	switch u.Status {
	case Active:
		return u.decide(cmd)
	case Gone:
		return nil, ErrDeleted
	}
	return nil, ErrNone
}

func (u User) create(cmd Create) ([]Event, error) {
	switch u.Status {
	case Active:
		return nil, ErrExists
	case Gone:
		return nil, ErrDeleted
	}
	if err := validNames(cmd.FirstName, cmd.LastName); err != nil {
		return nil, err
	}
	return []Event{Created(cmd)}, nil
}

// decide answers what only an active user can be asked.
func (u User) decide(cmd Command) ([]Event, error) {
	switch cmd := cmd.(type) {
	case Update:
		return u.update(cmd)
	case Welcome:
		if u.Welcomed {
			return nil, ErrWelcomed
		}
		return []Event{Welcomed{}}, nil
	case Delete:
		return []Event{Deleted{}}, nil
	}
	return nil, fmt.Errorf("unknown command %T", cmd)
}

func (u User) update(cmd Update) ([]Event, error) {
	next := Updated{FirstName: u.FirstName, LastName: u.LastName}
	if cmd.FirstName != nil {
		next.FirstName = *cmd.FirstName
	}
	if cmd.LastName != nil {
		next.LastName = *cmd.LastName
	}
	if next == (Updated{FirstName: u.FirstName, LastName: u.LastName}) {
		return nil, nil
	}
	if err := validNames(next.FirstName, next.LastName); err != nil {
		return nil, err
	}
	return []Event{next}, nil
}

// maxName is how many characters a name may have.
const maxName = 100

func validNames(first, last string) error {
	if err := validName("firstName", first); err != nil {
		return err
	}
	return validName("lastName", last)
}

func validName(field, name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return &deed.InvalidError{Field: field, Reason: "is required"}
	case utf8.RuneCountInString(name) > maxName:
		return &deed.InvalidError{Field: field, Reason: fmt.Sprintf("has more than %d characters", maxName)}
	}
	return nil
}
