package deed_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

// commons is a log in memory that several services share as if they were processes of their own. Tests with it run in a bubble of
// testing/synctest, where time passes when nobody has anything to do.
type commons struct {
	t  testing.TB
	db *sqlite.DB

	mu     sync.Mutex
	nodes  map[string]*present
	leases map[string]deed.HeldLease // without a node: nobody has it
	beats  map[string]int            // node's name → how many
	fenced int                       // commits that were refused
}

type present struct {
	deed.Node
	until time.Time
}

// fleetTTL is how long a node lasts that is not heard of, in these tests.
const fleetTTL = 5 * time.Second

// inFleet runs a test over a log that is shared, in a bubble.
func inFleet(t *testing.T, test func(t *testing.T, c *commons)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		db, err := sqlite.OpenMemory(nil)
		must(t, err)
		t.Cleanup(func() { must(t, db.Close()) })
		test(t, &commons{t: t, db: db, nodes: map[string]*present{}, leases: map[string]deed.HeldLease{}, beats: map[string]int{}})
	})
}

// pass lets time pass, and those who have something to do then do it.
func pass(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
	synctest.Wait()
}

// until lets time pass in small steps until something holds, at most for so long, and returns how long that took.
func until(t testing.TB, what string, most time.Duration, holds func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for synctest.Wait(); !holds(); pass(10 * time.Millisecond) {
		if time.Since(began) > most {
			t.Fatalf("not within %s: %s", most, what)
		}
	}
	return time.Since(began)
}

// Beat of the shared store; see deed.LeaseStore.
func (c *commons) beat(b deed.Beat) deed.Fleet {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.beats[b.Name]++
	for id, n := range c.nodes {
		if !now.Before(n.until) || b.For == 0 && id == b.Node {
			delete(c.nodes, id)
		}
	}
	for part, held := range c.leases {
		if c.nodes[held.Node] == nil || held.Node == b.Node && slices.Contains(b.Give, part) {
			held.Node = ""
			c.leases[part] = held
		}
	}
	if b.For > 0 {
		c.nodes[b.Node] = &present{deed.Node{ID: b.Node, Name: b.Name, Wants: slices.Clone(b.Wants)}, now.Add(b.For)}
		for _, part := range b.Take {
			if held := c.leases[part]; held.Node == "" {
				c.leases[part] = deed.HeldLease{Lease: deed.Lease{Part: part, Token: held.Token + 1}, Node: b.Node}
			}
		}
	}
	return c.fleet()
}

func (c *commons) fleet() (f deed.Fleet) {
	for _, n := range c.nodes {
		f.Nodes = append(f.Nodes, n.Node)
	}
	for _, held := range c.leases {
		if held.Node != "" {
			f.Leases = append(f.Leases, held)
		}
	}
	slices.SortFunc(f.Nodes, func(a, b deed.Node) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(f.Leases, func(a, b deed.HeldLease) int { return cmp.Compare(a.Part, b.Part) })
	return f
}

// holders are the names of the nodes that have leases.
func (c *commons) holders() map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	holders := map[string]string{}
	for part, held := range c.leases {
		if n := c.nodes[held.Node]; n != nil {
			holders[part] = n.Name
		}
	}
	return holders
}

// shares are how many leases the nodes that are there have, in order.
func (c *commons) shares() []int {
	holders := c.holders()
	c.mu.Lock()
	defer c.mu.Unlock()
	counts := map[string]int{}
	for _, n := range c.nodes {
		counts[n.Name] = 0
	}
	for _, node := range holders {
		counts[node]++
	}
	return slices.Sorted(maps.Values(counts))
}

// beaten is how often a node has beaten since it was asked the last time.
func (c *commons) beaten(node string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.beats[node]
	c.beats[node] = 0
	return n
}

func (c *commons) refused() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fenced
}

// evict has a node be forgotten, as if its time were over, and its leases be free.
func (c *commons) evict(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for part, held := range c.leases {
		if n := c.nodes[held.Node]; n != nil && n.Name == name {
			c.leases[part] = deed.HeldLease{Lease: held.Lease}
		}
	}
	maps.DeleteFunc(c.nodes, func(_ string, n *present) bool { return n.Name == name })
}

// commit makes a commit under a lease, which nobody takes meanwhile.
func (c *commons) commit(l deed.Lease, commit func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if held := c.leases[l.Part]; l.Token != 0 && (held.Token != l.Token || held.Node == "") {
		c.fenced++
		return fmt.Errorf("lease %s with token %d: %w", l.Part, l.Token, deed.ErrFenced)
	}
	return commit()
}

// seat is a node's own way to the shared log, which can be disturbed.
type seat struct {
	*sqlite.DB
	commons *commons

	mu      sync.Mutex
	deaf    bool          // beats fail
	gone    chan struct{} // beats are not answered until it is closed; nil: they are
	stopped chan struct{} // what stores something rests until it is closed; nil: it does not
	resting int           // how many rest
	onBeat  func(b deed.Beat, f deed.Fleet) deed.Fleet
}

var (
	_ deed.LeaseStore = (*seat)(nil)
	_ storage         = (*seat)(nil)
)

func (s *seat) Beat(ctx context.Context, b deed.Beat) (deed.Fleet, error) {
	s.mu.Lock()
	deaf, gone, onBeat := s.deaf, s.gone, s.onBeat
	s.mu.Unlock()
	if gone != nil {
		select {
		case <-ctx.Done():
			return deed.Fleet{}, ctx.Err()
		case <-gone:
		}
	}
	if deaf {
		return deed.Fleet{}, errors.New("the store cannot be reached")
	}
	f := s.commons.beat(b)
	if onBeat != nil {
		f = onBeat(b, f)
	}
	return f, nil
}

