package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

// fillTask is a log to be made, with so many events, ten to a stream.
type fillTask struct {
	Path   string
	Events int
}

// weight is what a filled log takes.
type weight struct {
	Took time.Duration
	Heap int64 // after a collection, while the log is open
	RSS  int64 // what the system has given the process; 0: it does not tell
	File int64 // once the log is closed
}

// fillAndWeigh fills a log and tells what that takes of memory and disk.
func fillAndWeigh(ctx context.Context, task fillTask) (w weight, err error) {
	db, err := sqlite.Open(task.Path, nil)
	if err != nil {
		return w, err
	}
	start := time.Now()
	err = fill(ctx, db, task.Events)
	w.Took = time.Since(start)
	runtime.GC()
	runtime.GC() // what had a finalizer, too
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	w.Heap, w.RSS = int64(memory.HeapAlloc), residentBytes()
	if err := errors.Join(err, db.Close()); err != nil {
		return w, err
	}
	info, err := os.Stat(task.Path)
	if err != nil {
		return w, err
	}
	w.File = info.Size()
	return w, nil
}

const (
	fillBatch  = 1000 // events
	fillStream = 10
)

// fill appends events in batches of a thousand.
func fill(ctx context.Context, db *sqlite.DB, events int) error {
	for n := 0; n < events; n += fillBatch {
		var b deed.Batch
		for first := n; first < min(n+fillBatch, events); first += fillStream {
			w := deed.Write{Stream: deed.Stream("bench", scattered(0, first))}
			for range min(fillStream, events-first) {
				w.Events = append(w.Events, newEvent())
			}
			b.Writes = append(b.Writes, w)
		}
		if _, err := db.Append(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// scattered names a thing so that things which follow each other stand anywhere in an index, as things named at random do.
func scattered(series, n int) string {
	return fmt.Sprintf("%016x-%d", uint64(n)*0x9e3779b97f4a7c15, series)
}

// residentBytes is the memory of this process that is in the machine's.
func residentBytes() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	n, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return n * int64(os.Getpagesize())
}

func (b *bench) size(ctx context.Context) error {
	_, err := inFolder(func(large string) (sample, error) {
		if err := b.weigh(ctx, large); err != nil {
			return sample{}, err
		}
		return sample{}, b.compareSizes(ctx, large)
	})
	return err
}

// weigh fills a small log and the large one, and prints what they take.
func (b *bench) weigh(ctx context.Context, large string) error {
	t := newTable(b.out, "memory and disk with the log's size", `A process of its own fills a log by batches of 1000 events of 256 bytes, ten to a stream. The heap is what is left after a
collection while the log is open, the resident memory what the system counts for the whole process, and the file that of the
log once it is closed. The last row is the larger log's to the smaller one's.`,
		"   events", "filled/s", "      heap", "  resident", "      file", "bytes/event")
	var weights [2]weight
	for i, events := range b.sizes {
		var err error
		if i == 0 {
			weights[i], err = inFolder(func(path string) (weight, error) { return send[weight](ctx, "fill", fillTask{path, events}) })
		} else {
			weights[i], err = send[weight](ctx, "fill", fillTask{large, events})
		}
		if err != nil {
			return err
		}
		w := weights[i]
		t.row(fmt.Sprint(events), whole(float64(events)/w.Took.Seconds()), megabytes(w.Heap), megabytes(w.RSS), megabytes(w.File), whole(float64(w.File)/float64(events)))
	}
	ratio := func(of func(weight) int64) string {
		if of(weights[0]) == 0 {
			return "-"
		}
		return times(float64(of(weights[1])) / float64(of(weights[0])))
	}
	t.row("ratio", "", ratio(func(w weight) int64 { return w.Heap }), ratio(func(w weight) int64 { return w.RSS }), ratio(func(w weight) int64 { return w.File }))
	return nil
}

// compareSizes measures appends to the large log beside such to a small one.
func (b *bench) compareSizes(ctx context.Context, large string) error {
	const appenders = 64
	t := newTable(b.out, "appends with the log's size", fmt.Sprintf(`%d appenders, as above, to a log that has %d events already. The reference is a log with %d; the ratio is the
larger log's rate to the smaller one's, so 1.00 is: its size costs nothing. New streams are named in order, as by time, or at
random, which touches the index of streams everywhere.`, appenders, b.sizes[1], b.sizes[0]),
		"    names", "large log/s", "small log/s", "ratio", "large's group", "small's group")
	d, series := b.disks[0], 0
	for _, naming := range []struct {
		name string
		of   func(series, worker, n int) string
	}{
		{"in order", func(series, worker, n int) string { return fmt.Sprintf("x%d-%s", series, inOrder(worker, n)) }},
		{"at random", func(series, worker, n int) string { return scattered(series, n*appenders+worker) }},
	} {
		appendMore := func(path string) (sample, error) {
			series++
			db, err := sqlite.Open(path, &sqlite.Options{VFS: d.name()})
			if err != nil {
				return sample{}, err
			}
			s, err := appendTo(ctx, db, d, appenders, b.span, func(worker, n int) string { return naming.of(series, worker, n) })
			return s, errors.Join(err, db.Close())
		}
		s, err := inTurn(b.rounds,
			way{"large log", func() (sample, error) { return appendMore(large) }},
			way{"small log", func() (sample, error) {
				return inFolder(func(path string) (sample, error) {
					if _, err := fillAndWeigh(ctx, fillTask{path, b.sizes[0]}); err != nil {
						return sample{}, err
					}
					return appendMore(path)
				})
			}})
		if err != nil {
			return err
		}
		large, small := s.median(0), s.median(1)
		t.row(naming.name, whole(large.rate), whole(small.rate), times(s.ratio(0, 1)), group(large.group), group(small.group))
	}
	return nil
}
