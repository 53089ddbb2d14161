package postgres_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/postgres"
	"github.com/deed-es/deed/storetest"
)

func TestTablesThroughAPooler(t *testing.T) {
	t.Parallel()
	_, through := pooled(t)
	storetest.RunTables(t, func(t *testing.T, dir string) deed.TableStore {
		t.Helper()
		return openedAt(t, through, &postgres.Options{Log: strings.ReplaceAll(dir[max(0, len(dir)-200):], "/", ".")})
	})
}

// tabled opens a view with tables.
func tabled(t *testing.T, db *postgres.DB, name string, create ...string) deed.ViewRef {
	t.Helper()
	view := deed.ViewRef{Name: name, Version: 1}
	if _, err := db.OpenView(t.Context(), deed.ViewSpec{ViewRef: view, Tables: create}); err != nil {
		t.Fatal(err)
	}
	return view
}

// stepped commits a step of statements.
func stepped(t *testing.T, db *postgres.DB, view deed.ViewRef, from deed.Position, statements ...deed.Statement) error {
	t.Helper()
	return db.CommitView(within(t), deed.ViewCommit{View: view, From: from, Checkpoint: deed.Checkpoint{Position: from + 1}, Statements: statements})
}

func selected(t *testing.T, db *postgres.DB, view deed.ViewRef, sql string, args ...any) [][]any {
	t.Helper()
	rows, _, err := db.QueryTables(within(t), view, deed.SQL(sql, args...), 0)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return rows
}

