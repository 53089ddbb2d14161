package deed

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Process is a process manager, or saga: it follows events, keeps a state per key, and turns events into effects. State,
// mark and effects commit together. Effects are carried out at least once, under ids by which the receiving stream takes
// each once.
type Process[S any, E Event] struct {
	// Name of the process: [a-z][a-z0-9-]*, unique in a log.
	Name string
	// Version is raised when Evolve or React change their meaning; 0 is 1. The states are then folded anew, without effects up
	// to where the old version was; pending effects stay.
	Version int
	// Events is a value of every event that the process follows; others are passed over.
	Events []E
	// Key returns which instance of the process an event belongs to; "" is: none.
	Key func(Recorded[E]) string
	// Evolve returns the state after an event; the zero S is kept nowhere. It is pure. States are kept in their JSON form: what
	// that leaves out is not there at a later event.
	Evolve func(S, Recorded[E]) S
	// React returns what an event brings about, given the state after it. It is pure.
	React func(S, Recorded[E]) []Effect
	// Woken, if set, is called when a Wake effect is due.
	Woken func(S, Wakeup) (S, []Effect)
	// Refused, if set, is called when a command that the process sent was refused, so that it can compensate.
	Refused func(S, Refusal) (S, []Effect)
	// Partitions is into how many parts, by hash of key, the instances are cut, each followed on its own and on any node of a fleet;
	// 0 is 1. It is fixed once the process has begun.
	Partitions int
	// From is where a process begins that is new to a log which has events already; NewService refuses it without.
	From From
}

// From is where a part begins that is new to a log: FromStart, FromNow or FromPosition. The zero From is not said.
type From struct {
	said     bool
	now      bool
	position Position
}

// FromStart begins with the first event of the log.
func FromStart() From { return From{said: true} }

// FromNow begins with the first event after those that are there when the service is made.
func FromNow() From { return From{said: true, now: true} }

// FromPosition begins with the first event after p.
func FromPosition(p Position) From { return From{said: true, position: p} }

// Wakeup is a Wake effect that has fallen due.
type Wakeup struct {
	Name string    // as Named gave it
	Due  time.Time // when it was due
	Time time.Time // when it was recorded
}

// Refusal is a command of a process that the domain said no to.
type Refusal struct {
	Name    string   // of the effect, as Named gave it
	Stream  StreamID // what the command was sent to
	Command string   // its type
	Code    string   // of the RejectedError
	Text    string
	Time    time.Time // when it was recorded
}

// The events of a process's own stream.
const (
	typeWoken   = "process-woken"
	typeRefused = "effect-refused"
)

// processWoken is stored when a Wake effect falls due.
type processWoken struct {
	Effect string    `json:"effect"`
	Name   string    `json:"name,omitempty"`
	Due    time.Time `json:"due"`
}

// effectRefused is stored when an effect's command is refused.
type effectRefused struct {
	Effect  string   `json:"effect"`
	Name    string   `json:"name,omitempty"`
	Stream  StreamID `json:"stream"`
	Command string   `json:"command"`
	Code    string   `json:"code"`
	Text    string   `json:"text"`
}

// isOwn tells whether r is of a type that only processes' own streams have.
func isOwn(r Record) bool { return r.Type == typeWoken || r.Type == typeRefused }

// processStream is the process's own stream for a key.
func processStream(name, key string) StreamID { return Stream(processCategory, name+":"+key) }

// processTag stands on every event of the process's own streams.
func processTag(name string) string { return processCategory + ":" + name }

// ownEvent makes an event of a process's own stream. The effect's id makes the event's, so that a repetition is known.
func ownEvent(effect PendingEffect, m Meta, eventType string, v any, codec Codec) (NewEvent, error) {
	data, err := encodeJSON(v)
	if err != nil {
		return NewEvent{}, err
	}
	metadata, err := encodeMeta(m)
	return NewEvent{
		ID: HashID(effect.ID, eventType), Type: eventType, Schema: 1, ContentType: jsonContent,
		Data: data, Metadata: metadata, Tags: codecTags(codec, []string{processTag(partOf(effect.Part))}),
	}, err
}

func (p Process[S, E]) version() int { return max(p.Version, 1) }

func (p Process[S, E]) types() (eventTypes[E], error) {
	types, err := newEventTypes(p.Events)
	errs := []error{err}
	if !validName(p.Name) {
		errs = append(errs, fmt.Errorf("Name: %q must be %s", p.Name, nameForm))
	}
	if p.Key == nil || p.Evolve == nil || p.React == nil {
		errs = append(errs, errors.New("Key, Evolve, React: must be set"))
	}
	errs = append(errs, checkPartitions(p.Partitions))
	if err := errors.Join(errs...); err != nil {
		return types, fmt.Errorf("process %s: %w", p.Name, err)
	}
	return types, nil
}

// match selects what the process follows: its events, and what is stored in its own streams.
func (p Process[S, E]) match(types eventTypes[E], codec Codec) []Match {
	own := Match{Types: []string{typeWoken, typeRefused}, Tags: codecTags(codec, []string{processTag(p.Name)})}
	return []Match{{Types: types.names}, own}
}

// own folds an event of the process's own stream.
func (p Process[S, E]) own(state S, r Record) (S, []Effect, error) {
	switch r.Type {
	case typeWoken:
		var e processWoken
		if err := json.Unmarshal(r.Data, &e); err != nil || p.Woken == nil {
			return state, nil, err
		}
		next, effects := p.Woken(state, Wakeup{Name: e.Name, Due: e.Due, Time: r.Time})
		return next, effects, nil
	case typeRefused:
		var e effectRefused
		if err := json.Unmarshal(r.Data, &e); err != nil || p.Refused == nil {
			return state, nil, err
		}
		next, effects := p.Refused(state, Refusal{Name: e.Name, Stream: e.Stream, Command: e.Command, Code: e.Code, Text: e.Text, Time: r.Time})
		return next, effects, nil
	}
	return state, nil, &UnknownEventError{Type: r.Type, Stream: r.Stream}
}
