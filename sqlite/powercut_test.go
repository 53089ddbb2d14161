package sqlite_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

var cutsWanted = flag.Int("cuts", 320, "how many power cuts TestPowerCut makes; make powercut has ten thousand")

// verdict is what was found after power cuts.
type verdict struct {
	cuts         int
	acknowledged int // of all cuts together
	lost         int
	unknown      int // whole or not at all
	faults       []error
}

func (v *verdict) add(other verdict) {
	v.cuts += other.cuts
	v.acknowledged += other.acknowledged
	v.lost += other.lost
	v.unknown += other.unknown
	v.faults = append(v.faults, other.faults...)
}

func (v *verdict) fault(format string, args ...any) {
	v.faults = append(v.faults, fmt.Errorf(format, args...))
}

func (v *verdict) String() string {
	return fmt.Sprintf("%d cuts, %d appends acknowledged before them, %d lost; %d more under way", v.cuts, v.acknowledged, v.lost, v.unknown)
}

// What is acknowledged survives a power cut at any moment, whatever of the rest reached the disk; what is refused is not
// there; the rest is there whole or not at all, and once after a retry; views are the fold of the log up to where they are.
func TestPowerCut(t *testing.T) {
	v := cutAll(t, scaled(*cutsWanted), func(b sqlite.Below) sqlite.Below { return b })
	if v.lost > 0 {
		t.Errorf("%d acknowledged appends are lost", v.lost)
	}
	for _, err := range v.faults[:min(len(v.faults), 10)] {
		t.Error(err)
	}
}

// The cuts are known to find what a lowered setting loses.
func TestPowerCutFindsLossesWithoutFlushes(t *testing.T) {
	v := cutAll(t, scaled(max(*cutsWanted/4, 80)), func(b sqlite.Below) sqlite.Below { return b.WithSynchronous("NORMAL") })
	if v.lost == 0 {
		t.Error("with synchronous=NORMAL nothing was lost: the cuts find nothing")
	}
}

// And what is lost where files are flushed, but not the directory that they were made in.
func TestPowerCutFindsLossesWithoutFlushOfTheDirectory(t *testing.T) {
	v := cutAll(t, scaled(80), func(b sqlite.Below) sqlite.Below {
		return b.WithFiles(func(f sqlite.Files) sqlite.Files { return noDirFlush{f} })
	})
	if v.lost == 0 {
		t.Error("without a flush of the directory nothing was lost: the cuts find nothing")
	}
}

// And what is lost where a WAL that a kill or a failed flush left is taken for stored.
func TestPowerCutFindsLossesWhereAWALIsNotSettled(t *testing.T) {
	v := cutAll(t, scaled(120), func(b sqlite.Below) sqlite.Below {
		return b.WithFiles(func(f sqlite.Files) sqlite.Files { return noSettling{f} })
	})
	if v.lost == 0 {
		t.Error("without settling the WAL nothing was lost: the cuts find nothing")
	}
}

// scaled is how many cuts there are, of n in a full run.
func scaled(n int) int {
	if underRace || testing.Short() {
		n /= 2
	}
	return n
}

// cutAll records all workloads and spreads cuts over them.
func cutAll(t *testing.T, cuts int, below func(sqlite.Below) sqlite.Below) verdict {
	t.Helper()
	m := newMachine(t)
	var all verdict
	work := workloads()
	for _, w := range work {
		r := record(t, w, below)
		v := r.cut(t, m, cuts/len(work))
		t.Logf("%-26s %5d calls: %v", w.name, len(r.notes), &v)
		all.add(v)
	}
	t.Logf("%-26s              %v", "in all", &all)
	return all
}

// cut cuts the power so many times, at moments spread over the recording.
func (r *recording) cut(t *testing.T, m *machine, cuts int) verdict {
	t.Helper()
	var mu sync.Mutex
	var all verdict
	var wg sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for worker := range workers {
		dir := t.TempDir()
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(worker), uint64(cuts)))
			moments := make([]int, (cuts+worker)/workers)
			for i := range moments {
				moments[i] = rng.IntN(len(r.notes) + 1)
			}
			slices.Sort(moments)
			on := newMedium(rng)
			var own verdict
			for i, moment := range moments {
				on.play(r.notes, moment)
				image := filepath.Join(dir, number("", i))
				v := r.judge(t.Context(), m, image, moment, on.cut())
				if len(v.faults) == 0 {
					v.faults = append(v.faults, os.RemoveAll(image))[:0]
				}
				for j, err := range v.faults {
					v.faults[j] = fmt.Errorf("%s, cut at %d of %d: %w", r.name, moment, len(r.notes), err)
				}
				own.add(v)
			}
			mu.Lock()
			defer mu.Unlock()
			all.add(own)
		})
	}
	wg.Wait()
	return all
}

