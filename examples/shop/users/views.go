package users

import (
	"slices"
	"time"

	"github.com/deed-es/deed"
)

// Row is a user as lists show it.
type Row struct {
	ID         string    `json:"id"`
	FirstName  string    `json:"firstName"`
	LastName   string    `json:"lastName"`
	Status     Status    `json:"status"`
	CreatedAt  string    `json:"createdAt"`
	WelcomedAt time.Time `json:"welcomedAt,omitzero"`
}

// View is the list of users, deleted ones included.
var View = deed.Projection[Row, Event]{
	Name:   "users",
	Events: Events,
	Key:    func(r deed.Recorded[Event]) string { return r.Stream.ID() },
	Index:  []string{"status", "firstName", "lastName", "createdAt"},
	Evolve: Row.Evolve,
}

// sortable is a time as text that sorts like the time.
const sortable = "2006-01-02T15:04:05.000000Z07:00"

// Evolve returns the row after r.
func (v Row) Evolve(r deed.Recorded[Event]) Row {
	switch e := r.Event.(type) {
	case Created:
		v = Row{ID: r.Stream.ID(), FirstName: e.FirstName, LastName: e.LastName, Status: Active, CreatedAt: r.Time.Format(sortable)}
	case Updated:
		v.FirstName, v.LastName = e.FirstName, e.LastName
	case Welcomed:
		v.WelcomedAt = r.Time
	case Deleted:
		v.Status = Gone
	}
	return v
}

// History is what happened to one user, the oldest first.
type History struct {
	ID      string  `json:"id"`
	Entries []Entry `json:"entries"`
	// Earlier is how many entries before these are no longer kept.
	Earlier int `json:"earlier,omitempty"`
}

// Entry is one thing that happened.
type Entry struct {
	What      string       `json:"what"`
	At        time.Time    `json:"at"`
	Version   deed.Version `json:"version"`
	FirstName string       `json:"firstName,omitempty"`
	LastName  string       `json:"lastName,omitempty"`
}

// maxEntries bounds a history, so that a user renamed for ever does not make a row grow for ever.
const maxEntries = 100

// HistoryView is the histories of users.
var HistoryView = deed.Projection[History, Event]{
	Name:   "user-history",
	Events: Events,
	Key:    func(r deed.Recorded[Event]) string { return r.Stream.ID() },
	Evolve: History.Evolve,
}

// Evolve returns the history after r.
func (h History) Evolve(r deed.Recorded[Event]) History {
	entry := Entry{At: r.Time, Version: r.Version}
	switch e := r.Event.(type) {
	case Created:
		entry.What, entry.FirstName, entry.LastName = "created", e.FirstName, e.LastName
	case Updated:
		entry.What, entry.FirstName, entry.LastName = "updated", e.FirstName, e.LastName
	case Welcomed:
		entry.What = "welcomed"
	case Deleted:
		entry.What = "deleted"
	}
	h.ID = r.Stream.ID()
	h.Entries = append(slices.Clip(h.Entries), entry)
	if extra := len(h.Entries) - maxEntries; extra > 0 {
		h.Entries, h.Earlier = h.Entries[extra:], h.Earlier+extra
	}
	return h
}
