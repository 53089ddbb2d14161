package deed_test

import (
	"testing"
	"time"

	"github.com/deed-es/deed"
)

// grace is how long a version that nobody keeps stays before a lower one takes its place.
const grace = 10 * time.Minute

// A node that is started again comes back to what it left: the version that somebody had switched to is read, though for a moment
// nobody kept it.
func TestASwitchOutlivesARestart(t *testing.T) {
	inFleet(t, func(t *testing.T, c *commons) {
		d := &deploy{commons: c, t: t}
		old := d.add(tallies(1))
		old.send(accounts.Send("1", open{"ann"}))
		d.pass(2*time.Second, deed.Reading{Version: 1})
		both := d.add(tallies(1), tallies(2))
		both.settle()
		both.switchTo(2)
		d.pass(2*time.Second, deed.Reading{}) // until all have heard who keeps it
		d.pass(5*time.Second, deed.Reading{Version: 2})
		for range 3 { // each of which takes most of the time
			both.stop()
			d.nodes = d.nodes[:1]
			pass(fleetTTL)
			d.pass(3*time.Second, deed.Reading{Version: 2, Stale: true}) // what was just written is read all the same
			pass(grace - fleetTTL - 30*time.Second)
			old.isRead(2, true)
			kept(t, c.db, tallyRef(1), tallyRef(2))
			both = d.add(tallies(1), tallies(2))
			pass(fleetTTL)
			d.pass(5*time.Second, deed.Reading{Version: 2})
		}
		both.stop()
		d.nodes = d.nodes[:1]
		pass(fleetTTL)
		pass(grace)
		d.pass(3*time.Second, deed.Reading{Version: 1}) // it is not coming back
		kept(t, c.db, tallyRef(1))
	})
}

// Who does not want to wait until a lower version takes its place says so.
func TestASwitchBackNeedNotWait(t *testing.T) {
	inFleet(t, func(t *testing.T, c *commons) {
		d := &deploy{commons: c, t: t}
		d.add(tallies(2)).send(accounts.Send("1", open{"ann"}))
		d.pass(2*time.Second, deed.Reading{Version: 2})
		back := d.add(tallies(1))
		d.pass(2*time.Second, deed.Reading{Version: 2})
		d.remove()
		d.pass(5*time.Second, deed.Reading{})
		back.isRead(2, true)
		back.settle()
		back.switchTo(1)
		d.pass(3*time.Second, deed.Reading{Version: 1})
		pass(grace)
		kept(t, c.db, tallyRef(1))
	})
}

// What a new version has folded is there when the node that makes it is started again, and nobody folds it twice.
func TestAHalfMadeVersionOutlivesARestart(t *testing.T) {
	inFleet(t, func(t *testing.T, c *commons) {
		d := &deploy{commons: c, t: t}
		old := d.add(tallies(1))
		for range 20 {
			old.send(accounts.Send(deed.NewID(), open{"ann"}))
		}
		folded := 0
		counting := talliesWith(2, func(deed.Recorded[deed.Event]) { folded++ })
		for range 3 {
			node := c.join("new", accounts, counting)
			pass(fleetTTL)
			node.settle()
			want(t, "events folded", folded, 20)
			kept(t, c.db, tallyRef(1), tallyRef(2))
			node.stop()
			pass(grace / 2)
		}
		pass(grace)
		kept(t, c.db, tallyRef(1)) // the new program was taken back
		old.isRead(1, false)
	})
}

// The same for tables, which are read in one version.
func TestTablesOfANewVersionOutliveARestart(t *testing.T) {
	inFleet(t, func(t *testing.T, c *commons) {
		old := c.join("old", accounts, owners)
		old.send(accounts.Send("1", open{"ann"}))
		raised := owners
		raised.Version = 2
		first, second := deed.ViewRef{Name: owners.Name, Version: 1}, deed.ViewRef{Name: owners.Name, Version: 2}
		node := c.join("new", accounts, raised)
		pass(fleetTTL)
		node.settle()
		kept(t, c.db, first, second)
		node.stop()
		pass(time.Minute)
		kept(t, c.db, first, second)
		pass(grace)
		kept(t, c.db, first)

		node.run()
		pass(fleetTTL)
		old.stop()
		pass(fleetTTL)
		kept(t, c.db, second) // an older version goes at once
	})
}

// A version that a node has just made is not taken away before the others can have heard that it is kept.
func TestAVersionThatWasJustMadeStays(t *testing.T) {
	inFleet(t, func(t *testing.T, c *commons) {
		newer, h := listener(t, c, "newer", accounts, tallies(2))
		newer.send(accounts.Send("1", open{"ann"}))
		pass(fleetTTL)
		for i := range 20 {
			pass(time.Duration(i) * 50 * time.Millisecond) // at any time between two beats
			older := c.join("older", accounts, tallies(1))
			pass(2 * fleetTTL)
			want(t, "dropped", h.dropped(), 0)
			kept(t, c.db, tallyRef(1), tallyRef(2))
			older.stop()
			pass(fleetTTL)
			want(t, "dropped", h.dropped(), 1)
		}
	})
}
