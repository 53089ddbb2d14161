package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
	"github.com/ncruces/go-sqlite3"
)

// payload is JSON of 256 bytes.
var payload = []byte(fmt.Sprintf(`{"text":"%0245d"}`, 0))

// inFolder runs f with the path of a database in a folder of its own.
func inFolder(f func(path string) (float64, error)) (float64, error) {
	folder, err := os.MkdirTemp("", "deed-bench-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(folder)
	return f(filepath.Join(folder, "bench.db"))
}

// load lets so many goroutines call work for a time, and returns the calls per second.
func load(workers int, span time.Duration, work func(worker, n int) error) (float64, error) {
	var done atomic.Int64
	var first atomic.Pointer[error]
	var all sync.WaitGroup
	start := time.Now()
	for worker := range workers {
		all.Go(func() {
			for n := 0; time.Since(start) < span && first.Load() == nil; n++ {
				if err := work(worker, n); err != nil {
					first.CompareAndSwap(nil, &err)
					return
				}
				done.Add(1)
			}
		})
	}
	all.Wait()
	if err := first.Load(); err != nil {
		return 0, *err
	}
	return float64(done.Load()) / time.Since(start).Seconds(), nil
}

func appendDeed(ctx context.Context, appenders int, span time.Duration) (float64, error) {
	return inFolder(func(path string) (float64, error) {
		db, err := sqlite.Open(path, nil)
		if err != nil {
			return 0, err
		}
		defer db.Close()
		return load(appenders, span, func(worker, n int) error {
			event := deed.NewEvent{ID: deed.NewID(), Type: "written", Data: payload, Metadata: []byte("{}")}
			_, err := db.Append(ctx, deed.Batch{Writes: []deed.Write{{Stream: stream(worker, n), Events: []deed.NewEvent{event}}}})
			return err
		})
	})
}

func stream(worker, n int) deed.StreamID {
	return deed.Stream("bench", strconv.Itoa(worker)+"-"+strconv.Itoa(n))
}

// bareEvent waits in the bare loop's queue.
type bareEvent struct {
	stream deed.StreamID
	id     string
	done   chan error
}

// appendBare is what is left when everything but the batching is taken away: one goroutine takes all that wait, up to 256,
// inserts them into the engine's own tables, commits, and answers. It checks nothing.
func appendBare(appenders int, span time.Duration) (float64, error) {
	return inFolder(func(path string) (float64, error) {
		db, err := sqlite.Open(path, nil) // makes the tables
		if err != nil {
			return 0, err
		}
		if err := db.Close(); err != nil {
			return 0, err
		}
		loop, err := openBare(path)
		if err != nil {
			return 0, err
		}
		defer loop.close()
		return load(appenders, span, func(worker, n int) error {
			e := bareEvent{stream: stream(worker, n), id: deed.NewID(), done: make(chan error, 1)}
			loop.queue <- e
			return <-e.done
		})
	})
}

type bareLoop struct {
	conn                  *sqlite3.Conn
	begin, insert, commit *sqlite3.Stmt
	queue                 chan bareEvent
	ended                 chan struct{}
}

func openBare(path string) (*bareLoop, error) {
	conn, err := sqlite3.Open("file:" + path)
	if err != nil {
		return nil, err
	}
	for _, sql := range []string{
		"PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL",
		"INSERT INTO kinds VALUES (1, 'bench', 'written', 1, 'application/json')",
	} {
		if err := conn.Exec(sql); err != nil {
			return nil, err
		}
	}
	l := &bareLoop{conn: conn, queue: make(chan bareEvent, 4096), ended: make(chan struct{})}
	for sql, stmt := range map[string]**sqlite3.Stmt{
		"BEGIN IMMEDIATE": &l.begin, "COMMIT": &l.commit,
		"INSERT INTO events (position, stream, version, kind, time, id, metadata, data) VALUES (?, ?, 1, 1, ?, ?, ?, ?)": &l.insert,
	} {
		if *stmt, _, err = conn.Prepare(sql); err != nil {
			return nil, err
		}
	}
	go l.run()
	return l, nil
}

func (l *bareLoop) run() {
	defer close(l.ended)
	position := int64(0)
	var group []bareEvent
	for e := range l.queue {
		group = append(group[:0], e)
	taking:
		for len(group) < 256 {
			select {
			case e, open := <-l.queue:
				if !open {
					break taking
				}
				group = append(group, e)
			default:
				break taking
			}
		}
		err := l.store(group, &position)
		for _, e := range group {
			e.done <- err
		}
	}
}

func (l *bareLoop) store(group []bareEvent, position *int64) error {
	if err := step(l.begin); err != nil {
		return err
	}
	now := time.Now().UnixMicro()
	for _, e := range group {
		*position++
		for _, err := range []error{
			l.insert.BindInt64(1, *position), l.insert.BindText(2, string(e.stream)), l.insert.BindInt64(3, now),
			l.insert.BindText(4, e.id), l.insert.BindBlob(5, []byte("{}")), l.insert.BindBlob(6, payload), step(l.insert),
		} {
			if err != nil {
				return err
			}
		}
	}
	return step(l.commit)
}

func step(s *sqlite3.Stmt) error {
	s.Step()
	return s.Reset()
}

func (l *bareLoop) close() {
	close(l.queue)
	<-l.ended
	_ = l.conn.Close()
}
