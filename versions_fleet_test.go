package deed_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/deed-es/deed"
)

// history is every version that was read, in order, as somebody saw who looked all the time.
type history struct {
	mu   sync.Mutex
	seen []deed.ViewVersion
}

// watch has every change of what is read be seen; it is made by a node.
func (h *history) watch(t testing.TB, members ...*member) {
	t.Helper()
	for _, m := range members {
		read, err := m.seat.ViewRead(bounded(t), "tallies")
		must(t, err)
		h.mu.Lock()
		if len(h.seen) == 0 || h.seen[len(h.seen)-1] != read {
			h.seen = append(h.seen, read)
		}
		h.mu.Unlock()
	}
}

// deploy is a fleet whose nodes are replaced one by one.
type deploy struct {
	*commons
	history
	t     testing.TB
	nodes []*member
	n     int
}

func (d *deploy) add(parts ...deed.Part) *member {
	d.n++
	m := d.join(fmt.Sprintf("node-%d", d.n), append([]deed.Part{accounts}, parts...)...)
	d.nodes = append(d.nodes, m)
	return m
}

func (d *deploy) remove() {
	d.nodes[0].stop()
	d.nodes = d.nodes[1:]
}

// for some time everybody reads what was written, and it is looked what is read by name.
func (d *deploy) pass(most time.Duration, reading deed.Reading) {
	d.t.Helper()
	for range int(most / (250 * time.Millisecond)) {
		pass(250 * time.Millisecond)
		d.watch(d.t, d.nodes...)
		for _, m := range d.nodes {
			got, err := m.Views().Reading(bounded(d.t), "tallies")
			must(d.t, err)
			if reading != (deed.Reading{}) && got != reading {
				d.t.Fatalf("%s reads %+v, want %+v", m.name, got, reading)
			}
			receipt := m.send(accounts.Send("1", pay{1}))
			for _, reader := range d.nodes {
				row, at, err := reader.Views().Get(bounded(d.t), "tallies", "1", receipt.Position)
				if err != nil || at < receipt.Position {
					d.t.Fatalf("%s reads %s at %d, %v, want what was written at %d", reader.name, row.Row, at, err, receipt.Position)
				}
			}
		}
	}
}

// rolls deploys a new version node by node.
func rolls(t *testing.T, c *commons, from, to talliesOf) *deploy {
	d := &deploy{commons: c, t: t}
	first := d.add(from)
	d.add(from)
	first.send(accounts.Send("1", open{"ann"}), accounts.Send("2", open{"bob"}))
	before, after := deed.Reading{Version: max(from.Version, 1)}, deed.Reading{Version: max(to.Version, 1)}
	d.pass(3*time.Second, before)
	d.add(to)
	d.pass(10*time.Second, before)
	d.remove()
	d.pass(10*time.Second, before)
	d.add(to)
	d.pass(10*time.Second, before)
	for _, m := range d.nodes[1:] {
		m.settle()
		if part := m.part("tallies"); part.Version != max(to.Version, 1) || part.Read || !part.Ready {
			t.Errorf("while the old version is kept the new one is %+v on %s", part, m.name)
		}
	}
	d.remove() // the last that keeps the old version
	d.pass(4*time.Second, deed.Reading{})
	d.pass(10*time.Second, after)
	return d
}

// In a rolling deploy the old version is read until the last node that keeps it has left, and then the new one; nobody goes back.
func TestRollingDeploy(t *testing.T) {
	inFleet(t, func(t *testing.T, c *commons) {
		d := rolls(t, c, tallies(1), tallies(2))
		want(t, "what was read", d.seen, []deed.ViewVersion{{Version: 1, Partitions: 1}, {Version: 2, Partitions: 1}})
		kept(t, c.db, tallyRef(2))
		rolledBack := tallies(1)
		d.add(rolledBack) // and the way back
		d.pass(10*time.Second, deed.Reading{Version: 2})
		d.remove()
		d.pass(10*time.Second, deed.Reading{Version: 2})
		d.remove()
		d.pass(4*time.Second, deed.Reading{})
		d.pass(5*time.Second, deed.Reading{Version: 2, Stale: true}) // who made it may be on its way back
		pass(grace)
		d.pass(5*time.Second, deed.Reading{Version: 1})
		kept(t, c.db, tallyRef(1))
	})
}

