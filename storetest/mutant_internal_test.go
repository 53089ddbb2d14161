package storetest

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/deed-es/deed"
)

// A mutant is a memory that breaks one promise.
type mutant struct {
	*memory
	append  func(ctx context.Context, b deed.Batch) (deed.Receipt, error)
	query   func(q deed.Query) deed.Query
	hides   func(r deed.Record) bool
	changes func(r deed.Record) []deed.Record
	forget  func(ctx context.Context, t time.Time) error
	commit  func(ctx context.Context, c deed.PartCommit) error
	opens   func(ctx context.Context, spec deed.PartSpec) (deed.PartState, error)
	due     func(ctx context.Context, parts []string, t time.Time) (time.Time, bool, error)
	finish  func(ctx context.Context, ids []string) error
}

func (m *mutant) Append(ctx context.Context, b deed.Batch) (deed.Receipt, error) {
	if m.append != nil {
		return m.append(ctx, b)
	}
	return m.memory.Append(ctx, b)
}

func (m *mutant) Read(ctx context.Context, q deed.Query) iter.Seq2[deed.Record, error] {
	if m.query != nil {
		q = m.query(q)
	}
	return func(yield func(deed.Record, error) bool) {
		for r, err := range m.memory.Read(ctx, q) {
			if err == nil && m.hides != nil && m.hides(r) {
				continue
			}
			records := []deed.Record{r}
			if err == nil && m.changes != nil {
				records = m.changes(r)
			}
			for _, r := range records {
				if !yield(r, err) {
					return
				}
			}
		}
	}
}

func (m *mutant) Forget(ctx context.Context, t time.Time) error {
	if m.forget != nil {
		return m.forget(ctx, t)
	}
	return m.memory.Forget(ctx, t)
}

func (m *mutant) CommitPart(ctx context.Context, c deed.PartCommit) error {
	if m.commit != nil {
		return m.commit(ctx, c)
	}
	return m.memory.CommitPart(ctx, c)
}

func (m *mutant) OpenPart(ctx context.Context, spec deed.PartSpec) (deed.PartState, error) {
	if m.opens != nil {
		return m.opens(ctx, spec)
	}
	return m.memory.OpenPart(ctx, spec)
}

func (m *mutant) NextDue(ctx context.Context, parts []string, t time.Time) (time.Time, bool, error) {
	if m.due != nil {
		return m.due(ctx, parts, t)
	}
	return m.memory.NextDue(ctx, parts, t)
}

func (m *mutant) FinishEffects(ctx context.Context, ids []string) error {
	if m.finish != nil {
		return m.finish(ctx, ids)
	}
	return m.memory.FinishEffects(ctx, ids)
}

// altered makes a mutant that appends something else than it is given.
func altered(alter func(b deed.Batch) deed.Batch) func(*mutant) {
	return func(m *mutant) {
		m.append = func(ctx context.Context, b deed.Batch) (deed.Receipt, error) { return m.memory.Append(ctx, alter(b)) }
	}
}

func asked(alter func(q deed.Query) deed.Query) func(*mutant) {
	return func(m *mutant) { m.query = alter }
}

func yielding(alter func(r deed.Record) []deed.Record) func(*mutant) {
	return func(m *mutant) { m.changes = alter }
}

// each alters all writes of a batch.
func each(alter func(w deed.Write) deed.Write) func(b deed.Batch) deed.Batch {
	return func(b deed.Batch) deed.Batch {
		b.Writes = slices.Clone(b.Writes)
		for i := range b.Writes {
			b.Writes[i] = alter(b.Writes[i])
		}
		return b
	}
}

func checking(alter func(c deed.Check) deed.Check) func(b deed.Batch) deed.Batch {
	return func(b deed.Batch) deed.Batch {
		b.Checks = slices.Clone(b.Checks)
		for i := range b.Checks {
			b.Checks[i] = alter(b.Checks[i])
		}
		return b
	}
}

// flattened makes one item of many: OR becomes AND.
func flattened(items []deed.Match) []deed.Match {
	if len(items) < 2 {
		return items
	}
	var one deed.Match
	for _, m := range items {
		one.Types, one.Tags = append(one.Types, m.Types...), append(one.Tags, m.Tags...)
	}
	return []deed.Match{one}
}

