package deed_test

import (
	"context"
	"testing"

	"github.com/deed-es/deed"
)

// Whatever a statement does to its transaction, it is parked and the rest goes on.
func TestTablesStatementsThatFail(t *testing.T) {
	for name, sql := range map[string]string{
		"roll back":                     `INSERT OR ROLLBACK INTO {sums} (id, sum) VALUES ('2', 0)`,
		"fail":                          `INSERT OR FAIL INTO {sums} (id, sum) VALUES ('2', 0)`,
		"break what is checked late":    `INSERT INTO {children} (parent) VALUES ('nobody')`,
		"make what is temporary":        `CREATE TEMP TABLE {mine} (x)`,
		"listen to the tables of deed":  `CREATE TRIGGER {spy} AFTER INSERT ON views BEGIN DELETE FROM {sums}; END`,
		"index the tables of deed":      `CREATE INDEX {spy} ON views (name)`,
		"raise in a trigger":            `UPDATE {sums} SET sum = 999 WHERE id = '2'`,
		"select from what is not there": `SELECT * FROM {nothing}`,
	} {
		t.Run(name, func(t *testing.T) {
			db, _ := memory(t)
			p := owners
			p.Create = append(p.Create[:3:3],
				`CREATE TABLE {children} (parent TEXT REFERENCES {sums} (id) DEFERRABLE INITIALLY DEFERRED)`,
				`CREATE TRIGGER {no} BEFORE UPDATE ON {sums} WHEN NEW.sum = 999 BEGIN SELECT raise(ROLLBACK, 'no'); END`)
			p.Write = func(r deed.Recorded[deed.Event]) []deed.Statement {
				statements := owners.Write(r)
				if e, ok := r.Event.(paid); ok && e.Amount == 13 {
					statements = append(statements, deed.SQL(sql))
				}
				return statements
			}
			s := start(t, db, accounts, lines, p)
			s.send(accounts.Send("1", open{"ann"}), accounts.Send("2", open{"bob"}), accounts.Send("1", pay{13}), accounts.Send("2", pay{5}))
			at := s.send(accounts.Send("1", pay{1})).Position
			rows, err := p.View(db).Select(bounded(t), at, `SELECT id, sum FROM {sums} ORDER BY id`)
			wantErr(t, err, deed.ErrParked)
			want(t, "rows", rows, [][]any{{"1", int64(0)}, {"2", int64(5)}})
			held := s.parked("owners")
			want(t, "parked", []any{len(held), held[0].Key, held[0].Position, held[0].Records}, []any{1, "account-1", deed.Position(3), 2})
			got, err := lines.View(db).Get(bounded(t), "1", at)
			must(t, err)
			want(t, "the row of another part", got, line{"ann", 14, 2})
		})
	}
}

// retriedMeanwhile is a store where somebody retries what is parked just after rows were selected.
type retriedMeanwhile struct {
	*hooked
	retry func()
}

func (s retriedMeanwhile) QueryTables(ctx context.Context, view deed.ViewRef, statement deed.Statement, limit int) ([][]any, deed.Position, error) {
	rows, at, err := s.hooked.QueryTables(ctx, view, statement, limit)
	s.retry()
	return rows, at, err
}

// Rows that lack what was parked when they were read say so, though it is not parked any more when they are returned.
func TestTablesSelectWhileRetried(t *testing.T) {
	db, _ := memory(t)
	p := owners
	broken := make(chan struct{})
	p.Write = func(r deed.Recorded[deed.Event]) []deed.Statement {
		select {
		case <-broken:
		default:
			if _, ok := r.Event.(paid); ok {
				panic("unlucky")
			}
		}
		return owners.Write(r)
	}
	s := start(t, db, accounts, p)
	at := s.send(accounts.Send("1", open{"ann"}), accounts.Send("1", pay{5})).Position
	s.settle()
	store := retriedMeanwhile{&hooked{DB: db}, func() {
		close(broken)
		s.retry("owners", "account-1")
		s.settle()
	}}
	_, err := p.View(store).Select(bounded(t), at, `SELECT sum FROM {sums}`)
	wantErr(t, err, deed.ErrParked)
}

// Tables whose rows name each other can be made anew.
func TestTablesWithForeignKeysAreRebuilt(t *testing.T) {
	db, _ := memory(t)
	p := owners
	p.Create = append(p.Create[:3:3],
		`CREATE TABLE {payments} (position INTEGER PRIMARY KEY, id TEXT NOT NULL REFERENCES {sums} (id), next REFERENCES {payments} (position))`,
		`CREATE TRIGGER {keep} BEFORE DELETE ON {payments} BEGIN SELECT raise(ABORT, 'no payment is forgotten'); END`)
	p.Write = func(r deed.Recorded[deed.Event]) []deed.Statement {
		statements := owners.Write(r)
		if r.Type == "account-paid" {
			statements = append(statements, deed.SQL(`INSERT INTO {payments} VALUES (?, ?, ?)`, r.Position, r.Stream.ID(), r.Position))
		}
		return statements
	}
	s := start(t, db, accounts, p)
	s.send(accounts.Send("1", open{"ann"}), accounts.Send("1", pay{13}))
	s.settle()
	receipt, err := s.Control().Rebuild(bounded(t), "owners")
	must(t, err)
	s.settle()
	rows, err := p.View(db).Select(bounded(t), receipt.Position, `SELECT id, position FROM {payments}`)
	must(t, err)
	want(t, "rows", rows, [][]any{{"1", int64(2)}})
}
