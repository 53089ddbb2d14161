package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/postgres"
)

// eachOrder runs a test on a log in each order, with a table of the test's own, t, beside it.
func eachOrder(t *testing.T, run func(t *testing.T, b *ownBed)) {
	t.Helper()
	for _, order := range []postgres.Order{postgres.Serial, postgres.Parallel} {
		t.Run(string(order), func(t *testing.T) {
			t.Parallel()
			run(t, newOwnBed(t, server, order))
		})
	}
}

// ownBed is a log with a table of somebody's own beside it, in the same schema.
type ownBed struct {
	*testing.T
	o     *postgres.Options
	db    *postgres.DB
	url   string
	table string
}

func newOwnBed(t *testing.T, url string, order postgres.Order) *ownBed {
	t.Helper()
	b := &ownBed{T: t, o: &postgres.Options{Schema: "own"}, url: url}
	if url == server {
		b.o.Schema = fresh(t)
	}
	b.db = openedAt(t, url, b.o)
	if err := b.db.SetOrder(t.Context(), order); err != nil {
		t.Fatal(err)
	}
	b.table = b.o.Schema + ".own"
	execute(t, url, "CREATE TABLE "+b.table+" (id text PRIMARY KEY, n bigint NOT NULL DEFAULT 0)")
	return b
}

// insert adds a row in a transaction.
func (b *ownBed) insert(ctx context.Context, tx pgx.Tx, id string) error {
	_, err := tx.Exec(ctx, "INSERT INTO "+b.table+" (id) VALUES ($1)", id)
	return err
}

// with appends a batch and a row for each of its events.
func (b *ownBed) with(ctx context.Context, batch deed.Batch) (deed.Receipt, error) {
	return b.withAt(ctx, b.db, batch)
}

func (b *ownBed) withAt(ctx context.Context, db *postgres.DB, batch deed.Batch) (deed.Receipt, error) {
	return db.InTx(ctx, func(tx pgx.Tx) (deed.Batch, error) {
		for _, w := range batch.Writes {
			for _, e := range w.Events {
				if err := b.insert(ctx, tx, e.ID); err != nil {
					return batch, err
				}
			}
		}
		return batch, nil
	})
}

