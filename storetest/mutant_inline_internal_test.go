package storetest

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/deed-es/deed"
)

// An inlineMutant is a memory with an inlineFlaw, or with other methods.
type inlineMutant struct {
	*memory
	append func(ctx context.Context, b deed.Batch) (deed.Receipt, error)
	list   func(refs []deed.ViewRef) []deed.ViewRef
	wraps  func(fold deed.InlineFold) deed.InlineFold
}

func (m *inlineMutant) Append(ctx context.Context, b deed.Batch) (deed.Receipt, error) {
	if m.append != nil {
		return m.append(ctx, b)
	}
	return m.memory.Append(ctx, b)
}

func (m *inlineMutant) ListInline(ctx context.Context) ([]deed.ViewRef, error) {
	refs, err := m.memory.ListInline(ctx)
	if m.list != nil {
		refs = m.list(refs)
	}
	return refs, err
}

func (m *inlineMutant) FoldInline(ctx context.Context, view deed.ViewRef, fold deed.InlineFold) error {
	if m.wraps != nil {
		fold = m.wraps(fold)
	}
	return m.memory.FoldInline(ctx, view, fold)
}

// foldingOther makes a mutant that calls folds with something else than what is right.
func foldingOther(alter func(from *deed.Checkpoint, records []deed.Record, to *deed.Position) []deed.Record) func(*inlineMutant) {
	return func(m *inlineMutant) {
		m.wraps = func(fold deed.InlineFold) deed.InlineFold {
			return func(ctx context.Context, tx deed.ViewTx, from deed.Checkpoint, records []deed.Record, to deed.Position) (bool, error) {
				records = alter(&from, records, &to)
				return fold(ctx, tx, from, records, to)
			}
		}
	}
}

// A blindTx gives other records than the log has.
type blindTx struct {
	deed.ViewTx
	at func(position deed.Position) (deed.Record, error)
}

func (t blindTx) RecordAt(_ context.Context, position deed.Position) (deed.Record, error) {
	return t.at(position)
}

// A staleTx reads what was there before its transaction.
type staleTx struct {
	*memoryTx
	before *memoryViews
}

func (t staleTx) Rows(ctx context.Context, view deed.ViewRef, keys []string) (map[string]deed.Row, error) {
	return t.before.Rows(ctx, view, keys)
}

func (t staleTx) ListRows(ctx context.Context, view deed.ViewRef, q deed.RowQuery) ([]deed.Row, deed.Position, error) {
	return t.before.ListRows(ctx, view, q)
}

// A staleParkedTx reads only what was parked before its transaction.
type staleParkedTx struct {
	*memoryTx
	before *memoryViews
}

func (t staleParkedTx) ViewParked(ctx context.Context, view deed.ViewRef, after string, limit int) ([]deed.ParkedKey, error) {
	return t.before.ViewParked(ctx, view, after, limit)
}

func (t staleParkedTx) ViewParkedRecords(ctx context.Context, view deed.ViewRef, key string, after deed.Position, limit int) ([]deed.ParkedRecord, error) {
	return t.before.ViewParkedRecords(ctx, view, key, after, limit)
}

// groupFails fails with an append those that wait beside it, as if they were one group that cannot be taken apart.
func groupFails(m *inlineMutant) {
	var waiting, doomed atomic.Int32
	m.append = func(ctx context.Context, b deed.Batch) (deed.Receipt, error) {
		waiting.Add(1)
		defer waiting.Add(-1)
		receipt, err := m.memory.Append(ctx, b)
		if err != nil {
			doomed.Store(waiting.Load() - 1)
		} else if doomed.Load() > 0 {
			doomed.Add(-1)
			err = errNoGood
		}
		return receipt, err
	}
}

// repeating folds what is stored already.
func repeating(m *inlineMutant) {
	m.due = func(m *memory, _ deed.ViewRef, v *memoryView, before deed.Position) bool {
		return v.checkpoint.Position == before || v.checkpoint.Position == m.model.head()
	}
	m.append = func(ctx context.Context, b deed.Batch) (deed.Receipt, error) {
		receipt, err := m.memory.Append(ctx, b)
		if err == nil && receipt.Again {
			m.mu.Lock()
			defer m.mu.Unlock()
			err = m.foldAll(&memoryTx{memoryViews: m.inline, m: m.memory}, m.model.head()-1)
		}
		return receipt, err
	}
}

