package sqlite_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/deed-es/deed"
)

// A WAL of this size was let grow. It starts anew at 4 MiB, or at 16 where it has to wait for readers.
const tooLarge = 24 << 20

func TestAPausedReaderDoesNotKeepTheWALGrowing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log.db")
	db := opened(t, path, nil)
	appendMuch(t, db, "a-0", 10)
	for _, err := range db.Read(t.Context(), deed.Query{Limit: 2, Stream: "a-0"}) {
		if err != nil {
			t.Fatal(err)
		}
		appendMuch(t, db, "a-1", 100) // inside the loop, and more than a WAL should hold
	}
	checkWAL(t, path)
}

func TestReadersThatTakeTurnsDoNotKeepTheWALGrowing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log.db")
	db := opened(t, path, nil)
	appendMuch(t, db, "a-0", 10)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				for _, err := range db.Read(t.Context(), deed.Query{Limit: 500}) {
					if err != nil {
						t.Error(err)
					}
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	appendMuch(t, db, "a-1", 200)
	close(done)
	wg.Wait()
	checkWAL(t, path)
}

// appendMuch appends batches of 200 kB.
func appendMuch(t *testing.T, db deed.Store, stream deed.StreamID, batches int) {
	t.Helper()
	if testing.Short() {
		batches /= 4
	}
	data := make([]byte, 20_000)
	for i := range data {
		data[i] = 'x'
	}
	for i := range batches {
		b := write(stream, deed.Any)
		for j := range 10 {
			b.Writes[0].Events = append(b.Writes[0].Events, deed.NewEvent{ID: number(number("e", i)+"-", j), Type: "noted", Data: data})
		}
		appended(t, db, b)
	}
}

func checkWAL(t *testing.T, path string) {
	t.Helper()
	wal, err := os.Stat(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	if wal.Size() > tooLarge {
		t.Errorf("the WAL has %d bytes", wal.Size())
	}
}
