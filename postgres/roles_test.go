package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/postgres"
)

// tryTo runs statements of a test's own in one transaction, and returns what the server says of them.
func tryTo(t testing.TB, url, sql string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(ctx) }()
	_, err = c.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
	return err
}

const rolePassword = "a word for tests"

// role makes a role that may log in and nothing else, and returns its name and the URL by which it does.
func role(t *testing.T, name string) (role, as string) {
	t.Helper()
	c, err := pgx.ParseConfig(server)
	if err != nil {
		t.Fatal(err)
	}
	role = name + "_" + fresh(t)
	execute(t, server, "CREATE ROLE "+role+" LOGIN PASSWORD '"+rolePassword+"'")
	t.Cleanup(func() { execute(t, server, "DROP OWNED BY "+role+"; DROP ROLE "+role) })
	return role, urlOf(c, role, rolePassword)
}

func urlOf(c *pgx.ConnConfig, user, password string) string {
	query := url.Values{"host": {c.Host}, "port": {fmt.Sprint(c.Port)}, "user": {user}, "password": {password}, "dbname": {c.Database}}
	return "postgres:///?" + query.Encode()
}

// rightsOf returns the tables of a schema to which a role has a right.
func rightsOf(t *testing.T, schema, role, right string) []string {
	t.Helper()
	ctx := t.Context()
	c, err := pgx.Connect(ctx, server)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(ctx) }()
	rows, err := c.Query(ctx, `SELECT relname::text FROM pg_class WHERE relnamespace = $1::text::regnamespace AND relkind IN ('r', 'v', 'p')
		AND has_table_privilege($2::text, oid, $3::text) ORDER BY 1`, schema, role, right)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return tables
}

