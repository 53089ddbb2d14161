package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
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

// Many transactions and appends at once, in two processes, of which some are rolled back, some lose their caller and some their connection,
// while the order changes. Each retries under its command until it is answered. In the end the rows are the events of the transactions, each once,
// and the tables that are kept inline are the log.
func TestInTxAmongMany(t *testing.T) {
	t.Parallel()
	c := ownServer(t)
	for _, order := range []postgres.Order{postgres.Serial, postgres.Parallel} {
		b := newOwnBed(t, c.URL(), order)
		r := &ownRace{ownBed: b, handles: []*postgres.DB{b.db, openedAt(t, c.URL(), b.o)}, shaken: true}
		kept := *b
		kept.table += "_kept"
		execute(t, c.URL(), "CREATE TABLE "+kept.table+" (id text PRIMARY KEY, n bigint)")
		for _, half := range []bool{false, true} { // first as it is, then with tables that are kept by all
			r.half = fmt.Sprint(half)
			if half {
				kept.keeps(r.handles[0], 1)
				kept.keeps(r.handles[1], 1)
			}
			r.run(16, 25)
			r.judge()
		}
		kept.isKept()
		execute(t, c.URL(), "DROP SCHEMA "+b.o.Schema+" CASCADE")
	}
}

// With a pooler in front, and tables that are kept inline, the same holds.
func TestInTxThroughAPooler(t *testing.T) {
	t.Parallel()
	c, through := pooled(t)
	for _, order := range []postgres.Order{postgres.Serial, postgres.Parallel} {
		b := newOwnBed(t, through, order)
		r := &ownRace{ownBed: b, handles: []*postgres.DB{b.db, openedAt(t, through, b.o)}}
		r.run(8, 10)
		r.judge()
		leftBehind(within(t), t, c, through)
		execute(t, c.URL(), "DROP SCHEMA "+b.o.Schema+" CASCADE")
	}
}

// ownRace is a run. Events whose ids begin with "tx" are to have a row, and others are not to.
type ownRace struct {
	*ownBed
	handles []*postgres.DB
	shaken  bool   // connections are cut and the order changes
	half    string // of the run; in ids

	acknowledged, neither                       sync.Map // ids that must be there, and that must not
	stored, unknown, failed, again, left, rolls atomic.Int64
}