// loosened makes an item of each tag: AND becomes OR.
func loosened(items []deed.Match) []deed.Match {
	var loose []deed.Match
	for _, m := range items {
		if len(m.Tags) == 0 {
			loose = append(loose, m)
		}
		for _, tag := range m.Tags {
			loose = append(loose, deed.Match{Types: m.Types, Tags: []string{tag}})
		}
	}
	return loose
}

func onlyMarksAhead(r deed.Record) []deed.Record {
	if r.IsMark() {
		r.Position++
	}
	return []deed.Record{r}
}

func unmarked(r deed.Record) []deed.Record {
	if r.IsMark() {
		return nil
	}
	return []deed.Record{r}
}

// inParts appends write by write.
func inParts(m *mutant) {
	m.append = func(ctx context.Context, b deed.Batch) (deed.Receipt, error) {
		var all deed.Receipt
		for i, w := range b.Writes {
			part := deed.Batch{Writes: []deed.Write{w}}
			if i == 0 {
				part.Checks, part.Command = b.Checks, b.Command
			}
			receipt, err := m.memory.Append(ctx, part)
			if err != nil {
				return deed.Receipt{}, err
			}
			all.Position, all.Again = receipt.Position, receipt.Again
			all.Streams = append(all.Streams, receipt.Streams...)
		}
		if len(b.Writes) == 0 {
			return m.memory.Append(ctx, b)
		}
		return all, nil
	}
}

// racy looks at the checks first and appends afterwards, as two statements without a lock do.
func racy(m *mutant) {
	m.append = func(ctx context.Context, b deed.Batch) (deed.Receipt, error) {
		if len(b.Writes) == 0 || len(b.Checks) == 0 {
			return m.memory.Append(ctx, b)
		}
		if _, err := m.memory.Append(ctx, deed.Batch{Checks: b.Checks}); err != nil {
			return deed.Receipt{}, err
		}
		giveWay()
		b.Checks = nil
		return m.memory.Append(ctx, b)
	}
}

// keepsRefusals remembers a command also when it was refused.
func keepsRefusals(m *mutant) {
	m.append = func(ctx context.Context, b deed.Batch) (deed.Receipt, error) {
		receipt, err := m.memory.Append(ctx, b)
		if errors.Is(err, deed.ErrConflict) && b.Command.ID != "" {
			m.model.outcomes[b.Command.ID] = outcome{hash: b.Command.Hash, time: m.clock.Now()}
		}
		return receipt, err
	}
}

// unflushed loses the last append when it is opened again.
func unflushed(m *mutant) {
	if n := len(m.model.records); n > 0 {
		last := m.model.records[n-1]
		m.model.records = m.model.records[:n-1]
		m.model.streams[last.Stream] = m.model.streams[last.Stream][:last.Version-1]
	}
}

func forgetfulOfIDs(m *mutant) {
	m.append = func(ctx context.Context, b deed.Batch) (deed.Receipt, error) {
		receipt, err := m.memory.Append(ctx, b)
		if receipt.Again && b.Command.ID == "" {
			return deed.Receipt{}, &deed.ConflictError{Stream: b.Writes[0].Stream, Want: b.Writes[0].Version, Actual: receipt.Version()}
		}
		return receipt, err
	}
}

