package postgres_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/postgres"
)

// What f may not do with the transaction is an error, and nothing is stored.
func TestInTxIsNotEndedByItsUser(t *testing.T) {
	t.Parallel()
	eachOrder(t, func(t *testing.T, b *ownBed) {
		ctx := within(t)
		var kept pgx.Tx
		_, err := b.db.InTx(ctx, func(tx pgx.Tx) (deed.Batch, error) {
			kept = tx
			if tx.Commit(ctx) == nil || tx.Rollback(ctx) == nil || tx.Conn() != nil {
				t.Error("the transaction can be ended")
			}
			inner, err := tx.Begin(ctx)
			if err != nil {
				return deed.Batch{}, err
			}
			if err := errors.Join(b.insert(ctx, inner, "gone"), inner.Rollback(ctx)); err != nil {
				return deed.Batch{}, err
			}
			return write("order-1", 0, "a"), pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error { return b.insert(ctx, tx, "a") })
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := kept.Exec(ctx, "SELECT 1"); !errors.Is(err, pgx.ErrTxClosed) {
			t.Errorf("the transaction can be used afterwards: %v", err)
		}
		for name, f := range map[string]func(tx pgx.Tx) error{
			"ends it with SQL": func(tx pgx.Tx) error { return errOf(tx.Exec(ctx, "ROLLBACK")) },
			"begins another":   func(tx pgx.Tx) error { return errOf(tx.Exec(ctx, "ROLLBACK; BEGIN")) },
			"hides an error": func(tx pgx.Tx) error {
				_, _ = tx.Exec(ctx, "SELECT 1/0")
				return nil
			},
			"leaves rows open": func(tx pgx.Tx) error { return errOf(tx.Query(ctx, "SELECT generate_series(1, 1000)")) },
			"wants a snapshot": func(tx pgx.Tx) error { return errOf(tx.Exec(ctx, "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")) },
			"loses its patience": func(tx pgx.Tx) error {
				return errOf(tx.Exec(ctx, "SET LOCAL statement_timeout = 1; SELECT pg_sleep(1)"))
			},
			"breaks a constraint": func(tx pgx.Tx) error { return b.insert(ctx, tx, "a") },
		} {
			_, err := b.db.InTx(ctx, func(tx pgx.Tx) (deed.Batch, error) {
				if err := b.insert(ctx, tx, name); err != nil {
					return deed.Batch{}, err
				}
				return write("order-1", 1, "b"), f(tx)
			})
			if err == nil || errors.Is(err, deed.ErrUnknown) {
				t.Errorf("who %s is answered with %v", name, err)
			}
		}
		func() {
			defer func() {
				if r := recover(); r != "own" {
					t.Errorf("a panic of f's is %v", r)
				}
			}()
			_, _ = b.db.InTx(ctx, func(tx pgx.Tx) (deed.Batch, error) {
				_ = b.insert(ctx, tx, "panic")
				panic("own")
			})
		}()
		b.has([]string{"a"}, []string{"a"})
		eventually(t, "all connections are given back", func() bool { return postgres.Pool(b.db).Stat().AcquiredConns() == 0 })
	})
}

// Who sets less than a flush for the own statements does not set it for the events.
func TestInTxIsFlushed(t *testing.T) {
	t.Parallel()
	eachOrder(t, func(t *testing.T, b *ownBed) {
		ctx := within(t)
		execute(t, b.url, `CREATE TABLE `+b.table+`_set (flushed text);
			CREATE FUNCTION `+b.o.Schema+`.told() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
				INSERT INTO `+b.table+`_set VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$;
			CREATE TRIGGER told AFTER INSERT ON `+b.o.Schema+`.events FOR EACH STATEMENT EXECUTE FUNCTION `+b.o.Schema+`.told()`)
		if _, err := b.db.InTx(ctx, func(tx pgx.Tx) (deed.Batch, error) {
			return write("order-1", 0, "a"), errOf(tx.Exec(ctx, "SET LOCAL synchronous_commit = off"))
		}); err != nil {
			t.Fatal(err)
		}
		var set string
		if err := postgres.Pool(b.db).QueryRow(ctx, "SELECT string_agg(flushed, ' ') FROM "+b.table+"_set").Scan(&set); err != nil || set != "on" {
			t.Errorf("the events were stored with synchronous_commit %s, %v", set, err)
		}
	})
}

// Two that lock rows crosswise: one gets the server's error, the other is stored, and nothing of the first is.
func TestInTxCrosswise(t *testing.T) {
	t.Parallel()
	eachOrder(t, func(t *testing.T, b *ownBed) {
		ctx := within(t)
		execute(t, b.url, "INSERT INTO "+b.table+" VALUES ('x', 0), ('y', 0)")
		var both, wg sync.WaitGroup
		both.Add(2)
		errs := make([]error, 2)
		for i, order := range [][]string{{"x", "y"}, {"y", "x"}} {
			wg.Go(func() {
				_, errs[i] = b.db.InTx(ctx, func(tx pgx.Tx) (deed.Batch, error) {
					for n, id := range order {
						if _, err := tx.Exec(ctx, "UPDATE "+b.table+" SET n = n + 1 WHERE id = $1", id); err != nil {
							return deed.Batch{}, err
						}
						if n == 0 {
							both.Done()
							both.Wait()
						}
					}
					return write(deed.Stream("order", order[0]), 0, order[0]), nil
				})
			})
		}
		wg.Wait()
		var server *pgconn.PgError
		lost := 0
		if errs[0] == nil {
			lost = 1
		}
		if errs[1-lost] != nil || !errors.As(errs[lost], &server) || server.Code != "40P01" {
			t.Errorf("they are answered with %v and %v", errs[0], errs[1])
		}
		var sum int
		if err := postgres.Pool(b.db).QueryRow(ctx, "SELECT sum(n) FROM "+b.table).Scan(&sum); err != nil || sum != 2 {
			t.Errorf("rows were changed %d times, %v", sum, err)
		}
		if got := ids(t, b.db, deed.Query{}); len(got) != 1 {
			t.Errorf("the log has %v", got)
		}
	})
}

// A transaction that has a row which an append wants for the tables it keeps, and wants the log which the append has: the server ends it, and
// the append is stored.
func TestInTxAndInlineTxCrosswise(t *testing.T) {
	t.Parallel()
	eachOrder(t, func(t *testing.T, b *ownBed) {
		ctx, admin := within(t), connected(t)
		execute(t, b.url, "CREATE TABLE "+b.table+"_sum (n int); INSERT INTO "+b.table+"_sum VALUES (0)")
		tables := b.tables(1)
		tables.Write = func(ctx context.Context, tx pgx.Tx, _ deed.Recorded[noted]) error {
			return errOf(tx.Exec(ctx, "UPDATE "+b.table+"_sum SET n = n + 1"))
		}
		if err := b.db.KeepInline(ctx, tables); err != nil {
			t.Fatal(err)
		}
		answered := make(chan error, 1)
		_, err := b.db.InTx(ctx, func(tx pgx.Tx) (deed.Batch, error) {
			if _, err := tx.Exec(ctx, "UPDATE "+b.table+"_sum SET n = n + 1"); err != nil {
				return deed.Batch{}, err
			}
			go func() { answered <- errOf(b.db.Append(ctx, write("order-1", 0, "a"))) }()
			eventually(t, "the append waits for the row", func() bool {
				var waits bool
				err := admin.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE $1)", "UPDATE "+b.table+"_sum%").Scan(&waits)
				return err == nil && waits
			})
			return write("order-2", 0, "b"), nil
		})
		if own := <-answered; own != nil {
			t.Errorf("the append is answered with %v", own)
		}
		var server *pgconn.PgError
		if err != nil && (!errors.As(err, &server) || server.Code != "40P01") {
			t.Errorf("the transaction is answered with %v", err)
		}
		events := len(ids(t, b.db, deed.Query{}))
		want := events // by the append, and twice by the transaction
		if err == nil {
			want++
		}
		var sum int
		if err := admin.QueryRow(ctx, "SELECT n FROM "+b.table+"_sum").Scan(&sum); err != nil || sum != want {
			t.Errorf("the row was changed %d times for %d events, %v", sum, events, err)
		}
	})
}

