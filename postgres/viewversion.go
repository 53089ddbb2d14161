package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/deed-es/deed"
)

// ListViews returns the views that were opened and not dropped. See deed.ViewStore.
func (s *views) ListViews(ctx context.Context) (refs []deed.ViewRef, err error) {
	err = s.db.read(ctx, func(c *pgxpool.Conn) error {
		rows, err := c.Query(ctx, s.db.tables.sql("SELECT name, version FROM @views WHERE log = $1 AND inline = $2 ORDER BY name, version"), s.db.log, s.inline)
		if err == nil {
			refs, err = pgx.CollectRows(rows, pgx.RowToStructByPos[deed.ViewRef])
		}
		return err
	})
	return refs, err
}

const viewReadSQL = "SELECT version, partitions FROM @view_read WHERE log = $1 AND inline = $2 AND name = $3"

// ViewRead returns which version of a view is read. See deed.ViewStore.
func (s *views) ViewRead(ctx context.Context, name string) (read deed.ViewVersion, err error) {
	err = s.db.read(ctx, func(c *pgxpool.Conn) error {
		read, err = s.viewRead(ctx, c, viewReadSQL, name)
		return err
	})
	return read, err
}

func (s *views) viewRead(ctx context.Context, q querier, sql, name string) (read deed.ViewVersion, err error) {
	err = q.QueryRow(ctx, s.db.tables.sql(sql), s.db.log, s.inline, name).Scan(&read.Version, &read.Partitions)
	if isNone(err) {
		return deed.ViewVersion{}, nil
	}
	return read, err
}

// ReadView has another version of a view be read from now on. See deed.ViewStore.
func (s *views) ReadView(ctx context.Context, name string, from, to deed.ViewVersion) error {
	if name == "" || deed.ValidID(name) != nil {
		return &deed.InvalidError{Field: "name", Reason: "a view needs a name that is a valid id"}
	}
	return s.db.change(ctx, s.inline, func(ctx context.Context, c *pgx.Conn, b *pgx.Batch) error {
		if from == (deed.ViewVersion{}) { // a row to lock, for who is second
			if _, err := c.Exec(ctx, s.db.tables.sql("INSERT INTO @view_read (log, inline, name, version, partitions) VALUES ($1, $2, $3, 0, 0) ON CONFLICT DO NOTHING"),
				s.db.log, s.inline, name); err != nil {
				return err
			}
		}
		read, err := s.viewRead(ctx, c, viewReadSQL+" FOR UPDATE", name)
		if err != nil {
			return err
		}
		if read != from {
			return fmt.Errorf("version %d of view %s is read, not %d: %w", read.Version, name, from.Version, deed.ErrConflict)
		}
		b.Queue(s.db.tables.sql("UPDATE @view_read SET version = $4, partitions = $5 WHERE log = $1 AND inline = $2 AND name = $3"),
			s.db.log, s.inline, name, to.Version, to.Partitions)
		return nil
	})
}
