package postgres_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/postgres"
	"github.com/deed-es/deed/postgres/internal/cluster"
)

var mixedFor = flag.Duration("mixed", 3*time.Second, "how long TestMixed appends")

// TestMixed has processes append to one log in the order Parallel, with conditions and without, some in transactions with rows
// of others, beside transactions that are slow, are rolled back, or are prepared and ended by somebody else, and beside one that stays open. Followers of all processes must see each
// event once and in order, no condition may be granted that does not hold, and what is acknowledged must be there for all to read. A
// reader with nothing but a cursor over the positions follows too: it must miss something, or the run has shown nothing.
func TestMixed(t *testing.T) {
	t.Parallel()
	c, err := cluster.Start("max_prepared_transactions = 10")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	m := newMixed(t, c.URL(), 3)
	if _, err := m.append(m.handles[0], write("start-1", 0, "start")); err != nil {
		t.Fatal(err)
	}
	if err := m.handles[0].SetOrder(t.Context(), postgres.Parallel); err != nil {
		t.Fatal(err)
	}
	m.run(*mixedFor)
	m.judge()
	if m.naive.missed() == 0 {
		t.Error("the reader with a bare cursor missed nothing, so nothing was hidden from the others")
	}
}

// mixed is a run.
type mixed struct {
	t       *testing.T
	url     string
	o       *postgres.Options
	handles []*postgres.DB
	ctx     context.Context
	over    chan struct{} // closed when the writers are to end
	naive   *naive

	followed                                                            [][]deed.Record // by handle
	stored                                                              sync.Map        // ids of what is acknowledged or committed, and their positions or 0
	appends, granted, refused, slow, rolled, prepared, stale, odd, lent atomic.Int64
}

func newMixed(t *testing.T, url string, handles int) *mixed {
	m := &mixed{t: t, url: url, o: &postgres.Options{Schema: "mixed"}, over: make(chan struct{})}
	ctx, cancel := context.WithTimeout(t.Context(), *mixedFor+2*time.Minute)
	t.Cleanup(cancel)
	m.ctx = ctx
	for range handles {
		m.handles = append(m.handles, openedAt(t, url, m.o))
	}
	m.followed = make([][]deed.Record, handles)
	m.naive = newNaive(t, url, m.o.Schema)
	return m
}

// run appends for so long, and then waits for all who follow.
func (m *mixed) run(d time.Duration) {
	var readers, writers sync.WaitGroup
	for i := range m.handles {
		readers.Go(func() { m.follow(i) })
	}
	readers.Go(func() { m.naive.run(m.ctx) })
	foreign := m.connect()
	if _, err := foreign.Exec(m.ctx, "CREATE TABLE lent (id text PRIMARY KEY)"); err != nil {
		m.t.Fatal(err)
	}
	if _, err := foreign.Exec(m.ctx, "BEGIN; CREATE TABLE foreigners (n int); INSERT INTO foreigners VALUES (1)"); err != nil { // has a number, and keeps it
		m.t.Fatal(err)
	}
	for i, db := range m.handles {
		other := m.handles[(i+1)%len(m.handles)]
		for _, kind := range []func(db, other *postgres.DB, name string, n int) error{m.plain, m.plain, m.crowded, m.unique, m.skewed} {
			name := deed.NewID()
			writers.Go(func() { m.repeat(func(n int) error { return kind(db, other, name, n) }) })
		}
	}
	for i, db := range m.handles {
		writers.Go(func() { m.repeat(func(n int) error { return m.inTx(db, fmt.Sprint(i), n) }) })
	}
	for w := range 3 {
		c := m.connect()
		writers.Go(func() { m.repeat(func(n int) error { return m.raw(c, w, n) }) })
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-m.ctx.Done():
	}
	close(m.over)
	writers.Wait()
	if _, err := m.handles[0].Append(m.ctx, write("end-1", 0, "end")); err != nil {
		m.t.Fatal(err)
	}
	readers.Wait()
	if _, err := foreign.Exec(m.ctx, "ROLLBACK"); err != nil {
		m.t.Error(err)
	}
}

