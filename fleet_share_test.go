package deed_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/deed-es/deed"
)

// What a fleet has to do is spread evenly, each of it runs on one node, and nothing moves once that is so.
func TestFleetShares(t *testing.T) {
	for _, c := range []struct {
		leases, nodes int
		apart         time.Duration // between their starts
	}{
		{1, 3, 0},
		{4, 3, 0},
		{4, 3, 700 * time.Millisecond},
		{12, 4, 0},
		{12, 4, 1300 * time.Millisecond},
		{12, 1, 0},
		{3, 5, 300 * time.Millisecond},
		{40, 7, 10 * time.Millisecond},
	} {
		t.Run(fmt.Sprintf("%d among %d, %s apart", c.leases, c.nodes, c.apart), func(t *testing.T) {
			inFleet(t, func(t *testing.T, f *commons) {
				r := newRota(t)
				for i := range c.nodes {
					name := fmt.Sprintf("node-%d", i)
					f.join(name, r.duties(c.leases, name, 50*time.Millisecond)...)
					if c.apart > 0 {
						pass(c.apart)
					}
				}
				until(t, "all runs", fleetTTL, func() bool { return len(r.who()) == c.leases })
				pass(2 * fleetTTL)
				shares := f.shares()
				if len(shares) != c.nodes || shares[c.nodes-1]-shares[0] > 1 {
					t.Errorf("they have %v, want shares of %d nodes that differ by one at most", shares, c.nodes)
				}
				holders, begun := f.holders(), len(r.begun)
				want(t, "who runs it has its lease", r.who(), holders)
				for i := range c.nodes {
					f.beaten(fmt.Sprintf("node-%d", i))
				}
				pass(20 * fleetTTL)
				want(t, "who has it", f.holders(), holders)
				want(t, "who runs it", r.who(), holders)
				want(t, "how often it was begun", len(r.begun), begun)
				for i := range c.nodes {
					if n := f.beaten(fmt.Sprintf("node-%d", i)); n < 99 || n > 101 {
						t.Errorf("node %d has beaten %d times in 20 times its TTL, want 5 in each", i, n)
					}
				}
			})
		})
	}
}

// A node that joins gets its share from those that have most, and no more moves than has to.
func TestFleetJoin(t *testing.T) {
	inFleet(t, func(t *testing.T, f *commons) {
		r := newRota(t)
		f.join("a", r.duties(9, "a", 0)...)
		until(t, "the only node has all at once", 0, func() bool { return len(r.who()) == 9 })
		f.join("b", r.duties(9, "b", 0)...)
		until(t, "the second has half", fleetTTL/2, func() bool { return fmt.Sprint(f.shares()) == "[4 5]" && len(r.who()) == 9 })
		before := f.holders()
		f.join("c", r.duties(9, "c", 0)...)
		until(t, "the third has a third", fleetTTL/2, func() bool { return fmt.Sprint(f.shares()) == "[3 3 3]" && len(r.who()) == 9 })
		for part, node := range f.holders() {
			if node != "c" && node != before[part] {
				t.Errorf("%s went from %s to %s, though it is c that joined", part, before[part], node)
			}
		}
	})
}

// A node that leaves gives back what it has as soon as that has ended, and can come back.
func TestFleetLeave(t *testing.T) {
	inFleet(t, func(t *testing.T, f *commons) {
		r := newRota(t)
		a := f.join("a", r.duties(6, "a", 30*time.Millisecond)...)
		b := f.join("b", r.duties(6, "b", 30*time.Millisecond)...)
		until(t, "both have half", fleetTTL, func() bool { return fmt.Sprint(f.shares()) == "[3 3]" && len(r.who()) == 6 })
		pass(fleetTTL)
		began := time.Now()
		a.stop()
		if took := time.Since(began); took > 40*time.Millisecond {
			t.Errorf("Run ended %s after it was told to, want as soon as its loops", took)
		}
		if left := f.shares(); len(left) != 1 || left[0] < 3 { // b may have taken some already
			t.Errorf("the leases of those that have any are %v, want b's alone", left)
		}
		took := until(t, "b has all", fleetTTL, func() bool { return len(f.holders()) == 6 && len(r.who()) == 6 })
		if took > fleetTTL/5+50*time.Millisecond {
			t.Errorf("b had it %s later, want when it beats next", took)
		}
		a.run() // the same service
		until(t, "both have half again", fleetTTL, func() bool { return fmt.Sprint(f.shares()) == "[3 3]" && len(r.who()) == 6 })
		b.stop()
		until(t, "a has all", fleetTTL, func() bool { return len(f.holders()) == 6 && len(r.who()) == 6 })
		for i := range 6 {
			_, tokens := r.took(fmt.Sprintf("duty-%d", i))
			for j, token := range tokens {
				if token < 1 || j > 0 && token <= tokens[j-1] {
					t.Errorf("duty %d had the tokens %v, want greater ones with each holder", i, tokens)
				}
			}
		}
	})
}