// judge opens the store that a cut left and compares what is there with what was asked and answered.
func (r *recording) judge(ctx context.Context, m *machine, dir string, moment int, files map[string][]byte) verdict {
	v := verdict{cuts: 1}
	err := os.Mkdir(dir, 0o755)
	for name, data := range files {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), data, 0o644))
	}
	if err != nil {
		v.fault("make the image: %w", err)
		return v
	}
	db, err := sqlite.Open(filepath.Join(dir, "log.db"), sqlite.Options{}.WithBelow(m.below()))
	if err != nil {
		for _, a := range r.asked {
			if a.acked && a.till <= moment {
				v.acknowledged++
				v.lost++
			}
		}
		v.fault("open: %w", err)
		return v
	}
	r.judgeStore(ctx, db, moment, &v)
	if err := db.Close(); err != nil {
		v.fault("close: %w", err)
	}
	return v
}

func (r *recording) judgeStore(ctx context.Context, db *sqlite.DB, moment int, v *verdict) {
	if err := db.CheckIntegrity(ctx); err != nil {
		v.fault("integrity: %w", err)
	}
	log, err := readDense(ctx, db)
	if err != nil {
		v.fault("%w", err)
		return
	}
	at := positionsOf(log)
	var retries []*asked
	for _, a := range r.asked {
		answered := a.till > 0 && a.till <= moment
		there, last, err := a.there(at)
		switch {
		case err != nil && (!a.acked || !answered):
			v.fault("asked at %d, answered at %d: %w", a.from, a.till, err)
		case a.acked && answered:
			v.acknowledged++
			if err != nil || !there || last != a.position {
				v.lost++
			}
		case there && a.refused:
			v.fault("%v is there, and was refused", a.ids())
		case there && a.from > moment:
			v.fault("%v is there, and was not asked for yet", a.ids())
		case !a.refused && a.from <= moment:
			v.unknown++
			retries = append(retries, a)
		}
	}
	if v.lost > 0 {
		return
	}
	if err := checkStreams(ctx, db, log); err != nil {
		v.fault("view: %w", err)
	}
	for _, a := range retries {
		if _, err := db.Append(ctx, a.batch); err != nil {
			v.fault("the retry of %v: %w", a.ids(), err)
		}
	}
	if log, err = readDense(ctx, db); err != nil {
		v.fault("after the retries: %w", err)
	}
	at = positionsOf(log)
	for _, a := range retries {
		if there, _, err := a.there(at); err != nil || !there {
			v.fault("after its retry %v is there: %v, %w", a.ids(), there, err)
		}
	}
	if err := project(ctx, db, deed.Query{}); err != nil {
		v.fault("project: %w", err)
	}
	if err := checkStreams(ctx, db, log); err != nil {
		v.fault("view, after the retries: %w", err)
	}
}

// there tells whether the append is in the log, whole and in order, and where its last event is.
func (a *asked) there(at map[string]deed.Position) (bool, deed.Position, error) {
	ids := a.ids()
	found := 0
	for _, id := range ids {
		if at[id] > 0 {
			found++
		}
	}
	if found == 0 {
		return false, 0, nil
	}
	for i, id := range ids {
		if at[id] != at[ids[0]]+deed.Position(i) {
			return false, 0, fmt.Errorf("%d of %v are there", found, ids)
		}
	}
	return true, at[ids[len(ids)-1]], nil
}

func positionsOf(log []deed.Record) map[string]deed.Position {
	at := make(map[string]deed.Position, len(log))
	for i := range log {
		at[log[i].ID] = log[i].Position
	}
	return at
}

// readDense reads the log, whose positions count from 1, as do the versions of each stream, and which has no id twice.
func readDense(ctx context.Context, db *sqlite.DB) ([]deed.Record, error) {
	var log []deed.Record
	versions := map[deed.StreamID]deed.Version{}
	seen := map[string]bool{}
	for r, err := range db.Read(ctx, deed.Query{}) {
		if err != nil {
			return nil, fmt.Errorf("read: %w", err)
		}
		log = append(log, r)
		versions[r.Stream]++
		if r.Position != deed.Position(len(log)) || r.Version != versions[r.Stream] || seen[r.ID] {
			return nil, fmt.Errorf("%s stands as version %d of %s at %d, behind %d others; twice: %v", r.ID, r.Version, r.Stream, r.Position, len(log)-1, seen[r.ID])
		}
		seen[r.ID] = true
	}
	return log, nil
}
