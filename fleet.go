package deed

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"os"
	"slices"
	"sync"
	"time"
)

// fleet is a service's place among the nodes that share a store: which leases it has, and which it should.
type fleet struct {
	store  LeaseStore
	name   string
	ttl    time.Duration
	logger *slog.Logger
	board  *board
	wants  []string // sorted

	mu      sync.Mutex
	node    string // its id; empty while the service does not run
	held    map[string]*tenure
	last    Fleet
	free    map[string]time.Time // since when nobody has had it
	changed chan struct{}        // closed and replaced when held changes
	due     chan struct{}        // to beat at once
}

// tenure is a lease in this node's hands.
type tenure struct {
	Lease
	over    chan struct{} // closed when it is lost, or to be given back
	ended   bool          // over is closed
	running bool          // what stands under it has not ended
	expires *time.Timer   // of the machine's clock
}

// end is called under the fleet's lock.
func (t *tenure) end() {
	if !t.ended {
		t.ended = true
		close(t.over)
		t.expires.Stop()
	}
}

const (
	defaultLeaseTTL = 5 * time.Second
	beatsPerTTL     = 5
)

// nodeName is what people know a process by.
func nodeName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "node"
	}
	return fmt.Sprintf("%s-%d", host, os.Getpid())
}

// fleet returns the service's place among those that share a store; nil where the store is one process's own.
func (s *Service) fleet(store any) *fleet {
	shared, ok := store.(LeaseStore)
	if !ok {
		return nil
	}
	for _, f := range s.fleets {
		if f.store == shared {
			return f
		}
	}
	f := &fleet{
		store: shared, name: cmp.Or(s.config.Node, nodeName()), ttl: cmp.Or(s.config.LeaseTTL, defaultLeaseTTL), logger: s.logger, board: s.board,
		changed: make(chan struct{}), due: make(chan struct{}, 1),
	}
	s.fleets = append(s.fleets, f)
	return f
}

// add says that the node can have a lease.
func (f *fleet) add(lease string) {
	i, _ := slices.BinarySearch(f.wants, lease)
	f.wants = slices.Insert(f.wants, i, lease)
}

// run beats until ctx is done; what stands under its leases has ended when leave is called.
func (f *fleet) run(ctx context.Context) {
	for failed := 0; ctx.Err() == nil; {
		wait := f.ttl / beatsPerTTL
		err := guard(func() error { return f.beat(ctx) })
		switch {
		case err == nil:
			failed = 0
		case ctx.Err() == nil:
			f.logger.Warn("could not say that this node is there, and will try again", "node", f.name, "attempt", failed+1, "error", err)
			wait = min(wait, jittered(failed, firstRetry, wait))
			failed++
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-f.due:
		}
		timer.Stop()
	}
}

// start makes the node another than it was before.
func (f *fleet) start() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.node, f.held, f.last, f.free = NewID(), map[string]*tenure{}, Fleet{}, map[string]time.Time{}
}

// leave gives back what the node has.
func (f *fleet) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, f.ttl)
	defer cancel()
	f.mu.Lock()
	b := Beat{Node: f.node, Name: f.name}
	for _, t := range f.held {
		t.end()
	}
	f.held, f.last = nil, Fleet{}
	f.mu.Unlock()
	if err := guard(func() error { _, err := f.store.Beat(ctx, b); return err }); err != nil {
		f.logger.Warn("could not give back this node's leases; others take them when their time is over", "node", f.name, "error", err)
	}
}

// beat renews the node's leases, gives back what it is to give and has ended, and takes what it lacks.
func (f *fleet) beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, f.ttl)
	defer cancel()
	f.mu.Lock()
	b := Beat{Node: f.node, Name: f.name, For: f.ttl, Wants: f.wants, Take: f.lacking()}
	for _, name := range slices.Sorted(maps.Keys(f.held)) {
		if t := f.held[name]; t.ended && !t.running {
			b.Give = append(b.Give, name)
		}
	}
	f.mu.Unlock()
	sent := time.Now()
	now, err := f.store.Beat(ctx, b)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.take(now, b, sent)
	f.share()
	return nil
}

