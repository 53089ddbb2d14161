package storetest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/deed-es/deed"
)

// committing makes a mutant that commits something else than it is given.
func committing(alter func(c deed.PartCommit) deed.PartCommit) func(*mutant) {
	return func(m *mutant) {
		m.commit = func(ctx context.Context, c deed.PartCommit) error { return m.memory.CommitPart(ctx, alter(c)) }
	}
}

// changing alters all changes of effects.
func changing(alter func(c deed.EffectChange) deed.EffectChange) func(*mutant) {
	return committing(func(c deed.PartCommit) deed.PartCommit {
		c.Effects = slices.Clone(c.Effects)
		for i := range c.Effects {
			c.Effects[i] = alter(c.Effects[i])
		}
		return c
	})
}

// opening makes a mutant that does something else to a part before or after it is opened.
func opening(open func(m *mutant, ctx context.Context, spec deed.PartSpec) (deed.PartState, error)) func(*mutant) {
	return func(m *mutant) {
		m.opens = func(ctx context.Context, spec deed.PartSpec) (deed.PartState, error) { return open(m, ctx, spec) }
	}
}

// looking makes a mutant that does something else where it is only to look.
func looking(look func(m *mutant, ctx context.Context, spec deed.PartSpec) (deed.PartState, error)) func(*mutant) {
	return opening(func(m *mutant, ctx context.Context, spec deed.PartSpec) (deed.PartState, error) {
		if spec.Look {
			return look(m, ctx, spec)
		}
		return m.memory.OpenPart(ctx, spec)
	})
}

// halfway keeps the states of a step that conflicts.
func halfway(m *mutant) {
	m.commit = func(ctx context.Context, c deed.PartCommit) error {
		err := m.memory.CommitPart(ctx, c)
		if errors.Is(err, deed.ErrConflict) {
			m.mu.Lock()
			defer m.mu.Unlock()
			for _, s := range c.States {
				m.parts.known[c.Part].states[s.Key] = s
			}
		}
		return err
	}
}

// uncompared takes a step from wherever it was made.
func uncompared(m *mutant) {
	m.commit = func(ctx context.Context, c deed.PartCommit) error {
		m.mu.Lock()
		c.From = m.parts.known[c.Part].state.Checkpoint.Position
		m.mu.Unlock()
		return m.memory.CommitPart(ctx, c)
	}
}

