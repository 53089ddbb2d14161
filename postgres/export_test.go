package postgres

import "github.com/jackc/pgx/v5/pgxpool"

// LockKey is a log's advisory lock.
var LockKey = lockKey

// Pool is where a log's connections come from, but for the writer's.
func Pool(db *DB) *pgxpool.Pool { return db.pool }

// FleetKey is the advisory lock of a log's fleet.
var FleetKey = fleetKey