func storeMutants() []struct {
	name    string
	flaw    func(m *mutant)
	caught  []string // by the cases of these sentences
	walking bool     // and by a walk
} {
	var skipped, doubled atomic.Int64
	swapped := 0
	var held []deed.Record
	return []struct {
		name    string
		flaw    func(m *mutant)
		caught  []string
		walking bool
	}{
		{"forgets checks", altered(func(b deed.Batch) deed.Batch {
			if len(b.Writes) > 0 {
				b.Checks = nil
			}
			return b
		}), []string{
			"a check holds where the stream has the version", "a check without After fails if any event matches at all",
			"of 64 appends under the same check exactly one wins", "of two appends that check each other's stream exactly one wins",
			"seats that are booked under a check are never overbooked",
		}, true},
		{
			"forgets a check's After", altered(checking(func(c deed.Check) deed.Check { c.After = 0; return c })),
			[]string{"a check with After fails only for what stands behind it"},
			true,
		},
		{
			"takes After of a check as inclusive", altered(checking(func(c deed.Check) deed.Check { c.After = max(c.After-1, 0); return c })),
			[]string{"a check with After fails only for what stands behind it"},
			true,
		},
		{
			"flattens alternatives of a check", altered(checking(func(c deed.Check) deed.Check { c.Match = flattened(c.Match); return c })),
			[]string{
				"a check matches any of its items, and in an item one type and all tags",
				"of appends that match each other's alternatives exactly one wins",
			},
			true,
		},
		{
			"takes any tag of a check", altered(checking(func(c deed.Check) deed.Check { c.Match = loosened(c.Match); return c })),
			[]string{"a check matches any of its items, and in an item one type and all tags"},
			true,
		},
		{"checks without a lock", racy, []string{"of 64 appends under the same check exactly one wins"}, false},
		{
			"ignores versions", altered(each(func(w deed.Write) deed.Write { w.Version = deed.Any; return w })),
			[]string{
				"a version is refused unless it is the stream's last",
				"version 0 is refused where the stream is there",
				"of appends at the same version exactly one wins",
			},
			true,
		},
		{"takes Exists for Any", altered(each(func(w deed.Write) deed.Write {
			if w.Version == deed.Exists {
				w.Version = deed.Any
			}
			return w
		})), []string{"Exists takes any version and refuses a stream that is not there"}, true},
		{"forgets ids", forgetfulOfIDs, []string{
			"an append whose ids all stand at the tail it expects gets the first receipt again", "ids are looked at before checks",
			"of the same append from many sides one is stored and all get its receipt",
		}, true},
		{"forgets commands", altered(func(b deed.Batch) deed.Batch { b.Command = deed.CommandRef{}; return b }), []string{
			"a command that is known with the same hash gets the first receipt, marked Again", "a command that is known with another hash is ErrReused",
			"the outcome of a decision without events is kept too", "of the same command from many sides one is stored and all get its receipt",
		}, true},
		{
			"does not compare hashes", altered(func(b deed.Batch) deed.Batch { b.Command.Hash = ""; return b }),
			[]string{"a command that is known with another hash is ErrReused"},
			true,
		},
		{"keeps refusals", keepsRefusals, []string{"refusals are not kept"}, true},
		{"appends in parts", inParts, []string{
			"an append refused for one of its streams leaves nothing in the others", "readers that poll from their checkpoint miss nothing and see no append in part",
		}, true},
		{"loses the last record", unflushed, []string{"what is acknowledged is there after the opening again"}, true},
		{"skips a record after a checkpoint", func(m *mutant) {
			m.hides = func(r deed.Record) bool { return skipped.Add(1)%97 == 0 && r.Type != endType }
		}, []string{
			"followers that stop and resume at their checkpoint miss nothing",
			"followers see each record once and in order, whatever the writers do",
		}, true},
		{"yields a record twice", yielding(func(r deed.Record) []deed.Record {
			if doubled.Add(1)%97 == 0 {
				return []deed.Record{r, r}
			}
			return []deed.Record{r}
		}), []string{"followers see each record once and in order, whatever the writers do"}, true},
		{"swaps records", yielding(func(r deed.Record) []deed.Record {
			if swapped++; swapped%50 == 0 {
				held = []deed.Record{r}
				return nil
			}
			records := append([]deed.Record{r}, held...)
			held = nil
			return records
		}), []string{"all queries over a log of many pages are right"}, true},
		{
			"takes After as inclusive", asked(func(q deed.Query) deed.Query { q.After = max(q.After-1, 0); return q }),
			[]string{
				"After is the exclusive lower bound in both directions",
				"followers that stop and resume at their checkpoint miss nothing",
			},
			true,
		},
		{"turns the bounds with the direction", asked(func(q deed.Query) deed.Query {
			if q.Backward && q.Before == 0 {
				q.After, q.Before = 0, q.After
			}
			return q
		}), []string{"After is the exclusive lower bound in both directions"}, true},
		{
			"forgets Before", asked(func(q deed.Query) deed.Query { q.Before = 0; return q }),
			[]string{"Before is the exclusive upper bound in both directions, and 0 is none"},
			true,
		},
		{
			"forgets AfterVersion", asked(func(q deed.Query) deed.Query { q.AfterVersion = 0; return q }),
			[]string{"AfterVersion is the exclusive lower bound in a stream"},
			true,
		},
		{
			"forgets Backward", asked(func(q deed.Query) deed.Query { q.Backward = false; return q }),
			[]string{"Backward turns the order only"},
			true,
		},
		{
			"forgets Limit", asked(func(q deed.Query) deed.Query { q.Limit = 0; return q }),
			[]string{"Limit ends a read after so many, from its own end"},
			true,
		},
		{
			"flattens alternatives of a query", asked(func(q deed.Query) deed.Query { q.Match = flattened(q.Match); return q }),
			[]string{"a match is one of its types and all of its tags, items are alternatives"},
			true,
		},
		{
			"takes any tag of a query", asked(func(q deed.Query) deed.Query { q.Match = loosened(q.Match); return q }),
			[]string{"a match is one of its types and all of its tags, items are alternatives"},
			true,
		},
		{
			"marks ahead", yielding(onlyMarksAhead),
			[]string{
				"after a mark at p nothing selected appears at or below p",
				"a mark has a position and nothing else",
				"nothing is missing after a mark as checkpoint",
			},
			false,
		},
		{"gives no marks", yielding(unmarked), []string{"a mark comes once nothing more is stored for now"}, false},
		{"marks unasked", asked(func(q deed.Query) deed.Query { q.Marks = q.Follow; return q }), []string{"marks come only to who asks for them"}, false},
		{
			"ends instead of following", asked(func(q deed.Query) deed.Query { q.Follow, q.Marks = false, false; return q }),
			[]string{
				"a follower of an empty log waits for the first event",
				"a follower gets what is there and then what is appended, without a seam",
			},
			false,
		},
		{"drops the data's spaces", altered(each(func(w deed.Write) deed.Write {
			w.Events = slices.Clone(w.Events)
			for i := range w.Events {
				w.Events[i].Data = slices.DeleteFunc(slices.Clone(w.Events[i].Data), func(c byte) bool { return c == ' ' })
			}
			return w
		})), []string{"data and metadata come back byte for byte"}, false},
		{
			"refuses nothing for its size", func(m *mutant) { m.model.limits.MaxEvent = 16 << 20 },
			[]string{"an event of 1 MiB is stored, one byte more is refused", "MaxEvent lowers and raises the limit of an event"},
			false,
		},
		{"forgets every outcome", func(m *mutant) {
			m.forget = func(context.Context, time.Time) error { clear(m.model.outcomes); return nil }
		}, []string{"Forget removes the outcomes stored before a time, and no others"}, true},
		{"stamps with the time it likes", func(m *mutant) {
			m.changes = func(r deed.Record) []deed.Record {
				r.Time = r.Time.Add(-time.Duration(r.Position) * time.Hour)
				return []deed.Record{r}
			}
		}, []string{
			"recorded time is the engine's clock, in UTC to the microsecond",
			"recorded time is never before that of the record in front of it",
		}, false},
	}
}

