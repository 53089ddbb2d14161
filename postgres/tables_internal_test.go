package postgres

import (
	"errors"
	"strings"
	"testing"
)

// What stands in texts, comments and quotes is left alone; only names in braces outside of them are the view's own.
func TestNamesInBraces(t *testing.T) {
	t.Parallel()
	v := &storedView{id: 7}
	const own = `"deed"."t7_a"`
	for sql, want := range map[string]string{
		`SELECT * FROM {a}`:                                                        `SELECT * FROM ` + own,
		`select {a}.x from {a}`:                                                    `select ` + own + `.x from ` + own,
		`SELECT '{a}', E'\'{a}', $${a}$$, $t$ $$ {a}$t$`:                           `SELECT '{a}', E'\'{a}', $${a}$$, $t$ $$ {a}$t$`,
		"SELECT 1 -- {a}\n/* {a} /* {a} */ {a} */ FROM {a}":                        "SELECT 1 -- {a}\n/* {a} /* {a} */ {a} */ FROM " + own,
		`SELECT "{a}", x'00', '' '{a}', $1, a$b$ FROM {a}`:                         `SELECT "{a}", x'00', '' '{a}', $1, a$b$ FROM ` + own,
		`SELECT '{a}'::text[], '\', {a}.x, '{a}'`:                                  `SELECT '{a}'::text[], '\', ` + own + `.x, '{a}'`,
		`SELECT 1.5e-3, .5, 7, x.deed, "deed", deed FROM {a}`:                      `SELECT 1.5e-3, .5, 7, x.deed, "deed", deed FROM ` + own,
		`INSERT INTO {a} VALUES (1) ON CONFLICT ON CONSTRAINT {a} DO NOTHING`:      `INSERT INTO ` + own + ` VALUES (1) ON CONFLICT ON CONSTRAINT "t7_a" DO NOTHING`,
		`CREATE UNIQUE INDEX IF NOT EXISTS {a} ON {a} (x) WHERE x IN (SELECT {a})`: `CREATE UNIQUE INDEX IF NOT EXISTS "t7_a" ON ` + own + ` (x) WHERE x IN (SELECT ` + own + `)`,
		` CREATE TABLE {a} (x int CONSTRAINT {a} UNIQUE)`:                          ` CREATE TABLE ` + own + ` (x int CONSTRAINT "t7_a" UNIQUE)`,
	} {
		if got, err := v.own("deed", sql, makeVerbs); err != nil || got != want {
			t.Errorf("%s:\n got %s (%v)\nwant %s", sql, got, err, want)
		}
	}
}

func TestStatementsAreLookedAt(t *testing.T) {
	t.Parallel()
	v := &storedView{id: 7}
	for _, sql := range []string{
		"", "-- SELECT 1", "SET x = 1", "DROP TABLE {a}", "COPY {a} TO '/x'", "DO $$ $$", "CALL f()", "LOCK {a}", "CREATE TABLE {a} (x int)", "TRUNCATE {a}", "ALTER TABLE {a} ADD x int",
		`SELECT * FROM deed.events`, `SELECT * FROM "deed" . events`, `SELECT * FROM DEED /* */ . events`, `SELECT * FROM U&"\0064eed".events`, `SELECT * FROM u&"x"`,
		`SELECT pg_sleep(1)`, `SELECT PG_CATALOG.now()`, `SELECT * FROM "pg_class"`, `SELECT * FROM information_schema.tables`, `SELECT set_config('a.b', '', false)`,
		`SELECT "set_config" ('a.b', '', false)`, `SELECT nextval('x')`, `SELECT lo_import('/x')`, `SELECT query_to_xml('x')`, `SELECT * FROM ts_stat('x')`, `SELECT x.dblink_exec ('x')`,
		`SELECT * INTO x FROM {a}`, `WITH y AS (SELECT 1) SELECT 1 INTO {x}`, `SELECT 'x`, `SELECT "x`, `SELECT /* /* */`, `SELECT $$ x`, `SELECT $x$ $y$`, `SELECT E'\'`,
		"SELECT E'a'\n'b\\' || pg_sleep(1) || '", `SELECT 1e'x'`, `SELECT $1e'x'`, `SELECT 0x1f`, "SELECT 1\x00", "SELECT '\x00'", "SELECT * FROM {" + strings.Repeat("x", 61) + "}",
	} {
		got, err := v.own("deed", sql, writeVerbs)
		if !errors.As(err, new(ownError)) {
			t.Errorf("%q is taken, as %q (%v)", sql, got, err)
		}
	}
	for _, sql := range []string{
		"select 1", "INSERT INTO {a} SELECT 1", "/* */ WITH x AS (INSERT INTO {a} VALUES (1) RETURNING *) SELECT * FROM x", "(SELECT 1)", "Values (1)", "MERGE INTO {a} USING x ON true",
		`SELECT 'pg_sleep(1)', lo_x, 'deed.events', $$deed.events$$`, "SELECT * FROM {" + strings.Repeat("x", 60) + "}", "DELETE FROM {a};", `SELECT nextval, x.ts_stat, "a""pg_b" FROM {a}`,
	} {
		if _, err := v.own("deed", sql, writeVerbs); err != nil {
			t.Errorf("%q is refused: %v", sql, err)
		}
	}
	if _, err := v.own("deed", "INSERT INTO {a} VALUES (1)", readVerbs); err == nil {
		t.Error("a query may write")
	}
}

func FuzzStatements(f *testing.F) {
	f.Add(`SELECT '{a}', E'\'{a}', $t$ {a}$t$, "{a}" /* {a} */ FROM {a} -- {a}`)
	v := &storedView{id: 7}
	f.Fuzz(func(t *testing.T, sql string) {
		r := sqlReader{sql: sql}
		var all strings.Builder
		for {
			token, err := r.next()
			if err != nil {
				return
			}
			if token.kind == endOfSQL {
				break
			}
			all.WriteString(token.text)
		}
		if all.String() != sql {
			t.Errorf("%q is read as %q", sql, all.String())
		}
		if got, err := v.own("deed", sql, makeVerbs); err == nil && !strings.Contains(sql, "{") && got != sql {
			t.Errorf("%q becomes %q", sql, got)
		}
	})
}
