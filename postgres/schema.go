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

	"github.com/deed-es/deed"
)

// SchemaVersion is the version of the schema that this package writes and reads. A schema of an earlier version is upgraded when a
// log in it is opened; see Upgrade.
const SchemaVersion = 2

//go:embed schema.sql
var schemaSQL string

//go:embed views.sql
var viewsSQL string

// Schema returns the SQL that makes the schema which o names, for who makes it with tools of their own before a log is opened. Its
// statements belong into one transaction.
func Schema(o Options) string {
	t := tables{schema: o.withDefaults().Schema}
	return "CREATE SCHEMA IF NOT EXISTS " + t.quoted() + ";\n\n" + t.schemaSQL()
}

// schemaSQL is what makes the tables, in a schema that is there.
func (t *tables) schemaSQL() string {
	return t.fill(fmt.Sprintf("%s\n%s\nINSERT INTO @meta (one, version) VALUES (true, %d);\n", schemaSQL, viewsSQL, SchemaVersion))
}

// Validate returns what is wrong with o, as Open would.
func (o Options) Validate() error { return o.withDefaults().validate() }

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

// make makes the schema where it is missing and upgrades it where it is old, one process at a time, and refuses what this program does
// not know.
func (db *DB) make(ctx context.Context) error {
	return db.pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error {
		if err := db.checkServer(ctx, c); err != nil {
			return err
		}
		for {
			version, err := db.readVersion(ctx, c)
			if err != nil || version == SchemaVersion {
				return err
			}
			if db.options.ReadOnly {
				return db.advise(version, deed.ErrReadOnly)
			}
			if err := db.makeNext(ctx, c); err != nil {
				switch {
				case hasCode(err, "42501"):
					return db.advise(version, err)
				case hasCode(err, "55P03"):
					return fmt.Errorf("somebody keeps a table in use; end their transactions, and try again: %w", err)
				}
				return err
			}
		}
	})
}

// makeNext makes the schema, or upgrades it by one version, in a transaction of its own.
func (db *DB) makeNext(ctx context.Context, c *pgxpool.Conn) error {
	tx, err := c.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", lockKey(db.options.Schema, "")); err != nil {
		return err
	}
	version, err := db.readVersion(ctx, tx) // somebody else may have been first
	if err != nil || version == SchemaVersion {
		return err
	}
	doing, sql := "make the schema", Schema(db.options)
	switch {
	case version > 0:
		doing, sql = fmt.Sprintf("upgrade the schema to version %d", version+1), db.tables.upgradeStep(version)
	case db.hasSchema(ctx, tx): // the right to make it is not needed
		sql = db.tables.schemaSQL()
	}
	if _, err := tx.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return tx.Commit(ctx)
}

// advise says what to do where the schema is missing or old, and this handle cannot do it.
func (db *DB) advise(version int, why error) error {
	if version == 0 {
		return fmt.Errorf("the schema is not there and cannot be made here: have its owner run what \"deed schema --schema %s\" prints: %w", db.options.Schema, why)
	}
	return fmt.Errorf("the schema has version %d, and cannot be upgraded to %d here: have its owner run what \"deed schema --schema %s --from %d\" prints: %w",
		version, SchemaVersion, db.options.Schema, version, why)
}

// checkServer refuses a server that this engine cannot work with, and warns of one that does not flush.
func (db *DB) checkServer(ctx context.Context, q querier) error {
	var version int
	var encoding, fsync, pages string
	err := q.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, current_setting('server_encoding'), current_setting('fsync'),
		current_setting('full_page_writes'), pg_is_in_recovery()`).Scan(&version, &encoding, &fsync, &pages, &db.standby)
	switch {
	case err != nil:
		return err
	case version < 140001: // which shows a prepared transaction's locks a moment too late
		return fmt.Errorf("the server is PostgreSQL %d.%d; 14.1 or later is needed", version/10000, version%10000)
	case encoding != "UTF8":
		return fmt.Errorf("the database is encoded in %s; make one in UTF8", encoding)
	case db.standby && !db.options.ReadOnly:
		return fmt.Errorf("the server is a standby; name the primary in the URL, or open the log with Options.ReadOnly: %w", deed.ErrReadOnly)
	case fsync != "on" || pages != "on":
		db.logger.Warn("the server does not flush, and loses what was acknowledged when the power fails", "fsync", fsync, "full_page_writes", pages)
	}
	return nil
}

// hasSchema tells whether there is a schema of the name, with or without tables.
func (db *DB) hasSchema(ctx context.Context, q querier) bool {
	var there bool
	err := q.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1)", db.options.Schema).Scan(&there)
	return err == nil && there
}

// readVersion returns the version of the schema, 0 where it is not there. One that this program does not know is an error.
func (db *DB) readVersion(ctx context.Context, q querier) (int, error) {
	var there bool
	const find = "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = 'meta')"
	if err := q.QueryRow(ctx, find, db.options.Schema).Scan(&there); err != nil || !there {
		return 0, err
	}
	var version int
	err := q.QueryRow(ctx, db.tables.sql("SELECT version FROM @meta")).Scan(&version)
	switch {
	case isNone(err):
		return 0, errors.New("the schema has a table meta without a row: it is not deed's")
	case err != nil:
		return 0, err
	case version > SchemaVersion:
		return 0, fmt.Errorf("the schema has version %d, made by a newer program; this one knows up to %d: use the newer program", version, SchemaVersion)
	case version < 1:
		return 0, fmt.Errorf("the schema has the unknown version %d", version)
	}
	return version, nil
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
		switch {
		case isNone(err) && db.options.ReadOnly:
			return fmt.Errorf("the log is not there: %w", deed.ErrNotFound)
		case isNone(err):
			err = pgx.BeginTxFunc(ctx, c, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error { // somebody else may be first
				_, err := tx.Exec(ctx, db.tables.sql(`INSERT INTO @logs (name, id, incarnation, began, appending, head, time, kinds, created)
					VALUES ($1, $2, 1, 0, 'serial', 0, 0, 0, $3) ON CONFLICT (name) DO NOTHING`), db.options.Log, strings.ToLower(rand.Text()), micros(db.clock.Now()))
				return err
			})
			if err == nil {
				err = scan()
			}
		}
		if err == nil && !Order(appending).known() {
			err = Order(appending).unknown()
		}
		db.head.Store(head)
		db.parallel.Store(Order(appending) == Parallel)
		return err
	})
}