// take makes what the store says the node's own view of the fleet. It is called under the lock, as are those below.
func (f *fleet) take(now Fleet, b Beat, sent time.Time) {
	f.last = now
	mine, taken := map[string]Lease{}, map[string]bool{}
	for _, l := range now.Leases {
		taken[l.Part] = true
		if l.Node == f.node {
			mine[l.Part] = l.Lease
		}
	}
	for _, name := range f.wants {
		if _, known := f.free[name]; taken[name] {
			delete(f.free, name)
		} else if !known {
			f.free[name] = sent
		}
	}
	for name, t := range f.held {
		if mine[name].Token != t.Token {
			if !slices.Contains(b.Give, name) {
				f.logger.Warn("a lease was lost: this node was not heard of in time", "node", f.name, "part", name)
			}
			t.end()
			delete(f.held, name)
		}
	}
	for name, lease := range mine {
		t := f.held[name]
		if t == nil {
			t = &tenure{Lease: lease, over: make(chan struct{})}
			t.expires = time.AfterFunc(time.Until(sent.Add(f.ttl)), func() { f.expire(t) })
			f.held[name] = t
		} else if !t.ended {
			t.expires.Reset(time.Until(sent.Add(f.ttl)))
		}
	}
	close(f.changed)
	f.changed = make(chan struct{})
	f.board.update(func() {})
}

// expire ends a lease that was not renewed in time.
func (f *fleet) expire(t *tenure) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !t.ended {
		f.logger.Warn("a lease was not renewed in time; what stands under it rests", "node", f.name, "part", t.Part)
		t.end()
	}
}

// has tells whether what stands under a lease may run.
func (f *fleet) has(name string) bool {
	t := f.held[name]
	return t != nil && !t.ended
}

// count is how many of its leases the node may run.
func (f *fleet) count() (n int) {
	for name := range f.held {
		if f.has(name) {
			n++
		}
	}
	return n
}

// lacking are the leases that the node is to take: what nobody has, up to its share, and anything that nobody has taken for long.
func (f *fleet) lacking() []string {
	var free []string
	for _, name := range f.wants {
		if _, unheld := f.free[name]; unheld && f.held[name] == nil {
			free = append(free, name)
		}
	}
	// Nodes that begin together do not all reach for the same.
	slices.SortFunc(free, func(a, b string) int { return cmp.Compare(HashID(f.node, a), HashID(f.node, b)) })
	room := min(max(f.fair()-f.count(), 0), len(free))
	take := free[:room:room]
	for _, name := range free[room:] {
		if time.Since(f.free[name]) > f.ttl {
			take = append(take, name)
		}
	}
	return take
}

// fair is the node's share of the leases that it could have, rounded up.
func (f *fleet) fair() int {
	wanters := map[string]int{}
	for _, n := range f.last.Nodes {
		for _, name := range n.Wants {
			wanters[name]++
		}
	}
	var share float64
	for _, name := range f.wants {
		share += 1 / float64(max(wanters[name], 1))
	}
	return int(math.Ceil(share - 1e-9))
}

// share ends what the node has more than one other could have in its stead, half of the difference at a time.
func (f *fleet) share() {
	load := map[string]int{}
	for _, l := range f.last.Leases {
		load[l.Node]++
	}
	var least *Node
	for i, n := range f.last.Nodes {
		if n.ID != f.node && (least == nil || load[n.ID] < load[least.ID]) && slices.ContainsFunc(n.Wants, f.has) {
			least = &f.last.Nodes[i]
		}
	}
	if least == nil {
		return
	}
	give := (f.count() - load[least.ID]) / 2
	for _, name := range least.Wants {
		if give > 0 && f.has(name) {
			t := f.held[name]
			t.end()
			if give--; !t.running {
				f.kick()
			}
		}
	}
}

func (f *fleet) kick() {
	select {
	case f.due <- struct{}{}:
	default:
	}
}

// under runs f whenever the node has a lease, until ctx is done or f ends by itself.
func (f *fleet) under(ctx context.Context, name string, run func(ctx context.Context, lease Lease) error) error {
	for {
		t := f.await(ctx, name)
		if t == nil {
			return nil
		}
		session, end := context.WithCancel(ctx)
		done := make(chan struct{})
		go func() {
			defer close(done)
			select {
			case <-t.over:
				end()
			case <-session.Done():
			}
		}()
		err := run(session, t.Lease)
		finished := session.Err() == nil
		end()
		<-done
		f.mu.Lock()
		if t.running = false; t.ended {
			f.kick()
		}
		f.mu.Unlock()
		if err != nil || finished {
			return err
		}
	}
}

// await returns a lease as soon as the node has it; nil if ctx is done before.
func (f *fleet) await(ctx context.Context, name string) *tenure {
	for {
		f.mu.Lock()
		changed := f.changed
		if f.has(name) && ctx.Err() == nil {
			t := f.held[name]
			t.running = true
			f.mu.Unlock()
			return t
		}
		f.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

// holder is the name of the node that has a lease; empty: nobody.
func (f *fleet) holder(name string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.last.Leases {
		if l.Part != name {
			continue
		}
		for _, n := range f.last.Nodes {
			if n.ID == l.Node {
				return n.Name
			}
		}
	}
	return ""
}
