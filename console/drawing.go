package console

import (
	"cmp"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/deed-es/deed"
)

// drawing lays a service out in columns: commands, what decides about them, events, what handles those, and what processes
// send commands to.
type drawing struct {
	model deed.Model
	nodes map[string]*mapNode
	order []*mapNode
	lines []*mapLine
}

// The measures of the map.
const (
	nodeHigh   = 24
	nodeGap    = 6
	groupGap   = 14
	columnGap  = 72
	mapTop     = 34
	letter     = 7 // the width of one, about
	longestTag = 30
)

const (
	columnCommands = iota
	columnDeciders
	columnEvents
	columnHandlers
	columnTargets
)

var columnNames = []string{"Commands", "Decided by", "Events", "Handled by", "Sends commands to"}

func (d *drawing) node(column int, kind, name, about, to string) string {
	key := fmt.Sprintf("%d %s %s", column, about, name)
	if column == columnEvents { // an event that several record is one
		key = fmt.Sprintf("%d %s", column, name)
	}
	if d.nodes[key] == nil {
		n := &mapNode{ID: fmt.Sprintf("n%d", len(d.order)), Kind: kind, Name: name, Shown: cut(longestTag, name), Link: to, column: column, about: about, High: nodeHigh}
		d.nodes[key] = n
		d.order = append(d.order, n)
	}
	return d.nodes[key].ID
}

func (d *drawing) line(from, to string, seen bool) {
	for _, l := range d.lines {
		if l.From == from && l.To == to {
			return
		}
	}
	d.lines = append(d.lines, &mapLine{From: from, To: to, Seen: seen})
}

func (d *drawing) deciders() {
	for i, m := range d.model.Deciders {
		own := d.node(columnDeciders, m.Kind, m.Category, fmt.Sprint(i), link("log")+query("category", m.Category))
		if d.order[len(d.order)-1].Kind == "decision" {
			d.order[len(d.order)-1].Shown = m.Category + " (decision)"
		}
		for _, command := range m.Commands {
			d.line(d.node(columnCommands, "command", command.Name, fmt.Sprint(i), link("log")+query("category", m.Category)), own, false)
		}
		for _, e := range m.Events {
			d.line(own, d.node(columnEvents, "event", e.Name, "", link("log")+query("type", e.Name)), false)
		}
	}
}

func (d *drawing) handlers() {
	add := func(kind, name, to string, events []deed.TypeModel) {
		own := d.node(columnHandlers, kind, name, "", to)
		for _, e := range events {
			d.line(d.node(columnEvents, "event", e.Name, "", link("log")+query("type", e.Name)), own, false)
		}
	}
	for _, p := range d.model.Processes {
		add(kindProcess, p.Name, link("processes", p.Name), p.Events)
	}
	for _, p := range d.model.Reactors {
		add(kindReactor, p.Name, link("processes", p.Name), p.Events)
	}
	for _, p := range d.model.Projections {
		add(kindProjection, p.Name, link("views", p.Name), p.Events)
	}
	for _, p := range d.model.Tables {
		add(kindTables, p.Name, link("views", p.Name), p.Events)
	}
}

// targets adds where processes and reactors were seen to send commands to.
func (d *drawing) targets(recent []deed.Record) {
	to := sentTo(d.model, recent)
	for _, parts := range [][]deed.PartModel{d.model.Processes, d.model.Reactors} {
		for _, p := range parts {
			for _, category := range to[p.Name] {
				target := d.node(columnTargets, "target", category, "", link("log")+query("category", category))
				d.line(d.nodes[fmt.Sprintf("%d  %s", columnHandlers, p.Name)].ID, target, true)
			}
		}
	}
}

// layOut gives everything its place.
func (d *drawing) layOut() mapBody {
	body := mapBody{Nodes: d.order, Lines: d.lines}
	x := 0
	for column := range columnNames {
		own := slices.DeleteFunc(slices.Clone(d.order), func(n *mapNode) bool { return n.column != column })
		if len(own) == 0 {
			continue
		}
		d.sort(column, own)
		wide := max(d.widest(own), (letter+1)*len(columnNames[column]))
		body.Columns = append(body.Columns, mapColumn{columnNames[column], x})
		body.High = max(body.High, d.stack(column, own, x, wide))
		x += wide + columnGap
	}
	body.Wide = max(x-columnGap, 1)
	for _, l := range d.lines {
		l.Path = d.path(l)
	}
	return body
}

func (d *drawing) widest(nodes []*mapNode) int {
	wide := 0
	for _, n := range nodes {
		wide = max(wide, utf8.RuneCountInString(n.Shown)*letter+20)
	}
	if nodes[0].column == columnEvents {
		wide += 52 // for the rate
	}
	return wide
}

// sort puts what handles near to what it handles, kind by kind; the rest is in the model's order.
func (d *drawing) sort(column int, nodes []*mapNode) {
	if column < columnHandlers {
		return
	}
	kinds := []string{kindProcess, kindReactor, kindProjection, kindTables}
	slices.SortStableFunc(nodes, func(a, b *mapNode) int {
		return cmp.Or(slices.Index(kinds, a.Kind)-slices.Index(kinds, b.Kind), d.from(a)-d.from(b))
	})
}

// from is how high that stands, in the middle, which leads to a node.
func (d *drawing) from(n *mapNode) int {
	sum, count := 0, 0
	for _, l := range d.lines {
		if l.To != n.ID {
			continue
		}
		sum, count = sum+d.byID(l.From).Y, count+1
	}
	return sum / max(count, 1)
}

func (d *drawing) byID(id string) *mapNode {
	for _, n := range d.order {
		if n.ID == id {
			return n
		}
	}
	return &mapNode{}
}

// stack puts nodes below each other and returns where the last one ends. Deciders and targets stand beside what leads to them.
func (d *drawing) stack(column int, nodes []*mapNode, x, wide int) int {
	y := mapTop
	for i, n := range nodes {
		if i > 0 && (n.about != nodes[i-1].about && column != columnDeciders || n.Kind != nodes[i-1].Kind) {
			y += groupGap
		}
		if column == columnDeciders || column == columnTargets {
			y = max(y, d.from(n))
		}
		n.X, n.Y, n.Wide = x, y, wide
		n.TextX, n.TextY, n.RateX = x+10, y+16, x+wide-8
		y += nodeHigh + nodeGap
	}
	return y
}

// path is a line that leaves to the right and comes in from the left.
func (d *drawing) path(l *mapLine) string {
	from, to := d.byID(l.From), d.byID(l.To)
	x1, y1 := from.X+from.Wide, from.Y+nodeHigh/2
	x2, y2 := to.X, to.Y+nodeHigh/2
	bend := (x2 - x1) / 2
	return fmt.Sprintf("M%d %dC%d %d %d %d %d %d", x1, y1, x1+bend, y1, x2-bend, y2, x2, y2)
}
