package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/deed-es/deed"
)

// OpenPart registers a part, or finds it. See deed.PartStore.
func (db *DB) OpenPart(ctx context.Context, spec deed.PartSpec) (state deed.PartState, err error) {
	if err := validPart(spec); err != nil {
		return deed.PartState{}, err
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

func validPart(spec deed.PartSpec) error {
	switch {
	case spec.Name == "" || deed.ValidID(spec.Name) != nil:
		return &deed.InvalidError{Field: "name", Reason: "a part needs a name that is a valid id"}
	case spec.Kind == "":
		return &deed.InvalidError{Field: "kind", Reason: "a part is a process or a reactor"}
	case spec.Version < 0:
		return &deed.InvalidError{Field: "version", Reason: "is not negative"}
	case spec.From != nil && *spec.From < 0:
		return &deed.InvalidError{Field: "from", Reason: "a position is not negative"}
	}
	return nil
}

// partRow is a part as stored.
type partRow struct {
	kind    string
	version int
	start   deed.Position
	deed.PartState
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

// readPart reads a part and keeps others from changing it until the transaction ends.
func (db *DB) readPart(ctx context.Context, q querier, name string) (row partRow, found bool, err error) {
	sql := db.tables.sql("SELECT kind, version, start, live, " + markColumns + " FROM @parts WHERE log = $1 AND name = $2 FOR UPDATE")
	err = q.QueryRow(ctx, sql, db.log, name).Scan(append([]any{&row.kind, &row.version, &row.start, &row.Live}, markFields(&row.Checkpoint)...)...)
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
	begin := deed.Checkpoint{Log: spec.Log.ID, Incarnation: spec.Log.Incarnation}
	if !found && spec.From != nil {
		begin.Position = *spec.From
		tag, err := c.Exec(ctx, db.tables.sql("INSERT INTO @parts (log, name, kind, version, start, live, "+markColumns+
			") VALUES ($1, $2, $3, $4, $5, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING"),
			append([]any{db.log, spec.Name, spec.Kind, spec.Version, int64(*spec.From)}, markValues(begin)...)...)
		if err != nil {
			return deed.PartState{}, err
		}
		if tag.RowsAffected() == 1 {
			return deed.PartState{Checkpoint: begin, Live: begin.Position}, nil
		}
		if row, found, err = db.readPart(ctx, c, spec.Name); err != nil { // somebody else was first
			return deed.PartState{}, err
		}
	}
	switch {
	case !found:
		return deed.PartState{}, fmt.Errorf("part %s is not known and says not where to start: %w", spec.Name, deed.ErrNotFound)
	case row.kind != spec.Kind:
		return deed.PartState{}, &deed.InvalidError{Field: "kind", Reason: fmt.Sprintf("part %s is known as a %s, not a %s", spec.Name, row.kind, spec.Kind)}
	case spec.Version < row.version:
		return deed.PartState{}, &deed.InvalidError{Field: "version", Reason: fmt.Sprintf("part %s is stored with version %d, later than %d", spec.Name, row.version, spec.Version)}
	case spec.Version == row.version:
		return row.PartState, nil
	}
	// Raised: refolded silently up to where it was.
	b.Queue(db.tables.sql("DELETE FROM @part_states WHERE log = $1 AND part = $2"), db.log, spec.Name)
	row.Live = max(row.Live, row.Checkpoint.Position)
	begin.Position = row.start
	row.Checkpoint = begin
	b.Queue(db.tables.sql("UPDATE @parts SET ("+markColumns+") = ($3, $4, $5, $6, $7), version = $8, live = $9 WHERE log = $1 AND name = $2"),
		append(append([]any{db.log, spec.Name}, markValues(begin)...), spec.Version, int64(row.Live))...)
	return row.PartState, nil
}

// CommitPart stores c in one transaction, flushed. See deed.PartStore.
func (db *DB) CommitPart(ctx context.Context, c deed.PartCommit) error {
	if err := validCommit(&c); err != nil {
		return err
	}
	t := ownCommit(c)
	return db.change(ctx, true, func(ctx context.Context, c *pgx.Conn, b *pgx.Batch) error { return db.commitPart(ctx, c, b, t) })
}

func validCommit(c *deed.PartCommit) error {
	if c.Checkpoint.Position < c.From {
		return &deed.InvalidError{Field: "checkpoint", Reason: "a part does not go back"}
	}
	for _, e := range c.Effects {
		if e.Put == nil {
			continue
		}
		switch {
		case e.Put.ID == "":
			return &deed.InvalidError{Field: "id", Reason: "an effect needs an id"}
		case e.Put.Part != c.Part:
			return &deed.InvalidError{Field: "part", Reason: fmt.Sprintf("an effect of %q is not %q's to put", e.Put.Part, c.Part)}
		}
	}
	return nil
}

// ownCommit is c with bytes of its own.
func ownCommit(c deed.PartCommit) deed.PartCommit {
	c.States = slices.Clone(c.States)
	for i := range c.States {
		c.States[i].Data = keep(c.States[i].Data)
	}
	c.Effects = slices.Clone(c.Effects)
	for i := range c.Effects {
		if put := c.Effects[i].Put; put != nil {
			own := *put
			own.Command = keep(own.Command)
			c.Effects[i].Put = &own
		}
	}
	c.Parked = cloneParked(c.Parked)
	return c
}

func cloneParked(changes []deed.ParkChange) []deed.ParkChange {
	own := slices.Clone(changes)
	for i := range own {
		own[i].Records = slices.Clone(own[i].Records)
	}
	return own
}

// keep copies b; nil stays nil and empty stays empty.
func keep(b []byte) []byte {
	if b == nil {
		return nil
	}
	return append(make([]byte, 0, len(b)), b...)
}

func (db *DB) commitPart(ctx context.Context, c *pgx.Conn, b *pgx.Batch, t deed.PartCommit) error {
	row, found, err := db.readPart(ctx, db.under(t.Lease, c), t.Part)
	switch {
	case err != nil:
		return err
	case !found:
		return fmt.Errorf("part %s was never opened: %w (%w)", t.Part, deed.ErrNotFound, deed.ErrConflict)
	case row.version != t.Version:
		return fmt.Errorf("part %s has version %d, not %d: %w", t.Part, row.version, t.Version, deed.ErrConflict)
	case row.Checkpoint.Position != t.From:
		return fmt.Errorf("part %s is at position %d, not %d: %w", t.Part, row.Checkpoint.Position, t.From, deed.ErrConflict)
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
	all, err := collect(ctx, db, sql, []any{db.log, part, nonNil(keys)}, scanState)
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
	if limit < 0 {
		return nil, errLimit()
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

func errLimit() error { return &deed.InvalidError{Field: "limit", Reason: "is not negative"} }

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
