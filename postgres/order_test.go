package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/postgres"
)

// parallel opens a log in the order Parallel by so many processes.
func parallel(t testing.TB, processes int) (string, []*postgres.DB) {
	t.Helper()
	o := &postgres.Options{Schema: fresh(t)}
	var handles []*postgres.DB
	for range processes {
		handles = append(handles, opened(t, o))
	}
	if err := handles[0].SetOrder(t.Context(), postgres.Parallel); err != nil {
		t.Fatal(err)
	}
	for _, db := range handles { // which learn of it so, and would with their next append
		if _, err := db.Head(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return o.Schema, handles
}

// The order is changed again and again, by SQL and by a process, while all append. Nothing is lost, comes out of order, or is granted
// though it must not be.
func TestTheOrderIsChangedUnderLoad(t *testing.T) {
	t.Parallel()
	o := &postgres.Options{Schema: fresh(t)}
	handles := []*postgres.DB{opened(t, o), opened(t, o), opened(t, o)}
	ctx, over := within(t), make(chan struct{})
	var stored atomic.Int64
	var writers sync.WaitGroup
	for w := range 9 {
		writers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-over:
					return
				default:
				}
				b := raceBatch(w, i)
				_, err := handles[w%3].Append(ctx, b)
				if err == nil {
					stored.Add(1)
				} else if !errors.Is(err, deed.ErrConflict) {
					t.Error(err)
					return
				}
			}
		})
	}
	followed := make(chan []deed.Record, len(handles))
	for _, db := range handles {
		go func() { followed <- followAll(t, db) }()
	}
	for i := range 12 {
		order := []postgres.Order{postgres.Parallel, postgres.Serial}[i%2]
		if i%3 == 0 {
			execute(t, server, fmt.Sprintf("UPDATE %s.logs SET appending = '%s'", o.Schema, order))
		} else if err := handles[i%3].SetOrder(ctx, order); err != nil {
			t.Error(err)
		}
		already := stored.Load()
		eventually(t, "some are stored in this order", func() bool { return t.Failed() || stored.Load() > already+20 })
	}
	close(over)
	writers.Wait()
	appended(t, handles[0], write("end-1", 0, "end"))
	for range handles {
		log := <-followed
		if int64(len(log)) != stored.Load()+1 {
			t.Errorf("%d events are followed, and %d were acknowledged", len(log)-1, stored.Load())
		}
		holdsRulesOfParallel(t, log)
	}
}

// followAll takes records until the end.
func followAll(t *testing.T, db *postgres.DB) (seen []deed.Record) {
	for r, err := range db.Read(within(t), deed.Query{Follow: true}) {
		if err != nil {
			t.Errorf("after %d: %v", len(seen), err)
			return seen
		}
		if seen = append(seen, r); r.ID == "end" {
			return seen
		}
	}
	return seen
}

// holdsRulesOfParallel is holdsRules without what only Serial promises.
func holdsRulesOfParallel(t *testing.T, log []deed.Record) {
	t.Helper()
	last, versions, tags := deed.Position(0), map[deed.StreamID]deed.Version{}, map[string]string{}
	for _, r := range log {
		if r.Position <= last {
			t.Errorf("%s at %d comes after %d", r.ID, r.Position, last)
		}
		last = r.Position
		if versions[r.Stream]++; r.Version != versions[r.Stream] {
			t.Errorf("%s has version %d at place %d", r.Stream, r.Version, versions[r.Stream])
		}
		for _, tag := range r.Tags {
			if tags[tag] != "" {
				t.Errorf("%s and %s both have %s", tags[tag], r.ID, tag)
			}
			tags[tag] = r.ID
		}
	}
}

