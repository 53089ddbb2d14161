package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

func (b *bench) rebuild(ctx context.Context) error {
	_, err := inFolder(func(path string) (sample, error) {
		if _, err := fillAndWeigh(ctx, fillTask{path, b.events}); err != nil {
			return sample{}, err
		}
		t := newTable(b.out, "a view rebuilt", fmt.Sprintf(`A view of %d events, ten to a row, is made anew from the beginning of the log. The reference reads every column of every
event with the bare driver and makes nothing of it; the ratio is the rebuild's rate to the scan's.`, b.events),
			"  deed/s", "bare scan/s", "ratio")
		s, err := inTurn(b.rounds,
			way{"rebuild", func() (sample, error) { return rebuild(ctx, path, b.events) }},
			way{"scan", func() (sample, error) { return scan(path, b.events) }})
		if err != nil {
			return sample{}, err
		}
		t.row(whole(s.median(0).rate), whole(s.median(1).rate), times(s.ratio(0, 1)))
		return sample{}, nil
	})
	return err
}

// rebuild makes the view anew, from nothing to live.
func rebuild(ctx context.Context, path string, events int) (sample, error) {
	db, err := sqlite.Open(path, nil)
	if err != nil {
		return sample{}, err
	}
	s, err := sample{}, db.DropView(ctx, deed.ViewRef{Name: "pages", Version: 1})
	if err == nil {
		s, err = serve(ctx, db, []deed.Part{notes, pages}, func(ctx context.Context, service *deed.Service) (sample, error) {
			return settled(ctx, service, events)
		})
	}
	return s, errors.Join(err, db.Close())
}

// settled measures how long a service takes to handle so many events.
func settled(ctx context.Context, service *deed.Service, events int) (sample, error) {
	start := time.Now()
	if err := service.Settle(ctx); err != nil {
		return sample{}, err
	}
	return sample{rate: float64(events) / time.Since(start).Seconds()}, nil
}

// scan reads every column of every event with the bare driver.
func scan(path string, events int) (sample, error) {
	conn, err := sqlite3.Open("file:" + path)
	if err != nil {
		return sample{}, err
	}
	defer conn.Close()
	start := time.Now()
	rows, _, err := conn.Prepare("SELECT position, stream, version, kind, time, id, tags, metadata, data FROM events ORDER BY position")
	if err != nil {
		return sample{}, err
	}
	n, bytes := 0, 0
	for rows.Step() {
		n++
		bytes += len(rows.ColumnText(1)) + len(rows.ColumnText(5)) + len(rows.ColumnRawBlob(7)) + len(rows.ColumnRawBlob(8))
	}
	if err := rows.Err(); err != nil {
		return sample{}, err
	}
	if n != events || bytes == 0 {
		return sample{}, fmt.Errorf("scanned %d of %d events", n, events)
	}
	return sample{rate: float64(n) / time.Since(start).Seconds()}, rows.Close()
}
