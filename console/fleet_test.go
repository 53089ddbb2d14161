package console_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/cart"
)

// nodeB is a name that somebody could have given.
const nodeB = "node-b <b>"

var (
	keepsViews     = []deed.Role{deed.RoleCommands, deed.RoleQueries, deed.RoleProjections}
	keepsProcesses = []deed.Role{deed.RoleProcesses, deed.RoleQueries}
)

func fleetParts() []deed.Part {
	cut := cart.Summaries
	cut.Partitions = 3
	return []deed.Part{cart.Decider, cut, cart.Reminders, gift}
}

// Two nodes, each with its own share: wherever a part is named, so is the node that runs it.
func TestFleetIsShown(t *testing.T) {
	c := newCommons(t)
	a := c.join(deed.Config{Node: "node-a", Roles: keepsViews}, fleetParts()...)
	a.until("node-a runs the view", func(s deed.Status) bool { return runs(s, "cart-summaries") == "node-a" })

	// As long as node-b is not there, nobody runs what is its own, and that is an alarm.
	a.get(200, "/console").has(t, "2 things want to be looked at", `data-fleet="yes"`, `data-part="gift"`, "Nobody runs it", `<bdi data-live="node">nobody</bdi>`,
		`<a href="/console/fleet">Fleet</a>`)
	p := a.get(200, "/console/fleet")
	p.has(t, `id="nobody"`, "No node runs 2 things", `data-line="gift"`, `data-line="cart-reminders"`, `data-node="node-a"`, "this node, 3 leases",
		`data-line="cart-summaries 0 of 3"`, `data-line="cart-summaries 2 of 3"`)

	b := c.join(deed.Config{Node: nodeB, Roles: keepsProcesses}, fleetParts()...)
	a.until("node-b runs the processes", func(s deed.Status) bool { return runs(s, "gift") == nodeB && runs(s, "cart-reminders") == nodeB })
	at := a.send(cart.Decider.Send("1", cart.Open{Owner: "x"})).Position
	a.until("all is handled", func(s deed.Status) bool {
		return s.Head > at && !slices.ContainsFunc(s.Parts, func(p deed.PartStatus) bool { return p.Lag > 0 })
	})
	b.until("node-b knows who runs the view", func(s deed.Status) bool { return runs(s, "cart-summaries") == "node-a" })
	const on = "on node-b &lt;b&gt;"
	for path, words := range map[string][]string{
		"":                             {`<bdi data-live="node">node-b &lt;b&gt;</bdi>`, `<bdi data-live="node">node-a</bdi>`, `id="attention" aria-labelledby="attention-title" hidden`, "word-elsewhere"},
		"/views":                       {"3 partitions", `data-partition="2"`, `<bdi data-cell="node">node-a</bdi>`, "<dt>Node</dt>"},
		"/views/cart-summaries":        {"on node-a", `data-partition="0"`, `data-key="1"`},
		"/processes":                   {`<bdi data-live="node">node-b &lt;b&gt;</bdi>`},
		"/processes/gift":              {on, `id="elsewhere"`},
		"/processes/cart-reminders/1":  {on, `id="elsewhere"`},
		"/parts/cart-reminders/pause":  {on},
		"/parts/cart-summaries/resume": {"on node-a"},
	} {
		p := a.get(200, "/console"+path)
		p.has(t, words...)
		p.hasNot(t, "to be looked at</a>", "<b>")
	}
	p = a.get(200, "/console/fleet")
	p.has(t, `data-node="node-a"`, "this node, 3 leases", `data-node="node-b &lt;b&gt;"`, `<span class="soft">2 leases</span>`)
	p.hasNot(t, `id="nobody"`, "is none of these")
	p = b.get(200, "/console/fleet")
	p.has(t, "this node, 2 leases", `<span class="soft">3 leases</span>`)
	b.get(200, "/console/views/cart-summaries/1").hasNot(t, "It is behind") // which it reads, and does not keep
	live := a.ask("GET", "/console/parts").text
	for _, want := range []string{`"node":"node-b <b>"`, `"on":"on node-b`, `"partitions":[{"index":0,"state":"live","node":"node-a"`, `"alerts":""`} {
		if !strings.Contains(live, want) {
			t.Errorf("pages that are open are not told %s: %s", want, live)
		}
	}

	b.stop()
	a.until("nobody runs the processes", func(s deed.Status) bool { return runs(s, "gift") == "" })
	a.get(200, "/console/fleet").has(t, `id="nobody"`, `data-line="gift"`)
}

