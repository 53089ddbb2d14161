package deed_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

func viewsBeside(path string) string { return strings.TrimSuffix(path, ".db") + "-views.db" }

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	must(t, err)
	must(t, os.WriteFile(to, data, 0o600))
	for _, left := range []string{"-wal", "-shm"} {
		must(t, os.RemoveAll(to+left))
	}
}

// runs is what Run answers while nobody ends it.
func runs(t *testing.T, db *sqlite.DB, parts ...deed.Part) error {
	t.Helper()
	return newService(t, db, parts...).Run(bounded(t))
}

func TestViewsOfAnotherLog(t *testing.T) {
	t.Run("are refused with ErrForeignPosition", func(t *testing.T) {
		one, other := inFile(t), inFile(t)
		one.served([]deed.Part{accounts, lines}, func(s *running, _ *sqlite.DB) {
			s.send(accounts.Send("1", open{"ann"}))
			s.settle()
		})
		other.during(func(*sqlite.DB) {})
		copyFile(t, viewsBeside(one.path), viewsBeside(other.path))
		other.during(func(db *sqlite.DB) {
			wantErr(t, runs(t, db, accounts, lines), deed.ErrForeignPosition)
		})
	})
	t.Run("are refused with ErrForked where they are ahead of the log", func(t *testing.T) {
		file := inFile(t)
		file.served([]deed.Part{accounts, lines}, func(s *running, _ *sqlite.DB) {
			s.send(accounts.Send("1", open{"ann"}))
			s.settle()
		})
		copyFile(t, file.path, file.path+".old")
		file.served([]deed.Part{accounts, lines}, func(s *running, _ *sqlite.DB) {
			s.send(accounts.Send("1", pay{5}))
			s.settle()
		})
		copyFile(t, file.path+".old", file.path)
		file.during(func(db *sqlite.DB) {
			wantErr(t, runs(t, db, accounts, lines), deed.ErrForked)
		})
		file.during(func(db *sqlite.DB) { // the log has gone on another way since: as long, and longer
			_, err := accounts.Handler(db).Handle(bounded(t), "1", pay{7})
			must(t, err)
			wantErr(t, runs(t, db, accounts, lines), deed.ErrForked)
			_, err = accounts.Handler(db).Handle(bounded(t), "1", pay{7})
			must(t, err)
			wantErr(t, runs(t, db, accounts, lines), deed.ErrForked)
		})
		must(t, os.Remove(viewsBeside(file.path))) // which is what the error says to do
		file.served([]deed.Part{accounts, lines}, func(s *running, db *sqlite.DB) {
			row, err := lines.View(db).Get(bounded(t), "1", 3)
			must(t, err)
			want(t, "row", row, line{"ann", 14, 2})
		})
	})
	t.Run("are refused where only what is not for them was lost", func(t *testing.T) {
		file := inFile(t)
		file.served([]deed.Part{accounts, lines}, func(s *running, _ *sqlite.DB) {
			s.send(accounts.Send("1", open{"ann"}))
			s.settle()
		})
		copyFile(t, file.path, file.path+".old")
		file.served([]deed.Part{accounts, lines}, func(s *running, db *sqlite.DB) {
			write(t, db, "noise-1", "noise", `{}`)
			s.settle()
		})
		copyFile(t, file.path+".old", file.path)
		file.during(func(db *sqlite.DB) {
			wantErr(t, runs(t, db, accounts, lines), deed.ErrForked)
		})
	})
	t.Run("end Run with the error of the part, and with nothing when Run is told to end", func(t *testing.T) {
		db, _ := memory(t)
		ctx, cancel := context.WithCancelCause(bounded(t))
		cancel(context.DeadlineExceeded)
		must(t, newService(t, db, accounts, lines).Run(ctx))
		ctx, cancel = context.WithCancelCause(bounded(t))
		cancel(os.ErrClosed) // whatever the cause
		must(t, newService(t, db, accounts, lines).Run(ctx))
		must(t, db.Close())
	})
}
