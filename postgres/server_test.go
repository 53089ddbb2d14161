package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/postgres"
	"github.com/deed-es/deed/postgres/internal/cluster"
)

// ownServer starts a server that a test may do anything to.
func ownServer(t *testing.T, settings ...string) *cluster.Cluster {
	t.Helper()
	c, err := cluster.Start(settings...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// eventually asks again and again until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for ctx := within(t); !holds(); {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// A writer is one of those who append while the server goes down and comes back. It retries what failed or is unknown until it
// is acknowledged, with the same ids.
type restartedWriter struct {
	acknowledged, failed, unknown, again atomic.Int64
}

func (w *restartedWriter) run(ctx context.Context, db *postgres.DB, stream deed.StreamID, over <-chan struct{}) error {
	for v := deed.Version(0); ; {
		select {
		case <-over:
			return nil
		default:
		}
		r, err := db.Append(ctx, write(stream, v, fmt.Sprint(stream, "/", v)))
		switch {
		case err == nil:
			v++
			w.acknowledged.Add(1)
			if r.Again {
				w.again.Add(1)
			}
		case errors.Is(err, deed.ErrConflict) || ctx.Err() != nil:
			return fmt.Errorf("%s at %d: %w", stream, v, err)
		case errors.Is(err, deed.ErrUnknown):
			w.unknown.Add(1)
		default:
			w.failed.Add(1)
		}
	}
}

func TestNothingAcknowledgedIsLostWhenTheServerRestartsUnderLoad(t *testing.T) {
	t.Parallel()
	for _, order := range []postgres.Order{postgres.Serial, postgres.Parallel} {
		t.Run(string(order), func(t *testing.T) {
			t.Parallel()
			restartsUnderLoad(t, order)
		})
	}
}

func restartsUnderLoad(t *testing.T, order postgres.Order) {
	c := ownServer(t)
	ctx := within(t)
	handles := []*postgres.DB{openedAt(t, c.URL(), nil), openedAt(t, c.URL(), nil)}
	if err := handles[0].SetOrder(ctx, order); err != nil {
		t.Fatal(err)
	}
	following, stop := context.WithCancel(ctx)
	defer stop()
	followed := make(chan []deed.Record, 1)
	go func() { followed <- followOn(following, handles[1]) }()
	var w restartedWriter
	var wg sync.WaitGroup
	over := make(chan struct{})
	for i := range 16 {
		wg.Go(func() {
			if err := w.run(ctx, handles[i%2], deed.Stream("order", fmt.Sprint(i)), over); err != nil {
				t.Error(err)
			}
		})
	}
	for _, mode := range []string{"fast", "immediate"} {
		goal := w.acknowledged.Load() + 300
		eventually(t, "300 more are acknowledged", func() bool { return w.acknowledged.Load() >= goal })
		if err := c.Restart(mode); err != nil {
			t.Fatal(err)
		}
	}
	goal := w.acknowledged.Load() + 300
	eventually(t, "300 more are acknowledged", func() bool { return w.acknowledged.Load() >= goal })
	close(over)
	wg.Wait()
	t.Logf("acknowledged %d (of them as repetitions %d), failed %d, unknown %d", w.acknowledged.Load(), w.again.Load(), w.failed.Load(), w.unknown.Load())
	if w.failed.Load()+w.unknown.Load() == 0 {
		t.Error("no append noticed the restarts")
	}
	var log []deed.Record
	eventually(t, "the log can be read", func() bool {
		log = log[:0]
		for r, err := range handles[0].Read(ctx, deed.Query{}) {
			if err != nil {
				return false
			}
			log = append(log, r)
		}
		return true
	})
	if got := int64(len(log)); got != w.acknowledged.Load() {
		t.Errorf("%d events are in the log, and %d were acknowledged", got, w.acknowledged.Load())
	}
	seen := map[string]bool{}
	for _, r := range log {
		if want := fmt.Sprint(r.Stream, "/", r.Version-1); r.ID != want || seen[r.ID] {
			t.Errorf("%s stands where %s is to be, and once", r.ID, want)
		}
		seen[r.ID] = true
	}
	appended(t, handles[0], write("end-1", 0, "end"))
	last := <-followed
	if len(last) != len(log)+1 {
		t.Errorf("%d events were followed, of %d", len(last), len(log)+1)
	}
	for i, r := range last[:min(len(last), len(log))] {
		if r.ID != log[i].ID || r.Position != log[i].Position {
			t.Fatalf("%s at %d was followed at place %d, and %s at %d is there", r.ID, r.Position, i, log[i].ID, log[i].Position)
		}
	}
}

// followOn takes records until the last, and begins again behind the last one it has after an error.
func followOn(ctx context.Context, db *postgres.DB) (seen []deed.Record) {
	for after := deed.Position(0); ctx.Err() == nil; {
		for r, err := range db.Read(ctx, deed.Query{Follow: true, After: after}) {
			if err != nil {
				break
			}
			after = r.Position
			if seen = append(seen, r); r.ID == "end" {
				return seen
			}
		}
	}
	return seen
}

// A commit that waits for a standby which never answers: the events are on this server's disk, and nobody else can tell.
func TestACommitThatIsCutOffIsUnknownAndItsRetryTells(t *testing.T) {
	t.Parallel()
	c := ownServer(t)
	ctx := within(t)
	admin, err := pgx.Connect(ctx, c.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = admin.Close(ctx) }()
	standby := func(names string) {
		t.Helper()
		for _, sql := range []string{"ALTER SYSTEM SET synchronous_standby_names = '" + names + "'", "SELECT pg_reload_conf()"} {
			if _, err := admin.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
				t.Fatal(err)
			}
		}
	}
	db := openedAt(t, c.URL(), nil)
	appended(t, db, write("order-1", 0, "e0"))
	next := deed.Version(1)
	for _, cut := range []string{"pg_terminate_backend", "pg_cancel_backend"} {
		standby("nobody")
		var b deed.Batch
		answered := make(chan error, 1)
		begin := func() {
			b = write("order-1", next, fmt.Sprint("e", next))
			next++
			go func() {
				_, err := db.Append(ctx, b)
				answered <- err
			}()
		}
		begin()
		var err error
		eventually(t, "the commit waits and is cut off", func() bool {
			select {
			case err = <-answered:
				if err == nil { // the server had not heard of the standby yet
					begin()
				}
				return err != nil
			default:
			}
			_, cutting := admin.Exec(ctx, "SELECT "+cut+"(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
			return cutting != nil
		})
		if !errors.Is(err, deed.ErrUnknown) {
			t.Fatalf("%s: the append is answered with %v", cut, err)
		}
		standby("")
		r, err := db.Append(ctx, b)
		if err != nil || !r.Again || r.Version() != next {
			t.Fatalf("%s: the retry got %+v, %v, want version %d again", cut, r, err, next)
		}
	}
	appended(t, db, write("order-1", next, fmt.Sprint("e", next)))
	for i, id := range ids(t, db, deed.Query{}) {
		if id != fmt.Sprint("e", i) {
			t.Errorf("%s stands at place %d", id, i)
		}
	}
}

func TestALostConnectionThatNothingWasSentOnIsNoticedByNobody(t *testing.T) {
	t.Parallel()
	c := ownServer(t)
	db := openedAt(t, c.URL(), nil)
	appended(t, db, write("order-1", 0, "a"))
	for i := range 3 {
		if err := c.Restart("fast"); err != nil {
			t.Fatal(err)
		}
		if i == 1 { // reading first
			if got := ids(t, db, deed.Query{}); len(got) != 2 {
				t.Fatalf("the log has %v", got)
			}
		}
		b := write("order-1", deed.Version(i+1), fmt.Sprint("b", i))
		r, err := db.Append(t.Context(), b)
		if errors.Is(err, deed.ErrUnknown) { // the restart took less than a second: it was not looked before
			r, err = db.Append(t.Context(), b)
		}
		if err != nil || r.Version() != deed.Version(i+2) {
			t.Fatalf("after restart %d: %+v, %v", i, r, err)
		}
	}
}

// A warning that has nothing to do with the commit does not put it in doubt.
func TestAWarningOfATriggerLeavesNoDoubt(t *testing.T) {
	t.Parallel()
	schema := fresh(t)
	db := opened(t, &postgres.Options{Schema: schema})
	execute(t, server, `CREATE FUNCTION `+schema+`.warn() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'beware'; RETURN NEW; END $$;
		CREATE TRIGGER warn AFTER INSERT ON `+schema+`.events EXECUTE FUNCTION `+schema+`.warn()`)
	for i := range 3 {
		appended(t, db, write("order-1", deed.Version(i), fmt.Sprint("e", i)))
	}
}