// What is said to a part that another node runs is done there, and seen from both.
func TestSaidFromAnotherNode(t *testing.T) {
	c := newCommons(t)
	a := c.join(deed.Config{Node: "node-a", Roles: keepsViews}, fleetParts()...)
	b := c.join(deed.Config{Node: "node-b", Roles: keepsProcesses}, fleetParts()...)
	b.until("node-a runs the view", func(s deed.Status) bool { return runs(s, "cart-summaries") == "node-a" })
	a.until("node-b runs the reactor", func(s deed.Status) bool { return runs(s, "gift") == "node-b" })
	b.post("/console/parts/cart-summaries/pause", "")
	a.until("the view is paused", func(s deed.Status) bool { return state(s, "cart-summaries") == deed.StatePaused })
	a.get(200, "/console/views").has(t, "word-paused", `<bdi data-cell="node">node-a</bdi>`)
	p := b.get(200, "/console/fleet")
	p.has(t, `data-node="node-a"`, "word-paused")
	p.hasNot(t, `id="nobody"`)
	b.post("/console/parts/cart-summaries/resume", "")
	a.until("the view goes on", func(s deed.Status) bool { return state(s, "cart-summaries") == deed.StateLive })
}

func state(s deed.Status, name string) string {
	for _, p := range s.Parts {
		if p.Name == name {
			return p.State
		}
	}
	return ""
}

// A node with the new version of a view says that the old one is read, which another keeps.
func TestVersionsInAFleet(t *testing.T) {
	c := newCommons(t)
	old := c.join(deed.Config{Node: "old"}, cart.Decider, baskets(1))
	old.until("the old version runs", func(s deed.Status) bool { return runs(s, "baskets") == "old" })
	old.send(cart.Decider.Send("1", cart.Open{Owner: "x"}))
	fresh := c.join(deed.Config{Node: "new"}, cart.Decider, baskets(2))
	fresh.until("the new version runs", func(s deed.Status) bool { return runs(s, "baskets") == "new" && state(s, "baskets") == deed.StateLive })
	p := fresh.get(200, "/console/views")
	p.has(t, "What is read by the name is version 1, which another node keeps. Version 2 is made in its place, and is read once no node keeps that one any more.", ">not read<")
	p.hasNot(t, "nobody keeps")
	old.get(200, "/console/views").hasNot(t, "is made in its place", "not read")
	old.stop()
	fresh.until("the new version is read", func(s deed.Status) bool { return s.Parts[0].Read })
	fresh.get(200, "/console/views").hasNot(t, "is made in its place", "not read")
}

// A node that reads no views shows how they are doing all the same.
func TestANodeWithoutQueries(t *testing.T) {
	c := newCommons(t)
	a := c.join(deed.Config{Node: "node-a", Roles: []deed.Role{deed.RoleProjections}}, cart.Decider, baskets(1), baskets(2), gift)
	a.until("it runs the view", func(s deed.Status) bool { return runs(s, "baskets") == "node-a" })
	for _, path := range []string{"", "/views", "/fleet", "/parked", "/processes"} {
		a.get(200, "/console"+path)
	}
	a.get(200, "/console/views").has(t, ">read<", ">not read<")
	a.get(503, "/console/views/baskets").has(t, "This node does not do this", "Ask the console of a node that has the role")
	a.get(503, "/console/parts/baskets/compare")
}
