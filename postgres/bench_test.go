package postgres_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/postgres"
)

var payload = bytes.Repeat([]byte("x"), 254)

// bareConnections is how many connections share the work where each append is a transaction of its own.
const bareConnections = 64

// BenchmarkAppend measures single-event appends by many goroutines, each to streams of ten, in both orders, beside the same done the
// usual way with pgx: a transaction per append on 64 connections, which checks the version by a unique index. They run in turns;
// "times" and "parallel-times" are how many times as many events the log stores.
func BenchmarkAppend(b *testing.B) {
	for _, appenders := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("appenders=%d", appenders), func(b *testing.B) {
			logs := []*postgres.DB{opened(b, &postgres.Options{Schema: fresh(b)}), inOrder(b, postgres.Parallel, server, 1)[0]}
			bare := newBare(b)
			var took [2]time.Duration
			var usual time.Duration
			round := 0
			for b.Loop() {
				round++
				for i, db := range logs {
					took[i] += appendRound(b, appenders, round, []*postgres.DB{db})
				}
				usual += work(b, appenders, func(worker, i int) error {
					return bare.append(b.Context(), fmt.Sprintf("order-%d-%d-%d", round, worker, i/10), int64(i%10)+1, fmt.Sprintf("e-%d-%d-%d", round, worker, i))
				})
			}
			n := float64(round * roundAppends)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(n/took[0].Seconds(), "events/s")
			b.ReportMetric(n/took[1].Seconds(), "parallel/s")
			b.ReportMetric(n/usual.Seconds(), "bare/s")
			b.ReportMetric(usual.Seconds()/took[0].Seconds(), "times")
			b.ReportMetric(usual.Seconds()/took[1].Seconds(), "parallel-times")
		})
	}
}

// inOrder opens a log by so many processes.
func inOrder(b *testing.B, order postgres.Order, url string, processes int) (handles []*postgres.DB) {
	o := &postgres.Options{Schema: fresh(b)}
	for range processes {
		handles = append(handles, openedAt(b, url, o))
	}
	if err := handles[0].SetOrder(b.Context(), order); err != nil {
		b.Fatal(err)
	}
	return handles
}

// appendRound shares a round's appends out among the appenders of all processes.
func appendRound(b *testing.B, appenders, round int, handles []*postgres.DB) time.Duration {
	return work(b, appenders, func(worker, i int) error {
		_, err := handles[worker%len(handles)].Append(b.Context(), deed.Batch{Writes: []deed.Write{{
			Stream: deed.Stream("order", fmt.Sprintf("%d-%d-%d", round, worker, i/10)), Version: deed.Version(i % 10),
			Events: []deed.NewEvent{{ID: fmt.Sprintf("e-%d-%d-%d", round, worker, i), Type: "order-placed", Data: payload}},
		}}})
		return err
	})
}

// roundAppends is how many appends a round has.
const roundAppends = 5120

