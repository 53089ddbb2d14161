package console

import (
	"cmp"
	"slices"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/gateway"
)

type fleetBody struct {
	In     bool // the service is in a fleet
	Nodes  []fleetNode
	Nobody []fleetLine // what no node runs
	Own    []fleetLine // what each node runs for itself, and what is paused and nobody has
	Here   string      // the name of this node; empty: it runs nothing, and is not known
}

// fleetNode is a node with what it runs.
type fleetNode struct {
	Name  string
	Here  bool // it is the one that tells this
	Lines []fleetLine
}

// fleetLine is a part, or a partition of one, that a node runs.
type fleetLine struct {
	part
	Slice string // which partition; empty: the part is not cut
	State string
	At    deed.Position
	Left  deed.Position
}

// fleet is the page of the nodes that share the log.
func (c *console) fleet(call *gateway.Call) (content, error) {
	parts, _, err := c.parts(call)
	body := fleetBody{In: c.meter.inFleet()}
	by := map[string][]fleetLine{}
	for _, p := range parts {
		for node, lines := range linesOf(p) {
			by[node] = append(by[node], lines...)
		}
	}
	for _, line := range by[""] {
		if line.State == deed.StateOff {
			body.Nobody = append(body.Nobody, line)
		} else {
			body.Own = append(body.Own, line)
		}
	}
	delete(by, "")
	for name, lines := range by {
		node := fleetNode{Name: name, Lines: lines, Here: slices.ContainsFunc(lines, fleetLine.here)}
		if node.Here {
			body.Here = name
		}
		body.Nodes = append(body.Nodes, node)
	}
	slices.SortFunc(body.Nodes, func(a, b fleetNode) int { return cmp.Compare(a.Name, b.Name) })
	return content{title: "Fleet", area: "fleet", body: body}, err
}

// here tells whether this node must be the one that runs it: of what others run it does not know more.
func (l fleetLine) here() bool {
	return l.State != deed.StateElsewhere && l.State != deed.StatePaused && l.State != deed.StateOff
}

// linesOf are a part's partitions, or the part, by the node that runs each; of "" none is known.
func linesOf(p part) map[string][]fleetLine {
	if len(p.Partitions) == 0 {
		return map[string][]fleetLine{p.Node: {{part: p, State: p.State, At: p.Position, Left: p.Lag}}}
	}
	lines := map[string][]fleetLine{}
	for _, s := range p.Slices() {
		lines[s.Node] = append(lines[s.Node], fleetLine{part: p, Slice: num(s.Index) + " of " + num(len(p.Partitions)), State: s.State, At: s.Position, Left: s.Lag})
	}
	return lines
}
