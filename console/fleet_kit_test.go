package console_test

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

// commons is a log in memory that several services share as if they were processes of their own. A node is there until it leaves:
// nothing in these tests hangs on how fast it beats.
type commons struct {
	t  *testing.T
	db *sqlite.DB

	mu     sync.Mutex
	nodes  map[string]deed.Node
	leases map[string]deed.HeldLease // without a node: nobody has it
}

func newCommons(t *testing.T) *commons {
	t.Helper()
	db, err := sqlite.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return &commons{t: t, db: db, nodes: map[string]deed.Node{}, leases: map[string]deed.HeldLease{}}
}

// seat is a node's way to the shared log.
type seat struct {
	*sqlite.DB
	*commons
}

var _ deed.LeaseStore = seat{}

// Beat of the shared store; see deed.LeaseStore.
func (c seat) Beat(_ context.Context, b deed.Beat) (f deed.Fleet, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes[b.Node] = deed.Node{ID: b.Node, Name: b.Name, Wants: slices.Clone(b.Wants)}
	if b.For == 0 {
		delete(c.nodes, b.Node)
	}
	for part, held := range c.leases {
		if held.Node == b.Node && (b.For == 0 || slices.Contains(b.Give, part)) {
			held.Node = ""
			c.leases[part] = held
		}
	}
	for _, part := range b.Take {
		if held := c.leases[part]; held.Node == "" && b.For > 0 {
			c.leases[part] = deed.HeldLease{Lease: deed.Lease{Part: part, Token: held.Token + 1}, Node: b.Node}
		}
	}
	for _, n := range c.nodes {
		f.Nodes = append(f.Nodes, n)
	}
	for _, held := range c.leases {
		if held.Node != "" {
			f.Leases = append(f.Leases, held)
		}
	}
	slices.SortFunc(f.Nodes, func(a, b deed.Node) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(f.Leases, func(a, b deed.HeldLease) int { return cmp.Compare(a.Part, b.Part) })
	return f, nil
}

// member is a node of the fleet, with its console.
type member struct {
	*site
	stop func()
}

// join has a service of parts run as a node.
func (c *commons) join(cfg deed.Config, parts ...deed.Part) *member {
	c.t.Helper()
	store := seat{c.db, c}
	cfg.Store, cfg.Views = store, store
	service, err := deed.NewService(cfg, parts...)
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- service.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-stopped; err != nil {
			c.t.Errorf("%s stopped: %v", cfg.Node, err)
		}
	})
	c.t.Cleanup(stop)
	return &member{over(c.t, service, nil), stop}
}

// until looks at how a node's parts are doing until that is as it should be, and the console knows.
func (m *member) until(what string, holds func(status deed.Status) bool) {
	m.t.Helper()
	ctx := m.Context()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		status, err := m.Status(ctx)
		if err != nil {
			m.t.Fatal(err)
		}
		if holds(status) {
			m.get(200, "/console/parked") // it takes no answer from before
			return
		}
		select {
		case <-ctx.Done():
			m.t.Fatalf("never: %s: %+v", what, status.Parts)
		case <-look.C:
		}
	}
}

// runs tells which node runs a part, or all partitions of one.
func runs(status deed.Status, name string) string {
	for _, p := range status.Parts {
		if p.Name != name {
			continue
		}
		for _, one := range p.Partitions {
			if one.Node != p.Node {
				return ""
			}
		}
		return p.Node
	}
	return ""
}
