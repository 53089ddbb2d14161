package deed_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

// owners is a full-text index of who owns which account, and what is paid in beside it.
var owners = deed.Tables[deed.Event]{
	Name:   "owners",
	Events: accountEvents,
	Create: []string{
		`CREATE VIRTUAL TABLE {names} USING fts5(id UNINDEXED, owner)`,
		`CREATE TABLE {sums} (id TEXT PRIMARY KEY, sum INTEGER NOT NULL CHECK (sum < 1000))`,
		`CREATE INDEX {sums_by_sum} ON {sums} (sum)`,
	},
	Write: func(r deed.Recorded[deed.Event]) []deed.Statement {
		id := r.Stream.ID()
		switch e := r.Event.(type) {
		case opened:
			return []deed.Statement{
				deed.SQL(`INSERT INTO {names} (id, owner) VALUES (?, ?)`, id, e.Owner),
				deed.SQL(`INSERT INTO {sums} VALUES (?, 0)`, id),
			}
		case renamed:
			return []deed.Statement{deed.SQL(`UPDATE {names} SET owner = ? WHERE id = ?`, e.Owner, id)}
		case paid:
			return []deed.Statement{deed.SQL(`UPDATE {sums} SET sum = sum + ? WHERE id = ?`, e.Amount, id)}
		}
		return nil
	},
}

// found are the ids of those whose owner matches, with what they have paid in.
func found(t *testing.T, views deed.ViewStore, p deed.Tables[deed.Event], match string, after deed.Position) [][]any {
	t.Helper()
	rows, err := p.View(views).Select(bounded(t), after,
		`SELECT id, sum FROM {names} JOIN {sums} USING (id) WHERE {names} MATCH ? ORDER BY sum DESC, id`, match)
	must(t, err)
	return rows
}

func TestTables(t *testing.T) {
	file := inFile(t)
	file.served([]deed.Part{accounts, owners}, func(s *running, db *sqlite.DB) {
		s.send(accounts.Send("1", open{"Ann Lee"}), accounts.Send("2", open{"Bob Lee"}), accounts.Send("3", open{"Cay Ott"}), accounts.Send("2", pay{7}))
		at := s.send(accounts.Send("3", rename{"Cay Lee-Ott"})).Position
		want(t, "found", found(t, db, owners, "lee", at), [][]any{{"2", int64(7)}, {"1", int64(0)}, {"3", int64(0)}})
		s.settle()
		if part := s.part("owners"); part.Kind != "tables" || part.State != deed.StateLive || part.Position != at {
			t.Errorf("the status is %+v", part)
		}
	})
	t.Run("are as they were after a restart", func(t *testing.T) {
		writes := 0
		p := owners
		p.Write = func(r deed.Recorded[deed.Event]) []deed.Statement { writes++; return owners.Write(r) }
		file.served([]deed.Part{accounts, p}, func(s *running, db *sqlite.DB) {
			s.settle()
			want(t, "found", len(found(t, db, p, "lee", 5)), 3)
			want(t, "writes", writes, 0)
		})
	})
	t.Run("are made anew for a raised version, and for other tables", func(t *testing.T) {
		p := owners
		p.Version = 2
		p.Write = func(r deed.Recorded[deed.Event]) []deed.Statement {
			if e, ok := r.Event.(paid); ok {
				e.Amount *= 2
				r.Event = e
			}
			return owners.Write(r)
		}
		file.served([]deed.Part{accounts, p}, func(s *running, db *sqlite.DB) {
			want(t, "found", found(t, db, p, "bob", 5), [][]any{{"2", int64(14)}})
		})
		p.Create = append(p.Create[:2:2], `CREATE INDEX {other} ON {sums} (sum, id)`)
		file.served([]deed.Part{accounts, p}, func(s *running, db *sqlite.DB) {
			want(t, "found", found(t, db, p, "bob", 5), [][]any{{"2", int64(14)}})
			must(t, db.DropView(bounded(t), deed.ViewRef{Name: "owners", Version: 2}))
		})
	})
}

