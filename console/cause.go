package console

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/gateway"
)

// What a search for causes is bounded by, each way.
const (
	causesLooked = 20_000
	causesWithin = 2 * time.Second
	causesShown  = 400 // events
)

// happened is a record as far as causes go.
type happened struct {
	entry
	id, command, causation, correlation string
}

func happenedOf(r deed.Record) happened {
	m := r.Meta()
	return happened{entryOf(r), r.ID, m.CommandID, m.Causation, m.Correlation}
}

// together names what came of one command. Where a command had no id it is what the thing's stream got at one time, for one
// reason.
func (h happened) together() string {
	if h.command != "" {
		return "command " + h.command
	}
	return strings.Join([]string{string(h.Stream), h.causation, h.correlation, h.Time.String()}, "\x00")
}

// causeCommand is a command with the events that came of it.
type causeCommand struct {
	To      deed.StreamID
	Actor   string
	ID      string
	Caused  bool       // an event caused it; otherwise somebody asked for it
	By      []follower // the parts of which one sent it
	Missing string     // the id of the event that caused it, where that was not found
	Events  []*causeEvent
}

// causeEvent is an event with the commands that it caused.
type causeEvent struct {
	entry
	Here      bool // the page is about it
	Elsewhere bool // it is in another stream than the command was sent to
	Commands  []*causeCommand
}

type causesBody struct {
	Record      entry
	Correlation string
	Roots       []*causeCommand
	Events      int
	Looked      int
	Before      bool // the search ended before the log's start
	After       bool // or before its end
	Cut         bool // more events belong to it than are shown
	Several     bool // of some command it is known only that one of several parts sent it
}

// causes is the page of what caused a record and what it caused.
func (c *console) causes(call *gateway.Call) (content, error) {
	r, err := c.recordAt(call)
	if err != nil {
		return content{}, err
	}
	here := happenedOf(r)
	body := causesBody{Record: here.entry, Correlation: here.correlation}
	all := []happened{here}
	keep := func(h happened) bool {
		return here.correlation == "" || h.correlation == here.correlation || here.command != "" && h.command == here.command
	}
	for _, backward := range []bool{true, false} {
		found, looked, cut, err := c.around(call.Context(), r.Position, backward, keep)
		if err != nil {
			return content{}, err
		}
		all = append(all, found...)
		body.Looked += looked
		if backward {
			body.Before = cut
		} else {
			body.After = cut
		}
	}
	slices.SortFunc(all, func(a, b happened) int { return int(a.Position - b.Position) })
	t := newTree(c.service.Model(), all, r.Position)
	if here.correlation != "" {
		body.Roots = t.roots()
	} else {
		body.Roots = []*causeCommand{t.from(t.rootOf(here))}
	}
	body.Events, body.Cut, body.Several = t.shown, t.cut, t.several
	return content{title: "What caused " + num(r.Position) + ", and what it caused", area: "log", body: body}, nil
}

// around looks through the log on one side of a position, within bounds; cut tells that they ended it.
func (c *console) around(ctx context.Context, at deed.Position, backward bool, keep func(happened) bool) (found []happened, looked int, cut bool, err error) {
	q := deed.Query{After: at, Limit: causesLooked + 1}
	if backward {
		q = deed.Query{Before: at, Backward: true, Limit: causesLooked + 1}
	}
	until := time.Now().Add(causesWithin)
	for r, err := range c.service.Log().Read(ctx, q) {
		if err != nil {
			return nil, looked, false, err
		}
		if looked == causesLooked || looked%256 == 255 && time.Now().After(until) {
			return found, looked, true, nil
		}
		looked++
		if h := happenedOf(r); keep(h) {
			found = append(found, h)
		}
	}
	return found, looked, false, nil
}

// tree is what happened, by what belongs together and by what caused it.
type tree struct {
	model  deed.Model
	here   deed.Position
	byID   map[string]happened
	groups map[string][]happened // by together
	order  []string              // of groups
	causes map[string][]string   // groups by the id of the event that caused them
	done   map[string]bool
	shown  int
	cut    bool
	// several is whether of some command it is known only that one of several parts sent it.
	several bool
}

func newTree(m deed.Model, all []happened, here deed.Position) *tree {
	t := &tree{
		model: m, here: here, byID: map[string]happened{}, groups: map[string][]happened{}, causes: map[string][]string{}, done: map[string]bool{},
	}
	for _, h := range all {
		t.byID[h.id] = h
		group := h.together()
		if t.groups[group] == nil {
			t.order = append(t.order, group)
			if h.causation != "" {
				t.causes[h.causation] = append(t.causes[h.causation], group)
			}
		}
		t.groups[group] = append(t.groups[group], h)
	}
	return t
}

// roots are the commands that no event caused which was found: a cause stands before what it causes, so that what is left when
// its turn comes has none.
func (t *tree) roots() []*causeCommand {
	var all []*causeCommand
	for _, group := range t.order {
		if root := t.from(group); root != nil {
			all = append(all, root)
		}
	}
	return all
}

// rootOf climbs from an event to the first command.
func (t *tree) rootOf(h happened) string {
	seen := map[string]bool{}
	for {
		parent, ok := t.byID[h.causation]
		if !ok || seen[h.together()] {
			return h.together()
		}
		seen[h.together()] = true
		h = parent
	}
}

// from is a command with all that came of it; nil where it was shown already, or enough is.
func (t *tree) from(group string) *causeCommand {
	if t.done[group] {
		return nil
	}
	t.done[group] = true
	if t.shown >= causesShown {
		t.cut = true
		return nil
	}
	events := t.groups[group]
	first := events[0]
	command := &causeCommand{To: first.Stream, Actor: first.Actor, ID: first.command}
	if command.Caused = first.causation != ""; command.Caused {
		cause, found := t.byID[first.causation]
		if !found {
			command.Missing = first.causation
		}
		command.By = sendersOf(t.model, cause.Type, first)
		t.several = t.several || len(command.By) > 1
	}
	for _, h := range events {
		t.shown++
		e := &causeEvent{entry: h.entry, Here: h.Position == t.here, Elsewhere: h.Stream != first.Stream}
		for _, next := range t.causes[h.id] {
			if caused := t.from(next); caused != nil {
				e.Commands = append(e.Commands, caused)
			}
		}
		command.Events = append(command.Events, e)
	}
	return command
}

// sendersOf are the parts of which one must have sent a command, given the type of the event that caused it: the one whose own
// stream it went to, or those that react to the event. A record tells the event that caused it, and not the part.
func sendersOf(m deed.Model, eventType string, caused happened) []follower {
	var all []follower
	for _, f := range followersOf(m, eventType) {
		if f.Kind != kindProcess && f.Kind != kindReactor {
			continue
		}
		if strings.HasPrefix(string(caused.Stream), "process-"+f.Name+":") {
			return []follower{f}
		}
		all = append(all, f)
	}
	return all
}
