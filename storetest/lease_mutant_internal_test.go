package storetest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/deed-es/deed"
)

// A leaseMutant is a shared memory that breaks one promise.
type leaseMutant struct {
	*sharedMemory
	beat    func(ctx context.Context, b deed.Beat) (deed.Fleet, error)
	part    func(ctx context.Context, c deed.PartCommit) error
	view    func(ctx context.Context, c deed.ViewCommit) error
	fleet   func(f deed.Fleet)
	closing func()
}

func (m *leaseMutant) Close() error {
	if m.closing != nil {
		m.closing()
	}
	return m.sharedMemory.Close()
}

func (m *leaseMutant) Beat(ctx context.Context, b deed.Beat) (f deed.Fleet, err error) {
	if m.beat != nil {
		f, err = m.beat(ctx, b)
	} else {
		f, err = m.sharedMemory.Beat(ctx, b)
	}
	if m.fleet != nil {
		m.fleet(f)
	}
	return f, err
}

func (m *leaseMutant) CommitPart(ctx context.Context, c deed.PartCommit) error {
	if m.part != nil {
		return m.part(ctx, c)
	}
	return m.memory.CommitPart(ctx, c)
}

func (m *leaseMutant) CommitView(ctx context.Context, c deed.ViewCommit) error {
	if m.view != nil {
		return m.view(ctx, c)
	}
	return m.sharedMemory.CommitView(ctx, c)
}

// before makes a mutant that does something to its leases in front of a beat.
func before(alter func(l leaseModel, b *deed.Beat)) func(*leaseMutant) {
	return func(m *leaseMutant) {
		m.beat = func(ctx context.Context, b deed.Beat) (deed.Fleet, error) {
			m.mu.Lock()
			alter(m.leases, &b)
			m.mu.Unlock()
			return m.sharedMemory.Beat(ctx, b)
		}
	}
}

// after makes a mutant that does something to its leases, and to the fleet that it tells, behind a beat. It gets them as they were.
func after(alter func(l leaseModel, was map[string]deed.HeldLease, b deed.Beat)) func(*leaseMutant) {
	return func(m *leaseMutant) {
		m.beat = func(ctx context.Context, b deed.Beat) (deed.Fleet, error) {
			m.mu.Lock()
			defer m.mu.Unlock()
			was := map[string]deed.HeldLease{}
			for part, held := range m.leases.leases {
				was[part] = held
			}
			m.leases.beat(b)
			alter(m.leases, was, b)
			return m.leases.fleet(), nil
		}
	}
}

// unfenced looks at a step's lease in its own way: a step that it lets pass is made without one.
func unfenced(passes func(m *leaseMutant, l deed.Lease) bool) func(*leaseMutant) {
	return func(m *leaseMutant) {
		m.part = func(ctx context.Context, c deed.PartCommit) error {
			if !passes(m, c.Lease) {
				return deed.ErrFenced
			}
			c.Lease = deed.Lease{}
			return m.memory.CommitPart(ctx, c)
		}
		m.view = func(ctx context.Context, c deed.ViewCommit) error {
			if !passes(m, c.Lease) {
				return deed.ErrFenced
			}
			c.Lease = deed.Lease{}
			return m.sharedMemory.CommitView(ctx, c)
		}
	}
}

func (m *leaseMutant) stored(part string) deed.HeldLease {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.leases.leases[part]
}

// conflictsFirst says ErrConflict where both are so.
func conflictsFirst(m *leaseMutant) {
	m.part = func(ctx context.Context, c deed.PartCommit) error {
		m.mu.Lock()
		part := m.parts.known[c.Part]
		conflict := part == nil || part.version != c.Version || part.state.Checkpoint.Position != c.From
		m.mu.Unlock()
		if conflict {
			return deed.ErrConflict
		}
		return m.memory.CommitPart(ctx, c)
	}
}

// storesFenced stores the states of a step that is fenced.
func storesFenced(m *leaseMutant) {
	m.part = func(ctx context.Context, c deed.PartCommit) error {
		err := m.memory.CommitPart(ctx, c)
		if errors.Is(err, deed.ErrFenced) {
			c.Lease = deed.Lease{}
			_ = m.memory.CommitPart(ctx, c)
		}
		return err
	}
}

type leaseFlaw struct {
	name   string
	flaw   func(m *leaseMutant)
	caught []string
}

func leaseMutants() []leaseFlaw {
	return append(fleetMutants(), []leaseFlaw{
		{"does not fence", unfenced(func(*leaseMutant, deed.Lease) bool { return true }), []string{
			"a step under a token that was taken by another since is ErrFenced and stores nothing",
			"a step under a lease of a node that has left or was gone is ErrFenced", "when a lease is taken nothing more is stored under its older token",
		}},
		{"does not fence views", func(m *leaseMutant) {
			m.view = func(ctx context.Context, c deed.ViewCommit) error { return m.ViewStore.CommitView(ctx, c) }
		}, []string{"a step under a token that was taken by another since is ErrFenced and stores nothing"}},
		{"fences what was taken, and not what was given back", unfenced(func(m *leaseMutant, l deed.Lease) bool {
			return l.Token == 0 || m.stored(l.Part).Token == l.Token
		}), []string{
			"a step under a lease that was given back is ErrFenced, though nobody took it",
			"a node that comes back late has lost its leases, though nobody took them",
		}},
		{"fences only what is older", unfenced(func(m *leaseMutant, l deed.Lease) bool {
			held := m.stored(l.Part)
			return l.Token == 0 || l.Token >= held.Token && held.Node != ""
		}), []string{"a step under a lease that never was is ErrFenced"}},
		{"fences what has no lease", unfenced(func(m *leaseMutant, l deed.Lease) bool {
			held := m.stored("mailer")
			return l.Token == held.Token
		}), []string{"a step without a lease is stored, whoever has one"}},
		{"fences and commits apart", unfenced(func(m *leaseMutant, l deed.Lease) bool {
			m.mu.Lock()
			holds := m.leases.holds(l)
			m.mu.Unlock()
			giveWay()
			return holds
		}), []string{"when a lease is taken nothing more is stored under its older token"}},
		{"fences whose time has passed", unfenced(func(m *leaseMutant, l deed.Lease) bool {
			m.mu.Lock()
			defer m.mu.Unlock()
			n := m.leases.nodes[m.leases.leases[l.Part].Node]
			return m.leases.holds(l) && (l.Token == 0 || time.Now().Before(n.until))
		}), []string{"a step under a lease whose time has passed is stored as long as nobody has noticed"}},
		{"looks at the position first", conflictsFirst, []string{
			"a fenced step from another position, or of what was never opened, is ErrFenced all the same",
		}},
		{"stores what it fences", storesFenced, []string{"a step under a lease that was given back is ErrFenced, though nobody took it"}},
	}...)
}

func TestLeaseSuiteBites(t *testing.T) {
	for _, m := range leaseMutants() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			for _, sentence := range m.caught {
				i := slices.IndexFunc(leaseCases(), func(c leaseCase) bool { return c.sentence == sentence })
				if i < 0 {
					t.Fatalf("no case has the sentence %q", sentence)
				}
				found := newDisks()
				open := func(c Config) deed.Engine {
					mutant := &leaseMutant{sharedMemory: found.openShared(c)}
					m.flaw(mutant)
					return mutant
				}
				if !bites(t, func(r tester) { leaseCases()[i].run(newLeaseBed(r, open)) }) {
					t.Errorf("not caught by %q", sentence)
				}
			}
		})
	}
}