// What a statement cannot do is parked with what follows of its stream; the rest goes on.
func TestTablesPark(t *testing.T) {
	db, _ := memory(t)
	s := start(t, db, accounts, owners)
	s.send(accounts.Send("1", open{"ann"}), accounts.Send("2", open{"bob"}), accounts.Send("1", pay{1000}), accounts.Send("1", pay{3}))
	at := s.send(accounts.Send("2", pay{4})).Position
	view := owners.View(db)
	rows, err := view.Select(bounded(t), at, `SELECT id, sum FROM {sums} ORDER BY id`)
	var parked *deed.ParkedError
	if !errors.As(err, &parked) || parked.Position != 3 || parked.Key != "account-1" {
		t.Fatalf("got %v, want *ParkedError at 3", err)
	}
	want(t, "rows", rows, [][]any{{"1", int64(0)}, {"2", int64(4)}})
	s.settle()
	want(t, "records", s.parked("owners")[0].Records, 2)
	if !strings.Contains(s.parked("owners")[0].Error, "CHECK constraint") {
		t.Errorf("got %q", s.parked("owners")[0].Error)
	}
	at = s.retry("owners", "account-1")
	_, err = view.Select(bounded(t), at, `SELECT 1`)
	wantErr(t, err, deed.ErrParked)
	at = s.skip("owners", "account-1")
	rows, err = view.Select(bounded(t), at, `SELECT id, sum FROM {sums} ORDER BY id`)
	must(t, err)
	want(t, "rows", rows, [][]any{{"1", int64(3)}, {"2", int64(4)}})
}

func TestTablesStayInTheirOwn(t *testing.T) {
	db, _ := memory(t)
	other := owners
	other.Name = "others"
	s := start(t, db, accounts, lines, owners, other)
	at := s.send(accounts.Send("1", open{"ann"})).Position
	view := owners.View(db)
	for _, sql := range []string{
		`DELETE FROM {sums}`, `SELECT * FROM views`, `SELECT * FROM view_1`, `SELECT * FROM t3_sums`, `PRAGMA user_version`, `COMMIT`,
		`SELECT * FROM sqlite_schema JOIN view_parked`, `SELECT 1; SELECT 2`, ``, `SELECT nonsense`, `SELECT ?`,
	} {
		_, err := view.Select(bounded(t), at, sql)
		if !errors.As(err, new(*deed.InvalidError)) {
			t.Errorf("%q: got %v, want *InvalidError", sql, err)
		}
	}
	rows, err := view.Select(bounded(t), at, `WITH a AS (SELECT id FROM {sums}) SELECT a.id, j.value FROM a, json_each('[7]') j, (SELECT 1)`)
	must(t, err)
	want(t, "rows of a query with names of its own", rows, [][]any{{"1", int64(7)}})
	s.stop()
	for _, sql := range []string{`DELETE FROM views`, `COMMIT`, `PRAGMA user_version = 9`, `ATTACH 'x' AS y`, `CREATE TABLE mine (a)`, `DROP TABLE views`} {
		p := owners
		p.Write = func(deed.Recorded[deed.Event]) []deed.Statement { return []deed.Statement{deed.SQL(sql)} }
		p.Name = "bad"
		s := start(t, db, accounts, p)
		s.settle()
		if held := s.parked("bad"); len(held) != 1 {
			t.Errorf("%q was carried out: %+v", sql, held)
		}
		s.stop()
		must(t, db.DropView(bounded(t), deed.ViewRef{Name: "bad", Version: 1}))
	}
	p := owners
	p.Name, p.Create = "worse", []string{`CREATE TABLE {a} (x)`, `CREATE TABLE b (x)`}
	if _, err := deed.NewService(deed.Config{Store: db, Views: db}, p); !errors.As(err, new(*deed.InvalidError)) {
		t.Errorf("a table without braces: %v, want *InvalidError", err)
	}
	got, err := lines.View(db).Get(bounded(t), "1", at)
	must(t, err)
	want(t, "the rows of another", got, line{"ann", 0, 0})
}

func TestTablesFaults(t *testing.T) {
	db, _ := memory(t)
	_, err := deed.NewService(deed.Config{Store: db, Views: db}, deed.Tables[deed.Event]{Name: "Bad", Version: -1})
	for _, word := range []string{"Name", "Version", "Create, Write", "Events"} {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("got %v, want it to say %s", err, word)
		}
	}
	p := owners
	p.Write = func(deed.Recorded[deed.Event]) []deed.Statement {
		return []deed.Statement{deed.SQL(`SELECT ?`, struct{}{})}
	}
	s := start(t, db, accounts, p)
	s.send(accounts.Send("1", open{"ann"}))
	s.settle()
	if held := s.parked("owners"); len(held) != 1 || !strings.Contains(held[0].Error, "no value of SQL") {
		t.Errorf("an argument that is none: %+v", held)
	}
}