// rows are the ids in the table.
func (b *ownBed) rows() (all []string) {
	b.Helper()
	rows, err := postgres.Pool(b.db).Query(within(b.T), `SELECT id FROM `+b.table+` ORDER BY id COLLATE "C"`)
	if err == nil {
		all, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	if err != nil {
		b.Fatal(err)
	}
	return all
}

// has checks what is in the log, in its order, and what is in the table.
func (b *ownBed) has(events, rows []string) {
	b.Helper()
	if got := ids(b.T, b.db, deed.Query{}); !slices.Equal(got, events) {
		b.Errorf("the log has %v, want %v", got, events)
	}
	if got := b.rows(); !slices.Equal(got, rows) {
		b.Errorf("the table has %v, want %v", got, rows)
	}
}

func TestInTxStoresBothOrNeither(t *testing.T) {
	t.Parallel()
	eachOrder(t, func(t *testing.T, b *ownBed) {
		ctx := within(t)
		appended(t, b.db, write("order-1", 0, "a"))
		r, err := b.with(ctx, write("order-1", 1, "b"))
		if err != nil || r.Version() != 2 || r.Again || r.Position == 0 {
			t.Fatalf("it is answered with %+v, %v", r, err)
		}
		appended(t, b.db, write("order-1", 2, "c"))
		b.has([]string{"a", "b", "c"}, []string{"b"})

		own := errors.New("own")
		if _, err := b.db.InTx(ctx, func(tx pgx.Tx) (deed.Batch, error) {
			return write("order-1", 3, "d"), errors.Join(b.insert(ctx, tx, "d"), own)
		}); !errors.Is(err, own) {
			t.Errorf("an error of f is answered with %v", err)
		}
		var conflict *deed.ConflictError
		if _, err := b.with(ctx, write("order-1", 1, "d")); !errors.As(err, &conflict) || conflict.Actual != 3 {
			t.Errorf("a wrong version is answered with %v", err)
		}
		taken := write("order-2", 0, "d")
		taken.Checks = []deed.Check{{Match: []deed.Match{{Types: []string{"noted"}}}}}
		var check *deed.CheckError
		if _, err := b.with(ctx, taken); !errors.As(err, &check) {
			t.Errorf("a check that does not hold is answered with %v", err)
		}
		var invalid *deed.InvalidError
		if _, err := b.with(ctx, write("no stream", 0, "d")); !errors.As(err, &invalid) {
			t.Errorf("an invalid batch is answered with %v", err)
		}
		if _, err := b.db.InTx(ctx, func(tx pgx.Tx) (deed.Batch, error) {
			return deed.Batch{}, b.insert(ctx, tx, "d")
		}); !errors.As(err, &invalid) {
			t.Errorf("an empty batch is answered with %v", err)
		}
		b.has([]string{"a", "b", "c"}, []string{"b"})
	})
}

func TestInTxKnowsWhatWasStoredBefore(t *testing.T) {
	t.Parallel()
	eachOrder(t, func(t *testing.T, b *ownBed) {
		ctx := within(t)
		batch := write("order-1", deed.Any, "a")
		batch.Command = deed.CommandRef{ID: "c-1", Hash: "h"}
		first, err := b.with(ctx, batch)
		if err != nil {
			t.Fatal(err)
		}
		again := write("order-1", deed.Any, "b") // f makes other ids each time
		again.Command = batch.Command
		if r, err := b.with(ctx, again); err != nil || !r.Again || r.Position != first.Position || r.Version() != 1 {
			t.Errorf("a known command is answered with %+v, %v", r, err)
		}
		again.Command.Hash = "other"
		if _, err := b.with(ctx, again); !errors.Is(err, deed.ErrReused) {
			t.Errorf("a command id that was used is answered with %v", err)
		}
		appended(t, b.db, write("order-2", 0, "x"))
		if r, err := b.with(ctx, write("order-2", 0, "x")); err != nil || !r.Again || r.Version() != 1 {
			t.Errorf("events that stand already are answered with %+v, %v", r, err)
		}
		b.has([]string{"a", "x"}, []string{"a"})
	})
}

// A batch that only checks has f's part stored if what it checks holds.
func TestInTxWithNothingButChecks(t *testing.T) {
	t.Parallel()
	eachOrder(t, func(t *testing.T, b *ownBed) {
		ctx := within(t)
		r := appended(t, b.db, write("order-1", 0, "a"))
		for i, version := range []deed.Version{1, 2} {
			receipt, err := b.db.InTx(ctx, func(tx pgx.Tx) (deed.Batch, error) {
				return deed.Batch{Checks: []deed.Check{{Stream: "order-1", Version: version}}}, b.insert(ctx, tx, fmt.Sprint(version))
			})
			if holds := i == 0; holds && (err != nil || receipt.Position != r.Position) || !holds && !errors.Is(err, deed.ErrConflict) {
				t.Errorf("version %d: %+v, %v", version, receipt, err)
			}
		}
		b.has([]string{"a"}, []string{"1"})
	})
}

// What the writer remembers of streams and of the log's end is not what it is any more once somebody has appended past it.
func TestInTxIsNoticedByTheWriter(t *testing.T) {
	t.Parallel()
	eachOrder(t, func(t *testing.T, b *ownBed) {
		ctx := within(t)
		for i := range 6 {
			v := deed.Version(3 * i)
			appended(t, b.db, write("order-1", v, fmt.Sprint("a", i)))
			appended(t, b.db, write("order-1", v+1, fmt.Sprint("b", i))) // on a guess
			if _, err := b.with(ctx, write("order-1", v+2, fmt.Sprint("c", i))); err != nil {
				t.Fatal(err)
			}
			var conflict *deed.ConflictError
			if _, err := b.db.Append(ctx, write("order-1", v+2, fmt.Sprint("d", i))); !errors.As(err, &conflict) || conflict.Actual != v+3 {
				t.Errorf("an append that does not know of it is answered with %v", err)
			}
			appended(t, b.db, write(deed.Stream("order", fmt.Sprint("n", i)), 0, fmt.Sprint("e", i)))
			if _, err := b.with(ctx, write(deed.Stream("order", fmt.Sprint("m", i)), 0, fmt.Sprint("f", i))); err != nil {
				t.Fatal(err)
			}
			if _, err := b.db.Append(ctx, write(deed.Stream("order", fmt.Sprint("m", i)), 0, fmt.Sprint("g", i))); !errors.Is(err, deed.ErrConflict) {
				t.Errorf("a stream that is there is created: %v", err)
			}
		}
		if got := len(ids(t, b.db, deed.Query{})); got != 30 {
			t.Errorf("the log has %d events", got)
		}
	})
}

// Nobody waits for f: the log's lock is taken when it has returned.
func TestInTxTakesTheLogsLockLast(t *testing.T) {
	t.Parallel()
	eachOrder(t, func(t *testing.T, b *ownBed) {
		ctx, other := within(t), openedAt(t, b.url, b.o)
		_, err := b.db.InTx(ctx, func(tx pgx.Tx) (deed.Batch, error) {
			if err := b.insert(ctx, tx, "late"); err != nil {
				return deed.Batch{}, err
			}
			for i, db := range []*postgres.DB{b.db, other, b.db, other} { // with checks, and without
				batch := write(deed.Stream("order", fmt.Sprint(i)), 0, fmt.Sprint("e", i))
				if i > 1 {
					batch.Checks = []deed.Check{{Stream: "order-none"}}
				}
				if _, err := db.Append(ctx, batch); err != nil {
					return deed.Batch{}, err
				}
				if got := ids(t, db, deed.Query{}); len(got) != i+1 {
					t.Errorf("%d events can be read after %d appends", len(got), i+1)
				}
			}
			return write("order-late", 0, "late"), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		b.has([]string{"e0", "e1", "e2", "e3", "late"}, []string{"late"})
	})
}

// Who follows or waits in any process is told.
func TestInTxIsSeenByFollowers(t *testing.T) {
	t.Parallel()
	eachOrder(t, func(t *testing.T, b *ownBed) {
		ctx, other := within(t), openedAt(t, b.url, b.o)
		seen := make(chan string)
		for _, db := range []*postgres.DB{b.db, other} {
			for _, q := range []deed.Query{{Follow: true, Limit: 3}, {Stream: "order-1", Follow: true, Limit: 3}} {
				go func() {
					for r, err := range db.Read(ctx, q) {
						if err != nil {
							t.Error(err)
						}
						seen <- r.ID
					}
				}()
			}
		}
		for i, id := range []string{"a", "b", "c"} {
			if _, err := b.with(ctx, write("order-1", deed.Version(i), id)); err != nil {
				t.Fatal(err)
			}
			for range 4 {
				select {
				case got := <-seen:
					if got != id {
						t.Errorf("followed %s, want %s", got, id)
					}
				case <-ctx.Done():
					t.Fatal("nobody was told")
				}
			}
		}
	})
}

// Who follows in this process is told at once, without a look; of what others have stored just before, too.
func TestInTxIsNews(t *testing.T) {
	t.Parallel()
	b := newOwnBed(t, server, postgres.Serial)
	ctx, other := within(t), openedAt(t, b.url, b.o)
	seen := make(chan string)
	go func() {
		for r, err := range b.db.Read(ctx, deed.Query{Stream: "order-theirs", Follow: true}) {
			if err != nil {
				return
			}
			seen <- r.ID
		}
	}()
	for i := range 40 {
		theirs := fmt.Sprint("t", i)
		appended(t, other, write("order-theirs", deed.Version(i), theirs))
		r, err := b.with(ctx, write("order-own", deed.Version(i), fmt.Sprint("o", i)))
		if err != nil {
			t.Fatal(err)
		}
		if known := postgres.KnownHead(b.db); known < r.Position {
			t.Errorf("it is known up to %d, and %d is acknowledged", known, r.Position)
		}
		select {
		case got := <-seen:
			if got != theirs {
				t.Errorf("followed %s, want %s", got, theirs)
			}
		case <-ctx.Done():
			t.Fatalf("%s was never told of", theirs)
		}
	}
}

// groupsTold is what an observer was told.
type groupsTold struct{ all []deed.Group }

func (*groupsTold) Begin(ctx context.Context, _ deed.Operation) (context.Context, func(error)) {
	return ctx, func(error) {}
}

func (o *groupsTold) Wrote(g deed.Group) { o.all = append(o.all, g) }

func TestInTxTellsTheObserver(t *testing.T) {
	t.Parallel()
	eachOrder(t, func(t *testing.T, b *ownBed) {
		var told groupsTold
		b.db.Observe(&told)
		if _, err := b.with(within(t), write("order-1", 0, "a", "b")); err != nil {
			t.Fatal(err)
		}
		if got := told.all; len(got) != 1 || got[0].Events != 2 || got[0].Batches != 1 || got[0].Flush <= 0 || got[0].Err != nil {
			t.Errorf("it was told %+v", got)
		}
	})
}
