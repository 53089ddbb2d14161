package postgres

import (
	"math"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/deed-es/deed"
)

// LockKey is a log's advisory lock.
var LockKey = lockKey

// Pool is where a log's connections come from, but for the writer's.
func Pool(db *DB) *pgxpool.Pool { return db.pool }

// FleetKey is the advisory lock of a log's fleet.
var FleetKey = fleetKey

// KnownHead is the last position that this process knows to be readable, without a look.
func KnownHead(db *DB) deed.Position { return deed.Position(db.head.Load()) }

// NextDueSQL is how the next effect of some parts is looked for, after a time in microseconds.
func NextDueSQL(db *DB, after int64, parts []string) (sql string, args []any) {
	return db.tables.sql(nextDueSQL), []any{db.log, after, parts}
}

// FirstMatchSQL is how a condition's first event is looked for.
func FirstMatchSQL(db *DB, m deed.Match) (sql string, args []any) {
	s := selection{statement{args: []any{db.log, int64(0), int64(math.MaxInt64), 1}}}
	sql, _ = s.positions("", []deed.Match{m}, false)
	return db.tables.fill(sql), s.args
}
