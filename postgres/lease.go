package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/deed-es/deed"
)

var _ deed.LeaseStore = (*DB)(nil)

// Beat says that a node is there, and returns the fleet as it is then. See deed.LeaseStore. Where the connection is lost it is said
// once more: a beat that was heard twice changes nothing more.
func (db *DB) Beat(ctx context.Context, b deed.Beat) (fleet deed.Fleet, err error) {
	if err := validBeat(&b); err != nil {
		return deed.Fleet{}, err
	}
	if err := db.writable(ctx); err != nil {
		return deed.Fleet{}, err
	}
	limited, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	err = db.read(limited, func(c *pgxpool.Conn) error {
		fleet, err = db.beat(limited, c.Conn(), &b)
		return err
	})
	if err != nil {
		return deed.Fleet{}, err
	}
	return fleet, nil
}

func validBeat(b *deed.Beat) error {
	switch {
	case deed.ValidID(b.Node) != nil:
		return &deed.InvalidError{Field: "node", Reason: "a node needs a valid id"}
	case deed.ValidID(b.Name) != nil:
		return &deed.InvalidError{Field: "name", Reason: "a node needs a name that is a valid id"}
	case b.For < 0:
		return &deed.InvalidError{Field: "for", Reason: "a time to last is not negative"}
	}
	for _, list := range []struct {
		field string
		parts []string
	}{{"wants", b.Wants}, {"give", b.Give}, {"take", b.Take}} {
		for _, part := range list.parts {
			if deed.ValidID(part) != nil {
				return &deed.InvalidError{Field: list.field, Reason: fmt.Sprintf("%.80q cannot be a lease: it is no valid id", part)}
			}
		}
	}
	return nil
}

// now is when a row is looked at, and not when the transaction began: it may have waited for the fleet's lock.
const now = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"

const (
	// Who was not heard of in time, the node itself too, and who leaves.
	gonesSQL = "DELETE FROM @nodes WHERE log = $1 AND (until <= " + now + " OR id = $2 AND $3::bigint = 0)"

	giveSQL = `UPDATE @leases SET node = NULL WHERE log = $1 AND node = $2
		AND (part = ANY ($3::text[]) OR NOT EXISTS (SELECT FROM @nodes n WHERE n.log = $1 AND n.id = $2))`

	// A lease of another under which something is being stored is freed by a later beat: the fleet does not wait for a process that
	// was stopped amid a commit, nor for a standby that its commit waits for.
	freeSQL = `UPDATE @leases l SET node = NULL FROM (
			SELECT h.part FROM @leases h WHERE h.log = $1 AND h.node IS NOT NULL AND NOT EXISTS (SELECT FROM @nodes n WHERE n.log = $1 AND n.id = h.node)
			FOR NO KEY UPDATE OF h SKIP LOCKED) gone
		WHERE l.log = $1 AND l.part = gone.part`

	hereSQL = "INSERT INTO @nodes (log, until, id, name, wants) VALUES ($1, " + now + ` + $3::bigint, $2, $4, $5::text[])
		ON CONFLICT (log, id) DO UPDATE SET until = excluded.until, name = excluded.name, wants = excluded.wants`

	// Tokens are times, or one more than the last: they grow also where the log was restored, or a crash took what was not flushed.
	takeSQL = "INSERT INTO @leases AS l (log, token, part, node) SELECT $1, " + now + `, t.part, $2 FROM unnest($3::text[]) AS t (part)
		WHERE NOT EXISTS (SELECT FROM @leases h WHERE h.log = $1 AND h.part = t.part AND h.node IS NOT NULL)
		ON CONFLICT (log, part) DO UPDATE SET token = greatest(l.token + 1, excluded.token), node = excluded.node`

	nodesSQL = "SELECT id, name, wants FROM @nodes WHERE log = $1 ORDER BY id"

	heldSQL = `SELECT h.part, h.token, h.node FROM @leases h JOIN @nodes n ON n.log = h.log AND n.id = h.node WHERE h.log = $1 ORDER BY h.part`
)

// A node that gives back a lease waits so long for its own commits under it, and the fleet for the node.
const giveTimeout = time.Second

