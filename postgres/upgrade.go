package postgres

import (
	"embed"
	"fmt"

	"github.com/deed-es/deed"
)

//go:embed upgrades/*.sql
var upgrades embed.FS

// Upgrade returns the SQL that makes a schema of this version out of one of an earlier version, for who upgrades it with tools of
// their own before this program opens a log in it. Its statements belong into one transaction; they change nothing, and fail, where
// the schema has another version.
func Upgrade(o Options, from int) (string, error) {
	if from < 1 || from >= SchemaVersion {
		return "", &deed.InvalidError{Field: "from", Reason: fmt.Sprintf("%d is no earlier version of the schema, which is at version %d", from, SchemaVersion)}
	}
	t := tables{schema: o.withDefaults().Schema}
	sql := fmt.Sprintf("SELECT pg_advisory_xact_lock(%d);\n", lockKey(t.schema, "")) + t.fill(fmt.Sprintf(`DO $$ BEGIN
	IF NOT EXISTS (SELECT FROM @meta WHERE version = %d) THEN
		RAISE EXCEPTION 'schema %s does not have version %[1]d, which this upgrades';
	END IF;
END $$;
`, from, t.schema))
	for version := from; version < SchemaVersion; version++ {
		sql += "\n" + t.upgradeStep(version)
	}
	return sql, nil
}

// An upgrade waits so long for who uses a table, and keeps others waiting no longer.
const upgradeLockTimeout = "5s"

// upgradeStep is what makes of a version the next one.
func (t *tables) upgradeStep(version int) string {
	step, err := upgrades.ReadFile(fmt.Sprintf("upgrades/%d.sql", version+1))
	if err != nil {
		panic(err) // it is compiled in
	}
	sql := "SET LOCAL lock_timeout = '" + upgradeLockTimeout + "';\n\n" + string(step)
	if version+1 == SchemaVersion {
		sql += "\n" + viewsSQL
	}
	return t.fill(sql + fmt.Sprintf("\nUPDATE @meta SET version = %d;\n", version+1))
}
