package sqlite_test

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

var payload = bytes.Repeat([]byte("x"), 254)

// BenchmarkAppend measures single-event appends by many goroutines, each to streams of ten.
func BenchmarkAppend(b *testing.B) {
	for _, appenders := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("appenders=%d", appenders), func(b *testing.B) {
			db, err := sqlite.Open(filepath.Join(b.TempDir(), "log.db"), nil)
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			work(b, appenders, func(worker, i int) error {
				_, err := db.Append(b.Context(), deed.Batch{Writes: []deed.Write{{
					Stream:  deed.Stream("order", fmt.Sprintf("%d-%d", worker, i/10)),
					Version: deed.Version(i % 10),
					Events:  []deed.NewEvent{{ID: fmt.Sprintf("e-%d-%d", worker, i), Type: "order-placed", Data: payload}},
				}}})
				return err
			})
		})
	}
}

// work shares b.N calls out among workers.
func work(b *testing.B, workers int, do func(worker, i int) error) {
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	start := time.Now()
	for w := range workers {
		wg.Go(func() {
			for i := 0; next.Add(1) <= int64(b.N); i++ {
				if err := do(w, i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "events/s")
}

// BenchmarkRead measures reading the whole log, a category of it, and streams of ten.
func BenchmarkRead(b *testing.B) {
	db, err := sqlite.Open(filepath.Join(b.TempDir(), "log.db"), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	const streams = 10_000
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for s := w; s < streams; s += 16 {
				events := make([]deed.NewEvent, 10)
				for i := range events {
					events[i] = deed.NewEvent{ID: fmt.Sprintf("e-%d-%d", s, i), Type: []string{"placed", "paid"}[i%2], Data: payload, Tags: []string{fmt.Sprintf("customer:%d", s%100)}}
				}
				category := []string{"order", "user"}[s%2]
				if _, err := db.Append(context.Background(), deed.Batch{Writes: []deed.Write{{Stream: deed.Stream(category, fmt.Sprint(s)), Events: events}}}); err != nil {
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

// BenchmarkAppendChecked measures appends under a check by tags and types, as decisions make them.
func BenchmarkAppendChecked(b *testing.B) {
	db, err := sqlite.Open(filepath.Join(b.TempDir(), "log.db"), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	work(b, 64, func(worker, i int) error {
		tag := fmt.Sprintf("email:%d-%d@example.org", worker, i)
		_, err := db.Append(b.Context(), deed.Batch{
			Writes: []deed.Write{{
				Stream: deed.Stream("user", fmt.Sprintf("%d-%d", worker, i)), Version: deed.Any,
				Events: []deed.NewEvent{{ID: fmt.Sprintf("e-%d-%d", worker, i), Type: "registered", Data: payload, Tags: []string{tag}}},
			}},
			Checks: []deed.Check{{Match: []deed.Match{{Types: []string{"registered"}, Tags: []string{tag}}}}},
		})
		return err
	})
}

// BenchmarkAppendCommand measures appends that keep their command's outcome.
func BenchmarkAppendCommand(b *testing.B) {
	db, err := sqlite.Open(filepath.Join(b.TempDir(), "log.db"), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	work(b, 64, func(worker, i int) error {
		id := fmt.Sprintf("%d-%d", worker, i)
		_, err := db.Append(b.Context(), deed.Batch{
			Writes: []deed.Write{{
				Stream: deed.Stream("user", id), Events: []deed.NewEvent{{ID: "e-" + id, Type: "registered", Data: payload}},
			}},
			Command: deed.CommandRef{ID: "c-" + id, Hash: "0123456789abcdef0123456789abcdef"},
		})
		return err
	})
}

// BenchmarkAppendFollowed measures appends while many follow: all of the log, or each a stream where nothing happens.
func BenchmarkAppendFollowed(b *testing.B) {
	for _, kind := range []struct {
		name      string
		followers int
		query     func(i int) deed.Query
	}{
		{"log", 4, func(int) deed.Query { return deed.Query{Follow: true} }},
		{"streams", 1000, func(i int) deed.Query { return deed.Query{Follow: true, Stream: deed.Stream("idle", fmt.Sprint(i))} }},
	} {
		b.Run(kind.name, func(b *testing.B) {
			db, err := sqlite.Open(filepath.Join(b.TempDir(), "log.db"), nil)
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			for i := range kind.followers {
				go func() {
					for range db.Read(b.Context(), kind.query(i)) {
					}
				}()
			}
			work(b, 64, func(worker, i int) error {
				_, err := db.Append(b.Context(), deed.Batch{Writes: []deed.Write{{
					Stream: deed.Stream("order", fmt.Sprint(worker)), Version: deed.Version(i),
					Events: []deed.NewEvent{{ID: fmt.Sprintf("e-%d-%d", worker, i), Type: "order-placed", Data: payload}},
				}}})
				return err
			})
		})
	}
}

// BenchmarkCommitView measures steps of a projection of ten rows each, by four views at once.
func BenchmarkCommitView(b *testing.B) {
	db, err := sqlite.Open(filepath.Join(b.TempDir(), "log.db"), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	for v := range 4 {
		if _, err := db.OpenView(b.Context(), deed.ViewSpec{ViewRef: deed.ViewRef{Name: fmt.Sprint("v", v)}, Index: []string{"a", "b"}}); err != nil {
			b.Fatal(err)
		}
	}
	work(b, 4, func(worker, i int) error {
		rows := make([]deed.RowChange, 10)
		for j := range rows {
			rows[j] = deed.RowChange{
				Row:   deed.Row{Key: fmt.Sprint((i*10 + j) * 7919 % 5000), Data: payload, Position: deed.Position(i + 1)},
				Index: []any{int64(j), fmt.Sprint(i % 100)},
			}
		}
		return db.CommitView(b.Context(), deed.ViewCommit{
			View: deed.ViewRef{Name: fmt.Sprint("v", worker)}, From: deed.Position(i), Checkpoint: deed.Checkpoint{Position: deed.Position(i + 1)}, Rows: rows,
		})
	})
}
