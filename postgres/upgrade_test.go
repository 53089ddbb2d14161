package postgres_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/postgres"
)

// madeBefore makes a schema as programs of an earlier version did, with what they had stored.
func madeBefore(t *testing.T, schema string, version int) {
	t.Helper()
	sql := "CREATE SCHEMA " + schema + ";"
	for _, name := range []string{"schema", "data"} {
		part, err := os.ReadFile(fmt.Sprintf("testdata/%s_%d.sql", name, version))
		if err != nil {
			t.Fatal(err)
		}
		sql += strings.ReplaceAll(string(part), "@", schema+".")
	}
	execute(t, server, sql)
}

// catalogSQL has a line for each thing that a schema is made of, the schema's name apart.
const catalogSQL = `SELECT replace(line, $1::text, 'S') FROM (
	SELECT c.relkind::text || ' ' || c.relname || ' ' || coalesce(c.reloptions::text, '') || CASE WHEN c.relkind = 'v' THEN pg_get_viewdef(c.oid) ELSE '' END
		FROM pg_class c WHERE c.relnamespace = $1::text::regnamespace
	UNION ALL SELECT concat_ws(' ', 'column', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attstorage,
		(SELECT collname FROM pg_collation WHERE oid = a.attcollation), pg_get_expr(d.adbin, d.adrelid))
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
		WHERE c.relnamespace = $1::text::regnamespace AND c.relkind IN ('r', 'v') AND a.attnum > 0 AND NOT a.attisdropped
	UNION ALL SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = $1::text
	UNION ALL SELECT concat_ws(' ', 'constraint', conrelid::regclass, conname, pg_get_constraintdef(oid)) FROM pg_constraint WHERE connamespace = $1::text::regnamespace
	UNION ALL SELECT 'function ' || pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = $1::text::regnamespace
	UNION ALL SELECT concat_ws(' ', 'sequence', sequencename, data_type, increment_by, min_value, max_value, cache_size) FROM pg_sequences WHERE schemaname = $1::text
) lines (line) ORDER BY 1`

func catalog(t *testing.T, schema string) []string {
	t.Helper()
	ctx := t.Context()
	c, err := pgx.Connect(ctx, server)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(ctx) }()
	rows, err := c.Query(ctx, catalogSQL, schema)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(lines) == 0 {
		t.Fatal("the schema's catalog is empty:", err)
	}
	return lines
}

// sameCatalog checks that two schemas are made alike, but for the order of columns.
func sameCatalog(t *testing.T, got, want string) {
	t.Helper()
	one, other := catalog(t, got), catalog(t, want)
	for _, line := range one {
		if !slices.Contains(other, line) {
			t.Errorf("%s has\n\t%s\nand a new schema has not", got, line)
		}
	}
	for _, line := range other {
		if !slices.Contains(one, line) {
			t.Errorf("%s lacks\n\t%s\nwhich a new schema has", got, line)
		}
	}
}

// A schema of each version before is upgraded by who opens it first, and holds what it held.
func TestAnOldSchemaIsUpgradedWithAllThatItHolds(t *testing.T) {
	t.Parallel()
	for version := 1; version < postgres.SchemaVersion; version++ {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			t.Parallel()
			o, anew := &postgres.Options{Schema: fresh(t)}, &postgres.Options{Schema: fresh(t)}
			madeBefore(t, o.Schema, version)
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					db, err := postgres.Open(t.Context(), server, o)
					if err == nil {
						err = db.Close()
					}
					if err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			db := opened(t, o)
			isFull(t, db)
			clearLog(t, db)
			appended(t, db, write("order-1", 2, "c"))
			if got := ids(t, db, deed.Query{}); fmt.Sprint(got) != "[a b c]" {
				t.Errorf("the log has %v", got)
			}
			fill(t, opened(t, &postgres.Options{Schema: o.Schema, Log: "another"}))
			opened(t, anew)
			sameCatalog(t, o.Schema, anew.Schema)
		})
	}
}

// What Upgrade prints does the same as Open, and nothing to a schema of another version.
func TestUpgradesSQLUpgradesOneVersionOnly(t *testing.T) {
	t.Parallel()
	for from := 1; from < postgres.SchemaVersion; from++ {
		o, anew := postgres.Options{Schema: fresh(t)}, postgres.Options{Schema: fresh(t)}
		madeBefore(t, o.Schema, from)
		sql, err := postgres.Upgrade(o, from)
		if err != nil {
			t.Fatal(err)
		}
		execute(t, server, sql)
		opened(t, &anew)
		sameCatalog(t, o.Schema, anew.Schema)
		isFull(t, opened(t, &o))

		err = tryTo(t, server, sql)
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("does not have version %d", from)) {
			t.Errorf("a second time: %v", err)
		}
		sameCatalog(t, o.Schema, anew.Schema)
	}
	for _, from := range []int{-1, 0, postgres.SchemaVersion, 99} {
		var invalid *deed.InvalidError
		if _, err := postgres.Upgrade(postgres.Options{}, from); !errors.As(err, &invalid) {
			t.Errorf("from %d: %v", from, err)
		}
	}
}

// An upgrade that fails leaves the schema and all that it holds as they were, and the next one does it.
func TestAnUpgradeIsDoneWhollyOrNotAtAll(t *testing.T) {
	t.Parallel()
	o := &postgres.Options{Schema: fresh(t)}
	madeBefore(t, o.Schema, 1)
	execute(t, server, "CREATE TABLE "+o.Schema+".checkpoints_v1 ()") // in the way of what is made last
	before := catalog(t, o.Schema)
	if _, err := postgres.Open(t.Context(), server, o); err == nil || !strings.Contains(err.Error(), "upgrade the schema to version") {
		t.Errorf("error is %v", err)
	}
	if after := catalog(t, o.Schema); !slices.Equal(before, after) {
		t.Errorf("the schema was\n%v\nand is\n%v", before, after)
	}
	execute(t, server, "DROP TABLE "+o.Schema+".checkpoints_v1")
	isFull(t, opened(t, o))
}

// Who keeps a table in use keeps an upgrade from being made, for a while, and the upgrade keeps nobody waiting longer than that.
func TestAnUpgradeDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	o := &postgres.Options{Schema: fresh(t)}
	madeBefore(t, o.Schema, 1)
	ctx := within(t)
	c, err := pgx.Connect(ctx, server)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(ctx) }()
	for _, sql := range []string{"BEGIN", "SELECT FROM " + o.Schema + ".meta FOR UPDATE"} {
		if _, err := c.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := postgres.Open(ctx, server, o); err == nil || !strings.Contains(err.Error(), "somebody keeps a table") {
		t.Errorf("error is %v", err)
	}
	if err := c.Close(ctx); err != nil {
		t.Fatal(err)
	}
	isFull(t, opened(t, o))
}
