package console

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/gateway"
)

// part is how a part is doing, or a version of it, as it is shown.
type part struct {
	deed.PartStatus
	Seen     seen
	Chart    string
	Events   []string // that it handles
	Index    []string
	Row      string // the Go type of its rows
	Done     int    // how much of the log it has handled, in percent
	Head     deed.Position
	Mode     deed.Mode    // of a projection
	Steers   bool         // it can be paused and resumed
	Remade   bool         // it can be made anew
	Anew     bool         // it is being made anew
	Gone     bool         // what was there before is gone, and nothing has been made yet
	Fleet    bool         // the service is one of several that share its log
	Several  bool         // this service has other versions of it
	Reading  deed.Reading // which version is read by the name; zero: it is no view, or that is not known here
	Kept     bool         // the version that is read is one of this service's own
	Newest   int          // of the versions that this service has
	Least    deed.Position
	Furthest deed.Position // lag of the version that is at Least
}

// View tells whether the part makes rows or tables.
func (p part) View() bool { return p.Kind == kindProjection || p.Kind == kindTables }

// Far tells whether the part is so far behind that it takes a while to catch up.
func (p part) Far() bool { return p.Lag > 0 && p.Behind >= 2*time.Second }

// Unit is what the part's lag is counted in.
func (p part) Unit() string {
	if p.Lag == 1 {
		return "event"
	}
	return "events"
}

// Alerting tells whether somebody should look at the part.
func (p part) Alerting() bool { return wanting(p.PartStatus, p.Fleet) }

// Key tells the part, or the version of it, from all others on a page.
func (p part) Key() string {
	if p.Several {
		return p.Name + "@" + strconv.Itoa(p.Version)
	}
	return p.Name
}

// The kinds of parts, as Status names them.
const (
	kindProjection = "projection"
	kindTables     = "tables"
	kindProcess    = "process"
	kindReactor    = "reactor"
	kindTask       = "task"
)

// parts returns how the parts of some kinds are doing; of all, if none is named. Versions of a view are parts of one name.
func (c *console) parts(call *gateway.Call, kinds ...string) ([]part, deed.Status, error) {
	status, err := c.meter.status(call.Context(), c.service)
	if err != nil {
		return nil, status, err
	}
	var all []part
	for _, p := range status.Parts {
		if len(kinds) > 0 && !slices.Contains(kinds, p.Kind) {
			continue
		}
		shown := part{
			PartStatus: p, Seen: c.meter.seen(p), Head: status.Head, Done: 100, Steers: p.Kind != kindTask, Remade: p.Kind == kindTables,
			Fleet: c.meter.inFleet(), Reading: c.meter.reading(p.Name),
		}
		shown.Chart = chart(shown.Seen.Lags)
		if status.Head > 0 && p.Lag > 0 {
			shown.Done = int(min(99, p.Position*100/status.Head))
		}
		if err := c.renewed(call.Context(), &shown); err != nil {
			return nil, status, err
		}
		describe(c.service.Model(), &shown)
		shown.among(status.Parts)
		all = append(all, shown)
	}
	return all, status, nil
}

// among adds what there is to say of a part among its versions.
func (p *part) among(all []deed.PartStatus) {
	p.Least, p.Furthest, p.Newest = p.Position, p.Lag, p.Version
	for _, other := range all {
		if other.Name != p.Name {
			continue
		}
		p.Several = p.Several || other.Version != p.Version
		p.Kept = p.Kept || other.Read
		p.Newest = max(p.Newest, other.Version)
		p.Least, p.Furthest = min(p.Least, other.Position), max(p.Furthest, other.Lag)
	}
}

// describe adds what the model says of a part.
func describe(m deed.Model, p *part) {
	take := func(named deed.PartModel) {
		if named.Name == p.Name {
			for _, e := range named.Events {
				p.Events = append(p.Events, e.Name)
			}
		}
	}
	for _, v := range m.Projections {
		take(v.PartModel)
		if v.Name == p.Name {
			p.Index, p.Row, p.Mode = v.Index, v.Row.Name, v.Mode
			p.Steers, p.Remade = v.Mode == deed.Async, v.Mode != deed.Live
		}
	}
	for _, others := range [][]deed.PartModel{m.Tables, m.Processes, m.Reactors} {
		for _, o := range others {
			take(o)
		}
	}
}