// beat is one transaction in one round trip, which is not flushed.
func (db *DB) beat(ctx context.Context, c *pgx.Conn, beat *deed.Beat) (fleet deed.Fleet, err error) {
	b := &pgx.Batch{}
	queue := func(sql string, args ...any) *pgx.QueuedQuery {
		return b.Queue(db.tables.sql(sql), append([]any{db.log}, args...)...)
	}
	lasts := micro(beat.For)
	delete(c.PgConn().CustomData(), uncertain) // what was warned of before says nothing about this commit
	b.Queue(beginSQL)
	b.Queue(lockSQL, setLockTimeout, setIdleTimeout, false, fleetKey(db.options.Schema, db.options.Log))
	b.Queue("SELECT set_config('lock_timeout', $1, true)", fmt.Sprint(giveTimeout.Milliseconds()))
	queue(gonesSQL, beat.Node, lasts)
	queue(giveSQL, beat.Node, nonNil(beat.Give))
	queue(freeSQL)
	if lasts > 0 {
		queue(hereSQL, beat.Node, lasts, beat.Name, nonNil(beat.Wants))
		if take := slices.Compact(slices.Sorted(slices.Values(beat.Take))); len(take) > 0 {
			queue(takeSQL, beat.Node, take)
		}
	}
	queue(nodesSQL).Query(func(rows pgx.Rows) (err error) {
		fleet.Nodes, err = pgx.CollectRows(rows, scanNode)
		return err
	})
	queue(heldSQL).Query(func(rows pgx.Rows) (err error) {
		fleet.Leases, err = pgx.CollectRows(rows, scanHeld)
		return err
	})
	b.Queue("COMMIT").Exec(func(tag pgconn.CommandTag) error { return committed(c, tag, nil) })
	err = c.SendBatch(ctx, b).Close()
	switch {
	case err == nil:
		return fleet, nil
	case !rollback(ctx, c):
		return deed.Fleet{}, fmt.Errorf("%w: %w", deed.ErrUnknown, err)
	case hasCode(err, "55P03"):
		return deed.Fleet{}, fmt.Errorf("the fleet's lock, or a lease under which something is being stored: %w: %w", deed.ErrBusy, err)
	}
	return deed.Fleet{}, err
}

func scanNode(row pgx.CollectableRow) (n deed.Node, err error) {
	err = row.Scan(&n.ID, &n.Name, &n.Wants)
	return n, err
}

func scanHeld(row pgx.CollectableRow) (h deed.HeldLease, err error) {
	err = row.Scan(&h.Part, &h.Token, &h.Node)
	return h, err
}

// micro is a time to last in microseconds, to the millisecond; what is not nothing stays at least one.
func micro(d time.Duration) int64 {
	ms := d.Milliseconds()
	if d%time.Millisecond > 0 {
		ms++
	}
	return ms * 1000
}

// fleetKey is the advisory lock under which a log's beats come one after the other. No log has a name with such a byte.
func fleetKey(schema, log string) int64 { return lockKey(schema, log+"\x00fleet") }

// The lease's row stays as it is until the transaction ends: who takes it from then on comes after the commit.
const fenceSQL = "SELECT true FROM @leases WHERE log = $1 AND part = $2 AND token = $3 AND node IS NOT NULL FOR SHARE"

// under lends a connection for a step that is made under a lease: what is asked first brings the check with it, in the same round
// trip and behind it, so that a commit locks its part or view, and then its lease.
func (db *DB) under(l deed.Lease, c querier) querier {
	if l.Token == 0 {
		return c
	}
	return &fenced{querier: c, db: db, lease: l}
}

type fenced struct {
	querier
	db    *DB
	lease deed.Lease
}

func (f *fenced) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if deed.ValidID(f.lease.Part) != nil { // nobody ever had it
		return fencedRow{lease: f.lease}
	}
	b := &pgx.Batch{}
	b.Queue(sql, args...)
	b.Queue(f.db.tables.sql(fenceSQL), f.db.log, f.lease.Part, f.lease.Token)
	return fencedRow{f.lease, f.SendBatch(ctx, b)}
}

// fencedRow is a row that is there only under a lease.
type fencedRow struct {
	lease   deed.Lease
	results pgx.BatchResults // nil: it is not held
}

func (r fencedRow) Scan(to ...any) (err error) {
	held := false
	if r.results != nil {
		err = r.results.QueryRow().Scan(to...)
		fence := r.results.QueryRow().Scan(&held)
		if isNone(fence) {
			fence = nil
		}
		closed := r.results.Close()
		if failure := errors.Join(fence, closed); failure != nil && (err == nil || isNone(err)) {
			return failure
		}
	}
	if !held && (err == nil || isNone(err)) {
		return fmt.Errorf("lease %s with token %d: %w", r.lease.Part, r.lease.Token, deed.ErrFenced)
	}
	return err
}