// A connection that is lost amid the COMMIT leaves it unknown, and the retry under the same command tells.
func TestInTxWhoseCommitIsCut(t *testing.T) {
	t.Parallel()
	for _, order := range []postgres.Order{postgres.Serial, postgres.Parallel} {
		p := newCutter(t)
		b := newOwnBed(t, server, order)
		through := openedAt(t, p.url(), b.o)
		for cut, stored := range map[int32]bool{cutBefore: false, cutAfter: true} {
			batch := write("order-1", deed.Any, fmt.Sprint("e", cut))
			batch.Command = deed.CommandRef{ID: fmt.Sprint("c-", cut), Hash: "h"}
			try := func(cut int32) (deed.Receipt, error) {
				return through.InTx(within(t), func(tx pgx.Tx) (deed.Batch, error) {
					_, err := tx.Exec(within(t), "INSERT INTO "+b.table+" (id) VALUES ($1) ON CONFLICT DO NOTHING", batch.Writes[0].Events[0].ID)
					p.cut.Store(cut)
					return batch, err
				})
			}
			if _, err := try(cut); !errors.Is(err, deed.ErrUnknown) {
				t.Fatalf("%s, cut %d: it is answered with %v", order, cut, err)
			}
			r, err := try(0)
			if err != nil || r.Again != stored {
				t.Errorf("%s, cut %d: the retry got %+v, %v", order, cut, r, err)
			}
		}
		if events, rows := ids(t, b.db, deed.Query{}), b.rows(); len(events) != 2 || len(rows) != 2 {
			t.Errorf("%s: the log has %v, and the table %v", order, events, rows)
		}
	}
}

