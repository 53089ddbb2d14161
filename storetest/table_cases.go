package storetest

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/deed-es/deed"
)

// RunTables checks a deed.TableStore in statements that SQL has everywhere. The same dir opens the same store again; what open
// returns also has Close() error.
func RunTables(t *testing.T, open func(t *testing.T, dir string) deed.TableStore) {
	for _, c := range tableCases() {
		t.Run(c.sentence, func(t *testing.T) {
			t.Parallel()
			c.run(&tableBed{newViewBed(t, func(dir string) deed.ViewStore { return open(t, dir) })})
		})
	}
}

type tableCase struct {
	sentence string
	run      func(b *tableBed)
}

// tableCases are the promises of deed.TableStore.
func tableCases() []tableCase {
	return []tableCase{
		{"what statements do and the checkpoint commit together and are read together", statementsCommit},
		{"a statement that fails is named, and nothing of the commit is stored", statementFails},
		{"what is checked late fails the commit too", statementFailsLate},
		{"a commit from another position carries out no statement", statementsFromElsewhere},
		{"each version of each view has tables of its own", tablesAreTheirOwn},
		{"tables are kept where they are opened again, and made anew where they are others", tablesAreKept},
		{"tables whose rows name each other are dropped, and made again", tablesNameEachOther},
		{"tables that cannot be made are invalid, and nothing of them is left", tablesCannotBeMade},
		{"values come back as they went in", valuesComeBack},
		{"more rows than the limit are invalid", rowsBeyondLimit},
		{"a query only reads", queryOnlyReads},
		{"a statement neither ends the transaction nor reaches other tables", statementsStay},
		{"a query sees a view's tables and position of one moment, whatever commits", queriedTogether},
		{"queries go on while tables are made anew", queriedWhileMade},
	}
}

type tableBed struct{ *viewBed }

func (b *tableBed) tables() deed.TableStore { return b.views.(deed.TableStore) }

func (b *tableBed) sums() deed.ViewSpec {
	return deed.ViewSpec{ViewRef: deed.ViewRef{Name: "sums", Version: 1}, Log: b.log, Tables: []string{
		`CREATE TABLE {sums} (id TEXT PRIMARY KEY, sum BIGINT NOT NULL CHECK (sum < 1000))`,
		`CREATE INDEX {sums_by_sum} ON {sums} (sum, id)`,
		`CREATE TABLE {children} (parent TEXT NOT NULL REFERENCES {sums} (id) DEFERRABLE INITIALLY DEFERRED)`,
		`CREATE VIEW {big} AS SELECT id FROM {sums} WHERE sum > 100`,
	}}
}

const insertSum = `INSERT INTO {sums} (id, sum) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET sum = {sums}.sum + excluded.sum`

func (b *tableBed) commit(view deed.ViewRef, from, to deed.Position, statements ...deed.Statement) error {
	step := b.stepOf(view, from, to)
	step.Statements = statements
	return b.views.CommitView(b.ctx, step)
}

func (b *tableBed) commits(view deed.ViewRef, from, to deed.Position, statements ...deed.Statement) {
	b.Helper()
	if err := b.commit(view, from, to, statements...); err != nil {
		b.Fatalf("commit: %v", err)
	}
}

// selects fails unless a query gives these rows, at a position.
func (b *tableBed) selects(view deed.ViewRef, at deed.Position, sql string, want ...[]any) {
	b.Helper()
	rows, position, err := b.tables().QueryTables(b.ctx, view, deed.SQL(sql), 0)
	if err != nil || position != at || len(rows) != len(want) || len(rows) > 0 && !reflect.DeepEqual(rows, want) {
		b.Errorf("%s: got %v at %d (%v), want %v at %d", sql, rows, position, err, want, at)
	}
}

func (b *tableBed) isInvalid(what string, err error) {
	b.Helper()
	if invalid := (*deed.InvalidError)(nil); !errors.As(err, &invalid) {
		b.Errorf("%s: got %v, want *InvalidError", what, err)
	}
}

const allSums = `SELECT id, sum FROM {sums} ORDER BY id`

