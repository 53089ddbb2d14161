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
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/cart"
	"github.com/deed-es/deed/postgres"
)

// noted is the event that event makes.
type noted struct {
	ID string `json:"id"`
}

func (noted) EventType() string { return "noted" }

// tables is an InlineTx with a row for each event, in the bed's table.
func (b *ownBed) tables(version int) postgres.InlineTx[noted] {
	return postgres.InlineTx[noted]{
		Name: "own", Version: version, Events: []noted{{}},
		Write: func(ctx context.Context, tx pgx.Tx, r deed.Recorded[noted]) error {
			switch {
			case strings.HasPrefix(r.Event.ID, "bad"):
				return errors.New("bad")
			case strings.HasPrefix(r.Event.ID, "panic"):
				panic("bad")
			case strings.HasPrefix(r.Event.ID, "careless"):
				_, _ = tx.Exec(ctx, "SELECT 1/0")
				return nil
			case strings.HasPrefix(r.Event.ID, "ends"):
				return tx.Commit(ctx)
			}
			_, err := tx.Exec(ctx, "INSERT INTO "+b.table+" (id, n) VALUES ($1, $2)", r.Event.ID, int64(r.Position))
			return err
		},
		Reset: func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "TRUNCATE "+b.table)
			return err
		},
	}
}

func (b *ownBed) keeps(db *postgres.DB, version int) {
	b.Helper()
	if err := db.KeepInline(within(b.T), b.tables(version)); err != nil {
		b.Fatal(err)
	}
}

// isKept checks that the table has the log's events and nothing else.
func (b *ownBed) isKept() {
	b.Helper()
	at := map[string]deed.Position{}
	for r, err := range b.db.Read(within(b.T), deed.Query{}) {
		if err != nil {
			b.Fatal(err)
		}
		at[r.ID] = r.Position
	}
	rows, err := postgres.Pool(b.db).Query(within(b.T), "SELECT id, n FROM "+b.table)
	if err != nil {
		b.Fatal(err)
	}
	n := 0
	var id string
	var position deed.Position
	if _, err := pgx.ForEachRow(rows, []any{&id, &position}, func() error {
		if n++; at[id] != position {
			b.Errorf("the row of %s says %d, and the log %d", id, position, at[id])
		}
		return nil
	}); err != nil {
		b.Fatal(err)
	}
	if n != len(at) {
		b.Errorf("there are %d rows for %d events", n, len(at))
	}
}

func TestInlineTxKeepsTables(t *testing.T) {
	t.Parallel()
	eachOrder(t, func(t *testing.T, b *ownBed) {
		ctx := within(t)
		for i := range 3 { // more than a step
			var events []string
			for j := range 400 {
				events = append(events, fmt.Sprint("before", i, "-", j))
			}
			appended(t, b.db, write(deed.Stream("order", fmt.Sprint("before", i)), 0, events...))
		}
		b.keeps(b.db, 1)
		b.isKept()
		appended(t, b.db, write("order-1", 0, "a", "b"))
		if _, err := b.db.InTx(ctx, func(pgx.Tx) (deed.Batch, error) { return write("order-1", 2, "c"), nil }); err != nil {
			t.Fatal(err)
		}
		b.isKept()
		if _, err := b.db.InTx(ctx, func(pgx.Tx) (deed.Batch, error) { return write("order-1", 3, "bad"), nil }); err == nil || !strings.Contains(err.Error(), "bad") {
			t.Errorf("an event that cannot be written is answered with %v", err)
		}
		b.isKept()

		// Who does not know the tables is refused, with Append and InTx alike, and so is a service.
		other := openedAt(t, b.url, b.o)
		for _, err := range []error{
			errOf(other.Append(ctx, write("order-2", 0, "x"))),
			errOf(other.InTx(ctx, func(pgx.Tx) (deed.Batch, error) { return write("order-2", 0, "x"), nil })),
		} {
			if err == nil || !strings.Contains(err.Error(), "own (version 1)") {
				t.Errorf("who does not know the tables is answered with %v", err)
			}
		}
		if refs, err := other.ListInline(ctx); err != nil || len(refs) != 1 {
			t.Errorf("it is told of %v, %v", refs, err)
		}
		if refs, err := b.db.ListInline(ctx); err != nil || len(refs) != 0 {
			t.Errorf("who keeps them is told of %v, %v", refs, err)
		}
		b.keeps(other, 1)
		appended(t, other, write("order-2", 0, "y"))
		b.isKept()
	})
}