func (r *ownRace) run(workers, each int) {
	var all, shakers sync.WaitGroup
	over := make(chan struct{})
	if r.shaken {
		shakers.Go(func() { r.shake(over) })
	}
	for w := range workers {
		all.Go(func() {
			for i := range each {
				if err := r.one(r.handles[w%2], w, i); err != nil {
					r.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	close(over)
	shakers.Wait()
	for _, db := range r.handles {
		postgres.Pool(db).Reset() // of what was cut
	}
}

// shake cuts connections, and changes the order, until it is over.
func (r *ownRace) shake(over <-chan struct{}) {
	ctx := within(r.T)
	admin, err := pgx.Connect(ctx, r.url)
	if err != nil {
		r.Error(err)
		return
	}
	defer func() { _ = admin.Close(ctx) }()
	ticker := time.NewTicker(40 * time.Millisecond)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-over:
			return
		case <-ticker.C:
		}
		sql := `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'
			AND state <> 'idle' ORDER BY random() LIMIT 1`
		if n%5 == 4 {
			sql = "UPDATE " + r.o.Schema + ".logs SET appending = " + []string{"'serial'", "'parallel'"}[n/5%2]
		}
		if _, err := admin.Exec(ctx, sql); err != nil {
			r.Error(err)
		}
	}
}

// one stores something until it is answered for certain, unless it was to be given up.
func (r *ownRace) one(db *postgres.DB, w, i int) error {
	ctx := within(r.T)
	kind, id := rand.IntN(6), fmt.Sprint(r.half, w, "-", i)
	batch := write(deed.Stream("order", fmt.Sprint(rand.IntN(4))), deed.Any, "tx"+id)
	batch.Command = deed.CommandRef{ID: id, Hash: "h"}
	switch kind {
	case 0:
		return r.rolledBack(ctx, db, id)
	case 1, 2:
		batch.Writes[0].Events[0] = event("plain" + id)
		return r.until(func() (deed.Receipt, error) { return db.Append(ctx, batch) }, "plain"+id)
	case 3: // its caller loses patience, and half of them come again
		short, cancel := context.WithTimeout(ctx, time.Duration(rand.IntN(8000))*time.Microsecond)
		_, err := r.withAt(short, db, batch)
		cancel()
		if err == nil {
			r.acknowledged.Store("tx"+id, true)
		}
		if r.left.Add(1)%2 == 0 {
			return nil
		}
	}
	return r.until(func() (deed.Receipt, error) {
		if receipt, known, err := db.Outcome(ctx, batch.Command); known || err != nil { // or its row would be there already
			return receipt, err
		}
		return r.withAt(ctx, db, batch)
	}, "tx"+id)
}

func (r *ownRace) until(do func() (deed.Receipt, error), id string) error {
	for range 1000 {
		receipt, err := do()
		switch {
		case err == nil:
			r.stored.Add(1)
			if receipt.Again {
				r.again.Add(1)
			}
			r.acknowledged.Store(id, true)
			return nil
		case errors.Is(err, deed.ErrConflict), errors.Is(err, deed.ErrReused):
			return fmt.Errorf("%s: %w", id, err)
		case errors.Is(err, deed.ErrUnknown):
			r.unknown.Add(1)
		default:
			r.failed.Add(1)
		}
	}
	return fmt.Errorf("%s was never answered", id)
}

// rolledBack has a transaction refused by itself, by a check, or by a version.
func (r *ownRace) rolledBack(ctx context.Context, db *postgres.DB, id string) error {
	own := errors.New("own")
	batch := write(deed.Stream("order", "0"), 1_000_000, "tx"+id)
	how := rand.IntN(3)
	if how == 1 {
		batch = write(deed.Stream("order", "0"), deed.Any, "tx"+id)
		batch.Checks = []deed.Check{{Stream: "order-none", Version: 7}}
	}
	r.neither.Store("tx"+id, true)
	r.rolls.Add(1)
	for range 1000 {
		_, err := db.InTx(ctx, func(tx pgx.Tx) (deed.Batch, error) {
			if err := r.insert(ctx, tx, "tx"+id); err != nil {
				return batch, err
			}
			if how == 2 {
				return batch, own
			}
			return batch, nil
		})
		if errors.Is(err, deed.ErrConflict) || errors.Is(err, own) {
			return nil
		}
		if err == nil {
			return fmt.Errorf("%s is stored, and was to be refused", id)
		}
	}
	return fmt.Errorf("%s was never refused", id)
}

func (r *ownRace) judge() {
	r.Helper()
	var events, own []string
	eventually(r.T, "the log can be read", func() bool {
		events, own = nil, nil
		for record, err := range r.db.Read(within(r.T), deed.Query{}) {
			if err != nil {
				return false
			}
			if events = append(events, record.ID); strings.HasPrefix(record.ID, "tx") {
				own = append(own, record.ID)
			}
		}
		return true
	})
	slices.Sort(own)
	var rows []string
	eventually(r.T, "the table can be read", func() bool {
		got, err := postgres.Pool(r.db).Query(within(r.T), `SELECT id FROM `+r.table+` ORDER BY id COLLATE "C"`)
		if err == nil {
			rows, err = pgx.CollectRows(got, pgx.RowTo[string])
		}
		return err == nil
	})
	r.Logf("stored %d, of them again %d; unknown %d, failed %d, left by their callers %d, rolled back %d; %d events, %d rows",
		r.stored.Load(), r.again.Load(), r.unknown.Load(), r.failed.Load(), r.left.Load(), r.rolls.Load(), len(events), len(rows))
	if !slices.Equal(own, rows) {
		r.Errorf("the log has %v, and the table %v", own, rows)
	}
	there := map[string]bool{}
	for _, id := range events {
		if there[id] {
			r.Errorf("%s is there twice", id)
		}
		there[id] = true
	}
	r.acknowledged.Range(func(id, _ any) bool {
		if !there[id.(string)] {
			r.Errorf("%s was acknowledged, and is lost", id)
		}
		return true
	})
	r.neither.Range(func(id, _ any) bool {
		if there[id.(string)] {
			r.Errorf("%s was refused, and is there", id)
		}
		return true
	})
	if r.shaken && r.unknown.Load()+r.failed.Load() == 0 {
		r.Error("nobody noticed that connections were cut")
	}
}

// Of those who want the same, half of them in transactions, one gets it.
func TestInTxRacesForOne(t *testing.T) {
	t.Parallel()
	eachOrder(t, func(t *testing.T, b *ownBed) {
		ctx := within(t)
		handles := []*postgres.DB{b.db, openedAt(t, b.url, b.o)}
		var rows []string
		for round := range 25 {
			tag := fmt.Sprint("email:", round)
			var wg sync.WaitGroup
			var winners atomic.Int64
			var winner atomic.Value
			begin := make(chan struct{})
			for i := range 8 {
				id := fmt.Sprintf("r%02d-%d", round, i)
				batch := deed.Batch{
					Writes: []deed.Write{{Stream: deed.Stream("user", id), Events: []deed.NewEvent{event(id, tag)}}},
					Checks: []deed.Check{{Match: []deed.Match{{Tags: []string{tag}}}}},
				}
				wg.Go(func() {
					<-begin
					appends := handles[i%2].Append
					if i < 4 {
						appends = func(ctx context.Context, batch deed.Batch) (deed.Receipt, error) {
							return b.withAt(ctx, handles[i%2], batch)
						}
					}
					_, err := appends(ctx, batch)
					if err == nil {
						winners.Add(1)
						winner.Store(id)
					} else if !errors.Is(err, deed.ErrConflict) {
						t.Error(err)
					}
				})
			}
			close(begin)
			wg.Wait()
			if winners.Load() != 1 {
				t.Fatalf("round %d has %d winners", round, winners.Load())
			}
			if id := winner.Load().(string); id[len(id)-1] < '4' {
				rows = append(rows, id)
			}
		}
		if got := b.rows(); !slices.Equal(got, rows) {
			t.Errorf("the table has %v, want %v", got, rows)
		}
		t.Logf("of 25 rounds, transactions won %d", len(rows))
	})
}
