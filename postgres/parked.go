package postgres

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/internal/engine"
)

// parking is where what an owner has parked is kept: a part of a log, or a view.
type parking struct {
	t     *tables
	table string
	names string // columns of the owner, in front of the key
	where string // with its values as the first parameters
	owner []any
}

func (db *DB) partParking(part string) parking {
	return parking{&db.tables, "@parked", "log, part", "log = $1 AND part = $2", []any{db.log, part}}
}

// args are the owner's values and more.
func (p parking) args(more ...any) []any { return append(append([]any{}, p.owner...), more...) }

// n returns the name of the parameter so many behind the owner's.
func (p parking) n(i int) string { return "$" + string(rune('0'+len(p.owner)+i)) }

// queue applies changes, in order.
func (p parking) queue(b *pgx.Batch, changes []deed.ParkChange) {
	for i := range changes {
		change := &changes[i]
		if change.Until > 0 {
			b.Queue(p.t.sql("DELETE FROM "+p.table+" WHERE "+p.where+" AND key = "+p.n(1)+" AND position <= "+p.n(2)), p.args(change.Key, int64(change.Until))...)
		}
		for _, r := range change.Records {
			values := "$1"
			if len(p.owner) == 2 {
				values += ", $2"
			}
			b.Queue(p.t.sql("INSERT INTO "+p.table+" ("+p.names+", key, position, time, error, folded) VALUES ("+values+", "+
				p.n(1)+", "+p.n(2)+", "+p.n(3)+", "+p.n(4)+", "+p.n(5)+") ON CONFLICT ("+p.names+", key, position) DO UPDATE SET time = excluded.time, error = excluded.error"),
				p.args(change.Key, int64(r.Position), micros(r.Time), []byte(r.Error), r.Folded)...)
		}
	}
}

// keys lists the parked keys. The record of a key is the first that failed.
func (p parking) keys(ctx context.Context, q querier, after string, limit int) ([]deed.ParkedKey, error) {
	if err := engine.ValidLimit(limit); err != nil {
		return nil, err
	}
	sql := p.t.sql(`SELECT k.key, k.n, r.position, r.time, r.error, r.folded
		FROM (SELECT key, count(*) AS n, coalesce(min(position) FILTER (WHERE error <> ''), min(position)) AS first
			FROM ` + p.table + " WHERE " + p.where + " AND key > " + p.n(1) + " GROUP BY key ORDER BY key LIMIT " + p.n(2) + `) k
		JOIN ` + p.table + " r ON " + p.of("r") + " AND r.key = k.key AND r.position = k.first ORDER BY k.key")
	return collectFrom(ctx, q, sql, p.args(after, orAll(limit)), func(row pgx.Row) (k deed.ParkedKey, err error) {
		err = scanParked(row, &k.ParkedRecord, &k.Key, &k.Records)
		return k, err
	})
}

// of is where for a table that has another name in the statement.
func (p parking) of(name string) string {
	return name + "." + strings.ReplaceAll(p.where, " AND ", " AND "+name+".")
}

func scanParked(row pgx.Row, r *deed.ParkedRecord, before ...any) error {
	var at int64
	var text []byte
	err := row.Scan(append(before, &r.Position, &at, &text, &r.Folded)...)
	r.Time, r.Error = timeOf(at), string(text)
	return err
}

// records lists what is parked of a key.
func (p parking) records(ctx context.Context, q querier, key string, after deed.Position, limit int) ([]deed.ParkedRecord, error) {
	if err := engine.ValidLimit(limit); err != nil {
		return nil, err
	}
	sql := p.t.sql("SELECT position, time, error, folded FROM " + p.table + " WHERE " + p.where + " AND key = " + p.n(1) +
		" AND position > " + p.n(2) + " ORDER BY position LIMIT " + p.n(3))
	return collectFrom(ctx, q, sql, p.args(orNone(key), int64(after), orAll(limit)), func(row pgx.Row) (r deed.ParkedRecord, err error) {
		err = scanParked(row, &r)
		return r, err
	})
}
