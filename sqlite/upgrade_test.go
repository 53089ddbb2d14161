package sqlite_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ncruces/go-sqlite3"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

// made makes a database as an earlier version did.
func made(t *testing.T, path string, application, version int, rows string, schema ...string) {
	t.Helper()
	var tables []byte
	for _, name := range schema {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		tables = append(tables, text...)
	}
	c, err := sqlite3.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Exec(fmt.Sprintf("PRAGMA journal_mode=WAL; %s; PRAGMA application_id=%d; PRAGMA user_version=%d; %s", tables, application, version, rows)); err != nil {
		t.Fatal(err)
	}
}

// Files of schema version 1 are upgraded when they are opened for writing, with all that they hold.
func TestUpgradeFromVersion1(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log.db")
	made(t, path, 0x64656564, 1, `
		INSERT INTO log VALUES (1, 'thelog', 1, 0, 0);
		INSERT INTO kinds VALUES (1, 'cart', 'cart-opened', 1, 'application/json');
		INSERT INTO events VALUES (1, 'cart-1', 1, 1, 5, 'e1', NULL, NULL, CAST('{}' AS BLOB));
		INSERT INTO parts VALUES ('mailer', 'process', 1, 0, 0, 'thelog', 1, 1, 1, 'e1');
		INSERT INTO effects VALUES ('f1', 'mailer', '1', '', 1, 0, 7, 'send', 'cart-2', 'open', '', '', CAST('{}' AS BLOB));`, "testdata/log1.sql")
	made(t, filepath.Join(dir, "log-views.db"), 0x64656576, 1, `
		INSERT INTO views VALUES (1, 'carts', 1, '[]', 0, '', 'thelog', 1, 1, 1, 'e1');
		CREATE TABLE view_1 (key TEXT NOT NULL UNIQUE, position INTEGER NOT NULL, removed INTEGER, data BLOB);
		INSERT INTO view_1 VALUES ('1', 1, NULL, CAST('{"n":1}' AS BLOB));`, "testdata/views1.sql")
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
		isRead(t, db, "carts", deed.ViewVersion{Version: 1, Partitions: 1})
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func isRead(t *testing.T, views deed.ViewStore, name string, want deed.ViewVersion) {
	t.Helper()
	if read, err := views.ViewRead(t.Context(), name); err != nil || read != want {
		t.Errorf("of %s is read %+v, %v, want %+v", name, read, err, want)
	}
}

// Files of schema version 2 are upgraded when they are opened for writing. Of each view the newest version is read, as it was.
func TestUpgradeFromVersion2(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log.db")
	made(t, path, 0x64656564, 2, `
		INSERT INTO log VALUES (1, 'thelog', 1, 0, 0);
		INSERT INTO kinds VALUES (1, 'cart', 'cart-opened', 1, 'application/json');
		INSERT INTO events VALUES (1, 'cart-1', 1, 1, 5, 'e1', NULL, NULL, CAST('{}' AS BLOB));
		INSERT INTO views VALUES (1, 'totals', 4, '[]', '', 0, 0, '', 'thelog', 1, 1, 1, 'e1');
		CREATE TABLE view_1 (key TEXT NOT NULL UNIQUE, position INTEGER NOT NULL, removed INTEGER, data BLOB);
		INSERT INTO view_1 VALUES ('1', 1, NULL, CAST('{"t":1}' AS BLOB));`, "testdata/log2.sql", "testdata/views2.sql")
	made(t, filepath.Join(dir, "log-views.db"), 0x64656576, 2, `
		INSERT INTO views VALUES (1, 'carts', 2, '[]', '', 1, 0, '', 'thelog', 1, 1, 1, 'e1');
		INSERT INTO views VALUES (2, 'carts', 10, '[]', '', 0, 0, '', 'thelog', 1, 1, 1, 'e1');
		INSERT INTO views VALUES (3, 'lines', 1, '[]', '["CREATE TABLE {lines} (n)"]', 0, 0, '', 'thelog', 1, 1, 1, 'e1');
		CREATE TABLE t3_lines (n);
		CREATE TABLE view_1 (key TEXT NOT NULL UNIQUE, position INTEGER NOT NULL, removed INTEGER, data BLOB);
		CREATE TABLE view_2 (key TEXT NOT NULL UNIQUE, position INTEGER NOT NULL, removed INTEGER, data BLOB);
		INSERT INTO view_1 VALUES ('1', 1, NULL, CAST('{"n":1}' AS BLOB));
		INSERT INTO view_2 VALUES ('1', 1, NULL, CAST('{"n":2}' AS BLOB));
		INSERT INTO view_parked VALUES (1, '1', 1, 5, 'broken', 0);`, "testdata/views2.sql")
	if _, err := sqlite.Open(path, &sqlite.Options{ReadOnly: true}); err == nil {
		t.Error("an old log was opened for reading only, where it cannot be upgraded")
	}
	for range 2 { // upgraded, and then as it is
		db, err := sqlite.Open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		upgradedFrom2(t, db)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	readOnly, err := sqlite.Open(path, &sqlite.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer readOnly.Close()
	isRead(t, readOnly, "carts", deed.ViewVersion{Version: 10, Partitions: 1})
	if err := readOnly.ReadView(t.Context(), "carts", deed.ViewVersion{Version: 10, Partitions: 1}, deed.ViewVersion{}); !errors.Is(err, deed.ErrReadOnly) {
		t.Errorf("what is read was changed for reading only: %v", err)
	}
}

func upgradedFrom2(t *testing.T, db *sqlite.DB) {
	t.Helper()
	isRead(t, db, "carts", deed.ViewVersion{Version: 10, Partitions: 1})
	isRead(t, db, "lines", deed.ViewVersion{Version: 1, Partitions: 1})
	isRead(t, db, "nothing", deed.ViewVersion{})
	refs, err := db.ListViews(t.Context())
	if want := []deed.ViewRef{{Name: "carts", Version: 2}, {Name: "carts", Version: 10}, {Name: "lines", Version: 1}}; err != nil || !slices.Equal(refs, want) {
		t.Errorf("the views are %v, %v, want %v", refs, err, want)
	}
	for view, want := range map[deed.ViewRef]string{refs[0]: `{"n":1}`, refs[1]: `{"n":2}`} {
		if row, _, err := db.Row(t.Context(), view, "1"); err != nil || string(row.Data) != want {
			t.Errorf("the row of %v is %s, %v, want %s", view, row.Data, err, want)
		}
	}
	if parked, err := db.ViewParked(t.Context(), refs[0], "", 0); err != nil || len(parked) != 1 || parked[0].Error != "broken" {
		t.Errorf("what is parked is %+v, %v", parked, err)
	}
	inline := db.InlineViews()
	if row, _, err := inline.Row(t.Context(), deed.ViewRef{Name: "totals", Version: 4}, "1"); err != nil || string(row.Data) != `{"t":1}` {
		t.Errorf("the inline row is %s, %v", row.Data, err)
	}
	if inlined, err := inline.ListViews(t.Context()); err != nil || len(inlined) != 1 {
		t.Errorf("the inline views are %v, %v", inlined, err)
	}
	for r, err := range db.Read(t.Context(), deed.Query{}) {
		if err != nil || r.ID != "e1" {
			t.Errorf("the log has %+v, %v", r, err)
		}
	}
}
