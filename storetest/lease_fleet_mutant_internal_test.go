package storetest

import (
	"context"
	"slices"
	"time"

	"github.com/deed-es/deed"
)

// freed is a leaseModel in which nobody has what is to be freed.
func freed(is func(b *deed.Beat, held deed.HeldLease) bool) func(*leaseMutant) {
	return before(func(l leaseModel, b *deed.Beat) { l.free(func(held deed.HeldLease) bool { return is(b, held) }) })
}

// racing looks for free leases first and takes them afterwards, as two statements without a lock do.
func racing(m *leaseMutant) {
	m.beat = func(ctx context.Context, b deed.Beat) (deed.Fleet, error) {
		take := slices.Clone(b.Take)
		take = slices.DeleteFunc(take, func(part string) bool { return m.stored(part).Node != "" })
		giveWay()
		b.Take = nil
		if _, err := m.sharedMemory.Beat(ctx, b); err != nil {
			return deed.Fleet{}, err
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, part := range take {
			m.leases.leases[part] = deed.HeldLease{Lease: deed.Lease{Part: part, Token: m.leases.leases[part].Token + 1}, Node: b.Node}
		}
		return m.leases.fleet(), nil
	}
}

// forgetful loses the tokens of leases that nobody has.
func forgetful(l leaseModel, _ map[string]deed.HeldLease, _ deed.Beat) {
	for part, held := range l.leases {
		if held.Node == "" {
			delete(l.leases, part)
		}
	}
}

// onceHeld sets a lease's token back to what it was, or to the first.
func onceHeld(l leaseModel, was map[string]deed.HeldLease, _ deed.Beat) {
	for part, held := range l.leases {
		held.Token = max(was[part].Token, 1)
		l.leases[part] = held
	}
}

// fleetMutants are those about who is there and who has what.
func fleetMutants() []leaseFlaw {
	const greater = "a token is greater than all before, whoever had the lease and however it was lost"
	mixed := newLeaseModel()
	const silent = "a node that was not heard of within its time is gone, and so are its leases"
	return []leaseFlaw{
		{"does not raise tokens", after(onceHeld), []string{"a lease that was given back can be taken, with a greater token", greater}},
		{"forgets tokens of what nobody has", after(forgetful), []string{
			greater, "a node that leaves gives back all", silent, "nodes, leases and tokens outlive the opening again",
		}},
		{"raises a token with each beat", after(func(l leaseModel, _ map[string]deed.HeldLease, b deed.Beat) {
			for part, held := range l.leases {
				if held.Node == b.Node {
					held.Token++
					l.leases[part] = held
				}
			}
		}), []string{"a beat renews the node's leases and keeps their tokens"}},
		{"takes what another has", freed(func(b *deed.Beat, held deed.HeldLease) bool {
			return held.Node != b.Node && slices.Contains(b.Take, held.Part)
		}), []string{"a lease that another has is not taken", "of nodes that take the same lease at once exactly one has it"}},
		{"takes without a lock", racing, []string{"of nodes that take the same lease at once exactly one has it"}},
		{"takes anew what it has", freed(func(b *deed.Beat, held deed.HeldLease) bool {
			return slices.Contains(b.Take, held.Part) && held.Node == b.Node
		}), []string{
			"a beat renews the node's leases and keeps their tokens",
		}},
		{"gives back what is another's", freed(func(b *deed.Beat, held deed.HeldLease) bool { return slices.Contains(b.Give, held.Part) }), []string{
			"a node gives back only what is its own",
		}},
		{"does not give back", before(func(_ leaseModel, b *deed.Beat) { b.Give = nil }), []string{
			"a lease that was given back can be taken, with a greater token", "a lease that is given back and taken in one beat has a greater token",
		}},
		{"takes before it gives back", before(func(l leaseModel, b *deed.Beat) {
			b.Take = slices.DeleteFunc(slices.Clone(b.Take), func(part string) bool { return l.leases[part].Node == b.Node })
		}), []string{"a lease that is given back and taken in one beat has a greater token"}},
		{"keeps the leases of who leaves", after(func(l leaseModel, was map[string]deed.HeldLease, b deed.Beat) {
			for part, held := range was {
				if b.For == 0 && held.Node == b.Node {
					l.leases[part] = held
				}
			}
		}), []string{"a node that leaves gives back all"}},
		{"does not let a node leave", before(func(_ leaseModel, b *deed.Beat) {
			if b.For == 0 {
				b.For = long
			}
		}), []string{"a node that leaves gives back all"}},
		{"forgets to expire", before(func(l leaseModel, _ *deed.Beat) {
			for _, n := range l.nodes {
				n.until = time.Now().Add(long)
			}
		}), []string{silent, "a node that comes back late has lost its leases, though nobody took them"}},
		{"expires at once", before(func(l leaseModel, b *deed.Beat) {
			for id, n := range l.nodes {
				if id != b.Node {
					n.until = time.Now()
				}
			}
		}), []string{"a lease that another has is not taken", "a lease is not taken before its time has passed"}},
		{"expires too early", before(func(l leaseModel, _ *deed.Beat) {
			for _, n := range l.nodes {
				n.until = n.until.Add(-short / 2)
			}
		}), []string{"a lease is not taken before its time has passed"}},
		{"does not renew", after(func(l leaseModel, _ map[string]deed.HeldLease, b deed.Beat) {
			if n := l.nodes[b.Node]; n != nil && len(b.Take) > 0 && b.For > short*16 {
				n.until = time.Now().Add(short)
			}
		}), []string{"a beat renews the node's leases and keeps their tokens"}},
		{"renews who is late", before(func(l leaseModel, b *deed.Beat) {
			if n := l.nodes[b.Node]; n != nil {
				n.until = time.Now().Add(long)
			}
		}), []string{"a node that comes back late has lost its leases, though nobody took them"}},
		{"forgets leases when it is closed", func(m *leaseMutant) { m.closing = func() { clear(m.leases.leases) } }, []string{
			"nodes, leases and tokens outlive the opening again", greater,
		}},
		{"mixes logs", func(m *leaseMutant) { m.leases = mixed }, []string{"leases of two logs have nothing in common"}},
		{"forgets what is wanted", before(func(_ leaseModel, b *deed.Beat) { b.Wants = nil }), []string{"what a node wants is told as it was said last"}},
		{"keeps what was wanted first", before(func(l leaseModel, b *deed.Beat) {
			if n := l.nodes[b.Node]; n != nil {
				b.Wants = n.Wants
			}
		}), []string{"what a node wants is told as it was said last"}},
		{"tells nodes in another order", func(m *leaseMutant) { m.fleet = func(f deed.Fleet) { slices.Reverse(f.Nodes) } }, []string{
			"nodes come in the order of their ids, leases in that of their parts",
		}},
		{"tells leases in another order", func(m *leaseMutant) { m.fleet = func(f deed.Fleet) { slices.Reverse(f.Leases) } }, []string{
			"nodes come in the order of their ids, leases in that of their parts",
		}},
		{"cuts names", before(func(_ leaseModel, b *deed.Beat) { b.Name = b.Name[:min(len(b.Name), 63)] }), []string{"ids, names and parts may be long and in any script"}},
		{"takes what is not valid", func(m *leaseMutant) {
			m.beat = func(_ context.Context, b deed.Beat) (deed.Fleet, error) { return m.leases.beat(b), nil }
		}, []string{"a beat that is not valid is refused and changes nothing"}},
	}
}
