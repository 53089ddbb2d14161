package shoptest

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/deed-es/deed"
)

// Log is a shop without a store: what has happened, in order, and who is asked and told. A new Log has dice and a test; what
// it is to know is told by Decider, Decision and Process.
type Log struct {
	Records []deed.Recorded[deed.Event]

	t        T
	dice     *Dice
	other    *Dice // for what the history does not hang on
	now      time.Time
	handlers map[string]func(id string, cmd deed.Command) error // by category and command
	told     []func(deed.Recorded[deed.Event])
	pending  []deed.Effect
}

// NewLog returns an empty log.
func NewLog(t T, d *Dice) *Log {
	return &Log{
		t: t, dice: d, other: Seeded(uint64(len(d.bytes)), 1), now: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC),
		handlers: map[string]func(string, deed.Command) error{},
	}
}

// Decider lets a log handle a decider's commands.
func Decider[S any, C deed.Command, E deed.Event](l *Log, d deed.Decider[S, C, E]) {
	handle(l, d.Category, d.Commands, d.Decide, d.DecideWith, func(id string) deciding[S, C, E] {
		return deciding[S, C, E]{events: d.Events, evolve: d.Evolve, selects: func(_ C, r deed.Recorded[deed.Event]) bool {
			return r.Stream == deed.Stream(d.Category, id)
		}}
	})
}

// Decision lets a log handle a decision's commands.
func Decision[S any, C deed.Command, E deed.Event](l *Log, d deed.Decision[S, C, E]) {
	handle(l, d.Category, d.Commands, d.Decide, d.DecideWith, func(id string) deciding[S, C, E] {
		return deciding[S, C, E]{events: d.Events, evolve: d.Evolve, selects: func(c C, r deed.Recorded[deed.Event]) bool {
			return deed.MatchAny(d.Query(id, c), r.Type, r.Tags)
		}}
	})
}

func handle[S any, C deed.Command, E deed.Event](
	l *Log, category string, commands []C, plain func(S, C) ([]E, error), with func(S, C, deed.Meta) ([]E, error),
	of func(id string) deciding[S, C, E],
) {
	for _, known := range commands {
		l.handlers[category+" "+known.CommandType()] = func(id string, cmd deed.Command) error {
			d := of(id)
			if d.decide = with; d.decide == nil {
				d.decide = func(s S, c C, _ deed.Meta) ([]E, error) { return plain(s, c) }
			}
			stream := deed.Stream(category, id)
			events, err := d.decided(l, cmd.(C), deed.Meta{Now: l.now, Stream: stream})
			for _, e := range events {
				l.append(l.record(e, stream))
			}
			return err
		}
	}
}

// Process lets a log tell a process what happens. What it sends is sent later, at some time: a decider takes that calmly.
func Process[S any, E deed.Event](l *Log, p deed.Process[S, E]) {
	past := map[string][]deed.Recorded[E]{}
	l.told = append(l.told, func(r deed.Recorded[deed.Event]) {
		own, ok := narrowed(r, p.Events)
		if !ok {
			return
		}
		key := p.Key(own)
		if key == "" {
			return
		}
		past[key] = append(past[key], own)
		what := "process " + p.Name
		state := fold(l, what, p.Evolve, past[key])
		effects := p.React(state, own)
		if again := p.React(stored(l, what, state), own); !reflect.DeepEqual(again, effects) {
			l.t.Fatalf("%s: the stored state reacts otherwise:\n got %v\nwant %v", what, again, effects)
		}
		l.pending = append(l.pending, effects...)
	})
}

// narrowed is r for who knows only these events, if it is one of them.
func narrowed[E deed.Event](r deed.Recorded[deed.Event], events []E) (deed.Recorded[E], bool) {
	e, ok := r.Event.(E)
	ok = ok && slices.ContainsFunc(events, func(known E) bool { return known.EventType() == r.Type })
	return deed.Recorded[E]{Event: e, Record: r.Record}, ok
}

// Do sends a command as its JSON form, lets a little time pass, and perhaps some of what processes want done.
func (l *Log) Do(command deed.Effect) error {
	l.t.Helper()
	err := l.send(command)
	if l.dice.Chance(10) {
		l.now = l.now.Add(time.Duration(l.dice.IntN(40)) * time.Hour)
	}
	l.now = l.now.Add(time.Duration(l.dice.IntN(3)) * time.Microsecond)
	for len(l.pending) > 0 && l.dice.Chance(40) {
		l.next()
	}
	return err
}

// Settle lets all happen that processes want done.
func (l *Log) Settle() {
	l.t.Helper()
	for len(l.pending) > 0 {
		l.next()
	}
}

func (l *Log) next() {
	l.t.Helper()
	effect := l.pending[0]
	l.pending = l.pending[1:]
	if effect.Command() != nil { // else it cancels, too late
		_ = l.send(effect) // a refusal is told to nobody
	}
}

func (l *Log) send(command deed.Effect) error {
	l.t.Helper()
	cmd, stream := command.Command(), command.Stream()
	handle, ok := l.handlers[stream.Category()+" "+cmd.CommandType()]
	if !ok {
		l.t.Fatalf("nobody handles %s of %s", cmd.CommandType(), stream)
	}
	if err := deed.ValidID(stream.ID()); err != nil || len(stream) > 255 {
		return fmt.Errorf("send to %.300s: not an id: %w", stream, err)
	}
	body, err := deed.EncodeJSON(cmd)
	if err != nil {
		return err
	}
	read := reflect.New(reflect.TypeOf(cmd))
	if err := deed.DecodeJSON(body, read.Interface()); err != nil {
		return err
	}
	return handle(stream.ID(), read.Elem().Interface().(deed.Command))
}

// record is e as it would be stored now.
func (l *Log) record(e deed.Event, stream deed.StreamID) deed.Recorded[deed.Event] {
	l.t.Helper()
	r := deed.Record{Stream: stream, Version: 1, Position: deed.Position(len(l.Records) + 1), Time: l.now}
	r.Type = e.EventType()
	if tagged, ok := e.(interface{ EventTags() []string }); ok {
		r.Tags = tagged.EventTags()
	}
	for _, tag := range r.Tags {
		if len(tag) > 255 {
			l.t.Fatalf("%T of %s has a tag of %d bytes, which no log takes", e, stream, len(tag))
		}
	}
	for _, before := range l.Records {
		if before.Stream == stream {
			r.Version++
		}
	}
	return deed.Recorded[deed.Event]{Event: e, Record: r}
}

func (l *Log) append(r deed.Recorded[deed.Event]) {
	l.t.Helper()
	l.Records = append(l.Records, r)
	for _, tell := range l.told {
		tell(r)
	}
}
