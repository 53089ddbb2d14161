package deed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
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
	ends   bool     // the node takes nothing more, and gives back what has ended

	mu      sync.Mutex
	node    string // its id; empty while the service does not run
	held    map[string]*tenure
	running map[string]bool // what stands under it has not ended, though it may be lost already
	last    Fleet
	heard   time.Time            // when that was asked for
	shares  map[string]string    // lease → the node that is to have it
	free    map[string]time.Time // since when nobody has had it
	changed chan struct{}        // closed and replaced when held changes
	due     chan struct{}        // to beat at once
}

// tenure is a lease in this node's hands.
type tenure struct {
	Lease
	over    chan struct{} // closed when it is lost, or to be given back
	ended   bool          // over is closed
	left    bool          // another was to have it and did not take it
	until   time.Time     // by the machine's clock
	expires *time.Timer
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
	leastLeaseTTL   = 100 * time.Millisecond
	beatsPerTTL     = 5
)

// every is how long a node waits between beats.
func (f *fleet) every() time.Duration { return f.ttl / beatsPerTTL }

// lasts is after how long without a beat that was answered a node leaves off by itself: before others can have its leases, so that
// what is in hand can end.
func (f *fleet) lasts() time.Duration { return f.ttl - f.every() }

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

// run beats until ctx is done, or something fails that retrying cannot mend; what stands under its leases has ended when leave is called.
func (f *fleet) run(ctx context.Context) error {
	for failed := 0; ctx.Err() == nil; {
		wait := f.every()
		err := guard(func() error { return f.beat(ctx) })
		switch {
		case err == nil:
			failed = 0
		case errors.Is(err, ErrForked), errors.Is(err, ErrForeignPosition):
			return fmt.Errorf("node %s: %w", f.name, err)
		case ctx.Err() == nil:
			f.logger.Warn("could not say that this node is there, and will try again", "node", f.name, "attempt", failed+1, "error", err)
			wait = jittered(failed, min(firstRetry, wait), wait/2)
			failed++
		}
		timer := time.NewTimer(wait)
		due := f.due
		if err != nil { // however much there is to say
			due = nil
		}
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-due:
		}
		timer.Stop()
	}
	return nil
}

// start makes the node another than it was before.
func (f *fleet) start() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.node, f.held, f.running, f.last = NewID(), map[string]*tenure{}, map[string]bool{}, Fleet{}
	f.shares, f.free, f.ends = nil, map[string]time.Time{}, false
}

// retire has the node take nothing more, and give back each lease as soon as what stands under it has ended.
func (f *fleet) retire() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ends = true
	for _, t := range f.held {
		t.end()
	}
	f.kick()
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

// beat renews the node's leases, gives back what it is to give and has ended, and takes what it lacks. One that is not answered is
// given up while there is time for another.
func (f *fleet) beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, f.lasts()/2)
	defer cancel()
	f.mu.Lock()
	b := Beat{Node: f.node, Name: f.name, For: f.ttl, Wants: f.wants, Take: f.lacking()}
	if f.ends {
		b.Wants = nil
	}
	for _, name := range slices.Sorted(maps.Keys(f.held)) {
		if f.held[name].ended && !f.running[name] {
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
	f.share(b)
	if slices.ContainsFunc(f.lacking(), func(name string) bool { return !slices.Contains(b.Take, name) }) {
		f.kick()
	}
	close(f.changed)
	f.changed = make(chan struct{})
	f.board.update(func() {})
	return nil
}

// take makes what the store says the node's own view of the fleet. It is called under the lock, as are those below.
func (f *fleet) take(now Fleet, b Beat, sent time.Time) {
	if !slices.EqualFunc(now.Nodes, f.last.Nodes, func(a, b Node) bool { return a.ID == b.ID }) {
		for _, t := range f.held {
			t.left = false
		}
	}
	f.last, f.heard = now, sent
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
			t = &tenure{Lease: lease, over: make(chan struct{}), left: f.shares[name] != f.node}
			t.expires = time.AfterFunc(f.ttl, func() { f.expire(t) })
			f.held[name] = t
			if f.ends { // taken by a beat that was under way
				t.end()
			}
		}
		if !t.ended {
			t.until = sent.Add(f.lasts())
			t.expires.Reset(time.Until(t.until))
		}
	}
}

// expire ends a lease that was not renewed in time.
func (f *fleet) expire(t *tenure) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !t.ended && !time.Now().Before(t.until) {
		f.logger.Warn("a lease was not renewed in time; what stands under it rests", "node", f.name, "part", t.Part)
		t.end()
	}
}

// fenced ends a lease under which the store takes nothing any more.
func (f *fleet) fenced(l Lease) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t := f.held[l.Part]; t != nil && t.Token == l.Token {
		t.end()
	}
	f.kick()
}

// has tells whether what stands under a lease may run.
func (f *fleet) has(name string) bool {
	t := f.held[name]
	return t != nil && !t.ended
}

// lacking are the leases that the node is to take: those of its share that nobody has, and anything that nobody has taken for long.
func (f *fleet) lacking() (take []string) {
	if f.ends {
		return nil
	}
	for _, name := range f.wants {
		since, free := f.free[name]
		if free && !f.running[name] && f.held[name] == nil && (f.shares[name] == f.node || time.Since(since) > f.ttl) {
			take = append(take, name)
		}
	}
	return take
}

// share finds out who is to have which lease, and ends what is another's.
func (f *fleet) share(b Beat) {
	now := f.last
	now.Leases = slices.DeleteFunc(slices.Clone(now.Leases), func(l HeldLease) bool {
		return l.Node == f.node && (!f.has(l.Part) || f.held[l.Part].left)
	})
	f.shares = now.shares()
	for name, t := range f.held {
		if f.shares[name] != f.node && !t.left {
			t.end()
		}
		if t.ended && !f.running[name] && !slices.Contains(b.Give, name) {
			f.kick()
		}
	}
}

func (f *fleet) kick() {
	select {
	case f.due <- struct{}{}:
	default:
	}
}

// under runs what stands under a lease, whenever the node has it, until ctx is done or run fails.
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
		end()
		<-done
		f.mu.Lock()
		if delete(f.running, name); t.ended {
			f.kick()
		}
		f.mu.Unlock()
		if err != nil {
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
			f.running[name] = true
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
		if l.Part != name || time.Since(f.heard) > f.ttl { // by now it may be another's
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
