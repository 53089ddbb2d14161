package deed

import (
	"encoding/json"
	"strings"
	"time"
)

// Event is something that has happened. Events are plain values with a JSON form; they are named in the past tense.
type Event interface {
	// EventType is the name under which the event is stored, for ever: [a-z][a-z0-9-]*. It must not depend on the
	// value.
	EventType() string
}

// Command is something that is asked for. Commands are plain values with a JSON form, named in the imperative.
type Command interface {
	// CommandType is the command's name in routes and effects: [a-z][a-z0-9-]*. It must not depend on the value.
	CommandType() string
}

// An event type may say which schema version its JSON form has; without this method it is 1.
type versioned interface{ EventVersion() int }

// An event type may carry tags, "key:value" words, for decisions wider than one stream.
type tagged interface{ EventTags() []string }

// StreamID names a stream: "category-id", cut at the first "-".
type StreamID string

// Stream returns the id of the stream of a thing in a category.
func Stream(category, id string) StreamID { return StreamID(category + "-" + id) }

// Category is what stands before the first "-"; all of s if there is none.
func (s StreamID) Category() string {
	category, _, _ := strings.Cut(string(s), "-")
	return category
}

// ID is what stands behind the first "-"; empty if there is none.
func (s StreamID) ID() string {
	_, id, _ := strings.Cut(string(s), "-")
	return id
}

// Version is an event's place in its stream, from 1 without gaps. As an expectation, 0 is "the stream does not exist",
// which makes the zero value right for creating; Any and Exists have to be written.
type Version int64

const (
	// Any expects nothing of a stream.
	Any Version = -1
	// Exists expects that a stream has at least one event.
	Exists Version = -2
)

// Holds tells whether a stream at version actual meets the expectation v.
func (v Version) Holds(actual Version) bool {
	return v == Any || v == actual || v == Exists && actual > 0
}

// Position is an event's place in the whole log. Positions grow; 0 is before all. Whoever has seen position p never later
// sees a new record at or below p. Only an engine that claims so has them without gaps.
type Position int64

// NewEvent is an event on its way into the log.
type NewEvent struct {
	ID          string   // unique, made by the writer; the same again on a retry
	Type        string   // see Event
	Schema      int      // schema version of Data; 0 is stored as 1
	ContentType string   // of Data; empty is stored as application/json
	Data        []byte   // stored as it is, never parsed by an engine
	Metadata    []byte   // stored as it is; Meta's JSON form where deed wrote it
	Tags        []string // "key:value" words, each once
}

// Record is an event as stored. A Record without a Type is a mark: it says that nothing selected is missing up to its
// Position (see Query.Marks).
type Record struct {
	NewEvent
	Stream   StreamID
	Version  Version
	Position Position
	Time     time.Time // when it was recorded, in UTC to the microsecond, never before the record in front of it where the engine claims so
}

// IsMark tells whether r is a mark and not an event.
func (r Record) IsMark() bool { return r.Type == "" }

// Meta returns the metadata that deed wrote with the event; the zero Meta where something else was written.
func (r Record) Meta() Meta {
	var m Meta
	if len(r.Metadata) > 0 && json.Unmarshal(r.Metadata, &m) != nil {
		return Meta{}
	}
	return m
}

// Recorded is an event with what is known of it once it is stored.
type Recorded[E Event] struct {
	Event E
	Record
}

// Meta is what is known about a command and the events that came of it: who, why, in which context.
type Meta struct {
	// Now is the time a decision is made at: the engine's clock, unless given. It is not stored.
	Now time.Time `json:"-"`
	// Stream is what the command was sent to, for deciders that need their own id. It is not stored.
	Stream StreamID `json:"-"`
	// Actor is who asked, as the authoriser names it; empty is nobody in particular.
	Actor string `json:"actor,omitempty"`
	// CommandID makes a repetition of the command safe; see CommandRef. Events keep it.
	CommandID string `json:"command,omitempty"`
	// Correlation is shared by everything that came of one request.
	Correlation string `json:"correlation,omitempty"`
	// Causation is the id of the event that made a process or reactor send the command.
	Causation string `json:"causation,omitempty"`
	// Trace is the span under which the event was stored, in the form of a W3C traceparent; an Observer gives it.
	Trace string `json:"trace,omitempty"`
	// Effective is when it happened in the world, where that is not when it was recorded.
	Effective time.Time `json:"effective,omitzero"`
}
