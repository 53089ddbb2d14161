package sqlite

import (
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/deed-es/deed"
)

// What PRAGMA application_id says of our files: "deed" for a log, "deev" for views.
const (
	logApplication   = 0x64656564
	viewsApplication = 0x64656576
)

// The versions of the schemas that this package writes and reads.
const (
	logSchema   = 3
	viewsSchema = 3
)

//go:embed log.sql
var logSQL string

//go:embed views.sql
var viewsSQL string

// What takes a log's database from one schema version to the next.
var logUpgrades = map[int64]string{
	1: `
	ALTER TABLE effects ADD COLUMN trace TEXT NOT NULL DEFAULT '';
	CREATE TABLE parked (
		part TEXT NOT NULL, key TEXT NOT NULL, position INTEGER NOT NULL, time INTEGER NOT NULL, error TEXT NOT NULL, folded INTEGER NOT NULL,
		PRIMARY KEY (part, key, position)
	) STRICT, WITHOUT ROWID;
	` + viewsSQL,
	2: readUpgrade,
}

// The same for the views' database.
var viewsUpgrades = map[int64]string{
	1: `
	ALTER TABLE views ADD COLUMN tables TEXT NOT NULL DEFAULT '';
	ALTER TABLE views ADD COLUMN parked INTEGER NOT NULL DEFAULT 0;
	CREATE TABLE view_parked (
		view INTEGER NOT NULL, key TEXT NOT NULL, position INTEGER NOT NULL, time INTEGER NOT NULL, error TEXT NOT NULL, folded INTEGER NOT NULL,
		PRIMARY KEY (view, key, position)
	) STRICT, WITHOUT ROWID;`,
	2: readUpgrade,
}

const readUpgrade = `
	CREATE TABLE IF NOT EXISTS view_read (
		name TEXT NOT NULL PRIMARY KEY, version INTEGER NOT NULL, partitions INTEGER NOT NULL
	) STRICT, WITHOUT ROWID;
	INSERT INTO view_read SELECT name, max(version), 1 FROM views GROUP BY name;`

// kept describes a database file to prepare: what it is, and how safe its commits are.
type kept struct {
	what        string
	application int64
	schema      int64
	synchronous string // FULL or NORMAL
	create      string // SQL that makes it
	upgrades    map[int64]string
	fill        func(*conn) error
}

// prepareWriter makes the connection one that may write: WAL and synchronous are set and read back, not hoped for.
func (k kept) prepareWriter(c *conn, memory bool) error {
	if err := c.Exec("PRAGMA cache_size=-16000; PRAGMA journal_size_limit=16777216"); err != nil {
		return err
	}
	want := []struct{ name, set, get string }{
		{"journal_mode", "WAL", "wal"},
		{"synchronous", k.synchronous, map[string]string{"FULL": "2", "NORMAL": "1"}[k.synchronous]},
	}
	if memory {
		want = nil
	}
	for _, w := range want {
		if err := c.Exec("PRAGMA " + w.name + "=" + w.set); err != nil {
			return err
		}
		got, err := c.pragma(w.name)
		if err != nil {
			return err
		}
		if got != w.get {
			return fmt.Errorf("%s is %q and cannot be set to %s here", w.name, got, w.set)
		}
	}
	c.watchWAL()
	return nil
}

// check refuses what is not ours, newer than we are, or too old to be upgraded. It tells which schema version the database
// has; 0 is that it is not there at all.
func (k kept) check(c *conn) (int64, error) {
	application, err := c.number("PRAGMA application_id")
	if err != nil {
		if errors.Is(err, sqlite3.NOTADB) {
			return 0, fmt.Errorf("not a deed %s: %w", k.what, err)
		}
		return 0, err
	}
	tables, err := c.number("SELECT count(*) FROM sqlite_schema")
	if err != nil {
		return 0, err
	}
	version, err := c.number("PRAGMA user_version")
	switch {
	case err != nil:
		return 0, err
	case tables == 0 && application == 0:
		return 0, nil
	case application != k.application:
		return 0, fmt.Errorf("not a deed %s, but another program's database", k.what)
	case version > k.schema:
		return 0, fmt.Errorf("this deed %s has schema version %d, made by a newer program; this one knows up to %d", k.what, version, k.schema)
	case version < k.schema && k.upgrades[version] == "":
		return 0, fmt.Errorf("this deed %s has the unknown schema version %d", k.what, version)
	}
	return version, nil
}

// make makes the database in one transaction where it is missing, and upgrades it where it is old.
func (k kept) make(c *conn) error {
	version, err := k.check(c)
	if err != nil || version == k.schema {
		return err
	}
	err = c.Exec("BEGIN IMMEDIATE")
	if err == nil && version == 0 {
		if err = c.Exec(k.create); err == nil && k.fill != nil {
			err = k.fill(c)
		}
	}
	for ; err == nil && version > 0 && version < k.schema; version++ {
		err = c.Exec(k.upgrades[version])
	}
	if err == nil {
		err = c.Exec(fmt.Sprintf("PRAGMA application_id=%d; PRAGMA user_version=%d", k.application, k.schema))
	}
	if err == nil {
		err = c.Exec("COMMIT")
	}
	if err != nil && !c.GetAutocommit() {
		_ = c.Exec("ROLLBACK")
	}
	return err
}

func keptLog(now time.Time) kept {
	return kept{
		what: "log", application: logApplication, schema: logSchema, synchronous: "FULL",
		create: logSQL + viewsSQL, upgrades: logUpgrades,
		fill: func(c *conn) error {
			q := c.query("INSERT INTO log (one, id, incarnation, began, created) VALUES (1, ?, 1, 0, ?)")
			q.text(strings.ToLower(rand.Text()))
			q.int(now.UnixMicro())
			return q.exec()
		},
	}
}

func keptViews() kept {
	return kept{
		what: "views file", application: viewsApplication, schema: viewsSchema, synchronous: "NORMAL",
		create: viewsSQL, upgrades: viewsUpgrades,
	}
}

// readInfo returns the log's own row.
func readInfo(c *conn) (deed.LogInfo, error) {
	var info deed.LogInfo
	q := c.query("SELECT id, incarnation, began FROM log")
	if q.step() {
		info.ID = q.s.ColumnText(0)
		info.Incarnation = q.s.ColumnInt64(1)
		info.Began = deed.Position(q.s.ColumnInt64(2))
	}
	if err := q.end(); err != nil {
		return info, err
	}
	if info.ID == "" {
		return info, fmt.Errorf("the log's own row is missing: %w", fs.ErrInvalid)
	}
	return info, nil
}
