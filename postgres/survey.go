package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/internal/engine"
)

var _ deed.Surveyor = (*DB)(nil)

const (
	countKindsSQL = `SELECT k.category, k.type, sum(n.n)::bigint FROM (SELECT kind, count(*) AS n FROM @events WHERE log = $1 GROUP BY kind) n
		JOIN @kinds k ON k.log = $1 AND k.id = n.kind GROUP BY k.category, k.type ORDER BY k.category, k.type`
	countDaySQL = `SELECT k.category, count(*) FROM @events e JOIN @kinds k ON k.log = $1 AND k.id = e.kind
		WHERE e.log = $1 AND e.position > $2 AND e.position <= $3 GROUP BY k.category ORDER BY k.category DESC`
	// Sizes are those of the tables, which the logs of a schema share.
	sizesSQL = `SELECT sum(pg_total_relation_size(t::regclass)) FILTER (WHERE t NOT LIKE '%.view%')::bigint,
		sum(pg_total_relation_size(t::regclass)) FILTER (WHERE t LIKE '%.view%')::bigint FROM unnest($1::text[]) t`
)

// Survey tells what the log holds. See deed.Surveyor. The sizes are those of all logs of the schema together.
func (db *DB) Survey(ctx context.Context, days int) (survey deed.Survey, err error) {
	if survey.Kinds, err = collect(ctx, db, db.tables.sql(countKindsSQL), []any{db.log}, scanKind); err != nil {
		return survey, err
	}
	err = db.read(ctx, func(c *pgxpool.Conn) error {
		if survey.Days, err = db.countDays(ctx, c, days); err != nil {
			return err
		}
		var names []string
		for _, table := range []string{"kinds", "events", "tags", "commands", "parts", "part_states", "effects", "parked", "views", "view_rows", "view_values", "view_parked"} {
			names = append(names, db.tables.fill("@")+table)
		}
		return c.QueryRow(ctx, sizesSQL, names).Scan(&survey.Bytes, &survey.Views)
	})
	return survey, err
}

func scanKind(row pgx.Row) (k deed.KindCount, err error) {
	err = row.Scan(&k.Category, &k.Type, &k.Events)
	return k, err
}

// countDays counts the events of the last days by category. Times never go back from a record to the next, so where a day begins is
// found by halving.
func (db *DB) countDays(ctx context.Context, q querier, days int) (counts []deed.DayCount, err error) {
	ends, err := db.readEnds(ctx, q)
	last := ends.head
	if err != nil || last == 0 {
		return nil, err
	}
	latest, err := db.timeAt(ctx, q, last)
	day := timeOf(latest).Truncate(24 * time.Hour)
	for until := last; err == nil && days > 0 && until > 0; days-- {
		before, err := db.lastBefore(ctx, q, day, until)
		if err != nil {
			return nil, err
		}
		of, err := collectFrom(ctx, q, db.tables.sql(countDaySQL), []any{db.log, int64(before), int64(until)}, func(row pgx.Row) (d deed.DayCount, err error) {
			d.Day = day
			err = row.Scan(&d.Category, &d.Events)
			return d, err
		})
		if err != nil {
			return nil, err
		}
		counts = append(counts, of...)
		day, until = day.Add(-24*time.Hour), before
	}
	slices.Reverse(counts)
	return counts, err
}

// timeAt is when the last event up to a position was recorded; 0 if there is none.
func (db *DB) timeAt(ctx context.Context, q querier, p deed.Position) (at int64, err error) {
	err = q.QueryRow(ctx, db.tables.sql("SELECT time FROM @events WHERE log = $1 AND position <= $2 ORDER BY position DESC LIMIT 1"), db.log, int64(p)).Scan(&at)
	if isNone(err) {
		return 0, nil
	}
	return at, err
}

// lastBefore is the last position up to until that was recorded before a time.
func (db *DB) lastBefore(ctx context.Context, q querier, t time.Time, until deed.Position) (deed.Position, error) {
	low, high := deed.Position(0), until // low is before t, or 0; what is behind high is not
	for low < high {
		middle := (low + high + 1) / 2
		at, err := db.timeAt(ctx, q, middle)
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
func (db *DB) Streams(ctx context.Context, category string, after deed.StreamID, limit int) ([]deed.StreamSummary, error) {
	if err := engine.ValidLimit(limit); err != nil {
		return nil, err
	}
	low, high := string(after), ""
	if category != "" {
		low, high = max(low, category+"-"), category+"." // "." is what follows "-"
	}
	// A leap in the index for each stream, however many events it has.
	sql := db.tables.sql(`WITH RECURSIVE s (stream, n) AS (
			SELECT stream, 1 FROM (SELECT stream FROM @events WHERE log = $1 AND stream > $2 ORDER BY stream LIMIT 1) f
			UNION ALL
			SELECT (SELECT e.stream FROM @events e WHERE e.log = $1 AND e.stream > s.stream ORDER BY e.stream LIMIT 1), s.n + 1
			FROM s WHERE s.stream IS NOT NULL AND ($3 = '' OR s.stream < $3) AND ($4::bigint IS NULL OR s.n < $4))
		SELECT s.stream, h.version, h.position, h.time FROM s
		CROSS JOIN LATERAL (SELECT version, position, time FROM @events e WHERE e.log = $1 AND e.stream = s.stream ORDER BY version DESC LIMIT 1) h
		WHERE $3 = '' OR s.stream < $3 ORDER BY s.stream LIMIT $4`)
	return collect(ctx, db, sql, []any{db.log, low, high, orAll(limit)}, func(row pgx.Row) (s deed.StreamSummary, err error) {
		var at int64
		err = row.Scan(&s.Stream, &s.Version, &s.Position, &at)
		s.Time = timeOf(at)
		return s, err
	})
}