func statementsCommit(b *tableBed) {
	view := b.sums().ViewRef
	b.make(b.sums())
	b.selects(view, 0, allSums)
	b.commits(view, 0, 3, deed.SQL(insertSum, "a", 7), deed.SQL(insertSum, "b", 200), deed.SQL(insertSum, "a", 1))
	b.selects(view, 3, allSums, []any{"a", int64(8)}, []any{"b", int64(200)})
	b.selects(view, 3, `SELECT id FROM {big};`, []any{"b"})
	b.commits(view, 3, 4)
	b.commits(view, 4, 5, deed.SQL(`DELETE FROM {sums} WHERE id = $1`, "b"), deed.SQL(`SELECT id FROM {sums}`), deed.SQL(`UPDATE {sums} SET sum = $1`, 9))
	b.selects(view, 5, `WITH s AS (SELECT * FROM {sums}) SELECT s.id, s.sum, (SELECT count(*) FROM {big}) FROM s`, []any{"a", int64(9), int64(0)})
	b.reopen()
	b.selects(view, 5, allSums, []any{"a", int64(9)})
	if _, _, err := b.tables().QueryTables(b.ctx, deed.ViewRef{Name: "sums", Version: 2}, deed.SQL(`SELECT 1`), 0); !errors.Is(err, deed.ErrNotFound) {
		b.Errorf("a view that is not there: %v", err)
	}
}

func statementFails(b *tableBed) {
	view := b.sums().ViewRef
	b.make(b.sums())
	b.commits(view, 0, 1, deed.SQL(insertSum, "a", 7))
	good := deed.SQL(insertSum, "b", 1)
	for what, bad := range map[string]deed.Statement{
		"breaks a check":        deed.SQL(insertSum, "a", 993),
		"breaks a key":          deed.SQL(`INSERT INTO {sums} (id, sum) VALUES ('a', 1)`),
		"lacks a value":         deed.SQL(`INSERT INTO {sums} (id, sum) VALUES ('c', $1)`, nil),
		"names no table":        deed.SQL(`DELETE FROM {nothing}`),
		"names no column":       deed.SQL(`SELECT nothing FROM {sums}`),
		"has an argument less":  deed.SQL(insertSum, "a"),
		"has an argument more":  deed.SQL(insertSum, "a", 1, 2),
		"is no SQL":             deed.SQL(`well`),
		"is nothing":            deed.SQL(` `),
		"is two statements":     deed.SQL(`DELETE FROM {sums}; DELETE FROM {sums}`),
		"has a text not closed": deed.SQL(`INSERT INTO {sums} (id, sum) VALUES ('c, 1)`),
	} {
		err := b.commit(view, 1, 2, good, good, bad, good)
		var fault *deed.StatementError
		if !errors.As(err, &fault) || fault.Index != 2 || fault.Err == nil {
			b.Errorf("%s: got %v, want a *StatementError of statement 2", what, err)
		}
		b.selects(view, 1, allSums, []any{"a", int64(7)})
	}
	b.commits(view, 1, 2, good)
	b.selects(view, 2, allSums, []any{"a", int64(7)}, []any{"b", int64(1)})
}

func statementFailsLate(b *tableBed) {
	view := b.sums().ViewRef
	b.make(b.sums())
	child := deed.SQL(`INSERT INTO {children} (parent) VALUES ($1)`, "a")
	var fault *deed.StatementError
	if err := b.commit(view, 0, 1, child, deed.SQL(insertSum, "b", 1)); !errors.As(err, &fault) {
		b.Errorf("got %v, want *StatementError", err)
	}
	b.selects(view, 0, allSums)
	b.commits(view, 0, 1, child, deed.SQL(insertSum, "a", 1))
	b.selects(view, 1, `SELECT parent FROM {children}`, []any{"a"})
}

func statementsFromElsewhere(b *tableBed) {
	view := b.sums().ViewRef
	b.make(b.sums())
	b.commits(view, 0, 2, deed.SQL(insertSum, "a", 1))
	if err := b.commit(view, 1, 3, deed.SQL(insertSum, "a", 1)); !errors.Is(err, deed.ErrConflict) {
		b.Errorf("from another position: %v", err)
	}
	b.selects(view, 2, allSums, []any{"a", int64(1)})
}

