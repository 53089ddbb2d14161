package deed

import (
	"fmt"
	"strings"
	"time"
)

// Effect is what a process or reactor wants done: a command sent (Decider.Send), a wake-up (Wake), or an earlier one
// cancelled (Cancel). It is pure data: equal effects are equal by reflect.DeepEqual.
type Effect struct {
	kind    effectKind
	stream  StreamID
	command Command
	name    string
	delay   time.Duration
	due     time.Time
}

type effectKind string

const (
	effectSend   effectKind = "send"
	effectWake   effectKind = "wake"
	effectCancel effectKind = "cancel"
)

func send(category, id string, cmd Command) Effect {
	return Effect{kind: effectSend, stream: Stream(category, id), command: cmd}
}

// Wake is the effect of being woken: the process's Woken is called, at the time that In or At say.
func Wake() Effect { return Effect{kind: effectWake} }

// Cancel takes back the process key's pending effect of this name. Cancelling what is not pending does nothing. It may come
// too late, so deciders take a late command calmly.
func Cancel(name string) Effect { return Effect{kind: effectCancel, name: name} }

// In delays the effect: it is due this long after the recorded time of the event reacted to.
func (e Effect) In(d time.Duration) Effect {
	e.delay, e.due = d, time.Time{}
	return e
}

// At makes the effect due at a time; one that has passed is now.
func (e Effect) At(t time.Time) Effect {
	e.delay, e.due = 0, t.UTC()
	return e
}

// Named gives the effect a name in its process key: a second one of the same name replaces a pending first, and Cancel finds
// it. The key of a reactor's is the id of the thing that the event is of, whatever its category.
func (e Effect) Named(name string) Effect {
	e.name = name
	return e
}

// Command is the command that the effect sends; nil if it sends none.
func (e Effect) Command() Command { return e.command }

// Stream is what the effect's command is sent to; empty if it sends none.
func (e Effect) Stream() StreamID { return e.stream }

// String describes the effect for people.
func (e Effect) String() string {
	if e.kind == effectCancel {
		return fmt.Sprintf("cancel %q", e.name)
	}
	text := "wake"
	if e.kind == effectSend {
		text = fmt.Sprintf("send %s %+v to %s", commandName(e.command), e.command, e.stream)
	}
	if e.delay != 0 {
		text += " in " + e.delay.String()
	}
	if !e.due.IsZero() {
		text += " at " + e.due.Format(time.RFC3339Nano)
	}
	if e.name != "" {
		text += fmt.Sprintf(" named %q", e.name)
	}
	return text
}

func commandName(c Command) string {
	if c == nil {
		return "nil"
	}
	return c.CommandType()
}

// origin is what an effect came of.
type origin struct {
	part   string // name of the process or reactor
	stored string // by which the store knows its partition
	key    string
	record Record
}

// storable is a text as every store takes it. What is told about a command is not checked as its stream is, and may come from anywhere.
func storable(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, ""), "\x00", "")
}

// change turns e, the place-th effect that came of o, into what is stored of it.
func (e Effect) change(o origin, place int) (EffectChange, error) {
	change := EffectChange{Key: o.key, Name: e.name}
	if e.kind == effectCancel {
		if e.name == "" {
			return change, invalid("effect", "Cancel needs a name")
		}
		return change, nil
	}
	p := &PendingEffect{
		Part: o.stored, Key: o.key, Name: e.name, Position: o.record.Position, Place: place,
		Due: e.dueAt(o.record), Kind: string(e.kind), Causation: o.record.ID,
	}
	meta := o.record.Meta()
	p.Correlation, p.Trace = storable(meta.Correlation), storable(meta.Trace)
	target := "wake"
	switch e.kind {
	case effectSend:
		if e.command == nil {
			return change, invalid("effect", "sends a nil command")
		}
		if err := validStream(e.stream); err != nil {
			return change, fmt.Errorf("%s: %w", e, err)
		}
		body, err := encodeJSON(e.command)
		if err != nil {
			return change, fmt.Errorf("%s: %w", e, err)
		}
		p.Stream, p.CommandType, p.Command = e.stream, e.command.CommandType(), body
		target = string(e.stream) + " " + p.CommandType
	case effectWake:
	default:
		return change, invalid("effect", "the zero Effect does nothing; use Send, Wake or Cancel")
	}
	nth := "name " + e.name
	if e.name == "" {
		nth = fmt.Sprintf("place %d", place)
	}
	p.ID = HashID("effect", o.part, o.key, fmt.Sprint(o.record.Position), target, nth)
	change.Put = p
	return change, nil
}

// dueAt counts from the record's recorded time, so that a late or repeated reaction has the same due time.
func (e Effect) dueAt(r Record) time.Time {
	switch {
	case e.due.After(r.Time):
		return e.due.Truncate(time.Microsecond)
	case e.delay > 0:
		return r.Time.Add(e.delay).Truncate(time.Microsecond)
	}
	return r.Time
}