func partMutants() []struct {
	name   string
	flaw   func(m *mutant)
	caught []string
} {
	return []struct {
		name   string
		flaw   func(m *mutant)
		caught []string
	}{
		{"stores states of a conflict", halfway, []string{"a step from another position is a conflict and stores nothing"}},
		{"does not compare positions", uncompared, []string{
			"a step from another position is a conflict and stores nothing", "of steps from the same position exactly one is stored",
		}},
		{"does not compare versions", func(m *mutant) {
			m.commit = func(ctx context.Context, c deed.PartCommit) error {
				c.Version = m.parts.known[c.Part].version
				return m.memory.CommitPart(ctx, c)
			}
		}, []string{"a step of another version is a conflict and stores nothing"}},
		{"starts unknown parts at 0", opening(func(m *mutant, ctx context.Context, spec deed.PartSpec) (deed.PartState, error) {
			if spec.From == nil {
				spec.From = new(deed.Position)
			}
			return m.memory.OpenPart(ctx, spec)
		}), []string{"a part that is not known and has no From is ErrNotFound"}},
		{"starts at the head", opening(func(m *mutant, ctx context.Context, spec deed.PartSpec) (deed.PartState, error) {
			if head := m.model.head(); spec.From != nil {
				spec.From = &head
			}
			return m.memory.OpenPart(ctx, spec)
		}), []string{
			"a new part starts after its From",
			"a raised version starts anew from the first From, without states and live after the old position",
		}},
		{"takes lower versions", opening(func(m *mutant, ctx context.Context, spec deed.PartSpec) (deed.PartState, error) {
			if known := m.parts.known[spec.Name]; known != nil {
				spec.Version = max(spec.Version, known.version)
			}
			return m.memory.OpenPart(ctx, spec)
		}), []string{"a version below the stored one is an error"}},
		{"opens where it is to look", opening(func(m *mutant, ctx context.Context, spec deed.PartSpec) (deed.PartState, error) {
			spec.Look = false
			return m.memory.OpenPart(ctx, spec)
		}), []string{
			"a look at a part that is not known is ErrNotFound, and registers nothing",
			"a look with a raised version tells where that would start, and raises nothing",
		}},
		{"tells where the old version stands", looking(func(m *mutant, ctx context.Context, spec deed.PartSpec) (deed.PartState, error) {
			if known := m.parts.known[spec.Name]; known != nil {
				spec.Version = min(spec.Version, known.version)
			}
			return m.memory.OpenPart(ctx, spec)
		}), []string{"a look with a raised version tells where that would start, and raises nothing"}},
		{"tells where a part began", looking(func(m *mutant, ctx context.Context, spec deed.PartSpec) (deed.PartState, error) {
			spec.Version++
			return m.memory.OpenPart(ctx, spec)
		}), []string{"a look at a part tells where it stands", "a look with a version below the stored one, or another kind, is an error"}},
		{"lets effects go live again", opening(func(m *mutant, ctx context.Context, spec deed.PartSpec) (deed.PartState, error) {
			state, err := m.memory.OpenPart(ctx, spec)
			state.Live = state.Checkpoint.Position
			return state, err
		}), []string{
			"a raised version starts anew from the first From, without states and live after the old position",
			"a version raised twice stays live after the greater position",
		}},
		{"drops effects when raised", opening(func(m *mutant, ctx context.Context, spec deed.PartSpec) (deed.PartState, error) {
			if known := m.parts.known[spec.Name]; known != nil && known.version < spec.Version {
				clear(m.parts.pending)
			}
			return m.memory.OpenPart(ctx, spec)
		}), []string{"pending effects stay when a version is raised"}},
		{"drops what is parked when raised", opening(func(m *mutant, ctx context.Context, spec deed.PartSpec) (deed.PartState, error) {
			if known := m.parts.known[spec.Name]; known != nil && known.version < spec.Version {
				clear(known.parked)
			}
			return m.memory.OpenPart(ctx, spec)
		}), []string{"what is parked stays when a version is raised"}},
		{"forgets traces", changing(func(c deed.EffectChange) deed.EffectChange {
			if c.Put != nil {
				put := *c.Put
				put.Trace = ""
				c.Put = &put
			}
			return c
		}), []string{"a pending effect comes back as it was put"}},
		{"does not replace named effects", changing(func(c deed.EffectChange) deed.EffectChange {
			if c.Put != nil {
				c.Name = ""
			}
			return c
		}), []string{"a named effect replaces the pending one of its part, key and name", "changes of effects are applied in their order"}},
		{"does not cancel", changing(func(c deed.EffectChange) deed.EffectChange {
			if c.Put == nil {
				c.Name = ""
			}
			return c
		}), []string{"a cancel removes the named effect and nothing else"}},
		{"cancels before it puts", committing(func(c deed.PartCommit) deed.PartCommit {
			c.Effects = slices.Clone(c.Effects)
			slices.SortStableFunc(c.Effects, func(a, b deed.EffectChange) int {
				if (a.Put == nil) == (b.Put == nil) {
					return 0
				}
				return map[bool]int{true: -1, false: 1}[a.Put == nil]
			})
			return c
		}), []string{"changes of effects are applied in their order"}},
		{"replaces what is pending", func(m *mutant) {
			m.commit = func(ctx context.Context, c deed.PartCommit) error {
				for _, change := range c.Effects {
					if change.Put != nil {
						delete(m.parts.pending, change.Put.ID)
					}
				}
				return m.memory.CommitPart(ctx, c)
			}
		}, []string{"an effect whose id is pending already changes nothing"}},
		{"takes due times by the second", changing(func(c deed.EffectChange) deed.EffectChange {
			if c.Put != nil {
				put := *c.Put
				put.Due = put.Due.Truncate(time.Second)
				c.Put = &put
			}
			return c
		}), []string{"a pending effect comes back as it was put"}},
		{"tells what is due now as due next", func(m *mutant) {
			m.due = func(ctx context.Context, parts []string, t time.Time) (time.Time, bool, error) {
				return m.memory.NextDue(ctx, parts, t.Add(-time.Microsecond))
			}
		}, []string{"NextDue is the first due time of the parts after a time"}},
		{"forgets pending effects' outcomes", func(m *mutant) {
			m.forget = func(_ context.Context, t time.Time) error {
				m.model.forget(t, func(id string) bool { return m.parts.finished[id].After(t) })
				return nil
			}
		}, []string{"Forget keeps the outcomes of pending effects"}},
		{"forgets finished effects' outcomes", func(m *mutant) {
			m.forget = func(_ context.Context, t time.Time) error {
				m.model.forget(t, func(id string) bool { _, pending := m.parts.pending[id]; return pending })
				return nil
			}
		}, []string{"Forget keeps the outcomes of effects that were finished after its time"}},
		{"keeps what is finished", func(m *mutant) {
			m.finish = func(_ context.Context, ids []string) error {
				for _, id := range ids {
					m.parts.finished[id] = m.clock.Now()
				}
				return nil
			}
		}, []string{"finished effects are removed, unknown ids are passed over"}},
	}
}

func TestPartSuiteBites(t *testing.T) {
	for _, m := range partMutants() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			for _, sentence := range m.caught {
				c := caseOf(t, sentence)
				if !bites(t, func(r tester) { c.run(newBed(r, mutantOpener(m.flaw), Claims{})) }) {
					t.Errorf("not caught by %q", sentence)
				}
			}
		})
	}
}