func tablesAreTheirOwn(b *tableBed) {
	all := []deed.ViewSpec{b.sums(), b.sums(), b.sums()}
	all[1].Version, all[2].Name = 2, "others"
	for i, spec := range all {
		b.make(spec)
		b.commits(spec.ViewRef, 0, deed.Position(i+1), deed.SQL(insertSum, "a", i))
	}
	if err := b.views.DropView(b.ctx, all[0].ViewRef); err != nil {
		b.Fatalf("drop: %v", err)
	}
	b.selects(all[1].ViewRef, 2, allSums, []any{"a", int64(1)})
	b.selects(all[2].ViewRef, 3, allSums, []any{"a", int64(2)})
	if _, _, err := b.tables().QueryTables(b.ctx, all[0].ViewRef, deed.SQL(allSums), 0); !errors.Is(err, deed.ErrNotFound) {
		b.Errorf("a view that was dropped: %v", err)
	}
	b.make(all[0])
	b.selects(all[0].ViewRef, 0, allSums)
}

func tablesAreKept(b *tableBed) {
	spec := b.sums()
	b.make(spec)
	b.commits(spec.ViewRef, 0, 5, deed.SQL(insertSum, "a", 1))
	b.reopen()
	if at := b.make(spec); at.Position != 5 {
		b.Errorf("opened again it is at %d, want 5", at.Position)
	}
	b.selects(spec.ViewRef, 5, allSums, []any{"a", int64(1)})
	spec.Tables = append(spec.Tables, `CREATE UNIQUE INDEX {sums_once} ON {sums} (sum)`)
	if at := b.make(spec); at != (deed.Checkpoint{}) {
		b.Errorf("with other tables it is at %+v, want nowhere", at)
	}
	b.selects(spec.ViewRef, 0, allSums)
	var fault *deed.StatementError
	if err := b.commit(spec.ViewRef, 0, 1, deed.SQL(insertSum, "a", 1), deed.SQL(insertSum, "b", 1)); !errors.As(err, &fault) || fault.Index != 1 {
		b.Errorf("the other tables: got %v, want a *StatementError of statement 1", err)
	}
	spec.Tables = nil
	if at := b.make(spec); at != (deed.Checkpoint{}) {
		b.Errorf("without tables it is at %+v, want nowhere", at)
	}
	_, _, err := b.tables().QueryTables(b.ctx, spec.ViewRef, deed.SQL(allSums), 0)
	b.isInvalid("tables that are gone", err)
}

func tablesNameEachOther(b *tableBed) {
	spec := deed.ViewSpec{ViewRef: deed.ViewRef{Name: "ring", Version: 1}, Log: b.log, Tables: []string{
		`CREATE TABLE {a} (id BIGINT PRIMARY KEY, next BIGINT REFERENCES {a} (id))`,
		`CREATE TABLE {b} (id BIGINT PRIMARY KEY, a BIGINT NOT NULL REFERENCES {a} (id))`,
		`CREATE TABLE {a0} (b BIGINT NOT NULL REFERENCES {b} (id))`,
	}}
	for range 2 {
		b.make(spec)
		b.commits(spec.ViewRef, 0, 1, deed.SQL(`INSERT INTO {a} VALUES (1, 1)`), deed.SQL(`INSERT INTO {b} VALUES (2, 1)`), deed.SQL(`INSERT INTO {a0} VALUES (2)`))
		b.selects(spec.ViewRef, 1, `SELECT {a}.next, x.a FROM {a} JOIN {b} x ON x.a = {a}.id`, []any{int64(1), int64(1)})
		if err := b.views.DropView(b.ctx, spec.ViewRef); err != nil {
			b.Fatalf("drop: %v", err)
		}
	}
}

