package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/postgres"
)

// serverWith is the server's URL with a parameter more.
func serverWith(parameter string) string {
	if strings.Contains(server, "?") {
		return server + "&" + parameter
	}
	return server + "?" + parameter
}

// A look that the server has broken off has found nothing out: streams that it asked for may be there.
func TestALookThatFailedIsNotBelieved(t *testing.T) {
	o := &postgres.Options{Schema: fresh(t)}
	appended(t, opened(t, o), write("order-1", 0, "a", "b", "c"))
	name, as := role(t, "service")
	execute(t, server, postgres.Grants(*o, postgres.Roles{Service: name}))
	schema := o.Schema
	execute(t, server, `CREATE TABLE `+schema+`.flag (n int); INSERT INTO `+schema+`.flag VALUES (1); GRANT SELECT ON `+schema+`.flag TO PUBLIC;
		CREATE FUNCTION `+schema+`.slow() RETURNS bool LANGUAGE plpgsql AS $$
			BEGIN IF EXISTS (SELECT FROM `+schema+`.flag) THEN PERFORM pg_sleep(60); END IF; RETURN true; END $$;
		CREATE POLICY slow ON `+schema+`.events FOR SELECT TO PUBLIC USING (`+schema+`.slow());
		CREATE POLICY every ON `+schema+`.events FOR INSERT TO PUBLIC WITH CHECK (true);
		ALTER TABLE `+schema+`.events ENABLE ROW LEVEL SECURITY`)
	db, ctx := openedAt(t, as, o), within(t)
	failed := make(chan error, 1)
	go func() {
		_, err := db.Append(ctx, write("order-1", 3, "d"))
		failed <- err
	}()
	admin := connected(t)
	pid := 0
	eventually(t, "the look is under way", func() bool {
		return admin.QueryRow(ctx, "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND usename::text = $1::text", name).Scan(&pid) == nil
	})
	execute(t, server, fmt.Sprintf("SELECT pg_cancel_backend(%d)", pid))
	if err := <-failed; err == nil {
		t.Fatal("the append whose look was cancelled is stored")
	}
	execute(t, server, "DELETE FROM "+schema+".flag")
	invoice := write("invoice-1", 0, "i")
	invoice.Checks = []deed.Check{{Stream: "order-1", Version: 0}}
	if _, err := db.Append(ctx, invoice); !errors.Is(err, deed.ErrConflict) {
		t.Errorf("on condition that a stream is not there, which is: %v", err)
	}
	appended(t, db, write("order-1", 3, "d"))
}

