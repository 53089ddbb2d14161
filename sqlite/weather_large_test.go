package sqlite_test

import (
	"fmt"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

// sized is how many there are of n in a full run, which is one without the race detector.
func sized(n int) int {
	if underRace || testing.Short() {
		n /= 20
	}
	return n
}

// So many streams neither slow a log down nor take memory.
func TestManyStreams(t *testing.T) {
	const batch, sparse = 1000, 10 // one stream of so many is in the category that is read
	streams := sized(200_000)
	db := fresh(t)
	before, began := heap(), time.Now()
	name := func(i int) deed.StreamID {
		if i%sparse == 0 {
			return deed.Stream("rare", number("", i))
		}
		return deed.Stream("much", number("", i))
	}
	for from := 0; from < streams; from += batch {
		var b deed.Batch
		for i := from; i < from+batch; i++ {
			b.Writes = append(b.Writes, deed.Write{Stream: name(i), Events: []deed.NewEvent{event(number("e", i))}})
		}
		appended(t, db, b)
	}
	took := time.Since(began)
	t.Logf("%d streams made in %v: %.0f a second", streams, took.Round(time.Millisecond), float64(streams)/took.Seconds())

	began = time.Now()
	looks := max(sized(1000), 100)
	for i := range looks {
		at := i * (streams / looks)
		if got := fmt.Sprint(ids(t, db, deed.Query{Stream: name(at)})); got != fmt.Sprintf("[e%d]", at) {
			t.Fatalf("%s has %s", name(at), got)
		}
	}
	t.Logf("a stream is read in %v", (time.Since(began) / time.Duration(looks)).Round(time.Microsecond))

	began = time.Now()
	next := 0
	for r, err := range db.Read(t.Context(), deed.Query{Category: "rare"}) {
		if err != nil || r.Stream != name(next) || r.Position != deed.Position(next+1) {
			t.Fatalf("the category has %s at %d, %v, want %s", r.Stream, r.Position, err, name(next))
		}
		next += sparse
	}
	if next != streams {
		t.Errorf("the category ends before stream %d of %d", next, streams)
	}
	t.Logf("a category of %d streams is read in %v", streams/sparse, time.Since(began).Round(time.Millisecond))

	for i := range looks { // back to streams that nobody remembers
		at := i * (streams / looks)
		if r := appended(t, db, write(name(at), 1, number("f", at))); r.Version() != 2 {
			t.Fatalf("%s is at version %d", name(at), r.Version())
		}
	}
	grown := heap() - before
	t.Logf("the heap has grown by %.1f MiB", float64(grown)/(1<<20))
	if grown > 40<<20 {
		t.Errorf("with %d streams the heap has grown by %d bytes", streams, grown)
	}
}

// heap is what is in use on it.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

type noted struct {
	ID string `json:"id"`
}

func (noted) EventType() string { return "noted" }

type add struct{}

func (add) CommandType() string { return "add" }

// tallies count the events of a stream.
var tallies = deed.Decider[int, add, noted]{
	Category: "a", Commands: []add{{}}, Events: []noted{{}},
	Decide: func(n int, _ add) ([]noted, error) { return []noted{{number("e", n)}}, nil },
	Evolve: func(n int, _ noted) int { return n + 1 },
}

// A stream that is long is read in either direction and handled; what is appended to it is not slower for its length,
// because its version is looked up, and not counted.
func TestALongStream(t *testing.T) {
	const batch = 1000
	length := sized(100_000)
	m := newMachine(t)
	path := filepath.Join(t.TempDir(), "log.db")
	o := sqlite.Options{}.WithBelow(m.below())
	db := opened(t, path, o)
	began := time.Now()
	for from := 0; from < length; from += batch {
		var names [batch]string
		for i := range names {
			names[i] = number("e", from+i)
		}
		appended(t, db, write("a-1", deed.Version(from), names[:]...))
		appended(t, db, write(deed.Stream("b", number("", from/batch)), 0, number("b", from)))
	}
	t.Logf("%d events of a stream are appended in %v", length, time.Since(began).Round(time.Millisecond))

	for _, backward := range []bool{false, true} {
		began = time.Now()
		version, step := deed.Version(1), deed.Version(1)
		if backward {
			version, step = deed.Version(length), -1
		}
		n := 0
		for r, err := range db.Read(t.Context(), deed.Query{Stream: "a-1", Backward: backward}) {
			if err != nil || r.Version != version || r.ID != number("e", int(version)-1) {
				t.Fatalf("read %s at version %d, %v, want version %d", r.ID, r.Version, err, version)
			}
			version += step
			n++
		}
		if n != length {
			t.Errorf("backward %v: %d events of %d", backward, n, length)
		}
		t.Logf("read in %v, backward: %v", time.Since(began).Round(time.Millisecond), backward)
	}

	began = time.Now()
	h := tallies.Handler(db)
	if n, version, err := h.Load(t.Context(), "1"); n != length || version != deed.Version(length) || err != nil {
		t.Errorf("loaded %d at version %d, %v", n, version, err)
	}
	t.Logf("loaded in %v", time.Since(began).Round(time.Millisecond))
	if r, err := h.Handle(t.Context(), "1", add{}); err != nil || r.Version() != deed.Version(length+1) {
		t.Errorf("handled: %+v, %v", r, err)
	}

	long, longTime := endOf(t, m, db, "a-1", deed.Version(length+1))
	short, shortTime := endOf(t, m, db, "b-1", 1)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("an append takes %v to the long stream, %v to a short one: %.2f times as long", longTime, shortTime, float64(longTime)/float64(shortTime))

	// With nothing remembered and nothing in the cache, the pages read tell what is looked at.
	db = opened(t, path, o)
	longCold, _ := endOf(t, m, db, "a-1", deed.Version(length+1+long.appends))
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = opened(t, path, o)
	shortCold, _ := endOf(t, m, db, "b-1", deed.Version(1+short.appends))
	t.Logf("to find its end again %d calls read the long stream, %d a short one", longCold.reads, shortCold.reads)
	if longCold.reads > shortCold.reads+20 || long.reads > short.reads+20 {
		t.Errorf("an append to a stream of %d reads %d times, then %d times; to a short one %d and %d", length, longCold.reads, long.reads, shortCold.reads, short.reads)
	}
}

// ending is what appends to the end of a stream came to.
type ending struct{ appends, reads int }

// endOf appends to a stream and counts the calls that read, and the time of an append.
func endOf(t *testing.T, m *machine, db *sqlite.DB, stream deed.StreamID, version deed.Version) (ending, time.Duration) {
	t.Helper()
	e := ending{appends: 50}
	m.spoil(func(c call) error {
		if c.kind == callRead {
			e.reads++
		}
		return nil
	})
	defer m.spoil(nil)
	began := time.Now()
	for i := range e.appends {
		appended(t, db, write(stream, version+deed.Version(i), fmt.Sprintf("%s-%d", stream, int(version)+i)))
	}
	return e, time.Since(began) / time.Duration(e.appends)
}