func tablesCannotBeMade(b *tableBed) {
	for _, bad := range []string{
		`CREATE TABLE mine (x BIGINT)`, `CREATE INDEX mine ON {a} (x)`, `CREATE TABLE {a} (x BIGINT)`,
		`CREATE TEMP TABLE {c} (x BIGINT)`, `COMMIT`, `well`, ``,
	} {
		spec := deed.ViewSpec{ViewRef: deed.ViewRef{Name: "worse", Version: 1}, Log: b.log, Tables: []string{`CREATE TABLE {a} (x BIGINT)`, bad}}
		_, err := b.views.OpenView(b.ctx, spec)
		b.isInvalid(bad, err)
		if views, err := b.views.ListViews(b.ctx); err != nil || len(views) != 0 {
			b.Errorf("%s: views are left: %v (%v)", bad, views, err)
		}
		spec.Tables = spec.Tables[:1]
		b.make(spec)
		b.selects(spec.ViewRef, 0, `SELECT x FROM {a}`)
		if err := b.views.DropView(b.ctx, spec.ViewRef); err != nil {
			b.Fatalf("drop: %v", err)
		}
	}
}

func valuesComeBack(b *tableBed) {
	spec := deed.ViewSpec{ViewRef: deed.ViewRef{Name: "values", Version: 1}, Log: b.log, Tables: []string{
		`CREATE TABLE {v} (n BIGINT PRIMARY KEY, i BIGINT, f DOUBLE PRECISION, t TEXT, b BYTEA, o BOOLEAN)`,
	}}
	b.make(spec)
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.FixedZone("", 3600))
	const insert = `INSERT INTO {v} (n, i, f, t, b, o) VALUES ($1, $2, $3, $4, $5, $6)`
	b.commits(spec.ViewRef, 0, 1,
		deed.SQL(insert, 1, nil, nil, nil, nil, nil),
		deed.SQL(insert, int8(2), int64(-1<<63), 0.1, "", []byte{}, true),
		deed.SQL(insert, uint16(3), uint64(1<<63-1), float32(0.5), "ä'\"\\x{v}$1\n😀", []byte("\x00'\xff\\x{v}"), false),
		deed.SQL(insert, deed.Position(4), deed.Version(7), -2.5e-300, at, []byte("plain"), nil),
	)
	b.selects(spec.ViewRef, 1, `SELECT * FROM {v} ORDER BY n`,
		[]any{int64(1), nil, nil, nil, nil, nil},
		[]any{int64(2), int64(-1 << 63), 0.1, "", []byte{}, int64(1)},
		[]any{int64(3), int64(1<<63 - 1), 0.5, "ä'\"\\x{v}$1\n😀", []byte("\x00'\xff\\x{v}"), int64(0)},
		[]any{int64(4), int64(7), -2.5e-300, "2026-01-02T02:04:05.000006Z", []byte("plain"), nil},
	)
	rows, _, err := b.tables().QueryTables(b.ctx, spec.ViewRef, deed.SQL(`SELECT n FROM {v} WHERE t = $1 AND b = $2 AND i = $3`, at, []byte("plain"), 7), 1)
	if err != nil || !reflect.DeepEqual(rows, [][]any{{int64(4)}}) {
		b.Errorf("found by its values: %v (%v)", rows, err)
	}
	var fault *deed.StatementError
	if err := b.commit(spec.ViewRef, 1, 2, deed.SQL(insert, 5, uint64(1<<63), nil, nil, nil, nil)); !errors.As(err, &fault) {
		b.Errorf("a number that is too large: %v", err)
	}
}

func rowsBeyondLimit(b *tableBed) {
	view := b.sums().ViewRef
	b.make(b.sums())
	var statements []deed.Statement
	for _, id := range "abc" {
		statements = append(statements, deed.SQL(insertSum, string(id), 1))
	}
	b.commits(view, 0, 1, statements...)
	many := `SELECT x.id FROM {sums} x, {sums} y, {sums} z`
	for limit, fits := range map[int]bool{0: true, 1: false, 26: false, 27: true, 28: true} {
		rows, at, err := b.tables().QueryTables(b.ctx, view, deed.SQL(many), limit)
		switch {
		case fits && (err != nil || len(rows) != 27 || at != 1):
			b.Errorf("limit %d: %d rows at %d (%v)", limit, len(rows), at, err)
		case !fits:
			b.isInvalid("too many rows", err)
		}
	}
	_, _, err := b.tables().QueryTables(b.ctx, view, deed.SQL(allSums), -1)
	b.isInvalid("a negative limit", err)
}

