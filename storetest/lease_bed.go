package storetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/deed-es/deed"
)

// RunLeases checks the promises of deed.LeaseStore. It is for engines that are one and a deed.ViewStore too. As many processes do,
// the suite opens a Dir twice at once here.
func RunLeases(t *testing.T, open Open) {
	for _, c := range leaseCases() {
		t.Run(c.sentence, func(t *testing.T) {
			t.Parallel()
			c.run(newLeaseBed(t, func(config Config) deed.Engine { return open(t, config) }))
		})
	}
}

type leaseCase struct {
	sentence string
	run      func(b *leaseBed)
}

// A leased engine is what RunLeases is for.
type leased interface {
	deed.Engine
	deed.LeaseStore
	deed.ViewStore
}

// leaseBed is for leases what bed is for the log. It has the same log open twice.
type leaseBed struct {
	*bed
	other deed.Engine
}

func newLeaseBed(t tester, open func(Config) deed.Engine) *leaseBed {
	t.Helper()
	b := &leaseBed{bed: newBed(t, open, Claims{})}
	b.other = open(b.config)
	t.Cleanup(b.closeOther)
	return b
}

func (b *leaseBed) closeOther() {
	b.Helper()
	if other := b.other; other != nil {
		b.other = nil
		if err := closeStore(other); err != nil {
			b.Errorf("close: %v", err)
		}
	}
}

func (b *leaseBed) reopenAll() {
	b.Helper()
	b.closeOther()
	b.reopen()
	b.other = b.open(b.config)
}

func (b *leaseBed) leased(store deed.Engine) leased {
	b.Helper()
	engine, ok := store.(leased)
	if !ok {
		b.Fatalf("a %T is no deed.LeaseStore, or no deed.ViewStore", store)
	}
	return engine
}

// A member is a node of the case's fleet, at one of the log's two handles.
type member struct {
	b     *leaseBed
	store leased
	id    string
}

// nodes are members at both handles in turns.
func (b *leaseBed) nodes(ids ...string) []*member {
	b.Helper()
	members := make([]*member, len(ids))
	for i, id := range ids {
		members[i] = &member{b, b.leased([]deed.Engine{b.store, b.other}[i%2]), id}
	}
	return members
}

// long is how long a lease lasts that no case waits for, and short is one that does.
const (
	long  = time.Hour
	short = 50 * time.Millisecond
)

// try beats, for long unless it says otherwise.
func (m *member) try(beat deed.Beat) (deed.Fleet, error) {
	beat.Node, beat.Name = m.id, "name of "+m.id
	if beat.For == 0 {
		beat.For = long
	}
	return m.store.Beat(m.b.ctx, beat)
}

func (m *member) beat(beat deed.Beat) deed.Fleet {
	m.b.Helper()
	fleet, err := m.try(beat)
	if err != nil {
		m.b.Fatalf("node %s beats %+v: %v", m.id, beat, err)
	}
	return fleet
}

func (m *member) leave() deed.Fleet {
	m.b.Helper()
	fleet, err := m.store.Beat(m.b.ctx, deed.Beat{Node: m.id, Name: "name of " + m.id})
	if err != nil {
		m.b.Fatalf("node %s leaves: %v", m.id, err)
	}
	return fleet
}

// takes takes a lease, which it must get.
func (m *member) takes(part string) deed.Lease {
	m.b.Helper()
	return m.has(m.beat(deed.Beat{Take: []string{part}}), part)
}

// has returns a lease that the fleet says the node has.
func (m *member) has(f deed.Fleet, part string) deed.Lease {
	m.b.Helper()
	l, held := heldIn(f, part)
	if !held || l.Node != m.id || l.Token < 1 {
		m.b.Fatalf("lease %s: node %s was to have it, and it is %+v of %s", part, m.id, l, fleetOf(f))
	}
	return l.Lease
}

// lacks checks that another node has a lease, or with an empty id nobody.
func (m *member) lacks(f deed.Fleet, part, holder string) {
	m.b.Helper()
	if l, _ := heldIn(f, part); l.Node != holder {
		m.b.Fatalf("lease %s: %q was to have it, and it is %+v of %s", part, holder, l, fleetOf(f))
	}
}

