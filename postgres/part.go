package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/internal/engine"
)

// OpenPart registers a part, or finds it. See deed.PartStore.
func (db *DB) OpenPart(ctx context.Context, spec deed.PartSpec) (state deed.PartState, err error) {
	if err := engine.ValidPart(spec); err != nil {
		return deed.PartState{}, err
	}
	if spec.Look {
		return db.lookAtPart(ctx, spec)
	}
	if spec.From != nil {
		from := *spec.From
		spec.From = &from
	}
	found := make(chan deed.PartState, 1)
	err = db.change(ctx, true, func(ctx context.Context, c *pgx.Conn, b *pgx.Batch) error {
		state, err := db.openPart(ctx, c, b, spec)
		select {
		case <-found: // of an attempt before
		default:
		}
		found <- state
		return err
	})
	if err != nil {
		return deed.PartState{}, err
	}
	return <-found, nil
}

// markColumns are those of a checkpoint.
const markColumns = "mark_log, mark_incarnation, position, last, last_id"

// markFields are where a checkpoint's columns are scanned to.
func markFields(p *deed.Checkpoint) []any {
	return []any{&p.Log, &p.Incarnation, &p.Position, &p.Last, &p.LastID}
}

// markValues are a checkpoint's columns.
func markValues(p deed.Checkpoint) []any {
	return []any{p.Log, p.Incarnation, int64(p.Position), int64(p.Last), p.LastID}
}

func (db *DB) lookAtPart(ctx context.Context, spec deed.PartSpec) (deed.PartState, error) {
	var part *engine.Part
	err := db.read(ctx, func(c *pgxpool.Conn) error {
		row, found, err := db.partOf(ctx, c, spec.Name, "")
		if part = nil; found {
			part = &row
		}
		return err
	})
	if err != nil {
		return deed.PartState{}, err
	}
	return engine.LookAt(part, spec)
}

// readPart reads a part and keeps others from changing it until the transaction ends.
func (db *DB) readPart(ctx context.Context, q querier, name string) (row engine.Part, found bool, err error) {
	return db.partOf(ctx, q, name, " FOR UPDATE")
}

// partOf reads a part, locked as the last words of the SQL say.
func (db *DB) partOf(ctx context.Context, q querier, name, locked string) (row engine.Part, found bool, err error) {
	sql := db.tables.sql("SELECT kind, version, start, live, " + markColumns + " FROM @parts WHERE log = $1 AND name = $2" + locked)
	err = q.QueryRow(ctx, sql, db.log, name).Scan(append([]any{&row.Kind, &row.Version, &row.Start, &row.Live}, markFields(&row.Checkpoint)...)...)
	if isNone(err) {
		return row, false, nil
	}
	return row, err == nil, err
}

func (db *DB) openPart(ctx context.Context, c *pgx.Conn, b *pgx.Batch, spec deed.PartSpec) (deed.PartState, error) {
	row, found, err := db.readPart(ctx, c, spec.Name)
	if err != nil {
		return deed.PartState{}, err
	}
	if !found {
		made, err := engine.NewPart(spec)
		if err != nil {
			return deed.PartState{}, err
		}
		tag, err := c.Exec(ctx, db.tables.sql("INSERT INTO @parts (log, name, kind, version, start, live, "+markColumns+
			") VALUES ($1, $2, $3, $4, $5, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING"),
			append([]any{db.log, spec.Name, made.Kind, made.Version, int64(made.Start)}, markValues(made.Checkpoint)...)...)
		if err != nil || tag.RowsAffected() == 1 {
			return made.PartState, err
		}
		row, found, err = db.readPart(ctx, c, spec.Name) // somebody else was first
		switch {
		case err != nil:
			return deed.PartState{}, err
		case !found:
			return deed.PartState{}, fmt.Errorf("part %s was made and removed: %w", spec.Name, deed.ErrConflict)
		}
	}
	raised, err := row.Open(spec)
	if err != nil {
		return deed.PartState{}, err
	}
	if raised {
		b.Queue(db.tables.sql("DELETE FROM @part_states WHERE log = $1 AND part = $2"), db.log, spec.Name)
		b.Queue(db.tables.sql("UPDATE @parts SET ("+markColumns+") = ($3, $4, $5, $6, $7), version = $8, live = $9 WHERE log = $1 AND name = $2"),
			append(append([]any{db.log, spec.Name}, markValues(row.Checkpoint)...), row.Version, int64(row.Live))...)
	}
	return row.PartState, nil
}

// CommitPart stores c in one transaction, flushed. See deed.PartStore.
func (db *DB) CommitPart(ctx context.Context, c deed.PartCommit) error {
	t, _, err := engine.OwnPartCommit(c)
	if err != nil {
		return err
	}
	return db.change(ctx, true, func(ctx context.Context, c *pgx.Conn, b *pgx.Batch) error { return db.commitPart(ctx, c, b, t) })
}

