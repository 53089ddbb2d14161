package storetest

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/deed-es/deed"
)

// A leaseModel is deed.LeaseStore in the plainest code.
type leaseModel struct {
	nodes  map[string]*memoryNode
	leases map[string]deed.HeldLease // without a node: nobody has it
}

type memoryNode struct {
	deed.Node
	until time.Time
}

func newLeaseModel() leaseModel {
	return leaseModel{nodes: map[string]*memoryNode{}, leases: map[string]deed.HeldLease{}}
}

// holds tells whether a commit may be made under a lease.
func (l leaseModel) holds(lease deed.Lease) bool {
	held := l.leases[lease.Part]
	return lease.Token == 0 || held.Token == lease.Token && held.Node != ""
}

// free takes from nodes what they have and is to be freed.
func (l leaseModel) free(is func(held deed.HeldLease) bool) {
	for part, held := range l.leases {
		if is(held) {
			held.Node = ""
			l.leases[part] = held
		}
	}
}

func (l leaseModel) beat(b deed.Beat) deed.Fleet {
	now := time.Now()
	for id, n := range l.nodes {
		if !now.Before(n.until) || b.For == 0 && id == b.Node {
			delete(l.nodes, id)
		}
	}
	l.free(func(held deed.HeldLease) bool {
		return l.nodes[held.Node] == nil || held.Node == b.Node && slices.Contains(b.Give, held.Part)
	})
	if b.For > 0 {
		l.nodes[b.Node] = &memoryNode{deed.Node{ID: b.Node, Name: b.Name, Wants: slices.Clone(b.Wants)}, now.Add(b.For)}
		for _, part := range b.Take {
			if held := l.leases[part]; held.Node == "" {
				l.leases[part] = deed.HeldLease{Lease: deed.Lease{Part: part, Token: held.Token + 1}, Node: b.Node}
			}
		}
	}
	return l.fleet()
}

func (l leaseModel) fleet() (f deed.Fleet) {
	for _, n := range l.nodes {
		f.Nodes = append(f.Nodes, n.Node)
	}
	for _, held := range l.leases {
		if held.Node != "" {
			f.Leases = append(f.Leases, held)
		}
	}
	slices.SortFunc(f.Nodes, func(a, b deed.Node) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(f.Leases, func(a, b deed.HeldLease) int { return cmp.Compare(a.Part, b.Part) })
	return f
}

// A sharedMemory is a memory that many processes share, with views beside it.
type sharedMemory struct {
	*memory
	deed.ViewStore
}

func (d *disks) openShared(c Config) *sharedMemory {
	m := d.open(c)
	return &sharedMemory{m, m.beside}
}

func (m *sharedMemory) Beat(ctx context.Context, b deed.Beat) (deed.Fleet, error) {
	for _, id := range slices.Concat([]string{b.Node, b.Name}, b.Wants, b.Give, b.Take) {
		if err := deed.ValidID(id); err != nil {
			return deed.Fleet{}, err
		}
	}
	if b.For < 0 {
		return deed.Fleet{}, &deed.InvalidError{Field: "for"}
	}
	if err := m.enter(ctx); err != nil {
		return deed.Fleet{}, err
	}
	defer m.mu.Unlock()
	return m.leases.beat(b), nil
}

func (m *sharedMemory) CommitView(ctx context.Context, c deed.ViewCommit) error {
	if err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	if !m.leases.holds(c.Lease) {
		return deed.ErrFenced
	}
	return m.ViewStore.CommitView(ctx, c)
}
