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

// BenchmarkAppend measures single-event appends by many goroutines, each to streams of ten, beside the same done the usual way with
// pgx: a transaction per append on 64 connections, which checks the version by a unique index. Both run in turns, and "times" is
// how many times as many events the log stores.
func BenchmarkAppend(b *testing.B) {
	for _, appenders := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("appenders=%d", appenders), func(b *testing.B) {
			db := opened(b, &postgres.Options{Schema: fresh(b)})
			bare := newBare(b)
			var log, usual time.Duration
			round := 0
			for b.Loop() {
				round++
				log += work(b, appenders, func(worker, i int) error {
					_, err := db.Append(b.Context(), deed.Batch{Writes: []deed.Write{{
						Stream: deed.Stream("order", fmt.Sprintf("%d-%d-%d", round, worker, i/10)), Version: deed.Version(i % 10),
						Events: []deed.NewEvent{{ID: fmt.Sprintf("e-%d-%d-%d", round, worker, i), Type: "order-placed", Data: payload}},
					}}})
					return err
				})
				usual += work(b, appenders, func(worker, i int) error {
					return bare.append(b.Context(), fmt.Sprintf("order-%d-%d-%d", round, worker, i/10), int64(i%10)+1, fmt.Sprintf("e-%d-%d-%d", round, worker, i))
				})
			}
			n := float64(round * roundAppends)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(n/log.Seconds(), "events/s")
			b.ReportMetric(n/usual.Seconds(), "bare/s")
			b.ReportMetric(usual.Seconds()/log.Seconds(), "times")
		})
	}
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

// BenchmarkAppendTogether measures the same by 256 appenders of several processes, which take turns at the lock.
func BenchmarkAppendTogether(b *testing.B) {
	for _, processes := range []int{1, 2, 4} {
		b.Run(fmt.Sprintf("processes=%d", processes), func(b *testing.B) {
			o := &postgres.Options{Schema: fresh(b)}
			var handles []*postgres.DB
			for range processes {
				handles = append(handles, opened(b, o))
			}
			var log time.Duration
			round := 0
			for b.Loop() {
				round++
				log += work(b, 256, func(worker, i int) error {
					_, err := handles[worker%processes].Append(b.Context(), deed.Batch{Writes: []deed.Write{{
						Stream: deed.Stream("order", fmt.Sprintf("%d-%d-%d", round, worker, i/10)), Version: deed.Version(i % 10),
						Events: []deed.NewEvent{{ID: fmt.Sprintf("e-%d-%d-%d", round, worker, i), Type: "order-placed", Data: payload}},
					}}})
					return err
				})
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(round*roundAppends)/log.Seconds(), "events/s")
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
