package postgres

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// The version of the schema that this package writes and reads.
const schemaVersion = 1

//go:embed schema.sql
var schemaSQL string

// Schema returns the SQL that makes the schema which o names, for who makes it with tools of their own before a log is opened. Its
// statements belong into one transaction.
func Schema(o Options) string {
	t := tables{schema: o.withDefaults().Schema}
	return "CREATE SCHEMA IF NOT EXISTS " + t.quoted() + ";\n\n" + t.fill(schemaSQL)
}

func validSchema(name string) bool {
	if name == "" || len(name) > 63 || strings.HasPrefix(name, "pg_") {
		return false
	}
	for i, c := range name {
		if (c < 'a' || c > 'z') && c != '_' && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// tables puts the schema's name in front of its tables', which stand behind an @ in the SQL of this package: nothing depends on
// a connection's search_path.
type tables struct {
	schema string
	filled sync.Map // by what it was
}

func (t *tables) quoted() string { return pgx.Identifier{t.schema}.Sanitize() }

func (t *tables) fill(sql string) string { return strings.ReplaceAll(sql, "@", t.quoted()+".") }

// sql is fill for SQL that is used again and again.
func (t *tables) sql(sql string) string {
	if filled, ok := t.filled.Load(sql); ok {
		return filled.(string)
	}
	filled := t.fill(sql)
	t.filled.Store(sql, filled)
	return filled
}

// make makes the schema where it is missing, one process at a time, and refuses what this program does not know.
func (db *DB) make(ctx context.Context) error {
	return db.pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error {
		if err := db.checkServer(ctx, c); err != nil {
			return err
		}
		there, err := db.checkSchema(ctx, c)
		if err != nil || there {
			return err
		}
		tx, err := c.Begin(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", lockKey(db.options.Schema, "")); err != nil {
			return err
		}
		if there, err = db.checkSchema(ctx, tx); err != nil || there {
			return err
		}
		if _, err := tx.Exec(ctx, Schema(db.options), pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("make the schema: %w", err)
		}
		return tx.Commit(ctx)
	})
}

// checkServer refuses a server that this engine cannot work with, and warns of one that does not flush.
func (db *DB) checkServer(ctx context.Context, q querier) error {
	var version int
	var encoding, fsync, pages string
	err := q.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, current_setting('server_encoding'), current_setting('fsync'),
		current_setting('full_page_writes')`).Scan(&version, &encoding, &fsync, &pages)
	switch {
	case err != nil:
		return err
	case version < 140000:
		return fmt.Errorf("the server is PostgreSQL %d; 14 or later is needed", version/10000)
	case encoding != "UTF8":
		return fmt.Errorf("the database is encoded in %s; make one in UTF8", encoding)
	case fsync != "on" || pages != "on":
		db.logger.Warn("the server does not flush, and loses what was acknowledged when the power fails", "fsync", fsync, "full_page_writes", pages)
	}
	return nil
}

// checkSchema tells whether the schema is there, with a version that this program knows.
func (db *DB) checkSchema(ctx context.Context, q querier) (bool, error) {
	var there bool
	const find = "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = 'meta')"
	if err := q.QueryRow(ctx, find, db.options.Schema).Scan(&there); err != nil || !there {
		return false, err
	}
	var version int
	err := q.QueryRow(ctx, db.tables.sql("SELECT version FROM @meta")).Scan(&version)
	switch {
	case isNone(err):
		return false, errors.New("the schema has a table meta without a row: it is not deed's")
	case err != nil:
		return false, err
	case version > schemaVersion:
		return false, fmt.Errorf("the schema has version %d, made by a newer program; this one knows up to %d", version, schemaVersion)
	case version < schemaVersion:
		return false, fmt.Errorf("the schema has the unknown version %d", version)
	}
	return true, nil
}

// findLog finds the log by its name, or makes it, and reads how it stands.
func (db *DB) findLog(ctx context.Context) error {
	return db.pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error {
		const find = "SELECT log, id, incarnation, began, appending, head FROM @logs WHERE name = $1"
		var appending string
		var head int64
		scan := func() error {
			return c.QueryRow(ctx, db.tables.sql(find), db.options.Log).Scan(&db.log, &db.info.ID, &db.info.Incarnation, &db.info.Began, &appending, &head)
		}
		err := scan()
		if isNone(err) {
			_, err = c.Exec(ctx, db.tables.sql(`INSERT INTO @logs (name, id, incarnation, began, appending, head, time, kinds, created)
				VALUES ($1, $2, 1, 0, 'serial', 0, 0, 0, $3) ON CONFLICT (name) DO NOTHING`), db.options.Log, strings.ToLower(rand.Text()), micros(db.clock.Now()))
			if err == nil {
				err = scan()
			}
		}
		if err == nil && appending != "serial" {
			err = fmt.Errorf("the log is appended to in the order %q, which this program does not know", appending)
		}
		db.head.Store(head)
		return err
	})
}