type inlineMutation struct {
	name   string
	flaw   func(m *inlineMutant)
	caught []string
}

// The sentences that catch more than one mutant.
const (
	inlineThere   = "rows are there when the append is acknowledged"
	inlineRecords = "a fold gets the records as they are read, from where the view is up to where the log will be"
	inlineLags    = "a view that lags is folded without a gap or not at all"
	inlineGoesOn  = "a view that lags goes on inline once somebody has brought it up"
	inlineStops   = "a fold that has stopped is not called again until somebody has committed to the view"
	inlineErrs    = "an error of a fold fails the append and leaves nothing behind"
	inlineUnknown = "appends are refused while the fold of an inline view is not known"
	inlineOwn     = "a fold reads what it has committed"
	inlineReopens = "inline views are there after the opening again, and are folded on"
	inlineRecord  = "RecordAt returns the records of the group under way too"
)

func inlineMutants() []inlineMutation {
	return append(inlineFoldMutants(), inlineFailMutants()...)
}

func inlineFoldMutants() []inlineMutation {
	return []inlineMutation{
		{"folds never", func(m *inlineMutant) {
			m.due = func(*memory, deed.ViewRef, *memoryView, deed.Position) bool { return false }
		}, []string{inlineThere, inlineRecords, inlineGoesOn, "a view that lags can be brought up while others append"}},
		{"folds one view", func(m *inlineMutant) {
			m.due = func(_ *memory, ref deed.ViewRef, v *memoryView, before deed.Position) bool {
				return v.checkpoint.Position == before && ref.Name != "b"
			}
		}, []string{"each of several views is folded"}},
		{"folds from the start", foldingOther(func(from *deed.Checkpoint, records []deed.Record, _ *deed.Position) []deed.Record {
			from.Last, from.LastID = 0, ""
			return records
		}), []string{inlineRecords}},
		{"folds without metadata", foldingOther(func(_ *deed.Checkpoint, records []deed.Record, _ *deed.Position) []deed.Record {
			for i := range records {
				records[i].Metadata = nil
			}
			return records
		}), []string{inlineRecords}},
		{"folds up to the last but one", foldingOther(func(_ *deed.Checkpoint, records []deed.Record, to *deed.Position) []deed.Record {
			*to--
			return records
		}), []string{inlineThere, inlineRecords}},
		{"folds the first write", foldingOther(func(_ *deed.Checkpoint, records []deed.Record, _ *deed.Position) []deed.Record {
			return slices.DeleteFunc(records, func(r deed.Record) bool { return r.Stream != records[0].Stream })
		}), []string{inlineThere, inlineRecords}},
		{"folds repetitions", repeating, []string{"what is refused or a repetition is not folded"}},
		{"lists nothing", func(m *inlineMutant) {
			m.list = func([]deed.ViewRef) []deed.ViewRef { return nil }
		}, []string{"inline views are listed until they are dropped"}},
		{"lists what was dropped", func(m *inlineMutant) {
			var ever []deed.ViewRef
			m.list = func(refs []deed.ViewRef) []deed.ViewRef {
				for _, ref := range refs {
					if !slices.Contains(ever, ref) {
						ever = append(ever, ref)
					}
				}
				return ever
			}
		}, []string{"inline views are listed until they are dropped"}},
		{"leaves views behind", func(m *inlineMutant) {
			m.unknown = func(*memory) error { return nil }
		}, []string{inlineUnknown, inlineReopens}},
		{"asks for any fold", func(m *inlineMutant) {
			m.unknown = func(m *memory) error {
				if len(m.inline.views) > 0 && len(m.folds) == 0 {
					return errNoGood
				}
				return nil
			}
		}, []string{inlineUnknown}},
		{"does not know the group's records", func(m *inlineMutant) {
			m.tx = func(_ *memory, tx *memoryTx) deed.ViewTx {
				return blindTx{tx, func(position deed.Position) (deed.Record, error) {
					if r, err := tx.RecordAt(context.Background(), position); err != nil || position+3 <= tx.m.model.head() {
						return r, err
					}
					return deed.Record{}, deed.ErrNotFound
				}}
			}
		}, []string{inlineRecord}},
		{"knows the group's records only", func(m *inlineMutant) {
			m.tx = func(_ *memory, tx *memoryTx) deed.ViewTx {
				return blindTx{tx, func(position deed.Position) (deed.Record, error) {
					if position+3 > tx.m.model.head() {
						return tx.RecordAt(context.Background(), position)
					}
					return deed.Record{}, deed.ErrNotFound
				}}
			}
		}, []string{inlineRecord}},
		{"knows records that are not there", func(m *inlineMutant) {
			m.tx = func(_ *memory, tx *memoryTx) deed.ViewTx {
				return blindTx{tx, func(position deed.Position) (deed.Record, error) {
					return tx.RecordAt(context.Background(), min(position, tx.m.model.head()))
				}}
			}
		}, []string{inlineRecord}},
		{"reads rows from before", func(m *inlineMutant) {
			m.tx = func(m *memory, tx *memoryTx) deed.ViewTx { return staleTx{tx, m.inline} }
		}, []string{inlineOwn}},
		{"reads what was parked before", func(m *inlineMutant) {
			m.tx = func(m *memory, tx *memoryTx) deed.ViewTx { return staleParkedTx{tx, m.inline} }
		}, []string{inlineOwn}},
		{"wakes nobody", func(m *inlineMutant) {
			m.publish = func(m *memory, tx *memoryTx) {
				m.inline.mu.Lock()
				defer m.inline.mu.Unlock()
				m.inline.views = tx.views
			}
		}, []string{"who waits for an inline view is woken by the append"}},
		{"loses rows when it is closed", func(m *inlineMutant) { m.inline.become(newMemoryViews()) }, []string{
			inlineReopens, "inline views are listed until they are dropped",
		}},
	}
}