// While a transaction that was given a position is open, nothing behind it is read, and what is read is told to be late. Then all of
// it is there, or all but that.
func TestNothingIsReadPastAnOpenAppend(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"COMMIT", "ROLLBACK"} {
		t.Run(end, func(t *testing.T) {
			t.Parallel()
			schema, handles := parallel(t, 2)
			ctx := within(t)
			appended(t, handles[0], write("start-1", 0, "start"))
			c := connected(t)
			for _, sql := range appendSQL(schema, "late") {
				if _, err := c.Exec(ctx, sql); err != nil {
					t.Fatal(err)
				}
			}
			for i := range 10 {
				appended(t, handles[i%2], write("start-2", deed.Version(i), fmt.Sprint("e", i)))
			}
			for _, db := range handles {
				if got := until(t, db, 300*time.Millisecond); !slices.Equal(got, []string{"start"}) {
					t.Errorf("followed past the open append: %v", got)
				}
				soon, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
				if head, err := db.Head(soon); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("the head is %d, %v, and something acknowledged is behind it", head, err)
				}
				cancel()
			}
			if got := ids(t, handles[0], deed.Query{Stream: "start-1"}); len(got) != 1 {
				t.Errorf("of a stream without anything hidden %v is read", got)
			}
			if _, err := c.Exec(ctx, end); err != nil {
				t.Fatal(err)
			}
			want := []string{"start", "late", "e0", "e1", "e2", "e3", "e4", "e5", "e6", "e7", "e8", "e9"}
			if end == "ROLLBACK" {
				want = slices.Delete(want, 1, 2)
			}
			for _, db := range handles {
				if got := ids(t, db, deed.Query{}); !slices.Equal(got, want) {
					t.Errorf("read %v", got)
				}
				backward := ids(t, db, deed.Query{Backward: true})
				if slices.Reverse(backward); !slices.Equal(backward, want) {
					t.Errorf("read backward %v", backward)
				}
			}
		})
	}
}

func connected(t *testing.T) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

// until follows for so long.
func until(t *testing.T, db *postgres.DB, d time.Duration) (got []string) {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	for r, err := range db.Read(ctx, deed.Query{Follow: true}) {
		if err != nil {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			return got
		}
		got = append(got, r.ID)
	}
	return got
}

// Two processes are given the same command, and the same version of a stream, at the same moment.
func TestProcessesRaceForCommandsAndVersionsInParallel(t *testing.T) {
	t.Parallel()
	_, handles := parallel(t, 4)
	appended(t, handles[0], write("start-1", 0, "start"))
	ctx := within(t)
	again := 0
	for n := range 60 {
		receipts, errs := make([]deed.Receipt, len(handles)), make([]error, len(handles))
		var wg sync.WaitGroup
		for i, db := range handles {
			wg.Go(func() {
				if n%2 == 0 {
					b := write("all-1", deed.Any, fmt.Sprint("c", n, "-", i))
					b.Command = deed.CommandRef{ID: fmt.Sprint("command-", n), Hash: "h"}
					receipts[i], errs[i] = db.Append(ctx, b)
				} else {
					b := write("one-1", deed.Version(n/2), fmt.Sprint("v", n, "-", i))
					b.Writes = append(b.Writes, deed.Write{Stream: deed.Stream("other", fmt.Sprint(i)), Version: deed.Any, Events: []deed.NewEvent{event(fmt.Sprint("o", n, "-", i))}})
					receipts[i], errs[i] = db.Append(ctx, b)
				}
			})
		}
		wg.Wait()
		firsts := 0
		for i, err := range errs {
			var conflict *deed.ConflictError
			switch {
			case err == nil && !receipts[i].Again:
				firsts++
			case err == nil && n%2 == 0:
				again++
			case errors.As(err, &conflict) && n%2 == 1 && conflict.Actual == deed.Version(n/2+1):
			default:
				t.Errorf("round %d: %+v, %v", n, receipts[i], err)
			}
		}
		if firsts != 1 {
			t.Fatalf("round %d: %d were first", n, firsts)
		}
		if n%2 == 0 {
			for i := range receipts {
				receipts[i].Again = false
				if fmt.Sprint(receipts[i]) != fmt.Sprint(receipts[0]) {
					t.Errorf("the same command is answered with %+v and %+v", receipts[0], receipts[i])
				}
			}
		}
	}
	if again != 30*(len(handles)-1) {
		t.Errorf("%d commands were known", again)
	}
	all := ids(t, handles[1], deed.Query{})
	if len(all) != 1+30+60 {
		t.Errorf("%d events are stored", len(all))
	}
}

