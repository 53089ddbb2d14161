package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/internal/engine"
)

var _ deed.TableStore = (*DB)(nil)

// tableSettings are how the statements of projections are carried out, until the transaction ends: names without a schema are the
// server's own, and nothing depends on how the server, the database or the role is set up.
const tableSettings = `SELECT set_config('search_path', '', true), set_config('TimeZone', 'UTC', true), set_config('DateStyle', 'ISO, YMD', true),
	set_config('IntervalStyle', 'iso_8601', true), set_config('bytea_output', 'hex', true), set_config('extra_float_digits', '1', true),
	set_config('standard_conforming_strings', 'on', true), set_config('plan_cache_mode', 'auto', true),
	set_config('default_text_search_config', 'pg_catalog.simple', true)`

// lateSQL has checked now what is to be checked at the commit, which nobody could tell from a commit that failed.
const lateSQL = "SET CONSTRAINTS ALL IMMEDIATE"

// tableSQL remembers the statements of projections that the server was asked about.
type tableSQL struct {
	mu    sync.Mutex
	known map[tableKey]*described
}

type tableKey struct {
	view int64
	sql  string // with the tables' names
}

// described is what the server says of a statement.
type described struct {
	sql    string
	params []uint32
}

// So many statements are remembered.
const maxStatements = 1000

func (k *tableSQL) find(key tableKey) *described {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.known[key]
}

func (k *tableSQL) keep(key tableKey, d *described) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.known == nil || len(k.known) >= maxStatements {
		k.known = make(map[tableKey]*described)
	}
	k.known[key] = d
}

// describe asks the server about a statement, once. Whoever's tables it names are locked until the transaction ends, which tells
// them.
func (s *views) describe(ctx context.Context, c *pgx.Conn, v *storedView, sql string, may []string) (*described, error) {
	sql, err := v.own(s.db.options.Schema, sql, may)
	if err != nil {
		return nil, err
	}
	key := tableKey{v.id, sql}
	if d := s.asked.find(key); d != nil {
		return d, nil
	}
	if err := execParams(ctx, c, tableSettings); err != nil {
		return nil, err
	}
	prepared, err := c.PgConn().Prepare(ctx, "", sql, nil)
	if err != nil {
		return nil, err
	}
	if err := s.checkReach(ctx, c); err != nil {
		return nil, err
	}
	d := &described{sql, prepared.ParamOIDs}
	s.asked.keep(key, d)
	return d, nil
}

// checkReach refuses statements of this transaction that have named tables of others. Those in deed's schema they cannot name.
func (s *views) checkReach(ctx context.Context, c *pgx.Conn) error {
	const sql = `SELECT coalesce(string_agg(DISTINCT n.nspname || '.' || c.relname, ', '), '') FROM pg_catalog.pg_locks l
		JOIN pg_catalog.pg_class c ON c.oid = l.relation JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE l.locktype = 'relation' AND l.pid = pg_catalog.pg_backend_pid() AND n.nspname NOT IN ('pg_catalog', 'pg_toast', $1)`
	var foreign string
	err := c.QueryRow(ctx, sql, s.db.options.Schema).Scan(&foreign)
	if err == nil && foreign != "" {
		err = ownError{fmt.Errorf("%s is not the view's own", foreign)}
	}
	return err
}

// execute carries out statements of the view's projection. Where one cannot be, the transaction is to be rolled back.
func (s *views) execute(ctx context.Context, c *pgx.Conn, v *storedView, statements []deed.Statement) error {
	if len(statements) == 0 {
		return nil
	}
	b := &pgconn.Batch{}
	b.ExecParams(tableSettings, nil, nil, nil, nil)
	for i := range statements {
		d, err := s.describe(ctx, c, v, statements[i].SQL, writeVerbs)
		var values [][]byte
		var formats []int16
		if err == nil {
			values, formats, err = arguments(&statements[i], d.params)
		}
		if err != nil {
			return statementError(i, err)
		}
		b.ExecParams(d.sql, values, d.params, formats, nil)
	}
	b.ExecParams(lateSQL, nil, nil, nil, nil)
	done, err := drain(c.PgConn().ExecBatch(ctx, b))
	if err != nil {
		return statementError(min(max(done-1, 0), len(statements)-1), err)
	}
	return nil
}