// What was acknowledged before a backward read began is not passed over because something newer is stored while it reads.
func TestABackwardReadWaitsForWhatIsAcknowledged(t *testing.T) {
	o := &postgres.Options{Schema: fresh(t)}
	ctx := within(t)
	first := opened(t, o)
	if err := first.SetOrder(ctx, postgres.Parallel); err != nil {
		t.Fatal(err)
	}
	appended(t, first, write("order-1", 0, "a"))
	db := openedAt(t, serverWith("pool_max_conns=1"), o)
	last := deed.Query{Category: "order", Backward: true, Limit: 1}
	if got := ids(t, db, last); len(got) != 1 {
		t.Fatalf("the log has %v", got)
	}
	holder, blocker := connected(t), connected(t)
	run := func(c *pgx.Conn, sql string) {
		t.Helper()
		if _, err := c.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	run(holder, "BEGIN")
	run(holder, fmt.Sprintf("SELECT pg_advisory_xact_lock_shared(%d)", postgres.LockKey(o.Schema, "main"))) // the head stays
	appended(t, first, write("order-1", 1, "acknowledged"))
	run(blocker, "BEGIN")
	run(blocker, "LOCK TABLE "+o.Schema+".kinds") // between the head's statement and the page's
	got := make(chan string, 1)
	go func() {
		for r, err := range db.Read(ctx, last) {
			got <- fmt.Sprint(r.ID, err)
		}
	}()
	eventually(t, "the page waits", func() bool {
		n := 0
		err := blocker.QueryRow(ctx, "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = '"+o.Schema+".kinds'::regclass").Scan(&n)
		return err == nil && n > 0
	})
	appended(t, first, write("order-1", 2, "later"))
	run(blocker, "COMMIT")
	run(holder, "COMMIT")
	if id := <-got; !strings.HasPrefix(id, "acknowledged") && !strings.HasPrefix(id, "later") {
		t.Errorf("the last event is %s, and another was acknowledged", id)
	}
}

// One connection is enough to be told again what was stored.
func TestInTxRepeatedWithOneConnection(t *testing.T) {
	db := openedAt(t, serverWith("pool_max_conns=1"), &postgres.Options{Schema: fresh(t)})
	for i := range 2 {
		receipt, err := db.InTx(within(t), func(pgx.Tx) (deed.Batch, error) { return write("order-1", 0, "a"), nil })
		if err != nil || receipt.Again != (i == 1) {
			t.Fatalf("time %d: %+v, %v", i+1, receipt, err)
		}
	}
}

// What the server has warned of in a transaction that was rolled back says nothing of the next one's commit.
func TestAWarningIsOfItsOwnTransaction(t *testing.T) {
	db, ctx := openedAt(t, serverWith("pool_max_conns=1"), &postgres.Options{Schema: fresh(t)}), within(t)
	no := errors.New("no")
	_, err := db.InTx(ctx, func(tx pgx.Tx) (deed.Batch, error) {
		_, err := tx.Exec(ctx, "DO $$ BEGIN RAISE WARNING 'beware'; END $$")
		return deed.Batch{}, errors.Join(err, no)
	})
	if !errors.Is(err, no) {
		t.Fatal(err)
	}
	if _, err := db.Beat(ctx, deed.Beat{Node: "a", Name: "a", For: time.Minute, Wants: []string{"p"}, Take: []string{"p"}}); err != nil {
		t.Error(err)
	}
}

// Roles may be called like mail addresses, as where a cloud's accounts are roles.
func TestGrantsToAMailAddress(t *testing.T) {
	o := postgres.Options{Schema: fresh(t)}
	opened(t, &o)
	name := o.Schema + "@example.iam"
	quoted := pgx.Identifier{name}.Sanitize()
	execute(t, server, "CREATE ROLE "+quoted)
	t.Cleanup(func() { execute(t, server, "DROP OWNED BY "+quoted+"; DROP ROLE "+quoted) })
	if err := tryTo(t, server, postgres.Grants(o, postgres.Roles{Service: name})); err != nil {
		t.Error(err)
	}
}

// Tables are made once, whatever transactions are like by default.
func TestTwoFirstStartsWithAnotherIsolation(t *testing.T) {
	o := &postgres.Options{Schema: fresh(t)}
	ctx, admin := within(t), connected(t)
	if _, err := admin.Exec(ctx, fmt.Sprintf("BEGIN; SELECT pg_advisory_xact_lock(%d)", postgres.LockKey(o.Schema, ""))); err != nil {
		t.Fatal(err)
	}
	var starts sync.WaitGroup
	for range 2 {
		starts.Go(func() {
			db, err := postgres.Open(context.WithoutCancel(ctx), serverWith("default_transaction_isolation=repeatable%20read"), o)
			if err != nil {
				t.Error(err)
				return
			}
			_ = db.Close()
		})
	}
	eventually(t, "both wait", func() bool {
		n := 0
		err := admin.QueryRow(ctx, "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory' AND objid = ($1::bigint & 4294967295)::oid",
			postgres.LockKey(o.Schema, "")).Scan(&n)
		return err == nil && n == 2
	})
	if _, err := admin.Exec(ctx, "COMMIT"); err != nil {
		t.Fatal(err)
	}
	starts.Wait()
}

// A role's statement_timeout ends the wait for the log's lock; the caller may try again.
func TestAStatementTimeoutIsBusy(t *testing.T) {
	o := &postgres.Options{Schema: fresh(t)}
	db, ctx, admin := openedAt(t, serverWith("statement_timeout=300"), o), within(t), connected(t)
	appended(t, db, write("order-1", 0, "a"))
	if _, err := admin.Exec(ctx, fmt.Sprintf("BEGIN; SELECT pg_advisory_xact_lock(%d)", postgres.LockKey(o.Schema, "main"))); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Append(ctx, write("order-1", 1, "b")); !errors.Is(err, deed.ErrBusy) {
		t.Errorf("while another has the lock: %v", err)
	}
	if _, err := admin.Exec(ctx, "COMMIT"); err != nil {
		t.Fatal(err)
	}
	appended(t, db, write("order-1", 1, "b"))
}

// A condition on several tags costs what the rarest of them costs, in whatever order they are named.
func TestTheRarestTagLeads(t *testing.T) {
	o := &postgres.Options{Schema: fresh(t)}
	db, ctx := opened(t, o), within(t)
	const events = 50_000
	b := write("order-1", 0, "a")
	b.Writes[0].Events[0].Tags = []string{"tenant:1", "mail:1"}
	appended(t, db, b)
	execute(t, server, fmt.Sprintf(`INSERT INTO %[1]s.events (log, kind, position, version, time, stream, id, tags, data)
			SELECT 1, 1, g, 1, 1, 'order-x'||g, 'i'||g, 'tenant:1'||chr(10)||'mail:'||g, '{}' FROM generate_series(2, %[2]d) g;
		INSERT INTO %[1]s.tags SELECT 1, g, 'tenant:1' FROM generate_series(2, %[2]d) g;
		INSERT INTO %[1]s.tags SELECT 1, g, 'mail:'||g FROM generate_series(2, %[2]d) g;
		UPDATE %[1]s.logs SET head = %[2]d; ANALYZE %[1]s.events; ANALYZE %[1]s.tags`, o.Schema, events))
	for _, tags := range [][]string{{"tenant:1", "mail:new"}, {"mail:new", "tenant:1"}} {
		sql, args := postgres.FirstMatchSQL(db, deed.Match{Tags: tags})
		if n := blocksRead(t, sql, args); n > 200 {
			t.Errorf("%v: %d blocks were looked at", tags, n)
		}
	}
	for i, tags := range [][]string{{"tenant:1", "mail:7"}, {"mail:7", "tenant:1"}} {
		b := write(deed.Stream("customer", fmt.Sprint(i)), 0, fmt.Sprint("c", i))
		b.Checks = []deed.Check{{Match: []deed.Match{{Tags: tags}}}}
		var check *deed.CheckError
		if _, err := db.Append(ctx, b); !errors.As(err, &check) || check.Position != 7 {
			t.Errorf("%v: %v", tags, err)
		}
	}
}

// Timers of other parts are not walked through.
func TestTheNextTimerIsFoundAmongThoseOfOthers(t *testing.T) {
	o := &postgres.Options{Schema: fresh(t)}
	db, ctx := opened(t, o), within(t)
	execute(t, server, `INSERT INTO `+o.Schema+`.effects SELECT 1, 0, g, 4000000000000000 + g, 'id'||g, 'other', 'k'||g, '', 'send', 'order-1', 'x', '', '', '', NULL
		FROM generate_series(1, 50000) g; ANALYZE `+o.Schema+`.effects`)
	sql, args := postgres.NextDueSQL(db, 0, []string{"own"})
	if n := blocksRead(t, sql, args); n > 50 {
		t.Errorf("%d blocks were looked at", n)
	}
	at, found, err := db.NextDue(ctx, []string{"own", "other"}, time.Unix(0, 0))
	if err != nil || !found || at.UnixMicro() != 4000000000000001 {
		t.Errorf("the next is at %v, %v, %v", at, found, err)
	}
}

// blocksRead is how many blocks the server looks at for a statement.
func blocksRead(t *testing.T, sql string, args []any) int {
	t.Helper()
	ctx, c := within(t), connected(t)
	var plan []struct {
		Plan struct {
			Hit  int `json:"Shared Hit Blocks"`
			Read int `json:"Shared Read Blocks"`
		}
	}
	if err := c.QueryRow(ctx, "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "+sql, args...).Scan(&plan); err != nil {
		t.Fatal(err)
	}
	return plan[0].Plan.Hit + plan[0].Plan.Read
}