// A process that moved the head and is gone, or stopped, is followed by another as soon as its lease has lapsed; what it does when it
// comes back changes nothing.
func TestWhoMovesTheHeadIsTakenOver(t *testing.T) {
	t.Parallel()
	schema, handles := parallel(t, 2)
	db := handles[1]
	appended(t, db, write("order-1", 0, "a"))
	ctx := within(t)
	if _, err := db.Head(ctx); err != nil {
		t.Fatal(err)
	}
	seize := func() {
		execute(t, server, "UPDATE "+schema+".logs SET publisher = 'gone', publishing = (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + 2000000")
	}
	seize()
	since := time.Now()
	r := appended(t, db, write("order-1", 1, "b"))
	if head, err := db.Head(ctx); err != nil || head != r.Position {
		t.Fatalf("the head is %d, %v, want %d", head, err, r.Position)
	}
	if waited := time.Since(since); waited < time.Second || waited > 8*time.Second { // two, on a machine with nothing else to do
		t.Errorf("it took %v to take over", waited)
	}
	if owner := scalar(t, "SELECT publisher FROM "+schema+".logs"); owner == "gone" {
		t.Error("nobody has taken over")
	}
}

func scalar(t *testing.T, sql string) (text string) {
	t.Helper()
	if err := connected(t).QueryRow(t.Context(), sql).Scan(&text); err != nil {
		t.Fatal(err)
	}
	return text
}

// A program that knows of no other order than Serial, and has the log open, cannot store anything any more.
func TestAProgramThatKnowsSerialOnlyCannotMoveTheHead(t *testing.T) {
	t.Parallel()
	schema, handles := parallel(t, 1)
	appended(t, handles[0], write("order-1", 0, "a"))
	if _, err := handles[0].Head(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := connected(t).Exec(t.Context(), "UPDATE "+schema+".logs SET head = head + 1, time = time, kinds = kinds")
	if err == nil || !strings.Contains(err.Error(), "logs_mark") {
		t.Errorf("the head was moved: %v", err)
	}
	execute(t, server, "UPDATE "+schema+".logs SET appending = 'sideways'")
	if _, err := handles[0].Append(t.Context(), write("order-1", 1, "b")); err == nil || !strings.Contains(err.Error(), "sideways") {
		t.Errorf("appended in an order that nobody knows: %v", err)
	}
}

// Views that go with the log are right in either order: all of the log's groups are stored alone then.
func TestInlineViewsGoWithALogInParallel(t *testing.T) {
	t.Parallel()
	_, handles := parallel(t, 2)
	if order, err := handles[1].Order(t.Context()); err != nil || order != postgres.Parallel {
		t.Fatalf("the order is %q, %v", order, err)
	}
	ctx, view := within(t), deed.ViewRef{Name: "notes", Version: 1}
	if _, err := handles[0].InlineViews().OpenView(ctx, deed.ViewSpec{ViewRef: view}); err != nil {
		t.Fatal(err)
	}
	for _, db := range handles {
		err := db.FoldInline(ctx, view, func(ctx context.Context, tx deed.ViewTx, from deed.Checkpoint, records []deed.Record, to deed.Position) (bool, error) {
			return false, tx.CommitView(ctx, deed.ViewCommit{View: view, From: from.Position, Checkpoint: deed.Checkpoint{Position: to}})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 20 {
		r := appended(t, handles[i%2], write("order-1", deed.Version(i), fmt.Sprint("e", i)))
		ended, cancel := context.WithCancel(ctx)
		cancel()
		if at, err := handles[i%2].InlineViews().WaitView(ended, view, r.Position); err != nil || at != r.Position {
			t.Fatalf("after the append at %d the view is at %d, %v", r.Position, at, err)
		}
	}
}