func queryOnlyReads(b *tableBed) {
	view := b.sums().ViewRef
	b.make(b.sums())
	b.commits(view, 0, 1, deed.SQL(insertSum, "a", 1))
	for _, sql := range []string{
		`DELETE FROM {sums}`, `UPDATE {sums} SET sum = 2`, `INSERT INTO {sums} (id, sum) VALUES ('b', 1)`, `WITH x AS (SELECT 1) DELETE FROM {sums}`,
		`DROP TABLE {children}`, `CREATE TABLE {more} (x BIGINT)`,
	} {
		_, _, err := b.tables().QueryTables(b.ctx, view, deed.SQL(sql), 0)
		b.isInvalid(sql, err)
	}
	b.selects(view, 1, allSums, []any{"a", int64(1)})
	b.selects(view, 1, `SELECT parent FROM {children}`)
}

func statementsStay(b *tableBed) {
	view := b.sums().ViewRef
	b.make(b.sums())
	other := b.sums()
	other.Name = "others"
	b.make(other)
	b.commits(view, 0, 1, deed.SQL(insertSum, "a", 1))
	for _, sql := range []string{
		`COMMIT`, `ROLLBACK`, `BEGIN`, `SAVEPOINT x`, `END`, `SELECT 1; COMMIT`, `SELECT * FROM views`, `SELECT * FROM sums`, `SELECT * FROM t2_sums`,
		`SELECT * FROM events`, `SELECT ($1)`, `{sums}`, `DROP TABLE views`, `SELECT {sums`,
	} {
		_, _, err := b.tables().QueryTables(b.ctx, view, deed.SQL(sql), 0)
		b.isInvalid(sql, err)
		var fault *deed.StatementError
		if err := b.commit(view, 1, 2, deed.SQL(insertSum, "b", 1), deed.SQL(sql)); !errors.As(err, &fault) || fault.Index != 1 {
			b.Errorf("%s: got %v, want a *StatementError of statement 1", sql, err)
		}
	}
	b.selects(view, 1, allSums, []any{"a", int64(1)})
	b.selects(other.ViewRef, 0, allSums)
}

func queriedTogether(b *tableBed) {
	view := b.sums().ViewRef
	b.make(b.sums())
	b.commits(view, 0, 1, deed.SQL(insertSum, "a", 1))
	const steps = 100
	ctx, stop := context.WithCancel(b.ctx)
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for ctx.Err() == nil {
				rows, at, err := b.tables().QueryTables(b.ctx, view, deed.SQL(`SELECT sum FROM {sums}`), 1)
				if err != nil || len(rows) != 1 || rows[0][0] != int64(at) {
					b.Errorf("got %v at %d (%v)", rows, at, err)
					return
				}
			}
		})
	}
	for at := deed.Position(1); at < steps; at++ {
		b.commits(view, at, at+1, deed.SQL(insertSum, "a", 1))
	}
	stop()
	readers.Wait()
}

func queriedWhileMade(b *tableBed) {
	spec := b.sums()
	b.make(spec)
	ctx, stop := context.WithCancel(b.ctx)
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for ctx.Err() == nil {
				rows, at, err := b.tables().QueryTables(b.ctx, spec.ViewRef, deed.SQL(`SELECT s.sum FROM {children} c JOIN {sums} s ON s.id = c.parent`), 0)
				if errors.Is(err, deed.ErrNotFound) { // it is dropped, and not there again yet
					continue
				}
				if err != nil || len(rows) != int(at) {
					b.Errorf("got %v at %d (%v)", rows, at, err)
					return
				}
			}
		})
	}
	for range 20 {
		b.commits(spec.ViewRef, 0, 1, deed.SQL(insertSum, "a", 1), deed.SQL(`INSERT INTO {children} VALUES ('a')`))
		if err := b.views.DropView(b.ctx, spec.ViewRef); err != nil {
			b.Fatalf("drop: %v", err)
		}
		b.make(spec)
	}
	stop()
	readers.Wait()
}