func (db *DB) commitPart(ctx context.Context, c *pgx.Conn, b *pgx.Batch, t deed.PartCommit) error {
	row, found, err := db.readPart(ctx, db.under(t.Lease, c), t.Part)
	if err != nil {
		return err
	}
	part := &row
	if !found {
		part = nil
	}
	if err := part.Follows(&t); err != nil {
		return err
	}
	for i := range t.States {
		db.queueState(b, t.Part, &t.States[i])
	}
	for i := range t.Effects {
		db.queueEffect(b, t.Part, &t.Effects[i])
	}
	db.partParking(t.Part).queue(b, t.Parked)
	b.Queue(db.tables.sql("UPDATE @parts SET ("+markColumns+") = ($3, $4, $5, $6, $7) WHERE log = $1 AND name = $2"),
		append([]any{db.log, t.Part}, markValues(t.Checkpoint)...)...)
	return nil
}

func (db *DB) queueState(b *pgx.Batch, part string, s *deed.StateChange) {
	if s.Data == nil {
		b.Queue(db.tables.sql("DELETE FROM @part_states WHERE log = $1 AND part = $2 AND key = $3"), db.log, part, s.Key)
		return
	}
	b.Queue(db.tables.sql(`INSERT INTO @part_states (log, part, key, position, data) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (log, part, key) DO UPDATE SET position = excluded.position, data = excluded.data`), db.log, part, s.Key, int64(s.Position), s.Data)
}

// States returns the stored states of these keys. See deed.PartStore.
func (db *DB) States(ctx context.Context, part string, keys []string) (map[string][]byte, error) {
	sql := db.tables.sql(`SELECT s.key, s.data, s.position FROM unnest($3::text[]) AS a (key)
		CROSS JOIN LATERAL (SELECT * FROM @part_states s WHERE s.log = $1 AND s.part = $2 AND s.key = a.key OFFSET 0) s`)
	all, err := collect(ctx, db, sql, []any{db.log, part, texts(keys)}, scanState)
	if err != nil {
		return nil, err
	}
	states := make(map[string][]byte, len(keys))
	for _, s := range all {
		states[s.Key] = s.Data
	}
	return states, nil
}

// PartStates lists a part's states in the order of their keys. See deed.PartStore. A limit of 0 is none.
func (db *DB) PartStates(ctx context.Context, part, after string, limit int) ([]deed.StateChange, error) {
	if err := engine.ValidLimit(limit); err != nil {
		return nil, err
	}
	sql := db.tables.sql("SELECT key, data, position FROM @part_states WHERE log = $1 AND part = $2 AND key > $3 ORDER BY key LIMIT $4")
	return collect(ctx, db, sql, []any{db.log, part, after, orAll(limit)}, scanState)
}

func scanState(row pgx.Row) (s deed.StateChange, err error) {
	err = row.Scan(&s.Key, &s.Data, &s.Position)
	return s, err
}

// collect returns the rows of a query.
func collect[T any](ctx context.Context, db *DB, sql string, args []any, scan func(pgx.Row) (T, error)) (all []T, err error) {
	err = db.read(ctx, func(c *pgxpool.Conn) error {
		all, err = collectFrom(ctx, c, sql, args, scan)
		return err
	})
	return all, err
}

func collectFrom[T any](ctx context.Context, q querier, sql string, args []any, scan func(pgx.Row) (T, error)) (all []T, err error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// nonNil is a list for SQL: nil would be NULL.
func nonNil(words []string) []string {
	if words == nil {
		return []string{}
	}
	return words
}

// orAll is a limit for SQL: NULL is none.
func orAll(limit int) any {
	if limit == 0 {
		return nil
	}
	return int64(limit)
}

// PartParked lists the parked keys of a part. See deed.PartStore. A limit of 0 is none.
func (db *DB) PartParked(ctx context.Context, part, after string, limit int) (keys []deed.ParkedKey, err error) {
	err = db.read(ctx, func(c *pgxpool.Conn) error {
		keys, err = db.partParking(part).keys(ctx, c, after, limit)
		return err
	})
	return keys, err
}

// PartParkedRecords lists what is parked of a key. See deed.PartStore. A limit of 0 is none.
func (db *DB) PartParkedRecords(ctx context.Context, part, key string, after deed.Position, limit int) (records []deed.ParkedRecord, err error) {
	err = db.read(ctx, func(c *pgxpool.Conn) error {
		records, err = db.partParking(part).records(ctx, c, key, after, limit)
		return err
	})
	return records, err
}
