package sqlite_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/deed-es/deed"
)

// A loop over the log whose body takes its time, and a follower that does, keep nothing from being appended: the WAL starts
// anew behind them, and they go on where they were.
func TestASlowReaderDoesNotKeepTheWALGrowing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log.db")
	db := opened(t, path, nil)
	const before, size = 10, 100_000
	batches := 1000 // of 100 kB
	if underRace || testing.Short() {
		batches /= 3 // still more than the WAL may have
	}
	body := filler(size)
	put := func(i int) {
		e := event(number("e", i))
		e.Data = []byte(`{"is":"` + body + `"}`)
		appended(t, db, deed.Batch{Writes: []deed.Write{{Stream: "a-1", Version: deed.Version(i), Events: []deed.NewEvent{e}}}})
	}
	for i := range before {
		put(i)
	}

	var at, ended sync.WaitGroup
	goOn := make(chan struct{})
	slow := func(q deed.Query, until int) {
		at.Add(1)
		ended.Go(func() {
			next := 1
			for r, err := range db.Read(within(t), q) {
				if err != nil || r.Position != deed.Position(next) || r.ID != number("e", next-1) {
					t.Errorf("after the pause: %s at %d, %v, want %d", r.ID, r.Position, err, next)
					break
				}
				if next == 2 { // in the middle of what is there
					at.Done()
					<-goOn
				}
				next++
			}
			if next != until+1 {
				t.Errorf("%+v: the loop ends before %d, want %d", q, next, until+1)
			}
		})
	}
	slow(deed.Query{}, before)
	slow(deed.Query{Stream: "a-1"}, before)
	slow(deed.Query{Follow: true, Limit: before + batches}, before+batches)
	at.Wait()

	var largest int64
	for i := range batches {
		put(before + i)
		if wal, err := os.Stat(path + "-wal"); err != nil {
			t.Fatal(err)
		} else {
			largest = max(largest, wal.Size())
		}
	}
	close(goOn)
	ended.Wait()
	t.Logf("while three readers wait, %d MB are appended; the WAL has %.1f MiB at most", batches*size/1_000_000, float64(largest)/(1<<20))
	if largest > tooLarge {
		t.Errorf("the WAL has had %d bytes", largest)
	}
}
