package sqlite_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/ncruces/go-sqlite3"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

// made makes a database as an earlier version did.
func made(t *testing.T, path string, application int, schema, rows string) {
	t.Helper()
	tables, err := os.ReadFile(schema)
	if err != nil {
		t.Fatal(err)
	}
	c, err := sqlite3.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Exec(fmt.Sprintf("PRAGMA journal_mode=WAL; %s; PRAGMA application_id=%d; PRAGMA user_version=1; %s", tables, application, rows)); err != nil {
		t.Fatal(err)
	}
}

// Files of schema version 1 are upgraded when they are opened for writing, with all that they hold.
func TestUpgradeFromVersion1(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log.db")
	made(t, path, 0x64656564, "testdata/log1.sql", `
		INSERT INTO log VALUES (1, 'thelog', 1, 0, 0);
		INSERT INTO kinds VALUES (1, 'cart', 'cart-opened', 1, 'application/json');
		INSERT INTO events VALUES (1, 'cart-1', 1, 1, 5, 'e1', NULL, NULL, CAST('{}' AS BLOB));
		INSERT INTO parts VALUES ('mailer', 'process', 1, 0, 0, 'thelog', 1, 1, 1, 'e1');
		INSERT INTO effects VALUES ('f1', 'mailer', '1', '', 1, 0, 7, 'send', 'cart-2', 'open', '', '', CAST('{}' AS BLOB));`)
	made(t, filepath.Join(dir, "log-views.db"), 0x64656576, "testdata/views1.sql", `
		INSERT INTO views VALUES (1, 'carts', 1, '[]', 0, '', 'thelog', 1, 1, 1, 'e1');
		CREATE TABLE view_1 (key TEXT NOT NULL UNIQUE, position INTEGER NOT NULL, removed INTEGER, data BLOB);
		INSERT INTO view_1 VALUES ('1', 1, NULL, CAST('{"n":1}' AS BLOB));`)
	if _, err := sqlite.Open(path, &sqlite.Options{ReadOnly: true}); err == nil {
		t.Error("an old log was opened for reading only, where it cannot be upgraded")
	}
	for range 2 { // upgraded, and then as it is
		db, err := sqlite.Open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx := t.Context()
		view := deed.ViewRef{Name: "carts", Version: 1}
		checkpoint, err := db.OpenView(ctx, deed.ViewSpec{ViewRef: view})
		if err != nil || checkpoint.Position != 1 {
			t.Errorf("the view is at %+v, %v", checkpoint, err)
		}
		row, _, err := db.Row(ctx, view, "1")
		if err != nil || string(row.Data) != `{"n":1}` {
			t.Errorf("the row is %s, %v", row.Data, err)
		}
		effects, err := db.Effects(ctx, deed.EffectQuery{Parts: []string{"mailer"}, Limit: 10})
		if err != nil || len(effects) != 1 || effects[0].ID != "f1" || effects[0].Trace != "" {
			t.Errorf("the effects are %+v, %v", effects, err)
		}
		n := 0
		for r, err := range db.Read(ctx, deed.Query{}) {
			if err != nil || r.ID != "e1" {
				t.Errorf("the log has %+v, %v", r, err)
			}
			n++
		}
		if n != 1 {
			t.Errorf("the log has %d events, want 1", n)
		}
		if _, err := db.PartParked(ctx, "mailer", "", 0); err != nil {
			t.Error(err)
		}
		if _, err := db.ViewParked(ctx, view, "", 0); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