// What only PostgreSQL has comes back as text, whatever the server, the database and the role are set to.
func TestValuesOfTables(t *testing.T) {
	t.Parallel()
	o := &postgres.Options{Schema: fresh(t)}
	opened(t, o)
	db := openedAt(t, server+"&datestyle=German&timezone=Asia/Tokyo&extra_float_digits=-5&bytea_output=escape&standard_conforming_strings=off&search_path=public", o)
	view := tabled(t, db, "values", `CREATE TABLE {v} (n numeric, at timestamptz, local timestamp, day date, doc jsonb, list text[], f real, words tsvector)`)
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.FixedZone("", -7200))
	err := stepped(t, db, view, 0, deed.SQL(`INSERT INTO {v} VALUES ($1, $2, $3, $4, $5, $6, $7, to_tsvector('Teas'))`,
		"12.50", at, at, at, []byte(`{"a": "{v}"}`), "{x,NULL}", float32(0.1)))
	if err != nil {
		t.Fatal(err)
	}
	got := selected(t, db, view, `SELECT *, sum(n) OVER (), count(*) OVER (), 'infinity'::timestamptz, E'\\\\'::bytea, '\n' FROM {v}`)
	want := []any{
		"12.50", "2026-01-02T05:04:05.000006Z", "2026-01-02T05:04:05.000006Z", "2026-01-02", `{"a": "{v}"}`, "{x,NULL}", 0.1, "'teas':1", "12.50", int64(1),
		"infinity", []byte(`\`), `\n`,
	}
	if len(got) != 1 || !reflect.DeepEqual(got[0], want) {
		t.Errorf("got %#v\nwant %#v", got, want)
	}
}

// Tables of others in the database are out of reach, though the role could read and write them.
func TestStatementsReachNoOtherTables(t *testing.T) {
	t.Parallel()
	o := &postgres.Options{Schema: fresh(t)}
	other := fresh(t)
	opened(t, o)
	db := openedAt(t, server+"&search_path="+o.Schema+","+other, o) // whatever the role is set to
	execute(t, server, fmt.Sprintf("CREATE SCHEMA %s; CREATE TABLE %[1]s.t (x int PRIMARY KEY); INSERT INTO %[1]s.t VALUES (1); CREATE VIEW %[1]s.v AS SELECT 1", other))
	view := tabled(t, db, "mine", `CREATE TABLE {a} (x int)`)
	for range 2 { // also where it was asked before
		for _, from := range []string{other + ".t", other + ".v", "t", "v", "events", "views", "t1_a"} {
			sql := "SELECT x FROM {a} UNION SELECT 1 FROM " + from
			if _, _, err := db.QueryTables(t.Context(), view, deed.SQL(sql), 0); !errors.As(err, new(*deed.InvalidError)) {
				t.Errorf("%s: got %v, want *InvalidError", sql, err)
			}
		}
		for _, sql := range []string{"DELETE FROM " + other + ".t", "INSERT INTO {a} SELECT x FROM " + other + ".t", "WITH d AS (DELETE FROM " + other + ".t) SELECT 1"} {
			if err := stepped(t, db, view, 0, deed.SQL(sql)); !errors.As(err, new(*deed.StatementError)) {
				t.Errorf("%s: got %v, want *StatementError", sql, err)
			}
		}
	}
	for _, sql := range []string{
		"CREATE TABLE " + other + ".made (x int)", "CREATE TABLE {b} (x int REFERENCES " + other + ".t)", "CREATE TABLE {b} AS SELECT * FROM " + other + ".t",
		"CREATE TABLE {b} (LIKE " + other + ".t)", "CREATE INDEX {i} ON " + other + ".t (x)", "CREATE VIEW {b} AS SELECT * FROM " + other + ".v",
		"CREATE INDEX i ON {a} (x)", "CREATE TABLE {b} (x int CONSTRAINT only UNIQUE)", "CREATE INDEX CONCURRENTLY {i} ON {a} (x)", "INSERT INTO {a} VALUES (1/0)",
	} {
		_, err := db.OpenView(t.Context(), deed.ViewSpec{ViewRef: deed.ViewRef{Name: "worse", Version: 1}, Tables: []string{"CREATE TABLE {a} (x int)", sql}})
		if !errors.As(err, new(*deed.InvalidError)) {
			t.Errorf("%s: got %v, want *InvalidError", sql, err)
		}
	}
	if got := selected(t, db, view, "SELECT count(*) FROM {a}"); got[0][0] != int64(0) {
		t.Errorf("%v rows were written", got)
	}
	if !isThere(t, other, "t") || isThere(t, other, "made") {
		t.Error("what is another's was changed")
	}
}

func isThere(t *testing.T, schema, table string) bool {
	t.Helper()
	c, err := pgx.Connect(t.Context(), server)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(t.Context()) }()
	var there bool
	if err := c.QueryRow(t.Context(), "SELECT to_regclass($1) IS NOT NULL", schema+"."+table).Scan(&there); err != nil {
		t.Fatal(err)
	}
	return there
}

// Dropped tables are gone, with their views and indexes, and nobody else's are.
func TestDroppedTablesAreGone(t *testing.T) {
	t.Parallel()
	o := &postgres.Options{Schema: fresh(t)}
	db := opened(t, o)
	for _, name := range []string{"one", "two"} {
		tabled(t, db, name, `CREATE TABLE {a} (x bigserial PRIMARY KEY, y bigint GENERATED ALWAYS AS IDENTITY)`, `CREATE VIEW {v} AS SELECT * FROM {a}`,
			`CREATE VIEW {w} AS SELECT * FROM {v}`, `CREATE TABLE {b} (x bigint REFERENCES {a})`, `CREATE INDEX ON {b} (x)`)
	}
	if err := db.DropView(t.Context(), deed.ViewRef{Name: "one", Version: 1}); err != nil {
		t.Fatal(err)
	}
	for table, want := range map[string]bool{"t1_a": false, "t1_v": false, "t1_b": false, "t1_b_x_idx": false, "t2_a": true, "t2_w": true, "t2_b_x_idx": true} {
		if got := isThere(t, o.Schema, table); got != want {
			t.Errorf("%s is there: %v, want %v", table, got, want)
		}
	}
}

// A role that may make no tables is told which right it lacks. Who may read views may read their tables.
func TestRightsToTables(t *testing.T) {
	t.Parallel()
	o := postgres.Options{Schema: fresh(t)}
	execute(t, server, postgres.Schema(o))
	service, as := role(t, "service")
	reader, reading := role(t, "reader")
	execute(t, server, postgres.Grants(o, postgres.Roles{Service: service, Reader: reader}))
	db := openedAt(t, as, &o)
	spec := deed.ViewSpec{ViewRef: deed.ViewRef{Name: "a", Version: 1}, Tables: []string{`CREATE TABLE {a} (x bigint)`, `CREATE VIEW {v} AS SELECT x FROM {a}`}}
	_, err := db.OpenView(t.Context(), spec)
	if !errors.Is(err, deed.ErrReadOnly) || !strings.Contains(err.Error(), "GRANT CREATE ON SCHEMA") {
		t.Errorf("got %v, want what right is missing", err)
	}
	execute(t, server, "GRANT CREATE ON SCHEMA "+o.Schema+" TO "+service)
	tabled(t, db, "a", spec.Tables...)
	if err := stepped(t, db, spec.ViewRef, 0, deed.SQL(`INSERT INTO {a} VALUES ($1)`, 7)); err != nil {
		t.Fatal(err)
	}
	o.ReadOnly = true
	look := openedAt(t, reading, &o)
	if got := selected(t, look, spec.ViewRef, `SELECT x FROM {v} JOIN {a} USING (x)`); len(got) != 1 || got[0][0] != int64(7) {
		t.Errorf("the reader has %v", got)
	}
	for _, err := range []error{stepped(t, look, spec.ViewRef, 1), look.DropView(t.Context(), spec.ViewRef)} {
		if !errors.Is(err, deed.ErrReadOnly) {
			t.Errorf("the reader writes: %v", err)
		}
	}
}

// What the server's weather does to a statement is not the statement's fault: it is tried again, and said as it is.
func TestWhatIsNoFaultOfAStatement(t *testing.T) {
	t.Parallel()
	o := &postgres.Options{Schema: fresh(t)}
	db := opened(t, o)
	view := tabled(t, db, "a", `CREATE TABLE {a} (x bigint)`)
	holder, err := pgx.Connect(t.Context(), server)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = holder.Close(t.Context()) }()
	table := o.Schema + ".t1_a"
	if _, err := holder.Exec(t.Context(), "BEGIN; LOCK TABLE "+table+" IN SHARE MODE", pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	for _, end := range []string{"pg_cancel_backend", "pg_terminate_backend"} {
		go func() { done <- stepped(t, db, view, 0, deed.SQL(`INSERT INTO {a} VALUES (1)`)) }()
		sql := "SELECT count(" + end + "(pid)) FROM pg_locks WHERE relation = $1::text::regclass AND NOT granted"
		eventually(t, "a session that waits for the table is cut off", func() bool {
			var n int
			return holder.QueryRow(t.Context(), sql, table).Scan(&n) == nil && n == 1
		})
		if end != "pg_cancel_backend" {
			break
		}
		if err := <-done; err == nil || errors.As(err, new(*deed.StatementError)) || errors.As(err, new(*deed.InvalidError)) {
			t.Errorf("a statement that is cut off: %v", err)
		}
	}
	if _, err := holder.Exec(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("cut off with its connection, and tried again: %v", err)
	}
	if got := selected(t, db, view, `SELECT x FROM {a}`); len(got) != 1 {
		t.Errorf("it is stored as %v", got)
	}
	execute(t, server, "ALTER TABLE "+table+" ADD CONSTRAINT late CHECK (x < 5)")
	if err := stepped(t, db, view, 1, deed.SQL(`INSERT INTO {a} VALUES (7)`)); !errors.As(err, new(*deed.StatementError)) {
		t.Errorf("its own fault: %v", err)
	}
}

// A query with more rows than are wanted is cut off, and its connection goes on.
func TestManyRowsAreCutOff(t *testing.T) {
	t.Parallel()
	db := openedAt(t, server+"&pool_max_conns=4", &postgres.Options{Schema: fresh(t)})
	view := tabled(t, db, "a", `CREATE TABLE {a} (x bigint)`)
	before := postgres.Pool(db).Stat().NewConnsCount()
	for range 50 {
		_, _, err := db.QueryTables(within(t), view, deed.SQL(`SELECT generate_series(1, 1000000000), repeat('x', 1000)`), 10)
		if !errors.As(err, new(*deed.InvalidError)) || !strings.Contains(err.Error(), "more than 10 rows") {
			t.Fatalf("got %v, want *InvalidError", err)
		}
		if got := selected(t, db, view, `SELECT count(*) FROM {a}`); got[0][0] != int64(0) {
			t.Errorf("got %v", got)
		}
	}
	if made := postgres.Pool(db).Stat().NewConnsCount() - before; made > 3 {
		t.Errorf("%d connections were lost", made)
	}
}

func TestInlineViewsHaveNoTables(t *testing.T) {
	t.Parallel()
	db := opened(t, &postgres.Options{Schema: fresh(t)})
	spec := deed.ViewSpec{ViewRef: deed.ViewRef{Name: "a", Version: 1}, Tables: []string{`CREATE TABLE {a} (x bigint)`}}
	if _, err := db.InlineViews().OpenView(t.Context(), spec); !errors.As(err, new(*deed.InvalidError)) {
		t.Errorf("open: %v", err)
	}
	spec.Tables = nil
	if _, err := db.InlineViews().OpenView(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	err := db.InlineViews().CommitView(t.Context(), deed.ViewCommit{View: spec.ViewRef, Statements: []deed.Statement{deed.SQL("SELECT 1")}})
	if !errors.As(err, new(*deed.InvalidError)) {
		t.Errorf("commit: %v", err)
	}
}
