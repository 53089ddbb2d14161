package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/internal/engine"
)

var _ deed.TableStore = (*DB)(nil)

var braced = regexp.MustCompile(`\{[a-z][a-z0-9_]*\}`)

// prefix stands in front of the names of the tables that the view's projection makes.
func (v *storedView) prefix() string { return fmt.Sprintf("t%d_", v.id) }

// own puts the names of the view's own tables in place of those in braces.
func (v *storedView) own(sql string) string {
	return braced.ReplaceAllStringFunc(sql, func(name string) string { return v.prefix() + name[1:len(name)-1] })
}

// prepareOwn prepares a statement of the user's, which may do only what the authorizer lets it.
func (v *storedView) prepareOwn(c *conn, sql string, allowed sqlite3Authorizer) (query, error) {
	sql = v.own(sql)
	name := v.prefix() + " " + sql // ours are prepared under their SQL, and may do more
	if s, ok := c.stmts[name]; ok {
		return query{s: s}, nil
	}
	if err := c.SetAuthorizer(allowed); err != nil {
		return query{}, err
	}
	s, tail, err := c.PrepareFlags(sql, sqlite3.PREPARE_PERSISTENT)
	if off := c.SetAuthorizer(nil); err == nil {
		err = off
	}
	switch {
	case err == nil && s == nil:
		err = errors.New("there is no statement in it")
	case err == nil && strings.TrimSpace(tail) != "":
		err = fmt.Errorf("there is more behind the first statement: %.40q", tail)
	}
	if err != nil {
		_ = s.Close()
		return query{}, fmt.Errorf("%w in %.200q", err, sql)
	}
	if len(c.stmts) >= maxStatements {
		c.forget()
	}
	c.stmts[name] = s
	return query{s: s}, nil
}

type sqlite3Authorizer = func(action sqlite3.AuthorizerActionCode, name3rd, name4th, schema, inner string) sqlite3.AuthorizerReturnCode

// allows is what statements of the view's projection may do: nothing to transactions, other files and settings, and nothing to
// tables that are not the view's.
func (v *storedView) allows(action sqlite3.AuthorizerActionCode, name, table, _, _ string) sqlite3.AuthorizerReturnCode {
	own := strings.HasPrefix(name, v.prefix())
	switch action {
	case sqlite3.AUTH_TRANSACTION, sqlite3.AUTH_SAVEPOINT, sqlite3.AUTH_ATTACH, sqlite3.AUTH_DETACH, sqlite3.AUTH_PRAGMA,
		sqlite3.AUTH_ALTER_TABLE, sqlite3.AUTH_ANALYZE,
		sqlite3.AUTH_CREATE_TEMP_TABLE, sqlite3.AUTH_CREATE_TEMP_VIEW, sqlite3.AUTH_CREATE_TEMP_INDEX, sqlite3.AUTH_CREATE_TEMP_TRIGGER:
		return sqlite3.AUTH_DENY // what is temporary is the connection's, and gone with it
	case sqlite3.AUTH_CREATE_TABLE, sqlite3.AUTH_CREATE_VTABLE, sqlite3.AUTH_CREATE_VIEW, sqlite3.AUTH_CREATE_INDEX, sqlite3.AUTH_CREATE_TRIGGER:
		if !own && !strings.HasPrefix(name, "sqlite_autoindex_") {
			return sqlite3.AUTH_DENY
		}
		if on := action == sqlite3.AUTH_CREATE_INDEX || action == sqlite3.AUTH_CREATE_TRIGGER; on && !strings.HasPrefix(table, v.prefix()) {
			return sqlite3.AUTH_DENY
		}
	}
	if own || name == "" || name == "json_each" || name == "json_tree" || strings.HasPrefix(name, "sqlite_") {
		return sqlite3.AUTH_OK
	}
	return sqlite3.AUTH_DENY
}

// execute carries out statements of the view's projection, all of them or none. One that cannot be carried out is a refusal.
func (v *storedView) execute(c *conn, statements []deed.Statement) (refusal, failure error) {
	if len(statements) == 0 {
		return nil, nil
	}
	if err := c.Exec("SAVEPOINT statements"); err != nil {
		return fail(err)
	}
	for i := range statements {
		err := v.executeOne(c, &statements[i])
		if err == nil && i == len(statements)-1 {
			err = dangling(c)
		}
		if err == nil {
			continue
		}
		if !isFault(err) {
			return fail(err)
		}
		if c.GetAutocommit() { // it has rolled back more than itself
			return fail(&deed.StatementError{Index: i, Err: err})
		}
		if undo := c.Exec("ROLLBACK TO statements; RELEASE statements"); undo != nil {
			return fail(undo)
		}
		return refuse(&deed.StatementError{Index: i, Err: err})
	}
	return nil, c.Exec("RELEASE statements")
}

// dangling refuses foreign keys that are to be checked at the commit, and would fail it: that is the commit of others too.
func dangling(c *conn) error {
	n, _, err := c.Status(sqlite3.DBSTATUS_DEFERRED_FKS, false)
	if err == nil && n > 0 {
		err = errors.New("a foreign key names a row that is not there")
	}
	return err
}

func (v *storedView) executeOne(c *conn, s *deed.Statement) error {
	q, err := v.prepareOwn(c, s.SQL, v.allows)
	if err != nil {
		return err
	}
	if err := q.arguments(s); err != nil {
		_ = q.end()
		return err
	}
	for q.step() { // what it selects is nobody's
	}
	return q.end()
}