func inlineFailMutants() []inlineMutation {
	return []inlineMutation{
		{"folds with a gap", func(m *inlineMutant) {
			m.due = func(*memory, deed.ViewRef, *memoryView, deed.Position) bool { return true }
		}, []string{inlineLags, "each of several views is folded"}},
		{"forgets views that lag", func(m *inlineMutant) {
			lagged := map[deed.ViewRef]bool{}
			m.due = func(_ *memory, ref deed.ViewRef, v *memoryView, before deed.Position) bool {
				lagged[ref] = lagged[ref] || v.checkpoint.Position != before
				return !lagged[ref]
			}
		}, []string{inlineGoesOn}},
		{"fails where a fold stops", func(m *inlineMutant) {
			m.wraps = func(fold deed.InlineFold) deed.InlineFold {
				return func(ctx context.Context, tx deed.ViewTx, from deed.Checkpoint, records []deed.Record, to deed.Position) (bool, error) {
					stopped, err := fold(ctx, tx, from, records, to)
					if stopped && err == nil {
						err = errNoGood
					}
					return stopped, err
				}
			}
		}, []string{"a fold that stops lets the append through, and what it has committed stays"}},
		{"throws away what a stopped fold has committed", func(m *inlineMutant) {
			m.stop = func(m *memory, ref deed.ViewRef, tx *memoryTx) {
				tx.views[ref] = m.inline.copied().views[ref]
				tx.stops = append(tx.stops, ref)
			}
		}, []string{"a fold that stops lets the append through, and what it has committed stays"}},
		{"calls a stopped fold again", func(m *inlineMutant) {
			m.stop = func(*memory, deed.ViewRef, *memoryTx) {}
			m.due = func(_ *memory, _ deed.ViewRef, v *memoryView, before deed.Position) bool {
				return v.checkpoint.Position <= before
			}
		}, []string{inlineStops}},
		{"leaves a stopped view for ever", func(m *inlineMutant) {
			m.committed = func(*memory, deed.ViewRef) {}
		}, []string{inlineStops}},
		{"keeps a stop that was rolled back", func(m *inlineMutant) {
			m.stop = func(m *memory, ref deed.ViewRef, _ *memoryTx) { m.stopped[ref] = true }
		}, []string{"a fold that stops in an append that fails has not stopped"}},
		{"takes errors for stops", func(m *inlineMutant) {
			m.failed = func(m *memory, tx *memoryTx, _ deed.Position, _ deed.Batch, _ error) error {
				m.inline.become(tx.memoryViews)
				return nil
			}
		}, []string{inlineErrs, "the rows of what is acknowledged are there, and no others, whatever appends"}},
		{"keeps the events of a failed append", func(m *inlineMutant) {
			m.failed = func(_ *memory, _ *memoryTx, _ deed.Position, _ deed.Batch, err error) error { return err }
		}, []string{inlineErrs}},
		{"keeps the outcome of a failed append", func(m *inlineMutant) {
			m.failed = func(m *memory, _ *memoryTx, before deed.Position, b deed.Batch, err error) error {
				m.model.undo(before, deed.Batch{})
				return err
			}
		}, []string{inlineErrs}},
		{"keeps the rows of a failed append", func(m *inlineMutant) {
			m.failed = func(m *memory, tx *memoryTx, before deed.Position, b deed.Batch, err error) error {
				m.model.undo(before, b)
				m.inline.become(tx.memoryViews)
				return err
			}
		}, []string{inlineErrs, "the rows of what is acknowledged are there, and no others, whatever appends"}},
		{"folds where all can see it", func(m *inlineMutant) {
			m.tx = func(m *memory, _ *memoryTx) deed.ViewTx { return &memoryTx{memoryViews: m.inline, m: m} }
			m.publish = func(*memory, *memoryTx) {}
		}, []string{inlineErrs, "the rows of what is acknowledged are there, and no others, whatever appends"}},
		{"does not say what failed", func(m *inlineMutant) {
			m.failed = func(m *memory, _ *memoryTx, before deed.Position, b deed.Batch, _ error) error {
				m.model.undo(before, b)
				return errors.New("failed")
			}
		}, []string{inlineErrs}},
		{"fails whole groups", groupFails, []string{"of appends at once only those fail whose fold fails"}},
	}
}