// foremost are the parts with one version of each: the one that is read, else the newest.
func foremost(parts []part) []part {
	var all []part
	for _, p := range parts {
		i := slices.IndexFunc(all, func(other part) bool { return other.Name == p.Name })
		switch {
		case i < 0:
			all = append(all, p)
		case p.Read || !all[i].Read && p.Version > all[i].Version:
			all[i] = p
		}
	}
	return all
}

// versionsOf are the versions of a part, the newest first.
func versionsOf(parts []part, name string) []part {
	var all []part
	for _, p := range parts {
		if p.Name == name {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b part) int { return cmp.Compare(b.Version, a.Version) })
	return all
}

// Reads tells whether a version of a view is the one that is read, where that is not plain.
func (p part) Reads() string {
	switch {
	case p.Kind != kindProjection:
		return ""
	case p.Read && p.Several:
		return "read"
	case p.Read || !p.Several && p.Reading.Version == 0:
		return ""
	}
	return notRead
}

const notRead = "not read"

// Instead tells what is read by a view's name, where that is no version of this service's, or is old.
func (p part) Instead() string {
	read := "What is read by the name is version " + strconv.Itoa(p.Reading.Version)
	if !p.Kept && p.Reading.Version == p.Version {
		read += " in another number of partitions"
	}
	next := " Version " + strconv.Itoa(p.Newest) + " is made in its place, and is read "
	switch {
	case p.Reading.Version == 0:
		return ""
	case p.Kept && p.Reading.Stale:
		return read + ", which no node keeps up to date: its rows are old, and answers say so."
	case p.Kept:
		return ""
	case p.Reading.Stale:
		return read + ", which nobody keeps up to date any more: its rows are old, and answers say so." + next +
			"as soon as it has caught up and nothing of it is parked."
	}
	return read + ", which another node keeps." + next + "once no node keeps that one any more."
}

// Nodes are the names of the nodes that run the part, or partitions of it.
func (p part) Nodes() []string {
	var all []string
	add := func(node string) {
		if node != "" && !slices.Contains(all, node) {
			all = append(all, node)
		}
	}
	add(p.Node)
	for _, one := range p.Partitions {
		add(one.Node)
	}
	return all
}

// By says in a word or two who runs the part; empty where the service is in no fleet.
func (p part) By() string {
	nodes := p.Nodes()
	switch {
	case !p.Fleet:
		return ""
	case len(nodes) > 0:
		if slices.ContainsFunc(p.Partitions, func(one deed.PartitionStatus) bool { return one.State == deed.StateOff }) {
			nodes = append(nodes, nobody)
		}
		return cut(nodeShown, strings.Join(nodes, ", "))
	case p.State == deed.StateOff:
		return nobody
	case p.State == deed.StatePaused:
		return "–"
	}
	return "each node"
}

const nobody = "nobody"

// nodeShown is how much is shown of the names of nodes.
const nodeShown = 120

// On says on which nodes the part runs; empty where that is none, or there is no fleet.
func (p part) On() string {
	if nodes := p.Nodes(); p.Fleet && len(nodes) > 0 {
		return "on " + cut(nodeShown, strings.Join(nodes, ", "))
	}
	return ""
}

// slice is how a partition is doing, as it is shown.
type slice struct {
	deed.PartitionStatus
	Lag deed.Position
	By  string
}

// Slices are how the partitions of the part are doing.
func (p part) Slices() []slice {
	var all []slice
	for _, one := range p.Partitions {
		s := slice{one, max(p.Head-one.Position, 0), cut(nodeShown, one.Node)}
		if s.By == "" && p.Fleet {
			s.By = part{PartStatus: deed.PartStatus{State: one.State}, Fleet: true}.By()
		}
		all = append(all, s)
	}
	return all
}