// isFault tells whether an error is the statement's own, and not the disk's or the machine's.
func isFault(err error) bool {
	var code sqlite3.ErrorCode
	if !errors.As(err, &code) {
		return true // found before SQLite saw it
	}
	switch code {
	case sqlite3.ERROR, sqlite3.CONSTRAINT, sqlite3.MISMATCH, sqlite3.RANGE, sqlite3.AUTH, sqlite3.TOOBIG, sqlite3.MISUSE:
		return true
	}
	return false
}

// arguments binds a statement's arguments.
func (q *query) arguments(s *deed.Statement) error {
	if n := q.s.BindCount(); n != len(s.Args) {
		return fmt.Errorf("%d arguments for %d parameters in %.200q", len(s.Args), n, s.SQL)
	}
	for _, arg := range s.Args {
		switch v := arg.(type) {
		case nil:
			q.null()
		case bool:
			q.bool(v)
		case string:
			q.text(v)
		case []byte:
			q.blob(v)
		case time.Time:
			q.text(v.UTC().Format(time.RFC3339Nano))
		default:
			q.number(reflect.ValueOf(arg))
		}
	}
	return q.err
}

func (q *query) number(v reflect.Value) {
	switch {
	case v.CanInt():
		q.int(v.Int())
	case v.CanFloat():
		q.float(v.Float())
	case v.CanUint() && v.Uint() <= 1<<63-1:
		q.int(int64(v.Uint()))
	default:
		q.n++
		q.bound(fmt.Errorf("argument %d is %v, which is no value of SQLite", q.n, v))
	}
}

// makeTables makes the tables that a view's projection wants.
func (v *storedView) makeTables(c *conn, create []string) (refusal, failure error) {
	statements := make([]deed.Statement, len(create))
	for i, sql := range create {
		statements[i].SQL = sql
	}
	refusal, failure = v.execute(c, statements)
	if refusal != nil {
		refusal = &deed.InvalidError{Field: "Create", Reason: refusal.Error()}
	}
	return refusal, failure
}

// dropTables drops them again. What a virtual table keeps goes with it. The others are emptied first: a row may name another,
// and no table can be dropped before those that name its rows.
func (v *storedView) dropTables(c *conn) error {
	if err := c.Exec("PRAGMA defer_foreign_keys=ON"); err != nil {
		return err
	}
	for _, step := range []struct{ kind, sql string }{
		{"TRIGGER", "DROP TRIGGER IF EXISTS "},
		{"VIEW", "DROP VIEW IF EXISTS "},
		{"VIRTUAL", "DROP TABLE IF EXISTS "},
		{"TABLE", "DELETE FROM "},
		{"TABLE", "DROP TABLE IF EXISTS "},
	} {
		names, err := v.tableNames(c, step.kind)
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := c.Exec(step.sql + sqlite3.QuoteIdentifier(name)); err != nil {
				return err
			}
		}
	}
	return c.Exec("PRAGMA defer_foreign_keys=OFF")
}

func (v *storedView) tableNames(c *conn, kind string) (names []string, err error) {
	q := c.query("SELECT name FROM sqlite_schema WHERE name GLOB ? AND (? = 'VIRTUAL' AND sql LIKE 'CREATE VIRTUAL%' OR ? <> 'VIRTUAL' AND type = lower(?))")
	q.text(v.prefix() + "*")
	for range 3 {
		q.text(kind)
	}
	for q.step() {
		names = append(names, q.s.ColumnText(0))
	}
	return names, q.end()
}

// QueryTables returns what a statement selects from the view's tables. See deed.TableStore. A limit of 0 is none.
func (s *views) QueryTables(ctx context.Context, view deed.ViewRef, statement deed.Statement, limit int) (rows [][]any, at deed.Position, err error) {
	if err := engine.ValidLimit(limit); err != nil {
		return nil, 0, err
	}
	err = s.lookViews(ctx, view, func(c *conn, v *storedView) error {
		at = v.position
		rows, err = v.selected(c, &statement, limit)
		return err
	})
	return rows, at, err
}

func (v *storedView) selected(c *conn, s *deed.Statement, limit int) ([][]any, error) {
	q, err := v.prepareOwn(c, s.SQL, v.allows)
	if err == nil && !q.s.ReadOnly() {
		err = errors.New("a query only reads")
	}
	if err == nil {
		err = q.arguments(s)
	}
	if err != nil {
		_ = q.end()
		return nil, &deed.InvalidError{Field: "sql", Reason: err.Error()}
	}
	var rows [][]any
	for q.step() {
		if limit > 0 && len(rows) == limit {
			_ = q.end()
			return nil, &deed.InvalidError{Field: "sql", Reason: fmt.Sprintf("it selects more than %d rows; say LIMIT", limit)}
		}
		row := make([]any, q.s.ColumnCount())
		for i := range row {
			row[i] = q.column(i)
		}
		rows = append(rows, row)
	}
	err = q.end()
	if err != nil && isFault(err) {
		err = &deed.InvalidError{Field: "sql", Reason: err.Error()}
	}
	return rows, err
}

// column is a value as it is stored.
func (q *query) column(i int) any {
	switch q.s.ColumnType(i) {
	case sqlite3.INTEGER:
		return q.s.ColumnInt64(i)
	case sqlite3.FLOAT:
		return q.s.ColumnFloat(i)
	case sqlite3.TEXT:
		return q.s.ColumnText(i)
	case sqlite3.BLOB:
		return q.s.ColumnBlob(i, []byte{})
	}
	return nil
}

// tablesText is how the statements that make tables are stored; empty where there are none.
func tablesText(create []string) (string, error) {
	if len(create) == 0 {
		return "", nil
	}
	text, err := json.Marshal(create)
	return string(text), err
}