// Schema's and Grants' SQL is all that a service needs: a role that may make nothing works with what they have made.
func TestARoleThatMayMakeNoTablesWorks(t *testing.T) {
	t.Parallel()
	o := postgres.Options{Schema: fresh(t)}
	name, as := role(t, "service")
	_, err := postgres.Open(t.Context(), as, &o)
	if err == nil || !strings.Contains(err.Error(), "permission denied") || !strings.Contains(err.Error(), `"deed schema --schema `+o.Schema+`"`) {
		t.Errorf("without a schema: %v", err)
	}
	execute(t, server, postgres.Schema(o)+postgres.Grants(o, postgres.Roles{Service: name}))
	db := openedAt(t, as, &o)
	fill(t, db)
	clearLog(t, db)
	appended(t, db, write("order-1", 2, "c"))
	for _, sql := range []string{"UPDATE @events SET data = ''", "DELETE FROM @events", "TRUNCATE @events", "DELETE FROM @tags", "DELETE FROM @logs", "UPDATE @meta SET version = 9", "CREATE TABLE @mine ()"} {
		if err := tryTo(t, as, strings.ReplaceAll(sql, "@", o.Schema+".")); err == nil || !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

func TestARoleThatMayNotUpgradeIsToldWhatToDo(t *testing.T) {
	t.Parallel()
	o := postgres.Options{Schema: fresh(t)}
	madeBefore(t, o.Schema, 1)
	name, as := role(t, "service")
	execute(t, server, "GRANT USAGE ON SCHEMA "+o.Schema+" TO "+name+"; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "+o.Schema+" TO "+name)
	for _, readOnly := range []bool{false, true} {
		_, err := postgres.Open(t.Context(), as, &postgres.Options{Schema: o.Schema, ReadOnly: readOnly})
		if err == nil || !strings.Contains(err.Error(), `"deed schema --schema `+o.Schema+` --from 1"`) {
			t.Errorf("read-only %v: %v", readOnly, err)
		}
	}
	sql, err := postgres.Upgrade(o, 1)
	if err != nil {
		t.Fatal(err)
	}
	execute(t, server, sql+postgres.Grants(o, postgres.Roles{Service: name}))
	isFull(t, openedAt(t, as, &o))
}

// A role that may read opens a log, reads, follows and queries views; what would write is refused, whether it says that it only
// reads or not.
func TestARoleThatMayOnlyRead(t *testing.T) {
	t.Parallel()
	o := postgres.Options{Schema: fresh(t)}
	owner := opened(t, &o)
	fill(t, owner)
	name, as := role(t, "reader")
	if _, err := postgres.Open(t.Context(), as, &o); err == nil || !strings.Contains(err.Error(), "deed schema --grants") {
		t.Errorf("without rights: %v", err)
	}
	execute(t, server, postgres.Grants(o, postgres.Roles{Reader: name}))
	for _, readOnly := range []bool{true, false} {
		db := openedAt(t, as, &postgres.Options{Schema: o.Schema, ReadOnly: readOnly})
		isFull(t, db)
		writesAreRefused(t, db)
		isFull(t, db)
	}
	reader := openedAt(t, as, &postgres.Options{Schema: o.Schema, ReadOnly: true})
	followed := make(chan string, 1)
	go func() {
		for r, err := range reader.Read(within(t), deed.Query{Follow: true, After: 2}) {
			if err != nil {
				t.Error(err)
			}
			followed <- r.ID
			return
		}
	}()
	if err := owner.InlineViews().DropView(t.Context(), deed.ViewRef{Name: "notes", Version: 1}); err != nil {
		t.Fatal(err)
	}
	appended(t, owner, write("order-1", 2, "c"))
	if id := <-followed; id != "c" {
		t.Errorf("followed to %q", id)
	}
	for _, right := range []string{"INSERT", "UPDATE", "DELETE", "TRUNCATE"} {
		if may := rightsOf(t, o.Schema, name, right); len(may) > 0 {
			t.Errorf("a reader may %s %v", right, may)
		}
	}
	if _, err := postgres.Open(t.Context(), as, &postgres.Options{Schema: o.Schema, Log: "new", ReadOnly: true}); !errors.Is(err, deed.ErrNotFound) {
		t.Errorf("a log that is not there: %v", err)
	}
	if _, err := postgres.Open(t.Context(), as, &postgres.Options{Schema: fresh(t), ReadOnly: true}); err == nil || !strings.Contains(err.Error(), "deed schema") {
		t.Errorf("a schema that is not there: %v", err)
	}
}

// On a standby a log is opened for reading only, and followed as the primary writes it.
func TestAStandbyIsRead(t *testing.T) {
	t.Parallel()
	c := ownServer(t)
	primary := openedAt(t, c.URL(), nil)
	fill(t, primary)
	if err := primary.InlineViews().DropView(t.Context(), deed.ViewRef{Name: "notes", Version: 1}); err != nil {
		t.Fatal(err)
	}
	s, err := c.Standby()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	if _, err := postgres.Open(t.Context(), s.URL(), nil); !errors.Is(err, deed.ErrReadOnly) || !strings.Contains(err.Error(), "is a standby") {
		t.Errorf("to write: %v", err)
	}
	var said lines
	db := openedAt(t, s.URL(), &postgres.Options{ReadOnly: true, Logger: slog.New(slog.NewTextHandler(&said, nil))})
	writesAreRefused(t, db)
	go func() {
		for v := deed.Version(2); v < 5; v++ {
			b := write("order-1", v, fmt.Sprint("e", v))
			_, err := primary.Append(t.Context(), b)
			for errors.Is(err, deed.ErrUnknown) { // its connection was lost with the copy
				_, err = primary.Append(t.Context(), b)
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	}()
	var got []string
	for r, err := range db.Read(within(t), deed.Query{Follow: true, Limit: 5}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, r.ID)
	}
	if fmt.Sprint(got) != "[a b e2 e3 e4]" {
		t.Errorf("followed %v", got)
	}
	if strings.Contains(said.String(), "WARN") {
		t.Errorf("it was said:\n%s", said.String())
	}
}

// writesAreRefused tries all that writes.
func writesAreRefused(t *testing.T, db *postgres.DB) {
	t.Helper()
	ctx, zero, view := within(t), deed.Position(0), deed.ViewRef{Name: "others", Version: 1}
	_, errAppend := db.Append(ctx, write("order-9", 0, "z"))
	_, errPart := db.OpenPart(ctx, deed.PartSpec{Name: "other", Kind: "process", From: &zero, Log: db.Info()})
	_, errView := db.OpenView(ctx, deed.ViewSpec{ViewRef: view})
	_, errInline := db.InlineViews().OpenView(ctx, deed.ViewSpec{ViewRef: view})
	for what, err := range map[string]error{
		"an append": errAppend, "a part": errPart, "a view": errView, "an inline view": errInline,
		"a part's step":    db.CommitPart(ctx, deed.PartCommit{Part: "mailer", Version: 1, From: 2, Checkpoint: deed.Checkpoint{Position: 3}}),
		"a view's step":    db.CommitView(ctx, deed.ViewCommit{View: deed.ViewRef{Name: "notes", Version: 1}, From: 2, Checkpoint: deed.Checkpoint{Position: 3}}),
		"a view dropped":   db.DropView(ctx, deed.ViewRef{Name: "notes", Version: 1}),
		"effects finished": db.FinishEffects(ctx, []string{"e"}),
		"outcomes removed": db.Forget(ctx, time.Now().Add(48*time.Hour)),
	} {
		if !errors.Is(err, deed.ErrReadOnly) || errors.Is(err, deed.ErrUnknown) {
			t.Errorf("%s is answered with %v", what, err)
		}
	}
}

// A role that may append does that and reads, and can change nothing of what is stored.
func TestARoleThatMayOnlyAppend(t *testing.T) {
	t.Parallel()
	o := postgres.Options{Schema: fresh(t)}
	owner := opened(t, &o)
	name, as := role(t, "appender")
	execute(t, server, postgres.Grants(o, postgres.Roles{Appender: name}))
	db := openedAt(t, as, &o)
	for i := range 3 {
		b := write("order-1", deed.Version(i), string(rune('a'+i)))
		b.Checks = []deed.Check{{Match: []deed.Match{{Tags: []string{"email:" + string(rune('a'+i))}}}}}
		b.Writes[0].Events[0].Tags = []string{"email:" + string(rune('a'+i))}
		b.Command = deed.CommandRef{ID: string(rune('A' + i)), Hash: "h"}
		appended(t, db, b)
		if r := appended(t, db, b); !r.Again {
			t.Errorf("a repetition got %+v", r)
		}
	}
	if got := ids(t, db, deed.Query{}); len(got) != 3 {
		t.Errorf("the log has %v", got)
	}
	own := openedAt(t, as, &postgres.Options{Schema: o.Schema, Log: "own"})
	appended(t, own, write("order-1", 0, "a"))
	if err := own.SetOrder(t.Context(), postgres.Parallel); err != nil {
		t.Fatal(err)
	}
	appended(t, own, write("order-1", 1, "b"))
	if got := ids(t, own, deed.Query{}); len(got) != 2 {
		t.Errorf("in parallel the log has %v", got)
	}
	if may := rightsOf(t, o.Schema, name, "UPDATE"); !slices.Equal(may, []string{"logs"}) {
		t.Errorf("an appender may UPDATE %v", may)
	}
	if may := append(rightsOf(t, o.Schema, name, "DELETE"), rightsOf(t, o.Schema, name, "TRUNCATE")...); len(may) > 0 {
		t.Errorf("an appender may DELETE from or TRUNCATE %v", may)
	}
	for _, err := range []error{db.Forget(t.Context(), time.Now().Add(48*time.Hour)), db.DropView(t.Context(), deed.ViewRef{Name: "notes", Version: 1})} {
		if !errors.Is(err, deed.ErrReadOnly) {
			t.Errorf("error is %v", err)
		}
	}
	if _, err := owner.InlineViews().OpenView(t.Context(), deed.ViewSpec{ViewRef: deed.ViewRef{Name: "notes", Version: 1}}); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Append(t.Context(), write("order-1", 3, "d")); err == nil || errors.Is(err, deed.ErrUnknown) {
		t.Errorf("an append to a log with an inline view is answered with %v", err)
	}
}

// Grants knows every table, so that none is forgotten that a later version adds.
func TestGrantsKnowEveryTable(t *testing.T) {
	t.Parallel()
	o := postgres.Options{Schema: fresh(t)}
	db := opened(t, &o)
	defer func() { _ = db.Close() }()
	all := rightsOf(t, o.Schema, "pg_read_all_data", "SELECT")
	if len(all) < 10 {
		t.Fatalf("the schema has only %v", all)
	}
	for _, roles := range []func(string) postgres.Roles{
		func(name string) postgres.Roles { return postgres.Roles{Service: name} },
		func(name string) postgres.Roles { return postgres.Roles{Appender: name} },
		func(name string) postgres.Roles { return postgres.Roles{Reader: name} },
	} {
		name, _ := role(t, "any")
		execute(t, server, postgres.Grants(o, roles(name)))
		if may := rightsOf(t, o.Schema, name, "SELECT"); !slices.Equal(may, all) {
			t.Errorf("%+v may SELECT from %v, of %v", roles("x"), may, all)
		}
	}
}