func (m *mixed) connect() *pgx.Conn {
	c, err := pgx.Connect(m.ctx, m.url)
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

func (m *mixed) repeat(do func(n int) error) {
	for n := 0; ; n++ {
		select {
		case <-m.over:
			return
		default:
		}
		if err := do(n); err != nil {
			m.t.Error(err)
			return
		}
	}
}

// append appends, and remembers what is stored.
func (m *mixed) append(db *postgres.DB, b deed.Batch) (bool, error) {
	r, err := db.Append(m.ctx, b)
	return m.took(b, r, err)
}

// took remembers what was stored of a batch.
func (m *mixed) took(b deed.Batch, r deed.Receipt, err error) (bool, error) {
	switch {
	case errors.Is(err, deed.ErrConflict):
		m.refused.Add(1)
		return false, nil
	case err != nil:
		return false, err
	}
	m.appends.Add(1)
	for _, w := range b.Writes {
		for i, e := range w.Events {
			at := deed.Position(0) // of the last event the receipt tells
			if len(b.Writes) == 1 && i == len(w.Events)-1 {
				at = r.Position
			}
			m.stored.Store(e.ID, at)
		}
	}
	return true, nil
}

// plain appends to a stream of its own at the version it knows, and now and then reads at another process what it has just stored.
func (m *mixed) plain(db, other *postgres.DB, name string, n int) error {
	stream := deed.Stream("own", name)
	first, second := event(fmt.Sprint("p-", name, "-", n, "a")), event(fmt.Sprint("p-", name, "-", n, "b"), fmt.Sprint("taken:", n/3))
	b := deed.Batch{Writes: []deed.Write{{Stream: stream, Version: deed.Version(2 * n), Events: []deed.NewEvent{first, second}}}}
	if ok, err := m.append(db, b); err != nil || !ok {
		return fmt.Errorf("%s at %d is refused, %w", stream, 2*n, err)
	}
	if n%10 > 0 {
		return nil
	}
	seen := false
	for r, err := range other.Read(m.ctx, deed.Query{Stream: stream, AfterVersion: deed.Version(2*n + 1)}) {
		if err != nil {
			return err
		}
		seen = seen || r.ID == second.ID
	}
	if !seen {
		m.stale.Add(1)
	}
	return nil
}

// crowded appends to streams that all processes append to, in either order.
func (m *mixed) crowded(db, _ *postgres.DB, name string, n int) error {
	streams := []string{"a", "b", "c"}
	rand.Shuffle(len(streams), func(i, j int) { streams[i], streams[j] = streams[j], streams[i] })
	var b deed.Batch
	for _, s := range streams[:2] {
		b.Writes = append(b.Writes, deed.Write{Stream: deed.Stream("all", s), Version: deed.Any, Events: []deed.NewEvent{event(fmt.Sprint("c-", name, "-", n, s))}})
	}
	_, err := m.append(db, b)
	return err
}

// unique appends under the condition that nobody has the tag; those who append without conditions have some of them.
func (m *mixed) unique(db, _ *postgres.DB, name string, n int) error {
	id, tag := fmt.Sprint("u-", name, "-", n), fmt.Sprint("taken:", n)
	ok, err := m.append(db, deed.Batch{
		Writes: []deed.Write{{Stream: deed.Stream("unique", id), Events: []deed.NewEvent{event(id, tag)}}},
		Checks: []deed.Check{{Match: []deed.Match{{Tags: []string{tag}}}}},
	})
	if ok {
		m.granted.Add(1)
	}
	return err
}

// skewed creates one of two streams, if the other is not there.
func (m *mixed) skewed(db, _ *postgres.DB, name string, n int) error {
	mine, others := deed.Stream("left", fmt.Sprint(n)), deed.Stream("right", fmt.Sprint(n))
	if name[len(name)-1]%2 == 0 {
		mine, others = others, mine
	}
	ok, err := m.append(db, deed.Batch{
		Writes: []deed.Write{{Stream: mine, Events: []deed.NewEvent{event(fmt.Sprint("s-", name, "-", n))}}},
		Checks: []deed.Check{{Stream: others}},
	})
	if ok {
		m.granted.Add(1)
	}
	return err
}

// inTx appends in a transaction with a row of a table that is not the log's, with a condition or without; each seventh is given up.
func (m *mixed) inTx(db *postgres.DB, name string, n int) error {
	id, givesUp := fmt.Sprint("t-", name, "-", n), errors.New("given up")
	b := deed.Batch{Writes: []deed.Write{{Stream: deed.Stream("lent", name), Version: deed.Any, Events: []deed.NewEvent{event(id)}}}}
	if n%3 == 0 {
		tag := fmt.Sprint("taken:", n)
		b.Writes = []deed.Write{{Stream: deed.Stream("unique", id), Events: []deed.NewEvent{event(id, tag)}}}
		b.Checks = []deed.Check{{Match: []deed.Match{{Tags: []string{tag}}}}}
	}
	r, err := db.InTx(m.ctx, func(tx pgx.Tx) (deed.Batch, error) {
		if _, err := tx.Exec(m.ctx, "INSERT INTO lent (id) VALUES ($1)", id); err != nil {
			return deed.Batch{}, err
		}
		if n%7 == 6 {
			return deed.Batch{}, givesUp
		}
		return b, nil
	})
	if errors.Is(err, givesUp) {
		m.rolled.Add(1)
		return nil
	}
	ok, err := m.took(b, r, err)
	if ok {
		m.lent.Add(1)
		if len(b.Checks) > 0 {
			m.granted.Add(1)
		}
	}
	return err
}

// halves counts the rows without their events, and the events without their rows.
func (m *mixed) halves(log []deed.Record) (n int) {
	rows, err := m.connect().Query(m.ctx, "SELECT id FROM lent")
	if err != nil {
		m.t.Fatal(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		m.t.Fatal(err)
	}
	own := map[string]bool{}
	for _, id := range ids {
		own[id] = true
	}
	for _, r := range log {
		if strings.HasPrefix(r.ID, "t-") && !own[r.ID] {
			n++
		}
		delete(own, r.ID)
	}
	return n + len(own)
}

// raw is a transaction as those of other processes are, which takes its time and is committed, rolled back or prepared.
func (m *mixed) raw(c *pgx.Conn, w, n int) error {
	id, pause := fmt.Sprint("r-", w, "-", n), time.Duration(rand.IntN(20))*time.Millisecond
	end := []string{"COMMIT", "ROLLBACK", "PREPARE TRANSACTION '" + id + "'"}[n%3]
	second := []string{"COMMIT PREPARED '" + id + "'", "ROLLBACK PREPARED '" + id + "'"}[n/3%2]
	for _, sql := range append(appendSQL(m.o.Schema, id), "SELECT pg_sleep("+fmt.Sprint(pause.Seconds())+")", end) {
		if _, err := c.Exec(m.ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	m.slow.Add(1)
	if n%3 == 2 {
		m.prepared.Add(1)
		if _, err := c.Exec(m.ctx, "SELECT pg_sleep("+fmt.Sprint(pause.Seconds())+")"); err != nil {
			return err
		}
		if _, err := c.Exec(m.ctx, second); err != nil {
			return err
		}
	}
	if n%3 == 1 || n%3 == 2 && n/3%2 == 1 {
		m.rolled.Add(1)
		return nil
	}
	m.stored.Store(id, deed.Position(0))
	return nil
}

// appendSQL is what an append in the order Parallel comes down to, up to the commit.
func appendSQL(schema, id string) []string {
	return []string{
		"BEGIN",
		fmt.Sprintf("SELECT pg_advisory_xact_lock_shared(%d)", postgres.LockKey(schema, "main")),
		fmt.Sprintf(`INSERT INTO %[1]s.events (log, kind, position, version, time, stream, id, data)
			SELECT log, 1, base + nextval('%[1]s.positions'), 1, 0, 'raw-%[2]s', '%[2]s', '{}' FROM %[1]s.logs WHERE name = 'main'`, schema, id),
	}
}

// follow takes records until the last.
func (m *mixed) follow(i int) {
	for r, err := range m.handles[i].Read(m.ctx, deed.Query{Follow: true}) {
		if err != nil {
			m.t.Errorf("following at process %d, after %d events: %v", i, len(m.followed[i]), err)
			return
		}
		if m.followed[i] = append(m.followed[i], r); r.ID == "end" {
			return
		}
	}
}

// judge counts what went wrong, and prints all.
func (m *mixed) judge() {
	missing, disorder, broken, delivered := 0, 0, 0, 0
	for _, seen := range m.followed {
		delivered += len(seen)
		disorder += m.disorder(seen)
		there := map[string]deed.Position{}
		for _, r := range seen {
			there[r.ID] = r.Position
		}
		m.stored.Range(func(id, at any) bool {
			if p, ok := there[id.(string)]; !ok {
				missing++
			} else if at.(deed.Position) != 0 && p != at.(deed.Position) {
				m.odd.Add(1)
			}
			delete(there, id.(string))
			return true
		})
		if delete(there, "end"); len(there) > 0 {
			m.t.Errorf("%d events are there that nobody has stored", len(there))
		}
	}
	broken = m.broken(m.followed[0])
	halves := m.halves(m.followed[0])
	m.t.Logf("%d appends (%d of them in transactions with rows of others, %d of which lack row or event) and %d bare transactions (%d of them prepared, %d rolled back) by %d processes; delivered %d, missing %d, out of order %d; "+
		"conditions granted %d, broken %d, refused %d; read too early elsewhere %d, at another position than acknowledged %d; a bare cursor missed %d of %d",
		m.appends.Load(), m.lent.Load(), halves, m.slow.Load(), m.prepared.Load(), m.rolled.Load(), len(m.handles), delivered, missing, disorder,
		m.granted.Load(), broken, m.refused.Load(), m.stale.Load(), m.odd.Load(), m.naive.missed(), m.naive.total)
	if missing+disorder+broken+halves != 0 || m.stale.Load()+m.odd.Load() != 0 {
		m.t.Error("some guarantee does not hold")
	}
	if m.granted.Load() == 0 || m.refused.Load() == 0 {
		m.t.Error("nothing raced")
	}
}

// disorder counts what came out of order, in the log or in a stream.
func (m *mixed) disorder(seen []deed.Record) (n int) {
	last, versions := deed.Position(0), map[deed.StreamID]deed.Version{}
	for _, r := range seen {
		if r.Position <= last || r.Version != versions[r.Stream]+1 {
			n++
		}
		last, versions[r.Stream] = r.Position, r.Version
	}
	return n
}

// broken counts conditions that did not hold where they were granted.
func (m *mixed) broken(log []deed.Record) (n int) {
	tags, pairs := map[string]bool{}, map[string]bool{}
	for _, r := range log {
		for _, tag := range r.Tags {
			if r.Stream.Category() == "unique" && tags[tag] {
				n++
			}
			tags[tag] = true
		}
		if c := r.Stream.Category(); c == "left" || c == "right" {
			pair := string(r.Stream)[len(c):]
			if pairs[pair] {
				n++
			}
			pairs[pair] = true
		}
	}
	return n
}

// naive is a reader with a cursor over the positions, as they are stored.
type naive struct {
	t      *testing.T
	c      *pgx.Conn
	schema string
	seen   int
	total  int
}

func newNaive(t *testing.T, url, schema string) *naive {
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return &naive{t: t, c: c, schema: schema}
}

func (n *naive) run(ctx context.Context) {
	for cursor, ended := int64(0), false; !ended; {
		rows, err := n.c.Query(ctx, "SELECT position, id FROM "+n.schema+".events WHERE position > $1 ORDER BY position LIMIT 1000", cursor)
		if err != nil {
			n.t.Error(err)
			return
		}
		var id string
		if _, err := pgx.ForEachRow(rows, []any{&cursor, &id}, func() error {
			n.seen++
			ended = ended || id == "end"
			return nil
		}); err != nil {
			n.t.Error(err)
			return
		}
	}
	if err := n.c.QueryRow(ctx, "SELECT count(*) FROM "+n.schema+".events").Scan(&n.total); err != nil {
		n.t.Error(err)
	}
}

func (n *naive) missed() int { return n.total - n.seen }