// drain reads the results of several statements, and returns how many were carried out, and why one was not.
func drain(results *pgconn.MultiResultReader) (done int, err error) {
	for err == nil && results.NextResult() {
		if _, err = results.ResultReader().Close(); err == nil {
			done++
		}
	}
	if failed := results.Close(); err == nil {
		err = failed
	}
	return done, err
}

func execParams(ctx context.Context, c *pgx.Conn, sql string) error {
	_, err := c.PgConn().ExecParams(ctx, sql, nil, nil, nil, nil).Close()
	return err
}

// statementError tells what is wrong with a statement from what is wrong with the database, for which the statement is tried again.
func statementError(i int, err error) error {
	if isFault(err) {
		return &deed.StatementError{Index: i, Err: err}
	}
	return err
}

// isFault tells whether an error is the statement's own. A right that is missing is not: whoever grants it mends that.
func isFault(err error) bool {
	var server *pgconn.PgError
	if !errors.As(err, &server) {
		return errors.As(err, new(ownError))
	}
	if server.Code == "42501" {
		return false
	}
	switch server.Code[:2] {
	case "0A", "10", "20", "21", "22", "23", "27", "2B", "2F", "38", "39", "3F", "42", "44", "54", "P0":
		return true
	}
	return server.Code == "25001"
}

// makeTables makes the tables that a view's projection wants, readable for all who may read views.
func (s *views) makeTables(ctx context.Context, c *pgx.Conn, v *storedView, create []string) error {
	if len(create) == 0 {
		return nil
	}
	if err := execParams(ctx, c, tableSettings); err != nil {
		return err
	}
	for i := range create {
		sql, err := v.own(s.db.options.Schema, create[i], makeVerbs)
		if err == nil {
			err = execParams(ctx, c, sql)
		}
		if err != nil {
			return s.createError(err)
		}
	}
	err := execParams(ctx, c, lateSQL)
	if err == nil {
		err = s.checkReach(ctx, c)
	}
	if err == nil {
		err = s.checkNames(ctx, c, v)
	}
	if err != nil {
		return s.createError(err)
	}
	return s.share(ctx, c, v)
}

func (s *views) createError(err error) error {
	switch {
	case hasCode(err, "42501"):
		return fmt.Errorf("%w: the role may not make tables; have the owner of the schema say GRANT CREATE ON SCHEMA %s to it (%v)",
			deed.ErrReadOnly, s.db.tables.quoted(), err) //nolint:errorlint // what to do about the server's error is said here
	case isFault(err):
		return &deed.InvalidError{Field: "Create", Reason: err.Error()}
	}
	return err
}

// checkNames refuses what this transaction has made under a name of its own, which the next version of the view could not make.
func (s *views) checkNames(ctx context.Context, c *pgx.Conn, v *storedView) error {
	const sql = `SELECT coalesce(string_agg(c.relname, ', '), '') FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND NOT starts_with(c.relname, $2) AND c.xmin = pg_catalog.pg_current_xact_id()::xid`
	var others string
	err := c.QueryRow(ctx, sql, s.db.options.Schema, v.prefix()).Scan(&others)
	if err == nil && others != "" {
		err = ownError{fmt.Errorf("%s is to stand in braces", others)}
	}
	return err
}

// ownError is what deed has against a statement.
type ownError struct{ error }

// share gives whoever has rights to the table of views the same rights to the view's tables.
func (s *views) share(ctx context.Context, c *pgx.Conn, v *storedView) error {
	const sql = `SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END, string_agg(privilege_type, ', ')
		FROM (SELECT (aclexplode(relacl)).* FROM pg_catalog.pg_class WHERE oid = $1::regclass) a
		WHERE privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE') AND pg_get_userbyid(grantee) <> current_user GROUP BY grantee`
	type grant struct{ to, rights string }
	grants, err := collectFrom(ctx, c, sql, []any{s.db.tables.fill("@views")}, func(row pgx.Row) (g grant, err error) {
		err = row.Scan(&g.to, &g.rights)
		return g, err
	})
	if err != nil || len(grants) == 0 {
		return err
	}
	tables, err := s.ownTables(ctx, c, v, "r", "p", "v")
	if err != nil {
		return err
	}
	for _, g := range grants {
		if err := execParams(ctx, c, "GRANT "+g.rights+" ON "+tables+" TO "+g.to); err != nil {
			return err
		}
	}
	return nil
}

