package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/deed-es/deed"
)

// Walk reads data as a list of operations (appends of all shapes, repetitions, reads, opening again) and does each on a
// new store and on a model in memory. It fails t at the first step at which they differ, and tells all steps so far.
func Walk(t *testing.T, open Open, data []byte) {
	t.Helper()
	walkOn(newBed(t, func(c Config) deed.Engine { return open(t, c) }, Claims{}), data)
}

// Fuzz lets Go's fuzzer choose the data of Walk, so that it also makes a failure short.
func Fuzz(f *testing.F, open Open) {
	for seed := range uint64(8) {
		f.Add(walkData(seed, 1<<(seed+3)))
	}
	f.Fuzz(func(t *testing.T, data []byte) { Walk(t, open, data) })
}

// walkData is the data of a walk that is the same in each run.
func walkData(seed uint64, n int) []byte {
	rng := rand.New(rand.NewPCG(seed, 17))
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(rng.Uint32())
	}
	return data
}

// runWalks does the walks of Run.
func runWalks(t *testing.T, open Open) {
	for seed := range uint64(scaled(20)) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			Walk(t, open, walkData(seed, 6000))
		})
	}
}

// A walk goes along a store and the model at once. The model counts positions from 1; where says where the store has them.
type walk struct {
	*bed
	model *model
	data  []byte
	steps []string

	where  []deed.Position                 // of each of the model's records, in the store
	order  map[deed.Position]deed.Position // and back
	past   []deed.Batch                    // what was stored, with the model's positions
	asked  []deed.CommandRef               // all commands, refused ones too
	events int
}

func walkOn(b *bed, data []byte) {
	b.Helper()
	w := &walk{bed: b, data: data, model: newModel(b.clock, deed.Limits{}), order: map[deed.Position]deed.Position{}}
	for len(w.data) > 0 {
		w.step()
	}
	w.same(deed.Query{})
}

// pick takes the next byte as a choice among n; 0 where data has ended.
func (w *walk) pick(n int) int {
	if len(w.data) == 0 {
		return 0
	}
	c := w.data[0]
	w.data = w.data[1:]
	return int(c) % n
}

func (w *walk) oneIn(n int) bool { return w.pick(n) == n-1 }

func (w *walk) step() {
	w.Helper()
	switch choice := w.pick(16); choice {
	case 0, 1, 2, 3, 4, 5, 6:
		w.both(w.appendOf())
	case 7:
		w.repeat(func(b deed.Batch) deed.Batch { return b })
	case 8:
		w.repeat(w.spoiled)
	case 9:
		w.both(w.command(deed.Batch{Checks: w.checks(w.pick(2), 1+w.pick(2))}))
	case 10, 11, 12, 13:
		w.same(w.query())
	case 14:
		w.sameOutcome()
	default:
		w.rare()
	}
}

func (w *walk) note(format string, args ...any) {
	w.steps = append(w.steps, fmt.Sprintf(format, args...))
}

func (w *walk) fail(format string, args ...any) {
	w.Helper()
	w.Fatalf("%s\nafter the steps\n%s", fmt.Sprintf(format, args...), strings.Join(w.steps, "\n"))
}

// both appends to the model and to the store and compares what they answer.
func (w *walk) both(b deed.Batch) {
	w.Helper()
	w.note("%d append %s", len(w.steps)+1, describe(b))
	wanted := b
	want, wantErr := w.model.append(b)
	b.Checks = w.translated(b.Checks)
	got, err := w.store.Append(w.ctx, b)
	if class(err) != class(wantErr) {
		w.fail("the store answers %v, the model %v", err, wantErr)
	}
	if err != nil {
		w.tells(err, b)
		return
	}
	if !want.Again {
		w.learn()
		w.past = append(w.past, wanted)
	}
	want.Position = w.there(want.Position)
	if !sameReceipt(got, want) {
		w.fail("the store's receipt is %+v, the model's %+v", got, want)
	}
}

// learn reads what the store has new and compares it with what the model has new.
func (w *walk) learn() {
	w.Helper()
	fresh := w.model.records[len(w.where):]
	if len(fresh) == 0 {
		return
	}
	got, err := collect(w.ctx, w.store, deed.Query{After: w.there(deed.Position(len(w.where)))})
	if err != nil || len(got) != len(fresh) {
		w.fail("the store has %d new records, the model %d: %v", len(got), len(fresh), err)
	}
	for i, r := range got {
		w.where = append(w.where, r.Position)
		w.order[r.Position] = fresh[i].Position
	}
	w.compare(got, fresh)
}