// The same for a view that is cut into other partitions.
func TestRollingDeployOfPartitions(t *testing.T) {
	inFleet(t, func(t *testing.T, c *commons) {
		cut := tallies(1)
		cut.Partitions = 3
		d := rolls(t, c, tallies(1), cut)
		want(t, "what was read", d.seen, []deed.ViewVersion{{Version: 1, Partitions: 1}, {Version: 1, Partitions: 3}})
		kept(t, c.db, deed.ViewRef{Name: "tallies.0of3", Version: 1}, deed.ViewRef{Name: "tallies.1of3", Version: 1}, deed.ViewRef{Name: "tallies.2of3", Version: 1})
	})
}

// An old node that dies is waited for as long as it may come back; one that comes back then does no harm.
func TestDeployAndAnOldNodeThatFreezes(t *testing.T) {
	inFleet(t, func(t *testing.T, c *commons) {
		d := &deploy{commons: c, t: t}
		old := d.add(tallies(1))
		old.send(accounts.Send("1", open{"ann"}))
		d.pass(3*time.Second, deed.Reading{Version: 1})
		d.add(tallies(2))
		d.pass(3*time.Second, deed.Reading{Version: 1})
		thaw := old.freeze()
		defer thaw()
		d.nodes = d.nodes[1:]
		receipt := d.nodes[0].send(accounts.Send("1", pay{1}))
		pass(fleetTTL / 2)
		d.nodes[0].isRead(1, false)
		row, _ := tallyOf(t, d.nodes[0].running, "1", receipt.Position) // which the old version does not come to any more
		want(t, "row", row.By, "v2")
		d.pass(fleetTTL, deed.Reading{})
		d.pass(time.Second, deed.Reading{Version: 2})
		kept(t, c.db, tallyRef(2))
		thaw()
		d.pass(20*time.Second, deed.Reading{Version: 2})
		d.nodes = slices.Insert(d.nodes, 0, old)
		d.pass(5*time.Second, deed.Reading{Version: 2}) // it is a node like others, and reads what all read
		d.remove()
		d.pass(5*time.Second, deed.Reading{Version: 2})
		kept(t, c.db, tallyRef(2))
		want(t, "what was read", d.seen, []deed.ViewVersion{{Version: 1, Partitions: 1}, {Version: 2, Partitions: 1}})
	})
}

// Where all nodes have both versions somebody says which is read, to any of them, and all do.
func TestSwitchInAFleet(t *testing.T) {
	inFleet(t, func(t *testing.T, c *commons) {
		d := &deploy{commons: c, t: t}
		for range 3 {
			d.add(tallies(1), tallies(2))
		}
		d.nodes[0].send(accounts.Send("1", open{"ann"}))
		d.pass(2*time.Second, deed.Reading{Version: 1})
		changes := make(chan error, 1)
		go func() {
			for _, err := range d.nodes[2].Views().Changes(bounded(t), "tallies", 1, deed.ChangeCursor{}) {
				if err != nil {
					changes <- err
				}
			}
		}()
		d.nodes[1].settle()
		d.nodes[1].switchTo(2)
		d.pass(2*time.Second, deed.Reading{Version: 2})
		wantErr(t, <-changes, deed.ErrCursor)
		d.nodes[0].settle()
		d.nodes[0].switchTo(1)
		d.pass(2*time.Second, deed.Reading{Version: 1})
		kept(t, c.db, tallyRef(1), tallyRef(2))
	})
}

// A node that only answers questions reads what the others keep, whatever version it was made with.
func TestNodesThatOnlyRead(t *testing.T) {
	inFleet(t, func(t *testing.T, c *commons) {
		d := &deploy{commons: c, t: t}
		reader := c.invite("reader", deed.Config{Roles: []deed.Role{deed.RoleQueries}}, accounts, tallies(1))
		reader.run()
		d.add(tallies(1))
		receipt := d.nodes[0].send(accounts.Send("1", open{"ann"}))
		row, _ := tallyOf(t, reader.running, "1", receipt.Position)
		want(t, "row", row, count{1, "v1"})
		d.remove()
		pass(2 * time.Second)
		reader.isRead(1, true)
		d.add(tallies(2))
		d.pass(5*time.Second, deed.Reading{})
		reader.isRead(2, false)
		row, _ = tallyOf(t, reader.running, "1", receipt.Position)
		want(t, "row", row.By, "v2")
		kept(t, c.db, tallyRef(2))
	})
}
