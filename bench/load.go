package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

// payload is JSON of 256 bytes.
var payload = []byte(fmt.Sprintf(`{"text":"%0245d"}`, 0))

// inFolder runs f with the path of a log in a folder of its own.
func inFolder[T any](f func(path string) (T, error)) (result T, err error) {
	folder, err := os.MkdirTemp("", "deed-bench-")
	if err != nil {
		return result, err
	}
	defer os.RemoveAll(folder)
	return f(filepath.Join(folder, logFile))
}

// withLog runs f with a new log on a disk.
func withLog(d *disk, f func(path string, db *sqlite.DB) (sample, error)) (sample, error) {
	return inFolder(func(path string) (sample, error) {
		db, err := sqlite.Open(path, &sqlite.Options{VFS: d.name()})
		if err != nil {
			return sample{}, err
		}
		s, err := f(path, db)
		if end := db.Close(); err == nil {
			err = end
		}
		return s, err
	})
}

// load lets so many goroutines call work for a time. Each call stores one event, if it stores any.
func load(d *disk, workers int, span time.Duration, work func(worker, n int) error) (sample, error) {
	var done atomic.Int64
	var first atomic.Pointer[error]
	var all sync.WaitGroup
	flushes := d.flushes.Load()
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
		return sample{}, *err
	}
	return d.sampled(done.Load(), time.Since(start), flushes), nil
}

// sampled is what was done since the disk had counted so many flushes.
func (d *disk) sampled(done int64, took time.Duration, flushes int64) sample {
	s := sample{rate: float64(done) / took.Seconds()}
	if n := d.flushes.Load() - flushes; n > 0 {
		s.group = float64(done) / float64(n)
	}
	return s
}

// inOrder names the things of a worker one after the other.
func inOrder(worker, n int) string { return strconv.Itoa(worker) + "-" + strconv.Itoa(n) }

func newEvent() deed.NewEvent {
	return deed.NewEvent{ID: deed.NewID(), Type: "written", Data: payload, Metadata: []byte("{}")}
}