func TestInlineSuiteBites(t *testing.T) {
	for _, m := range inlineMutants() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			for _, sentence := range m.caught {
				c := inlineCaseOf(t, sentence)
				found := newDisks()
				open := func(c Config) deed.Engine {
					mutant := &inlineMutant{memory: found.open(c)}
					m.flaw(mutant)
					return mutant
				}
				if !bites(t, func(r tester) { c.run(newInlineBed(r, open)) }) {
					t.Errorf("not caught by %q", sentence)
				}
			}
		})
	}
}

func inlineCaseOf(t *testing.T, sentence string) inlineCase {
	t.Helper()
	for _, c := range inlineCases() {
		if c.sentence == sentence {
			return c
		}
	}
	t.Fatalf("no case has the sentence %q", sentence)
	return inlineCase{}
}

// Each promise about inline views and about what is parked has a mutant that breaks it.
func TestEveryPromiseIsBroken(t *testing.T) {
	caught := map[string]bool{"what is parked stays when a version is raised": true} // see partMutants
	for _, m := range inlineMutants() {
		for _, sentence := range m.caught {
			caught[sentence] = true
		}
	}
	for _, m := range append(parkMutants(), markMutants()...) {
		for _, sentence := range m.caught {
			caught[sentence] = true
		}
	}
	var sentences []string
	for _, c := range inlineCases() {
		sentences = append(sentences, c.sentence)
	}
	for _, c := range partParkCases() {
		sentences = append(sentences, c.sentence)
	}
	for _, c := range viewParkCases() {
		sentences = append(sentences, c.sentence)
	}
	for _, sentence := range sentences {
		if !caught[sentence] {
			t.Errorf("no mutant is caught by %q", sentence)
		}
	}
}
