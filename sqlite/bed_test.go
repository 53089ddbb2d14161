package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

// opened opens a log that the test closes at its end.
func opened(t *testing.T, path string, o *sqlite.Options) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func fresh(t *testing.T) *sqlite.DB {
	t.Helper()
	return opened(t, filepath.Join(t.TempDir(), "log.db"), nil)
}

func inMemory(t *testing.T, o *sqlite.Options) *sqlite.DB {
	t.Helper()
	db, err := sqlite.OpenMemory(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// event is an event named by its id.
func event(id string, tags ...string) deed.NewEvent {
	return deed.NewEvent{ID: id, Type: "noted", Data: []byte(`{"id":"` + id + `"}`), Tags: tags}
}

func write(stream deed.StreamID, version deed.Version, ids ...string) deed.Batch {
	events := make([]deed.NewEvent, len(ids))
	for i, id := range ids {
		events[i] = event(id)
	}
	return deed.Batch{Writes: []deed.Write{{Stream: stream, Version: version, Events: events}}}
}

func appended(t *testing.T, s deed.Store, b deed.Batch) deed.Receipt {
	t.Helper()
	r, err := s.Append(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// ids reads what q selects.
func ids(t *testing.T, r deed.Reader, q deed.Query) []string {
	t.Helper()
	var all []string
	for record, err := range r.Read(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, record.ID)
	}
	return all
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
}

// within gives a test's waiting an end.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// handClock is a clock that stands until it is moved.
type handClock struct {
	mu  sync.Mutex
	now time.Time
}

func newHandClock() *handClock { return &handClock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *handClock) move(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return c.now
}

func (c *handClock) Timer(time.Time) (<-chan struct{}, func()) { return nil, func() {} }

func number(prefix string, n int) string { return fmt.Sprintf("%s%d", prefix, n) }
