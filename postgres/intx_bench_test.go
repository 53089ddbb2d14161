package postgres_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/postgres"
)

// BenchmarkAppendBesideInTx measures what 64 appenders store alone and, in turns, while others append in transactions of their own: so many of
// these a second as is asked for, or as many as four can. Their statements are an INSERT, and 10 ms in which nothing is done.
func BenchmarkAppendBesideInTx(b *testing.B) {
	for _, order := range []postgres.Order{postgres.Serial, postgres.Parallel} {
		for _, rate := range []int{10, 100, 0} {
			name := fmt.Sprintf("%s,intx=%d", order, rate)
			if rate == 0 {
				name = fmt.Sprintf("%s,intx=all", order)
			}
			b.Run(name, func(b *testing.B) {
				db := inOrder(b, order, server, 1)[0]
				beside := &besideAppends{b: b, db: db, table: ownTable(b), rate: rate}
				var took [2]time.Duration
				var during time.Duration
				round := 0
				for b.Loop() {
					took[0] += appendRound(b, 64, 2*round, []*postgres.DB{db})
					stop := beside.start(round)
					since := time.Now()
					took[1] += appendRound(b, 64, 2*round+1, []*postgres.DB{db})
					stop()
					during += time.Since(since)
					round++
				}
				n := float64(round * roundAppends)
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(n/took[0].Seconds(), "alone/s")
				b.ReportMetric(n/took[1].Seconds(), "beside/s")
				b.ReportMetric(took[0].Seconds()/took[1].Seconds(), "share")
				b.ReportMetric(float64(beside.stored.Load())/during.Seconds(), "intx/s")
				b.ReportMetric(float64(beside.took.Load())/float64(max(1, beside.stored.Load()))/1e6, "intx-ms")
			})
		}
	}
}

func ownTable(b *testing.B) string {
	schema := fresh(b)
	execute(b, server, "CREATE SCHEMA "+schema+"; CREATE TABLE "+schema+".own (id text PRIMARY KEY)")
	return schema + ".own"
}

// besideAppends are four who append in transactions.
type besideAppends struct {
	b            *testing.B
	db           *postgres.DB
	table        string
	rate         int // of all four; 0: as many as they can
	took, stored atomic.Int64
}

func (a *besideAppends) start(round int) (stop func()) {
	ctx, cancel := context.WithCancel(a.b.Context())
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			begin := time.Now()
			for i := 0; ; i++ {
				due := begin
				if a.rate > 0 {
					due = begin.Add(time.Duration(4*i+w) * time.Second / time.Duration(a.rate))
				}
				select {
				case <-time.After(time.Until(due)):
				case <-ctx.Done():
				}
				if ctx.Err() != nil {
					return
				}
				a.one(fmt.Sprint("in-", round, "-", w, "-", i))
			}
		})
	}
	return func() { cancel(); wg.Wait() }
}

func (a *besideAppends) one(id string) {
	ctx, start := a.b.Context(), time.Now()
	_, err := a.db.InTx(ctx, func(tx pgx.Tx) (deed.Batch, error) {
		if _, err := tx.Exec(ctx, "INSERT INTO "+a.table+" VALUES ($1)", id); err != nil {
			return deed.Batch{}, err
		}
		_, err := tx.Exec(ctx, "SELECT pg_sleep(0.01)")
		return write(deed.Stream("in", id), 0, id), err
	})
	if err != nil {
		a.b.Error(err)
		return
	}
	a.took.Add(int64(time.Since(start)))
	a.stored.Add(1)
}