// work shares a round's appends out among workers, and returns how long it took.
func work(b *testing.B, workers int, do func(worker, i int) error) time.Duration {
	var next atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	for w := range workers {
		wg.Go(func() {
			for i := 0; next.Add(1) <= roundAppends; i++ {
				if err := do(w, i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return time.Since(start)
}

// bare is a table of events, and the usual way to append to it.
type bare struct {
	pool   *pgxpool.Pool
	insert string
}

func newBare(b *testing.B) *bare {
	schema := fresh(b)
	execute(b, server, `CREATE SCHEMA `+schema+`; CREATE TABLE `+schema+`.events (position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
		stream text NOT NULL, version bigint NOT NULL, type text NOT NULL, time timestamptz NOT NULL DEFAULT now(), id text NOT NULL,
		metadata bytea, data bytea NOT NULL, UNIQUE (stream, version))`)
	config, err := pgxpool.ParseConfig(server)
	if err != nil {
		b.Fatal(err)
	}
	config.MaxConns, config.MinConns = bareConnections, bareConnections
	config.ConnConfig.RuntimeParams["synchronous_commit"] = "on"
	pool, err := pgxpool.NewWithConfig(b.Context(), config)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	return &bare{pool, "INSERT INTO " + schema + ".events (stream, version, type, id, data) VALUES ($1, $2, 'order-placed', $3, $4)"}
}

func (l *bare) append(ctx context.Context, stream string, version int64, id string) error {
	tx, err := l.pool.Begin(ctx)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, l.insert, stream, version, id, payload); err != nil {
		_ = tx.Rollback(ctx)
		return err
	}
	return tx.Commit(ctx)
}

// BenchmarkAppendTogether measures the same by 256 appenders of several processes, which take turns at the lock or share it, where a
// commit takes what it takes here, and where it takes 5 ms more, as with a synchronous standby elsewhere.
func BenchmarkAppendTogether(b *testing.B) {
	for _, slow := range []string{"", "&commit_delay=5000&commit_siblings=0"} {
		for _, processes := range []int{1, 4, 16} {
			name := fmt.Sprintf("processes=%d", processes)
			if slow != "" {
				name += ",commit=5ms"
			}
			b.Run(name, func(b *testing.B) {
				orders := []postgres.Order{postgres.Serial, postgres.Parallel}
				var took [2]time.Duration
				var logs [2][]*postgres.DB
				for i, order := range orders {
					logs[i] = inOrder(b, order, server+slow, processes)
				}
				round := 0
				for b.Loop() {
					round++
					for i := range orders {
						took[i] += appendRound(b, 256, round, logs[i])
					}
				}
				n := float64(round * roundAppends)
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(n/took[0].Seconds(), "serial/s")
				b.ReportMetric(n/took[1].Seconds(), "parallel/s")
			})
		}
	}
}

// BenchmarkSeen measures how long it takes, with nothing else to do, until what one process appends reaches who follows at another.
func BenchmarkSeen(b *testing.B) {
	for _, order := range []postgres.Order{postgres.Serial, postgres.Parallel} {
		b.Run(string(order), func(b *testing.B) {
			handles := inOrder(b, order, server, 2)
			seen := make(chan string)
			go func() {
				for r, err := range handles[1].Read(b.Context(), deed.Query{Follow: true}) {
					if err != nil {
						return
					}
					seen <- r.ID
				}
			}()
			n := 0
			for b.Loop() {
				if _, err := handles[0].Append(b.Context(), write("order-1", deed.Version(n), fmt.Sprint("e", n))); err != nil {
					b.Fatal(err)
				}
				<-seen
				n++
				b.StopTimer()
				<-time.After(10 * time.Millisecond) // it is told of at most every 5
				b.StartTimer()
			}
		})
	}
}

// BenchmarkRead measures reading the whole log, a category of it, events by type and tag, and streams of ten.
func BenchmarkRead(b *testing.B) {
	db := opened(b, &postgres.Options{Schema: fresh(b)})
	const streams = 5_000
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for s := w; s < streams; s += 16 {
				events := make([]deed.NewEvent, 10)
				for i := range events {
					events[i] = deed.NewEvent{ID: fmt.Sprintf("e-%d-%d", s, i), Type: []string{"placed", "paid"}[i%2], Data: payload, Tags: []string{fmt.Sprintf("customer:%d", s%100)}}
				}
				if _, err := db.Append(context.Background(), deed.Batch{Writes: []deed.Write{{Stream: deed.Stream([]string{"order", "user"}[s%2], fmt.Sprint(s)), Events: events}}}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for name, q := range map[string]deed.Query{
		"all":          {},
		"category":     {Category: "order"},
		"type":         {Match: []deed.Match{{Types: []string{"paid"}}}},
		"tag":          {Match: []deed.Match{{Tags: []string{"customer:7"}}}},
		"tag-and-type": {Match: []deed.Match{{Types: []string{"paid"}, Tags: []string{"customer:7"}}}},
		"stream":       {Stream: "order-500"},
		"last-of-tag":  {Match: []deed.Match{{Tags: []string{"customer:7"}}}, Backward: true, Limit: 1},
	} {
		b.Run(name, func(b *testing.B) {
			n := 0
			for b.Loop() {
				for _, err := range db.Read(b.Context(), q) {
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
