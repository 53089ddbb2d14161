package sqlite

import (
	"context"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/internal/engine"
)

var _ deed.Surveyor = (*DB)(nil)

// Survey tells what the log holds. See deed.Surveyor.
func (db *DB) Survey(ctx context.Context, days int) (survey deed.Survey, err error) {
	err = db.look(ctx, func(c *conn) error {
		if survey.Kinds, err = countKinds(c); err != nil {
			return err
		}
		survey.Days, err = countDays(c, days)
		return err
	})
	if path := db.path; path != "" {
		survey.Bytes = fileSizes(path)
		survey.Views = fileSizes(beside(path, "-views"))
	}
	return survey, err
}

// fileSizes is how much a database takes on the disk.
func fileSizes(path string) (bytes int64) {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if info, err := os.Stat(path + suffix); err == nil {
			bytes += info.Size()
		}
	}
	return bytes
}

func countKinds(c *conn) (counts []deed.KindCount, err error) {
	q := c.query(`SELECT category, type, sum(n) FROM (SELECT kind, count(*) AS n FROM events GROUP BY kind) JOIN kinds ON id = kind
		GROUP BY category, type ORDER BY category, type`)
	for q.step() {
		counts = append(counts, deed.KindCount{Category: q.s.ColumnText(0), Type: q.s.ColumnText(1), Events: q.s.ColumnInt64(2)})
	}
	return counts, q.end()
}

// countDays counts the events of the last days by category. Times do not fall in the order of positions, so where a day begins
// is found by halving.
func countDays(c *conn, days int) (counts []deed.DayCount, err error) {
	last, err := c.number("SELECT max(position) FROM events")
	if err != nil || last == 0 {
		return nil, err
	}
	latest, err := c.number("SELECT time FROM events WHERE position = ?", last)
	if err != nil {
		return nil, err
	}
	day := timeOf(latest).Truncate(24 * time.Hour)
	for until := last; days > 0 && until > 0; days-- {
		before, err := lastBefore(c, day, until)
		if err != nil {
			return nil, err
		}
		q := c.query(`SELECT category, count(*) FROM events JOIN kinds ON kinds.id = kind WHERE position > ? AND position <= ? GROUP BY category ORDER BY category DESC`)
		q.int(before)
		q.int(until)
		for q.step() {
			counts = append(counts, deed.DayCount{Day: day, Category: q.s.ColumnText(0), Events: q.s.ColumnInt64(1)})
		}
		if err := q.end(); err != nil {
			return nil, err
		}
		day, until = day.Add(-24*time.Hour), before
	}
	slices.Reverse(counts)
	return counts, nil
}

// lastBefore is the last position up to until that was recorded before a time.
func lastBefore(c *conn, t time.Time, until int64) (int64, error) {
	low, high := int64(0), until // low is before t, or 0; what is behind high is not
	for low < high {
		middle := (low + high + 1) / 2
		at, err := c.number("SELECT time FROM events WHERE position <= ? ORDER BY position DESC LIMIT 1", middle)
		if err != nil {
			return 0, err
		}
		if at != 0 && at < micros(t) {
			low = middle
		} else {
			high = middle - 1
		}
	}
	return low, nil
}

// Streams lists streams in the order of their ids. See deed.Surveyor. A limit of 0 is none.
func (db *DB) Streams(ctx context.Context, category string, after deed.StreamID, limit int) (streams []deed.StreamSummary, err error) {
	if err := engine.ValidLimit(limit); err != nil {
		return nil, err
	}
	next := string(after)
	if first := category + "-"; category != "" && next < first {
		next = first
	}
	err = db.look(ctx, func(c *conn) error {
		for limit == 0 || len(streams) < limit {
			s, found, err := streamAfter(c, next)
			if err != nil || !found || category != "" && !strings.HasPrefix(string(s.Stream), category+"-") {
				return err
			}
			streams = append(streams, s)
			next = string(s.Stream)
		}
		return nil
	})
	return streams, err
}

// streamAfter finds the next stream, by leaps in the index of streams, and where it ends.
func streamAfter(c *conn, after string) (s deed.StreamSummary, found bool, err error) {
	q := c.query("SELECT stream FROM events WHERE stream > ? ORDER BY stream LIMIT 1")
	q.text(after)
	if found = q.step(); found {
		s.Stream = deed.StreamID(q.s.ColumnText(0))
	}
	if err := q.end(); err != nil || !found {
		return s, false, err
	}
	q = c.query("SELECT version, position, time FROM events WHERE stream = ? ORDER BY version DESC LIMIT 1")
	q.text(string(s.Stream))
	if q.step() {
		s.Version, s.Position, s.Time = deed.Version(q.s.ColumnInt64(0)), deed.Position(q.s.ColumnInt64(1)), timeOf(q.s.ColumnInt64(2))
	}
	return s, true, q.end()
}