// Where nodes can do different things, all that somebody can do is done.
func TestFleetOfOddNodes(t *testing.T) {
	inFleet(t, func(t *testing.T, f *commons) {
		r := newRota(t)
		can := map[string][]string{"a": {"one", "two"}, "b": {"two", "three"}, "c": {"three"}, "d": {"four", "five", "six"}}
		for node, names := range can {
			var parts []deed.Part
			for _, name := range names {
				parts = append(parts, r.duty(name, node, 0))
			}
			f.join(node, parts...)
		}
		until(t, "all runs", fleetTTL, func() bool { return len(r.who()) == 6 })
		pass(2 * fleetTTL)
		who := r.who()
		want(t, "who runs it has its lease", who, f.holders())
		for _, name := range []string{"four", "five", "six"} {
			want(t, name, who[name], "d")
		}
		pass(10 * fleetTTL)
		want(t, "nothing moves", r.who(), who)
	})
}

// What a node is to have and does not take, others take in the end.
func TestFleetTakesWhatIsLeft(t *testing.T) {
	inFleet(t, func(t *testing.T, f *commons) {
		r := newRota(t)
		idle := deed.Beat{Node: "0", Name: "idle", For: time.Hour, Wants: []string{"duty-0", "duty-1", "duty-2", "duty-3"}}
		f.beat(idle)
		f.join("a", r.duties(4, "a", 0)...)
		until(t, "a has its half", fleetTTL/5, func() bool { return len(r.who()) == 2 })
		pass(fleetTTL / 2)
		want(t, "before long it leaves the rest to the other", len(r.who()), 2)
		until(t, "a has all", fleetTTL, func() bool { return len(r.who()) == 4 })
		pass(3 * fleetTTL)
		want(t, "it keeps them", len(r.who()), 4)
		for i := range 4 {
			nodes, _ := r.took(fmt.Sprintf("duty-%d", i))
			want(t, "it was begun once", nodes, []string{"a"})
		}
		idle.For = 0
		f.beat(idle) // who was to have it has gone
		f.join("b", r.duties(4, "b", 0)...)
		until(t, "they are shared with others", fleetTTL, func() bool { return fmt.Sprint(f.shares()) == "[2 2]" && len(r.who()) == 4 })
	})
}

// A store that does not do what it is asked to is not asked all the time.
func TestFleetDoesNotSpin(t *testing.T) {
	for name, stubborn := range map[string]func(b deed.Beat, f deed.Fleet) deed.Fleet{
		"nothing can be taken": func(_ deed.Beat, f deed.Fleet) deed.Fleet { f.Leases = nil; return f },
		"nothing can be given back": func(b deed.Beat, f deed.Fleet) deed.Fleet {
			f.Leases = nil
			for i := range 4 {
				f.Leases = append(f.Leases, deed.HeldLease{Lease: deed.Lease{Part: fmt.Sprintf("duty-%d", i), Token: 1}, Node: b.Node})
			}
			f.Nodes = append(f.Nodes, deed.Node{ID: "zzz", Name: "other", Wants: b.Wants})
			return f
		},
	} {
		t.Run(name, func(t *testing.T) {
			inFleet(t, func(t *testing.T, f *commons) {
				r := newRota(t)
				m := f.invite("a", deed.Config{}, r.duties(4, "a", 0)...)
				m.seat.onBeat = stubborn
				m.run()
				pass(4 * fleetTTL)
				if n := f.beaten("a"); n > 26 {
					t.Errorf("it has beaten %d times in 4 times its TTL, want 5 in each", n)
				}
			})
		})
	}
}