// rest waits while the node is stopped; whoever waits goes on as if nothing had been.
func (s *seat) rest() {
	s.mu.Lock()
	stopped := s.stopped
	if stopped != nil {
		s.resting++
	}
	s.mu.Unlock()
	if stopped != nil {
		<-stopped
	}
}

func (s *seat) CommitView(ctx context.Context, c deed.ViewCommit) error {
	s.rest()
	return s.commons.commit(c.Lease, func() error { return s.DB.CommitView(ctx, c) })
}

func (s *seat) CommitPart(ctx context.Context, c deed.PartCommit) error {
	s.rest()
	return s.commons.commit(c.Lease, func() error { return s.DB.CommitPart(ctx, c) })
}

func (s *seat) FinishEffects(ctx context.Context, ids []string) error {
	s.rest()
	return s.DB.FinishEffects(ctx, ids)
}

// member is a service of a fleet.
type member struct {
	*running
	name string
	seat *seat
}

// invite makes a service of parts that shares the log, and does not run yet.
func (c *commons) invite(name string, cfg deed.Config, parts ...deed.Part) *member {
	c.t.Helper()
	s := &seat{DB: c.db, commons: c}
	cfg.Store, cfg.Views, cfg.Node, cfg.LeaseTTL = s, s, name, fleetTTL
	service, err := deed.NewService(cfg, parts...)
	must(c.t, err)
	return &member{running: &running{Service: service, t: c.t, store: s}, name: name, seat: s}
}

// join has a service of parts run as a node of the fleet.
func (c *commons) join(name string, parts ...deed.Part) *member {
	c.t.Helper()
	m := c.invite(name, deed.Config{}, parts...)
	m.run()
	return m
}

func (m *member) run() { m.running = startService(m.t, m.seat, m.Service) }

// deafen has the node's beats fail, or be heard again.
func (m *member) deafen(deaf bool) {
	m.seat.mu.Lock()
	defer m.seat.mu.Unlock()
	m.seat.deaf = deaf
}

// freeze stops the node in the middle of what it does: its beats are not answered, and what it stores rests. It does not know how
// long that is: what waits for a store has no end of its own. The function returned has it go on.
func (m *member) freeze() (thaw func()) {
	m.seat.mu.Lock()
	defer m.seat.mu.Unlock()
	over := make(chan struct{})
	m.seat.gone, m.seat.stopped = over, over
	thaw = sync.OnceFunc(func() {
		m.seat.mu.Lock()
		defer m.seat.mu.Unlock()
		m.seat.gone, m.seat.stopped, m.seat.resting = nil, nil, 0
		close(over)
	})
	m.t.Cleanup(thaw)
	return thaw
}

// unanswered has nobody answer the node's beats until the function returned is called.
func (m *member) unanswered() (end func()) {
	m.seat.mu.Lock()
	defer m.seat.mu.Unlock()
	m.seat.gone = make(chan struct{})
	end = sync.OnceFunc(func() {
		m.seat.mu.Lock()
		defer m.seat.mu.Unlock()
		close(m.seat.gone)
		m.seat.gone = nil
	})
	m.t.Cleanup(end)
	return end
}

// rests tells whether so many commits of the node rest.
func (s *seat) rests(n int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.resting == n
}

// rota records who runs what, and complains where two do at once.
type rota struct {
	t        testing.TB
	mu       sync.Mutex
	inside   map[string]string // what → who runs it
	begun    map[string][]string
	tokens   map[string][]int64
	cut      map[string]bool // nodes that were cut off past their time
	overlaps int             // of such nodes
}

func newRota(t testing.TB) *rota {
	return &rota{t: t, inside: map[string]string{}, begun: map[string][]string{}, tokens: map[string][]int64{}, cut: map[string]bool{}}
}

// enter says that a node runs something until the function returned is called.
func (r *rota) enter(what, node string) (exit func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if other, there := r.inside[what]; there && other != node {
		if r.overlaps++; !r.cut[other] && !r.cut[node] {
			r.t.Errorf("%s runs %s while %s does", node, what, other)
		}
	}
	r.inside[what] = node
	r.begun[what] = append(r.begun[what], node)
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.inside[what] == node {
			delete(r.inside, what)
		}
	}
}

func (r *rota) cutOff(node string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut[node] = true
}

// who are the nodes that run something now.
func (r *rota) who() map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.inside)
}

// took are the nodes that have run something, in their order, and under which tokens.
func (r *rota) took(what string) ([]string, []int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.begun[what]), slices.Clone(r.tokens[what])
}

// duty is a task that takes a while to end.
func (r *rota) duty(name, node string, ends time.Duration) deed.Task {
	return deed.Task{Name: name, Run: func(ctx context.Context, lease deed.Lease) error {
		defer r.enter(name, node)()
		r.mu.Lock()
		r.tokens[name] = append(r.tokens[name], lease.Token)
		r.mu.Unlock()
		<-ctx.Done()
		if ends > 0 {
			<-time.NewTimer(ends).C
		}
		return ctx.Err()
	}}
}

// duties are so many tasks of a node.
func (r *rota) duties(n int, node string, ends time.Duration) (parts []deed.Part) {
	for i := range n {
		parts = append(parts, r.duty(fmt.Sprintf("duty-%d", i), node, ends))
	}
	return parts
}