func heldIn(f deed.Fleet, part string) (deed.HeldLease, bool) {
	for _, l := range f.Leases {
		if l.Part == part {
			return l, true
		}
	}
	return deed.HeldLease{}, false
}

func isThere(f deed.Fleet, id string) bool {
	for _, n := range f.Nodes {
		if n.ID == id {
			return true
		}
	}
	return false
}

// fleetOf is a fleet in words: id[wants] of each node, and part@node of each lease.
func fleetOf(f deed.Fleet) string {
	var words []string
	for _, n := range f.Nodes {
		words = append(words, fmt.Sprintf("%s[%s]", n.ID, strings.Join(n.Wants, " ")))
	}
	for _, l := range f.Leases {
		words = append(words, l.Part+"@"+l.Node)
	}
	return strings.Join(words, " ")
}

// until asks again and again until it is so. What is waited for is a time of the store's own, which is short.
func (b *leaseBed) until(what string, so func() bool) {
	b.Helper()
	for !so() {
		if b.ctx.Err() != nil {
			b.Fatalf("waited in vain until %s", what)
		}
		giveWay()
	}
}

// passes returns when a time has passed.
func (b *leaseBed) passes(d time.Duration) {
	b.Helper()
	since := time.Now()
	b.until("a time has passed", func() bool { return time.Since(since) > d })
}

// underLease is a step of the part mailer under a lease, from a position to the next.
func (b *leaseBed) underLease(l deed.Lease, from deed.Position) deed.PartCommit {
	step := b.stepOf("mailer", from, from+1)
	step.Lease = l
	step.States = []deed.StateChange{set("a", fmt.Sprint(from+1), from+1)}
	return step
}

// fenced checks that neither the part mailer nor the view carts take a step under a lease, and that they stay where they are.
func (b *leaseBed) fenced(l deed.Lease, at deed.Position) {
	b.Helper()
	if err := b.store.CommitPart(b.ctx, b.underLease(l, at)); !errors.Is(err, deed.ErrFenced) || errors.Is(err, deed.ErrConflict) {
		b.Fatalf("a step of a part under %+v: %v, want ErrFenced", l, err)
	}
	if err := b.leased(b.store).CommitView(b.ctx, b.viewStep(l, at)); !errors.Is(err, deed.ErrFenced) || errors.Is(err, deed.ErrConflict) {
		b.Fatalf("a step of a view under %+v: %v, want ErrFenced", l, err)
	}
	b.standAt(at)
}

// stored checks that both take a step under a lease.
func (b *leaseBed) stored(l deed.Lease, from deed.Position) {
	b.Helper()
	b.commit(b.underLease(l, from))
	if err := b.leased(b.store).CommitView(b.ctx, b.viewStep(l, from)); err != nil {
		b.Fatalf("a step of a view under %+v from %d: %v", l, from, err)
	}
	b.standAt(from + 1)
}

// standAt checks how far the part mailer and the view carts are, which have a state and a row of that position, and makes them.
func (b *leaseBed) standAt(p deed.Position) {
	b.Helper()
	if state := b.part("mailer", 1); state.Checkpoint.Position != p {
		b.Fatalf("the part is at %d, want %d", state.Checkpoint.Position, p)
	}
	views := b.leased(b.store)
	checkpoint, err := views.OpenView(b.ctx, deed.ViewSpec{ViewRef: leasedView, Log: b.store.Info()})
	if err != nil || checkpoint.Position != p {
		b.Fatalf("the view is at %d, want %d; %v", checkpoint.Position, p, err)
	}
	if p == 0 {
		b.states("mailer")
		return
	}
	b.states("mailer", fmt.Sprint("a=", p))
	if r, _, err := views.Row(b.ctx, leasedView, "a"); err != nil || r.Position != p {
		b.Fatalf("the view's row is %+v, want that of %d; %v", r, p, err)
	}
}

var leasedView = deed.ViewRef{Name: "carts", Version: 1}

func (b *leaseBed) viewStep(l deed.Lease, from deed.Position) deed.ViewCommit {
	return deed.ViewCommit{View: leasedView, Lease: l, From: from, Checkpoint: b.checkpoint(from + 1), Rows: []deed.RowChange{row("a", from+1)}}
}
