package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
	"github.com/ncruces/go-sqlite3"
)

type write struct {
	Text string `json:"text"`
}

type written struct {
	Text string `json:"text"`
}

func (write) CommandType() string { return "write" }
func (written) EventType() string { return "written" }

var notes = deed.Decider[int, write, written]{
	Category: "bench", Commands: []write{{}}, Events: []written{{}},
	Decide: func(_ int, w write) ([]written, error) { return []written{written(w)}, nil },
	Evolve: func(n int, _ written) int { return n + 1 },
}

type page struct {
	Text string `json:"text"`
	N    int    `json:"n"`
}

var pages = deed.Projection[page, written]{
	Name: "pages", Events: []written{{}},
	Key:    func(r deed.Recorded[written]) string { return r.Stream.ID() },
	Evolve: func(p page, r deed.Recorded[written]) page { return page{r.Event.Text, p.N + 1} },
}

// serve runs a service of the notes while f works.
func serve(ctx context.Context, path string, f func(ctx context.Context, db *sqlite.DB, s *deed.Service) (float64, error)) (float64, error) {
	db, err := sqlite.Open(path, nil)
	if err != nil {
		return 0, err
	}
	defer db.Close()
	service, err := deed.NewService(deed.Config{Store: db, Views: db}, notes, pages)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	stopped := make(chan error, 1)
	go func() { stopped <- service.Run(ctx) }()
	rate, err := f(ctx, db, service)
	cancel()
	if failed := <-stopped; err == nil {
		err = failed
	}
	return rate, err
}

// ownRow lets clients handle a command and read its row from the view, one after the other.
func ownRow(ctx context.Context, clients int, span time.Duration) (float64, error) {
	return inFolder(func(path string) (float64, error) {
		return serve(ctx, path, func(ctx context.Context, db *sqlite.DB, _ *deed.Service) (float64, error) {
			handler, view := notes.Handler(db), pages.View(db)
			text := fmt.Sprintf("%0240d", 0)
			return load(clients, span, func(worker, n int) error {
				id := strconv.Itoa(worker) + "-" + strconv.Itoa(n)
				receipt, err := handler.Handle(ctx, id, write{Text: text})
				if err != nil {
					return err
				}
				_, err = view.Get(ctx, id, receipt.Position)
				return err
			})
		})
	})
}

// fullLog is a log with many events, ten to a stream.
type fullLog struct {
	folder, path string
	events       int
}

func newFullLog(ctx context.Context, events int) (*fullLog, error) {
	folder, err := os.MkdirTemp("", "deed-bench-")
	if err != nil {
		return nil, err
	}
	l := &fullLog{folder: folder, path: filepath.Join(folder, "bench.db"), events: events}
	db, err := sqlite.Open(l.path, nil)
	if err != nil {
		return nil, err
	}
	for n := 0; n < events; n += 100 {
		var b deed.Batch
		for s := range 10 {
			w := deed.Write{Stream: deed.Stream("bench", strconv.Itoa(n/100*10+s))}
			for range 10 {
				w.Events = append(w.Events, deed.NewEvent{ID: deed.NewID(), Type: "written", Data: payload, Metadata: []byte("{}")})
			}
			b.Writes = append(b.Writes, w)
		}
		if _, err := db.Append(ctx, b); err != nil {
			return nil, err
		}
	}
	return l, db.Close()
}

func (l *fullLog) remove() { _ = os.RemoveAll(l.folder) }

// rebuild makes the view anew, from nothing to live.
func (l *fullLog) rebuild(ctx context.Context) (float64, error) {
	db, err := sqlite.Open(l.path, nil)
	if err != nil {
		return 0, err
	}
	err = db.DropView(ctx, deed.ViewRef{Name: "pages", Version: 1})
	if closing := db.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return 0, err
	}
	return serve(ctx, l.path, func(ctx context.Context, _ *sqlite.DB, s *deed.Service) (float64, error) {
		start := time.Now()
		if err := s.Settle(ctx); err != nil {
			return 0, err
		}
		return float64(l.events) / time.Since(start).Seconds(), nil
	})
}

// scan reads every column of every event with the bare driver.
func (l *fullLog) scan() (float64, error) {
	conn, err := sqlite3.Open("file:" + l.path)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	start := time.Now()
	rows, _, err := conn.Prepare("SELECT position, stream, version, kind, time, id, tags, metadata, data FROM events ORDER BY position")
	if err != nil {
		return 0, err
	}
	n, bytes := 0, 0
	for rows.Step() {
		n++
		bytes += len(rows.ColumnText(1)) + len(rows.ColumnText(5)) + len(rows.ColumnRawBlob(7)) + len(rows.ColumnRawBlob(8))
	}
	if err := rows.Err(); err != nil {
		return 0, err
	}
	if n != l.events || bytes == 0 {
		return 0, fmt.Errorf("scanned %d of %d events", n, l.events)
	}
	return float64(n) / time.Since(start).Seconds(), rows.Close()
}
