package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/ncruces/go-sqlite3"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

// recording is what was done on a machine, and what was asked for and answered at which of its moments.
type recording struct {
	name  string
	notes []note
	asked []*asked
}

// asked is an append, asked for until it was answered for good.
type asked struct {
	batch    deed.Batch
	from     int  // the moment of the first question
	till     int  // the moment of the last answer
	acked    bool // else, if not refused: the answer never came, or was that the outcome is unknown
	refused  bool
	position deed.Position // where its last event is
}

// ids returns the ids of the append's events in their order.
func (a *asked) ids() []string {
	var all []string
	for _, w := range a.batch.Writes {
		for i := range w.Events {
			all = append(all, w.Events[i].ID)
		}
	}
	return all
}

// recorder does a workload and writes it down.
type recorder struct {
	*testing.T
	m     *machine
	below sqlite.Below
	path  string
	db    *sqlite.DB

	mu       sync.Mutex
	asked    []*asked
	versions map[deed.StreamID]deed.Version
	end      func() // ends the projection
}

// workload is a way to use a log. What it does must be answered, not be right: the cuts show whether it was.
type workload struct {
	name string
	run  func(*recorder)
}

func record(t *testing.T, w workload, below func(sqlite.Below) sqlite.Below) *recording {
	t.Helper()
	m := newMachine(t)
	m.noting = true
	r := &recorder{T: t, m: m, below: below(m.below()), path: filepath.Join(t.TempDir(), "log.db"), versions: map[deed.StreamID]deed.Version{}}
	r.open()
	w.run(r)
	r.close()
	return &recording{name: w.name, notes: m.notes, asked: r.asked}
}

// open opens the log and starts a projection of it.
func (r *recorder) open() {
	r.Helper()
	db, err := sqlite.Open(r.path, sqlite.Options{}.WithBelow(r.below))
	if err != nil {
		r.Fatal(err)
	}
	r.db = db
	ctx, cancel := context.WithCancel(r.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = project(ctx, db, deed.Query{Follow: true}) // until it fails, or the log is closed
	}()
	r.end = func() {
		cancel()
		<-ended
	}
}

func (r *recorder) close() {
	r.Helper()
	r.end()
	if err := r.db.Close(); err != nil {
		r.Error(err)
	}
}

func (r *recorder) reopen() {
	r.Helper()
	r.close()
	r.open()
}

// failing fails so many flushes of the log's WAL, while work is done.
func (r *recorder) failing(times int, work func()) {
	failed := 0
	r.m.spoil(func(c call) error {
		if c.kind != callFlush || c.file != "log.db-wal" || failed == times {
			return nil
		}
		failed++
		return sqlite3.IOERR_FSYNC
	})
	work()
	r.m.spoil(nil)
}

// dieAppending appends b and has the process die instead of the n-th flush of the log's WAL; those before it fail. What the
// process had written by then stays in the system's memory, as after a kill.
func (r *recorder) dieAppending(b deed.Batch, n int) {
	r.Helper()
	died, ended := make(chan struct{}), make(chan struct{})
	flushes := 0
	r.m.spoil(func(c call) error {
		if c.kind != callFlush || c.file != "log.db-wal" {
			return nil
		}
		if flushes++; flushes < n {
			return sqlite3.IOERR_FSYNC
		}
		close(died)
		return errDies
	})
	go func() {
		defer close(ended)
		r.ask(b)
	}()
	select {
	case <-died:
	case <-ended: // answered after fewer flushes
	}
	r.close()
	<-ended
	r.m.spoil(nil)
}

// batch makes an append of n events of some size for a stream, and one for a second stream besides.
func (r *recorder) batch(stream deed.StreamID, n, size int) deed.Batch {
	r.mu.Lock()
	defer r.mu.Unlock()
	version := r.versions[stream]
	b := deed.Batch{Writes: []deed.Write{{Stream: stream, Version: version}}}
	for i := range n {
		e := event(fmt.Sprintf("%s@%d", stream, int(version)+i+1), "of:"+string(stream))
		e.Data = fmt.Appendf(nil, `{"id":%q,"is":%q}`, e.ID, filler(size))
		b.Writes[0].Events = append(b.Writes[0].Events, e)
	}
	if version%2 == 0 {
		beside := "beside" + stream
		b.Writes = append(b.Writes, deed.Write{Stream: beside, Version: r.versions[beside], Events: []deed.NewEvent{event(fmt.Sprintf("%s@%d", beside, r.versions[beside]+1))}})
	}
	return b
}

func filler(size int) string {
	text := make([]byte, size)
	for i := range text {
		text[i] = 'a' + byte(i%26)
	}
	return string(text)
}

// ask appends once more, until that is answered for good or the log is closed; it tells whether it was acknowledged.
func (r *recorder) ask(b deed.Batch) bool {
	a := &asked{batch: b, from: r.m.moment()}
	r.mu.Lock()
	r.asked = append(r.asked, a)
	r.mu.Unlock()
	return r.askAgain(a)
}

func (r *recorder) askAgain(a *asked) bool {
	for {
		receipt, err := r.db.Append(r.Context(), a.batch)
		switch {
		case err == nil:
			a.acked, a.till, a.position = true, r.m.moment(), receipt.Position
			r.mu.Lock()
			for i, w := range a.batch.Writes {
				r.versions[w.Stream] = receipt.Streams[i].Version
			}
			r.mu.Unlock()
			return true
		case errors.Is(err, deed.ErrConflict):
			a.refused, a.till = true, r.m.moment()
			return false
		case errors.Is(err, deed.ErrClosed), r.Context().Err() != nil:
			return false
		}
	}
}

// appenders append from several sides at once, with a refusal now and then.
func (r *recorder) appenders(n, each, size int) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			stream := deed.Stream("s", number("", i))
			for j := range each {
				if !r.ask(r.batch(stream, 1+(i+j)%3, size)) {
					return
				}
				if j%4 == 1 {
					wrong := r.batch(stream, 1, 10)
					wrong.Writes[0].Version += 7
					wrong.Writes[0].Events[0].ID = fmt.Sprintf("refused-%s-%d", stream, j)
					wrong.Writes = wrong.Writes[:1]
					r.ask(wrong)
				}
			}
		})
	}
	wg.Wait()
}

// retry asks again what was not answered for good.
func (r *recorder) retry() {
	for _, a := range r.asked {
		if !a.acked && !a.refused {
			r.askAgain(a)
		}
	}
}
