package storetest

import (
	"errors"
	"fmt"
	"math"

	"github.com/deed-es/deed"
)

// fenceCases are what leases are for: who has lost one stores nothing more under it.
func fenceCases() []leaseCase {
	return []leaseCase{
		{"a step under the lease that a node has is stored", currentStores},
		{"a step without a lease is stored, whoever has one", leaselessStores},
		{"a step under a token that was taken by another since is ErrFenced and stores nothing", takenIsFenced},
		{"a step under a lease that was given back is ErrFenced, though nobody took it", givenIsFenced},
		{"a step under a lease of a node that has left or was gone is ErrFenced", goneIsFenced},
		{"a step under a lease that never was is ErrFenced", unknownIsFenced},
		{"a fenced step from another position, or of what was never opened, is ErrFenced all the same", fencedBeforeConflict},
		{"a step under a lease whose time has passed is stored as long as nobody has noticed", passedStores},
		{"when a lease is taken nothing more is stored under its older token", nothingAfterTake},
	}
}

func currentStores(b *leaseBed) {
	b.standAt(0)
	m := b.nodes("n-1")[0]
	first := m.takes("mailer")
	b.stored(first, 0)
	b.stored(m.has(m.beat(deed.Beat{}), "mailer"), 1)
	b.conflicts(b.underLease(first, 1))
	other := m.takes("any-other-name")
	b.stored(other, 2)
}

func leaselessStores(b *leaseBed) {
	b.standAt(0)
	m := b.nodes("n-1")[0]
	b.stored(deed.Lease{}, 0)
	m.takes("mailer")
	b.stored(deed.Lease{}, 1)
	b.stored(deed.Lease{Part: "mailer"}, 2)
	m.leave()
	b.stored(deed.Lease{}, 3)
}

func takenIsFenced(b *leaseBed) {
	b.standAt(0)
	n := b.nodes("n-1", "n-2")
	first := n[0].takes("mailer")
	b.stored(first, 0)
	n[0].beat(deed.Beat{Give: []string{"mailer"}})
	second := n[1].takes("mailer")
	b.fenced(first, 1)
	b.stored(second, 1)
	b.fenced(first, 2)
	n[1].leave()
	third := n[0].takes("mailer")
	b.fenced(first, 2)
	b.fenced(second, 2)
	b.stored(third, 2)
}

func givenIsFenced(b *leaseBed) {
	b.standAt(0)
	m := b.nodes("n-1")[0]
	first := m.takes("mailer")
	m.beat(deed.Beat{Give: []string{"mailer"}})
	b.fenced(first, 0)
	second := m.has(m.beat(deed.Beat{Take: []string{"mailer"}}), "mailer")
	b.fenced(first, 0)
	b.stored(second, 0)
}

func goneIsFenced(b *leaseBed) {
	b.standAt(0)
	n := b.nodes("n-1", "n-2")
	left := n[0].takes("mailer")
	n[0].leave()
	b.fenced(left, 0)
	silent := n[0].has(n[0].beat(deed.Beat{For: short, Take: []string{"mailer"}}), "mailer")
	b.until("the silent node is gone", func() bool { return !isThere(n[1].beat(deed.Beat{}), "n-1") })
	b.fenced(silent, 0)
}

func unknownIsFenced(b *leaseBed) {
	b.standAt(0)
	m := b.nodes("n-1")[0]
	held := m.takes("mailer")
	for _, l := range []deed.Lease{
		{Part: "mailer", Token: held.Token + 1},
		{Part: "mailer", Token: -held.Token},
		{Part: "mailer", Token: math.MaxInt64},
		{Part: "biller", Token: held.Token},
		{Part: "", Token: held.Token},
		{Part: "mailer\x00", Token: held.Token},
		{Part: "mailer\xff", Token: held.Token},
	} {
		b.fenced(l, 0)
	}
	b.stored(held, 0)
}

func fencedBeforeConflict(b *leaseBed) {
	b.standAt(0)
	n := b.nodes("n-1", "n-2")
	first := n[0].takes("mailer")
	b.stored(first, 0)
	n[0].leave()
	b.stored(n[1].takes("mailer"), 1)
	views := b.leased(b.store)
	for what, err := range map[string]error{
		"a part from an older position":   b.store.CommitPart(b.ctx, b.underLease(first, 1)),
		"a view from an older position":   views.CommitView(b.ctx, b.viewStep(first, 1)),
		"a part of another version":       b.store.CommitPart(b.ctx, deed.PartCommit{Part: "mailer", Version: 2, Lease: first, From: 2, Checkpoint: b.checkpoint(3)}),
		"a part that was never opened":    b.store.CommitPart(b.ctx, deed.PartCommit{Part: "biller", Version: 1, Lease: first, Checkpoint: b.checkpoint(1)}),
		"a view that was never opened":    views.CommitView(b.ctx, deed.ViewCommit{View: deed.ViewRef{Name: "biller"}, Lease: first, Checkpoint: b.checkpoint(1)}),
		"a part that only moves its mark": b.store.CommitPart(b.ctx, deed.PartCommit{Part: "mailer", Version: 1, Lease: first, From: 2, Checkpoint: b.checkpoint(3)}),
	} {
		if !errors.Is(err, deed.ErrFenced) {
			b.Errorf("%s: %v, want ErrFenced", what, err)
		}
	}
	b.standAt(2)
}

func passedStores(b *leaseBed) {
	b.standAt(0)
	m := b.nodes("n-1")[0]
	first := m.has(m.beat(deed.Beat{For: short, Take: []string{"mailer"}}), "mailer")
	b.stored(first, 0)
	b.passes(4 * short)
	b.stored(first, 1)
}

func nothingAfterTake(b *leaseBed) {
	b.standAt(0)
	n := b.nodes("n-1", "n-2")
	var at deed.Position
	for round := range scaled(60) {
		first := n[0].takes("mailer")
		begun, ended := make(chan struct{}, 1), make(chan error, 1)
		go func(p deed.Position) {
			for ; ; p++ {
				if err := b.store.CommitPart(b.ctx, b.underLease(first, p)); err != nil {
					ended <- err
					return
				}
				select {
				case begun <- struct{}{}:
				default:
				}
			}
		}(at)
		select {
		case <-begun:
		case err := <-ended:
			b.Fatalf("round %d: a step under the lease that the node has: %v", round, err)
		}
		n[0].beat(deed.Beat{Give: []string{"mailer"}})
		n[1].takes("mailer")
		taken := b.known("mailer", 1).Checkpoint.Position
		if err := <-ended; !errors.Is(err, deed.ErrFenced) {
			b.Fatalf("round %d: under the older token: %v, want ErrFenced", round, err)
		}
		if at = b.known("mailer", 1).Checkpoint.Position; at != taken {
			b.Fatalf("round %d: the lease was taken with the part at %d, and under the older token it came to %d", round, taken, at)
		}
		b.states("mailer", fmt.Sprint("a=", at))
		n[1].beat(deed.Beat{Give: []string{"mailer"}})
	}
}
