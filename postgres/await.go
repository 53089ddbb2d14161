package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// awaitSQL has a commit that stores nothing wait for the synchronous standby, if there is one, as if it stored something: what it has
// seen is on the standby then. A commit that was cut off while it waited, or by a restart, is seen here before.
const awaitSQL = "SELECT CASE WHEN current_setting('synchronous_standby_names') <> '' THEN pg_logical_emit_message(true, 'deed', '')::text END"

// awaitStandby returns when what can be seen now is on the synchronous standby, if there is one.
func (db *DB) awaitStandby(ctx context.Context) error {
	return db.change(ctx, true, func(_ context.Context, _ *pgx.Conn, b *pgx.Batch) error {
		b.Queue(awaitSQL)
		return nil
	})
}