func errOf[T any](_ T, err error) error { return err }

func TestInlineTxOfAnotherVersion(t *testing.T) {
	t.Parallel()
	eachOrder(t, func(t *testing.T, b *ownBed) {
		ctx, other := within(t), openedAt(t, b.url, b.o)
		execute(t, b.url, "INSERT INTO "+b.table+" VALUES ('left over', 0)")
		b.keeps(b.db, 1)
		appended(t, b.db, write("order-1", 0, "a"))
		b.isKept()
		execute(t, b.url, "UPDATE "+b.table+" SET n = -1")
		b.keeps(other, 2)
		b.isKept()
		if _, err := b.db.Append(ctx, write("order-1", 1, "b")); err == nil || !strings.Contains(err.Error(), "version 2") {
			t.Errorf("an older program is answered with %v", err)
		}
		if err := b.db.KeepInline(ctx, b.tables(1)); err == nil || !strings.Contains(err.Error(), "newer program") {
			t.Errorf("an older program may keep them: %v", err)
		}
		appended(t, other, write("order-1", 1, "b"))
		b.isKept()
		if _, err := other.InlineViews().OpenView(ctx, deed.ViewSpec{ViewRef: deed.ViewRef{Name: "own", Version: 2}}); err == nil {
			t.Error("an Inline projection takes the name over")
		}
		if err := other.InlineViews().DropView(ctx, deed.ViewRef{Name: "own", Version: 2}); err != nil {
			t.Error(err)
		}
		appended(t, b.db, write("order-1", 2, "c")) // nobody keeps them any more
		b.keeps(other, 2)
		b.isKept()
	})
}

// Only the append of the event that cannot be written fails, whoever's group it was in.
func TestInlineTxFailsOneAppendAlone(t *testing.T) {
	t.Parallel()
	eachOrder(t, func(t *testing.T, b *ownBed) {
		b.keeps(b.db, 1)
		ctx := within(t)
		var wg sync.WaitGroup
		for i := range 48 {
			wg.Go(func() {
				id := fmt.Sprint([]string{"good", "bad", "good", "panic", "good", "careless", "good", "ends"}[i%8], i)
				_, err := b.db.Append(ctx, write(deed.Stream("order", id), 0, id))
				if (err == nil) != (i%2 == 0) || errors.Is(err, deed.ErrUnknown) {
					t.Errorf("%s is answered with %v", id, err)
				}
				if i%8 == 3 && !errors.As(err, new(*deed.PanicError)) {
					t.Errorf("a panic is answered with %v", err)
				}
			})
		}
		wg.Wait()
		b.isKept()
		if got := len(b.rows()); got != 24 {
			t.Errorf("there are %d rows", got)
		}
	})
}

// A constraint that is deferred is checked before the commit, and its violation is an error of that append, with nothing in doubt.
func TestInTxAndDeferredConstraints(t *testing.T) {
	t.Parallel()
	eachOrder(t, func(t *testing.T, b *ownBed) {
		ctx := within(t)
		execute(t, b.url, "CREATE TABLE "+b.table+"_of (id text REFERENCES "+b.table+" DEFERRABLE INITIALLY DEFERRED)")
		late := func(first string) error {
			return errOf(b.db.InTx(ctx, func(tx pgx.Tx) (deed.Batch, error) {
				if _, err := tx.Exec(ctx, "INSERT INTO "+b.table+"_of VALUES ($1)", first); err != nil {
					return deed.Batch{}, err
				}
				return write(deed.Stream("order", first), 0, first), b.insert(ctx, tx, "a")
			}))
		}
		var server *pgconn.PgError
		if err := late("none"); !errors.As(err, &server) || server.Code != "23503" || errors.Is(err, deed.ErrUnknown) {
			t.Errorf("a violation is answered with %v", err)
		}
		if err := late("a"); err != nil {
			t.Error(err)
		}
		b.has([]string{"a"}, []string{"a"})
	})
}