func mutantOpener(flaw func(*mutant)) func(Config) deed.Engine {
	found := newDisks()
	return func(c Config) deed.Engine {
		m := &mutant{memory: found.open(c)}
		flaw(m)
		return m
	}
}

// caseOf finds a case by its sentence.
func caseOf(t *testing.T, sentence string) storeCase {
	t.Helper()
	all := partCases()
	for _, s := range storeSections() {
		all = append(all, s.cases...)
	}
	for _, c := range all {
		if c.sentence == sentence {
			return c
		}
	}
	t.Fatalf("no case has the sentence %q", sentence)
	return storeCase{}
}

// TestSuiteBites breaks each promise in turn and sees the cases about it fail.
func TestSuiteBites(t *testing.T) {
	for _, m := range storeMutants() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			for _, sentence := range m.caught {
				c := caseOf(t, sentence)
				if !bites(t, func(r tester) { c.run(newBed(r, mutantOpener(m.flaw), Claims{Dense: true, OneClock: true})) }) {
					t.Errorf("not caught by %q", sentence)
				}
			}
			if !m.walking {
				return
			}
			caught := false
			for seed := range uint64(8) {
				caught = caught || failure(t, func(r tester) { walkOn(newBed(r, mutantOpener(m.flaw), Claims{}), walkData(seed, 6000)) }) != ""
			}
			if !caught {
				t.Errorf("not caught by a walk")
			}
		})
	}
}