// ownTables are the names of the view's tables of these kinds, separated by commas.
func (s *views) ownTables(ctx context.Context, c *pgx.Conn, v *storedView, kinds ...string) (names string, err error) {
	const sql = `SELECT coalesce(string_agg(quote_ident(n.nspname) || '.' || quote_ident(c.relname), ', ' ORDER BY c.relname), '')
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND starts_with(c.relname, $2) AND c.relkind::text = ANY ($3)`
	err = c.QueryRow(ctx, sql, s.db.options.Schema, v.prefix(), kinds).Scan(&names)
	return names, err
}

// dropTables drops them again, all at once: rows of one may name those of another.
func (s *views) dropTables(ctx context.Context, c *pgx.Conn, v *storedView) error {
	if v.tables == "" {
		return nil
	}
	for _, kind := range []struct{ drop, kinds string }{{"DROP VIEW ", "v"}, {"DROP TABLE ", "r p"}} {
		names, err := s.ownTables(ctx, c, v, strings.Fields(kind.kinds)...)
		if err == nil && names != "" {
			err = execParams(ctx, c, kind.drop+names)
		}
		if hasCode(err, "42501") {
			return fmt.Errorf("%w: only the role that made the view's tables may drop them (%v)", deed.ErrReadOnly, err) //nolint:errorlint // as above
		}
		if err != nil {
			return err
		}
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

// QueryTables returns what a statement selects from the view's tables. See deed.TableStore. A limit of 0 is none.
func (s *views) QueryTables(ctx context.Context, view deed.ViewRef, statement deed.Statement, limit int) (rows [][]any, at deed.Position, err error) {
	if err := engine.ValidLimit(limit); err != nil {
		return nil, 0, err
	}
	for range 4 {
		var asked int64
		err = s.look(ctx, view, func(q querier, v *storedView) error {
			at, asked = v.position, v.id
			rows, err = s.selected(ctx, q.(*pgxpool.Conn).Conn(), v, &statement, limit)
			return err
		})
		if err == nil || !hasCode(err, "40P01") && !s.isAnother(ctx, view, asked, err) {
			break
		}
	}
	if isFault(err) || hasCode(err, "25006") {
		err = &deed.InvalidError{Field: "sql", Reason: err.Error()}
	}
	if err != nil {
		return nil, at, err
	}
	return rows, at, nil
}

// isAnother tells that a table was not there because the view was made anew meanwhile, or dropped.
func (s *views) isAnother(ctx context.Context, view deed.ViewRef, asked int64, err error) bool {
	if !hasCode(err, "42P01") {
		return false
	}
	now := int64(0)
	err = s.look(ctx, view, func(_ querier, v *storedView) error {
		now = v.id
		return nil
	})
	return errors.Is(err, deed.ErrNotFound) || err == nil && now != asked
}

func (s *views) selected(ctx context.Context, c *pgx.Conn, v *storedView, statement *deed.Statement, limit int) ([][]any, error) {
	d, err := s.describe(ctx, c, v, statement.SQL, readVerbs)
	if err != nil {
		return nil, err
	}
	values, formats, err := arguments(statement, d.params)
	if err != nil {
		return nil, err
	}
	b := &pgconn.Batch{}
	b.ExecParams(tableSettings, nil, nil, nil, nil)
	b.ExecParams(d.sql, values, d.params, formats, nil)
	results := c.PgConn().ExecBatch(ctx, b)
	var rows [][]any
	if results.NextResult() {
		if _, err = results.ResultReader().Close(); err == nil && results.NextResult() {
			rows, err = taken(ctx, c, results.ResultReader(), limit)
		}
	}
	if failed := results.Close(); err == nil {
		err = failed
	}
	return rows, err
}

// taken takes a statement's rows. Where they are too many, the server is told that nobody wants the others.
func taken(ctx context.Context, c *pgx.Conn, result *pgconn.ResultReader, limit int) (rows [][]any, err error) {
	for err == nil && result.NextRow() {
		if limit > 0 && len(rows) == limit {
			_ = c.PgConn().CancelRequest(ctx)
			_, _ = result.Close()
			return nil, ownError{fmt.Errorf("it selects more than %d rows; say LIMIT", limit)}
		}
		row := make([]any, len(result.Values()))
		for i, text := range result.Values() {
			if row[i], err = value(&result.FieldDescriptions()[i], text); err != nil {
				break
			}
		}
		rows = append(rows, row)
	}
	if _, failed := result.Close(); err == nil {
		err = failed
	}
	return rows, err
}
