package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/deed-es/deed"
)

// TestFaultModel runs the walk under faults on a model: what it asks can be kept.
func TestFaultModel(t *testing.T) {
	RunFaults(t, func(_ *testing.T, c Config) (Faults, func() (deed.Engine, error)) { return openFrail(frailFlaw{})(c) }, 1)
}

// half stores a part of a change whose flush failed, and says that its outcome is unknown.
func half[C any](store func(f *frail, c C) error) frailFlaw {
	return frailFlaw{unflushed: func(f *frail, change any, do func() error) error {
		if c, ok := change.(C); ok {
			return errors.Join(deed.ErrUnknown, store(f, c))
		}
		return errors.Join(deed.ErrUnknown, do())
	}}
}

func halfStep(alter func(c *deed.PartCommit)) frailFlaw {
	return half(func(f *frail, c deed.PartCommit) error {
		alter(&c)
		return f.memory.CommitPart(context.Background(), c)
	})
}

func halfAppend(alter func(b deed.Batch) deed.Batch) frailFlaw {
	return half(func(f *frail, b deed.Batch) error {
		_, err := f.memory.Append(context.Background(), alter(b))
		return err
	})
}

// retold answers something of its own for a change whose flush failed.
func retold(answer func(do func() error) error) frailFlaw {
	return frailFlaw{unflushed: func(_ *frail, _ any, do func() error) error { return answer(do) }}
}

func frailMutants() []struct {
	name   string
	flaw   frailFlaw
	caught []string // in these pieces
} {
	const (
		appends, parts         = "appends and views", "parts and effects"
		first, again, afterEnd = "opened for the first time", "opened again", "opened after its process died"
	)
	return []struct {
		name   string
		flaw   frailFlaw
		caught []string
	}{
		{"acknowledges what was not flushed", retold(func(func() error) error { return nil }), []string{appends, parts}},
		{"reports an error for what is stored", retold(func(do func() error) error {
			return errors.Join(errBelow, do())
		}), []string{appends, parts}},
		{"stores half of a batch", halfAppend(func(b deed.Batch) deed.Batch {
			b.Writes = b.Writes[:1]
			return b
		}), []string{appends}},
		{"stores half of a write", halfAppend(each(func(w deed.Write) deed.Write {
			w.Events = w.Events[:1]
			return w
		})), []string{appends}},
		{"stores a retry twice", frailFlaw{appends: func(f *frail, ctx context.Context, b deed.Batch) (deed.Receipt, error) {
			receipt, err := f.memory.Append(ctx, b)
			if err == nil && receipt.Again {
				b.Command, b.Checks = deed.CommandRef{}, nil
				_, err = f.memory.Append(ctx, each(func(w deed.Write) deed.Write { w.Version = deed.Any; return w })(b))
			}
			return receipt, err
		}}, []string{appends, parts}},
		{"takes a retry for a conflict", frailFlaw{appends: func(f *frail, ctx context.Context, b deed.Batch) (deed.Receipt, error) {
			receipt, err := f.memory.Append(ctx, b)
			if receipt.Again && b.Command.ID == "" {
				return deed.Receipt{}, &deed.ConflictError{Stream: b.Writes[0].Stream}
			}
			return receipt, err
		}}, []string{appends}},
		{"stores a view's checkpoint without its rows", half(func(f *frail, c deed.ViewCommit) error {
			c.Rows = nil
			return f.memoryViews.CommitView(context.Background(), c)
		}), []string{appends}},
		{"stores a view's rows without its checkpoint", half(func(f *frail, c deed.ViewCommit) error {
			c.Checkpoint.Position = c.From
			return f.memoryViews.CommitView(context.Background(), c)
		}), []string{appends}},
		{"stores a step without its effects", halfStep(func(c *deed.PartCommit) { c.Effects = nil }), []string{parts}},
		{"stores a step without its states", halfStep(func(c *deed.PartCommit) { c.States = nil }), []string{parts}},
		{"stores a step without what it parks", halfStep(func(c *deed.PartCommit) { c.Parked = nil }), []string{parts}},
		{"stores a step without its checkpoint", halfStep(func(c *deed.PartCommit) { c.Checkpoint.Position = c.From }), []string{parts}},
		{"takes a step from where the part is not", frailFlaw{steps: func(f *frail, ctx context.Context, c deed.PartCommit) error {
			if part := f.parts.known[c.Part]; part != nil {
				c.From = part.state.Checkpoint.Position
			}
			return f.memory.CommitPart(ctx, c)
		}}, []string{parts}},
		{"finishes half of the effects", half(func(f *frail, ids []string) error {
			return f.memory.FinishEffects(context.Background(), ids[:len(ids)/2])
		}), []string{parts}},
		{"does not get over a fault", frailFlaw{sulks: true}, []string{appends, parts}},
		{"never opens again what failed to open", frailFlaw{opens: func(g *frailGround, _ Config) error {
			if g.failed {
				return errors.New("there is something, and it is no log")
			}
			return nil
		}}, []string{first, again, afterEnd}},
		{"makes anew what failed to open", frailFlaw{opens: func(g *frailGround, c Config) error {
			if g.failed {
				g.memories = newDisks()
			}
			return nil
		}}, []string{again, afterEnd}},
		{"is another log when it failed to open", frailFlaw{opens: func(g *frailGround, c Config) error {
			if found := g.memories.found[c.Dir]; found != nil && g.failed {
				found.number = "another"
			}
			return nil
		}}, []string{again, afterEnd}},
		{"loses the last append with its process", frailFlaw{opens: func(g *frailGround, c Config) error {
			if found := g.memories.found[c.Dir]; found != nil && g.broken {
				unflushed(&mutant{memory: &memory{disk: found}})
			}
			return nil
		}}, []string{appends, parts, afterEnd}},
	}
}

// TestFaultWalkBites has flawed memories found out.
func TestFaultWalkBites(t *testing.T) {
	for _, m := range frailMutants() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			for _, name := range m.caught {
				if found := foundOut(t, name, m.flaw); found == "" {
					t.Errorf("not found out by %q", name)
				} else {
					t.Logf("%s: %.300s", name, found)
				}
			}
		})
	}
}

// foundOut returns how a piece fails on flawed memories, under which fault first.
func foundOut(t *testing.T, name string, flaw frailFlaw) string {
	t.Helper()
	for _, piece := range faultPieces() {
		if piece.name != name {
			continue
		}
		for _, fault := range []Fault{FailOnce, FailThrice, Die} {
			for n, spoilt := 1, true; spoilt; n++ {
				spoilt = false
				failed := failure(t, func(r tester) {
					w := newFaultWalk(r, openFrail(flaw), fault, n)
					piece.walk(w)
					spoilt = w.spoilt
				})
				if failed != "" {
					return fmt.Sprintf("call %d %s: %s", n, fault, failed)
				}
			}
		}
		return ""
	}
	t.Fatalf("no piece is called %q", name)
	return ""
}