// compare compares records but for their time: not all engines claim one clock.
func (w *walk) compare(got, want []deed.Record) {
	w.Helper()
	expected := make([]deed.Record, len(want))
	for i, r := range want {
		r.Position = w.there(r.Position)
		if i < len(got) {
			r.Time = got[i].Time
		}
		expected[i] = r
	}
	if diff := diffRecords(got, expected); diff != "" {
		w.fail("%s", diff)
	}
}

// there is where the store has a position of the model's.
func (w *walk) there(p deed.Position) deed.Position {
	n := deed.Position(len(w.where))
	switch {
	case p <= 0 || n == 0:
		return p
	case p > n:
		return w.where[n-1] + p - n
	}
	return w.where[p-1]
}

func (w *walk) translated(checks []deed.Check) []deed.Check {
	var there []deed.Check
	for _, c := range checks {
		c.After = w.there(c.After)
		there = append(there, c)
	}
	return there
}

// tells checks that the error of a refused append names something that does not hold.
func (w *walk) tells(err error, b deed.Batch) {
	w.Helper()
	var conflict *deed.ConflictError
	var unmet *deed.CheckError
	switch {
	case errors.As(err, &unmet):
		w.tellsCheck(unmet, b)
	case errors.As(err, &conflict):
		for _, write := range b.Writes {
			if known := w.model.conflict(write.Stream, write.Version); known != nil && *known == *conflict {
				return
			}
		}
		w.fail("the store tells of a conflict that is none: %+v", conflict)
	}
}

func (w *walk) tellsCheck(unmet *deed.CheckError, b deed.Batch) {
	w.Helper()
	for _, c := range b.Checks {
		if fmt.Sprint(c) != fmt.Sprint(unmet.Check) {
			continue
		}
		if c.Stream != "" {
			if known := w.model.conflict(c.Stream, c.Version); known != nil && known.Actual == unmet.Actual {
				return
			}
			continue
		}
		if p := w.order[unmet.Position]; p > 0 && unmet.Position > c.After {
			if r := w.model.records[p-1]; deed.MatchAny(c.Match, r.Type, r.Tags) {
				return
			}
		}
	}
	w.fail("the store tells of a check that holds: %+v", unmet)
}

// same reads from the model and from the store and compares.
func (w *walk) same(q deed.Query) {
	w.Helper()
	w.note("%d read %+v", len(w.steps)+1, q)
	want, wantErr := w.model.read(q)
	q.After, q.Before = w.there(q.After), w.there(q.Before)
	got, err := collect(w.ctx, w.store, q)
	if class(err) != class(wantErr) {
		w.fail("the store answers %v, the model %v", err, wantErr)
	}
	w.compare(got, want)
	if err != nil || q.Backward || len(want) == 0 {
		return
	}
	q.Follow, q.Limit = true, len(want)
	if got, err = collect(w.ctx, w.store, q); err != nil {
		w.fail("following: %v", err)
	}
	w.compare(got, want)
}

func (w *walk) sameOutcome() {
	w.Helper()
	ref := deed.CommandRef{ID: "never", Hash: "h0"}
	if len(w.asked) > 0 {
		ref = w.asked[len(w.asked)-1-w.pick(256)%len(w.asked)]
	}
	if w.oneIn(4) {
		ref.Hash += "!"
	}
	w.note("%d outcome %+v", len(w.steps)+1, ref)
	want, wantKnown, wantErr := w.model.outcome(ref)
	want.Position = w.there(want.Position)
	got, known, err := w.store.Outcome(w.ctx, ref)
	if class(err) != class(wantErr) || known != wantKnown || known && !sameReceipt(got, want) {
		w.fail("the store answers %+v, %v, %v, the model %+v, %v, %v", got, known, err, want, wantKnown, wantErr)
	}
}

// class is what a caller decides by.
func class(err error) string {
	switch {
	case err == nil:
		return "ok"
	case isInvalid(err):
		return "invalid"
	case as[*deed.CheckError](err):
		return "check"
	case as[*deed.ConflictError](err):
		return "conflict"
	case errors.Is(err, deed.ErrReused):
		return "reused"
	}
	return err.Error()
}
