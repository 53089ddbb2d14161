package postgres_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/postgres"
	"github.com/deed-es/deed/postgres/internal/cluster"
)

// server is the URL of the server that most tests share.
var server string

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := withServer(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func withServer(m *testing.M) (code int, err error) {
	if server = os.Getenv("DEED_TEST_POSTGRES"); server != "" {
		return m.Run(), nil
	}
	c, err := cluster.Start()
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, c.Stop()) }()
	server = c.URL()
	return m.Run(), nil
}

// fresh returns the name of a schema that is gone when the test is.
func fresh(t testing.TB) string {
	t.Helper()
	sum := sha256.Sum256([]byte(t.Name() + deed.NewID()))
	name := fmt.Sprintf("test_%x", sum[:8])
	t.Cleanup(func() { execute(t, server, "DROP SCHEMA IF EXISTS "+name+" CASCADE") })
	return name
}

// execute runs statements of a test's own.
func execute(t testing.TB, url, sql string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = c.Close(ctx) }()
	if _, err := c.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Error(err)
	}
}

// opened opens a log that the test closes at its end.
func opened(t testing.TB, o *postgres.Options) *postgres.DB {
	t.Helper()
	return openedAt(t, server, o)
}

func openedAt(t testing.TB, url string, o *postgres.Options) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(t.Context(), url, o)
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

// within gives a test's waiting an end.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// handClock is a clock that stands until it is moved.
type handClock struct {
	mu     sync.Mutex
	now    time.Time
	timers map[chan struct{}]time.Time
}

func newHandClock() *handClock {
	return &handClock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), timers: map[chan struct{}]time.Time{}}
}

func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *handClock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	for due, at := range c.timers {
		if !at.After(c.now) {
			close(due)
			delete(c.timers, due)
		}
	}
}

func (c *handClock) Timer(at time.Time) (<-chan struct{}, func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	due := make(chan struct{})
	if !at.After(c.now) {
		close(due)
		return due, func() {}
	}
	c.timers[due] = at
	return due, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.timers, due)
	}
}