// Two processes that start at once catch up together, while a third appends as soon as it may; a fourth, which knows nothing, stays refused.
func TestInlineTxIsCaughtUpByManyAtOnce(t *testing.T) {
	t.Parallel()
	eachOrder(t, func(t *testing.T, b *ownBed) {
		ctx := within(t)
		for i := range 8 {
			events := make([]string, 200)
			for j := range events {
				events[j] = fmt.Sprint("before", i, "-", j)
			}
			appended(t, b.db, write(deed.Stream("order", fmt.Sprint("before", i)), 0, events...))
		}
		handles := []*postgres.DB{b.db, openedAt(t, b.url, b.o), openedAt(t, b.url, b.o)}
		stranger := openedAt(t, b.url, b.o)
		var all, strangers sync.WaitGroup
		over := make(chan struct{})
		stored := 0
		strangers.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				if _, err := stranger.Append(ctx, write("order-stranger", deed.Any, deed.NewID())); err == nil {
					stored++
				}
			}
		})
		for w, db := range handles {
			all.Go(func() {
				if err := db.KeepInline(ctx, b.tables(1)); err != nil {
					t.Error(err)
					return
				}
				for i := range 10 {
					if _, err := db.Append(ctx, write(deed.Stream("order", fmt.Sprint(w)), deed.Version(i), fmt.Sprint("e", w, "-", i))); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		close(over)
		strangers.Wait()
		b.isKept()
		if got := len(b.rows()); got != 1600+30+stored {
			t.Errorf("there are %d rows", got)
		}
	})
}

// A service whose program keeps tables of its own beside an Inline projection is made, and its commands write both.
func TestInlineTxBesideAService(t *testing.T) {
	t.Parallel()
	b := newOwnBed(t, server, postgres.Serial)
	ctx, summaries := within(t), cart.Summaries
	summaries.Mode = deed.Inline
	tables := postgres.InlineTx[cart.Event]{
		Name: "owners", Version: 1, Events: []cart.Event{cart.Opened{}},
		Write: func(ctx context.Context, tx pgx.Tx, r deed.Recorded[cart.Event]) error {
			return b.insert(ctx, tx, r.Event.(cart.Opened).Owner)
		},
		Reset: func(context.Context, pgx.Tx) error { return nil },
	}
	if err := b.db.KeepInline(ctx, tables); err != nil {
		t.Fatal(err)
	}
	shoppingIn(t, b.db, b.db, summaries)
	if got := b.rows(); len(got) != 1 || got[0] != "ann" {
		t.Errorf("the table has %v", got)
	}
	if _, err := deed.NewService(deed.Config{Store: openedAt(t, b.url, b.o), Views: b.db}, cart.Decider, summaries); err == nil || !strings.Contains(err.Error(), "owners") {
		t.Errorf("a service without the tables is made: %v", err)
	}
	var both sync.WaitGroup // both are folded by whoever appends, one at a time
	for i := range 8 {
		both.Go(func() {
			id := fmt.Sprint(i)
			e := deed.NewEvent{ID: id, Type: "cart-opened", Data: []byte(`{"owner":"o` + id + `"}`)}
			batch := deed.Batch{Writes: []deed.Write{{Stream: deed.Stream("cart", "n"+id), Events: []deed.NewEvent{e}}}}
			var err error
			if i%2 == 0 {
				_, err = b.db.Append(ctx, batch)
			} else {
				_, err = b.db.InTx(ctx, func(pgx.Tx) (deed.Batch, error) { return batch, nil })
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	rows, err := summaries.View(b.db).List(ctx, nil, deed.Page{Limit: 100}, 0)
	if err != nil || len(rows.Rows) != 9 || len(b.rows()) != 9 {
		t.Errorf("the view has %d rows, and the table %v; %v", len(rows.Rows), b.rows(), err)
	}
}

func TestInlineTxThatIsNotRight(t *testing.T) {
	t.Parallel()
	b := newOwnBed(t, server, postgres.Serial)
	for name, spoil := range map[string]func(p *postgres.InlineTx[noted]){
		"Name":    func(p *postgres.InlineTx[noted]) { p.Name = "a/b" },
		"Version": func(p *postgres.InlineTx[noted]) { p.Version = -1 },
		"Write":   func(p *postgres.InlineTx[noted]) { p.Write = nil },
		"Reset":   func(p *postgres.InlineTx[noted]) { p.Reset = nil },
		"Events":  func(p *postgres.InlineTx[noted]) { p.Events = nil },
		"twice":   func(p *postgres.InlineTx[noted]) { p.Events = []noted{{}, {}} },
		"panics":  func(p *postgres.InlineTx[noted]) { p.Reset = func(context.Context, pgx.Tx) error { panic("bad") } },
	} {
		p := b.tables(1)
		spoil(&p)
		if err := b.db.KeepInline(within(t), p); err == nil || !strings.Contains(err.Error(), name) && name != "Reset" && name != "panics" {
			t.Errorf("%s: %v", name, err)
		}
	}
	appended(t, b.db, write("order-1", 0, "a")) // nothing was marked
}

// A fold is called by one at a time, also where the server has taken the log from one whose fold does not end, and given it to another.
func TestInTxFoldsOneAtATime(t *testing.T) {
	t.Parallel()
	eachOrder(t, func(t *testing.T, b *ownBed) {
		ctx, admin, view := within(t), connected(t), deed.ViewRef{Name: "slow", Version: 1}
		if _, err := b.db.InlineViews().OpenView(ctx, deed.ViewSpec{ViewRef: view}); err != nil {
			t.Fatal(err)
		}
		entered, goOn := make(chan struct{}, 8), make(chan struct{})
		fold := func(ctx context.Context, tx deed.ViewTx, from deed.Checkpoint, _ []deed.Record, to deed.Position) (bool, error) {
			entered <- struct{}{}
			<-goOn
			return false, tx.CommitView(ctx, deed.ViewCommit{View: view, From: from.Position, Checkpoint: deed.Checkpoint{Position: to}})
		}
		if err := b.db.FoldInline(ctx, view, fold); err != nil {
			t.Fatal(err)
		}
		answered := make(chan error, 2)
		go func() { answered <- errOf(b.db.Append(ctx, write("order-1", 0, "a"))) }()
		<-entered
		var cut int
		if err := admin.QueryRow(ctx, `SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory' AND granted
			AND (classid::bigint << 32) | objid::bigint = $1`, postgres.LockKey(b.o.Schema, "main")).Scan(&cut); err != nil || cut != 1 {
			t.Fatalf("%d connections were cut, %v", cut, err)
		}
		go func() {
			answered <- errOf(b.db.InTx(ctx, func(pgx.Tx) (deed.Batch, error) { return write("order-2", 0, "b"), nil }))
		}()
		select {
		case <-entered:
			t.Error("two folded at once")
		case <-time.After(500 * time.Millisecond):
		}
		close(goOn)
		for range 2 {
			if err := <-answered; err != nil && !errors.Is(err, deed.ErrUnknown) {
				t.Logf("answered with %v", err) // the one whose connection was cut
			}
		}
		if got := ids(t, b.db, deed.Query{Stream: "order-2"}); len(got) != 1 {
			t.Errorf("the log has %v", got)
		}
	})
}