// A process that is killed when f has returned, and before the commit, leaves nothing behind, and nobody waits for it.
func TestInTxOfAProcessThatIsKilled(t *testing.T) {
	t.Parallel()
	if schema := os.Getenv("DEED_TEST_KILLED"); schema != "" {
		b := &ownBed{T: t, table: schema + ".own"}
		db := opened(t, &postgres.Options{Schema: schema})
		_, err := db.InTx(t.Context(), func(tx pgx.Tx) (deed.Batch, error) {
			err := b.insert(t.Context(), tx, "killed")
			_, _ = fmt.Fprintln(os.Stdout, "returns")
			return write("order-1", 0, "killed"), err
		})
		t.Fatalf("it was not killed: %v", err)
	}
	eachOrder(t, func(t *testing.T, b *ownBed) {
		ctx, admin := within(t), connected(t)
		hold := func(sql string) {
			if _, err := admin.Exec(ctx, sql, postgres.LockKey(b.o.Schema, "main")); err != nil {
				t.Fatal(err)
			}
		}
		hold("SELECT pg_advisory_lock($1)")
		child := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestInTxOfAProcessThatIsKilled$")
		child.Env = append(os.Environ(), "DEED_TEST_POSTGRES="+server, "DEED_TEST_KILLED="+b.o.Schema)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.Contains(line, "returns") {
			t.Fatalf("the process says %q, %v", line, err)
		}
		eventually(t, "it waits for the log's lock", func() bool {
			var waits bool
			err := admin.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND pid <> pg_backend_pid() AND (classid::bigint << 32) | objid::bigint = $1)",
				postgres.LockKey(b.o.Schema, "main")).Scan(&waits)
			return err == nil && waits
		})
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = child.Wait()
		hold("SELECT pg_advisory_unlock($1)")
		if _, err := b.with(ctx, write("order-1", 0, "after")); err != nil {
			t.Fatal(err)
		}
		b.has([]string{"after"}, []string{"after"})
	})
}

// So many at once as leave the log what it needs: f may read, and append, however many there are.
func TestInTxLeavesConnections(t *testing.T) {
	t.Parallel()
	b := newOwnBed(t, server, postgres.Serial)
	small := openedAt(t, server+"&pool_max_conns=3", b.o)
	ctx := within(t)
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			id := fmt.Sprint("e", i)
			_, err := small.InTx(ctx, func(tx pgx.Tx) (deed.Batch, error) {
				if _, err := small.Head(ctx); err != nil {
					return deed.Batch{}, err
				}
				_, err := small.Append(ctx, write(deed.Stream("plain", id), 0, "p"+id))
				return write(deed.Stream("order", id), 0, id), errors.Join(err, b.insert(ctx, tx, id))
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if events, rows := ids(t, b.db, deed.Query{}), b.rows(); len(events) != 24 || len(rows) != 12 {
		t.Errorf("the log has %v, and the table %v", events, rows)
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := b.withAt(gone, small, write("order-1", 0, "x")); !errors.Is(err, context.Canceled) || errors.Is(err, deed.ErrUnknown) {
		t.Errorf("who has gone is answered with %v", err)
	}
	if err := small.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.withAt(ctx, small, write("order-1", 0, "x")); !errors.Is(err, deed.ErrClosed) {
		t.Errorf("a closed log answers %v", err)
	}
}

// tamper is a clock that does something before it tells the time: a group asks for it when it has looked, and before it stores.
type tamper struct {
	deed.Clock
	do func()
}

func (c *tamper) Now() time.Time {
	c.do()
	return c.Clock.Now()
}

// Where somebody writes past the lock, so that what was looked up does not hold any more, nothing is stored: f's part neither.
func TestInTxPastTheLock(t *testing.T) {
	t.Parallel()
	eachOrder(t, func(t *testing.T, b *ownBed) {
		ctx, times := within(t), 0
		o := *b.o
		clock := &tamper{Clock: deed.SystemClock(), do: func() {}}
		o.Clock = clock
		db := openedAt(t, b.url, &o)
		for _, limit := range []int{100, 1} { // for good, and once
			times = 0
			clock.do = func() {
				if times++; times <= limit {
					execute(t, b.url, "UPDATE "+b.o.Schema+".logs SET time = time + 10000000000000000, base = base + 1")
				}
			}
			_, err := b.withAt(ctx, db, write("order-1", 0, fmt.Sprint("a", limit)))
			if limit > 1 && (err == nil || errors.Is(err, deed.ErrUnknown)) || limit == 1 && err != nil {
				t.Errorf("it is answered with %v", err)
			}
		}
		clock.do = func() {}
		b.has([]string{"a1"}, []string{"a1"})
	})
}
