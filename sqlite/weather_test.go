package sqlite_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

func TestAFullDiskLosesNothingAndIsGotOver(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	db := opened(t, filepath.Join(t.TempDir(), "log.db"), sqlite.Options{}.WithBelow(m.below()))
	first := appended(t, db, write("a-1", 0, "1"))
	if err := project(t.Context(), db, deed.Query{}); err != nil {
		t.Fatal(err)
	}

	m.spoil(func(c call) error {
		if c.grow {
			return sqlite3.FULL
		}
		return nil
	})
	b := write("a-1", 1, "2")
	for range 3 {
		_, err := db.Append(within(t), b)
		wantErr(t, err, sqlite3.FULL)
		if !strings.Contains(err.Error(), "database or disk is full") {
			t.Errorf("the error does not say what is the matter: %v", err)
		}
	}
	_, err := db.Append(within(t), write("a-1", 7, "x"))
	wantErr(t, err, deed.ErrConflict) // what needs no room is answered
	if again := appended(t, db, write("a-1", 0, "1")); !again.Again || again.Position != first.Position {
		t.Errorf("a repetition got %+v", again)
	}
	row := deed.RowChange{Row: deed.Row{Key: "a-1", Data: []byte("{}"), Position: 2}}
	err = db.CommitView(within(t), deed.ViewCommit{View: streamsView, From: 1, Checkpoint: deed.Checkpoint{Position: 2}, Rows: []deed.RowChange{row}})
	wantErr(t, err, sqlite3.FULL)
	if got := strings.Join(ids(t, db, deed.Query{}), " "); got != "1" {
		t.Errorf("on the full disk the log has %s", got)
	}
	if err := checkStreams(t.Context(), db, records(t, db)); err != nil {
		t.Error(err)
	}

	m.spoil(nil)
	if r := appended(t, db, b); r.Position != 2 {
		t.Errorf("with room again: %+v", r)
	}
	if err := project(t.Context(), db, deed.Query{}); err != nil {
		t.Error(err)
	}
	if err := checkStreams(t.Context(), db, records(t, db)); err != nil {
		t.Error(err)
	}
}

func TestAFileThatIsRemovedOrReplacedIsNoticed(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("a file that is open cannot be removed")
	}
	for _, name := range []string{"log.db", "log.db-wal"} {
		path := filepath.Join(t.TempDir(), "log.db")
		db := opened(t, path, nil)
		appended(t, db, write("a-1", 0, "1"))
		gone := filepath.Join(filepath.Dir(path), name)
		if err := os.Rename(gone, gone+".away"); err != nil {
			t.Fatal(err)
		}
		_, err := db.Append(within(t), write("a-1", 1, "2"))
		wantErr(t, err, os.ErrNotExist)
		if errors.Is(err, deed.ErrUnknown) || !strings.Contains(err.Error(), "removed") {
			t.Errorf("%s removed: %v", name, err)
		}
		if err := os.WriteFile(gone, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err = db.Append(within(t), write("a-1", 1, "2")); err == nil || !strings.Contains(err.Error(), "replaced") {
			t.Errorf("%s replaced: %v", name, err)
		}
		if err := os.Rename(gone+".away", gone); err != nil {
			t.Fatal(err)
		}
		appended(t, db, write("a-1", 1, "2"))
	}
}

func TestAFileThatMayNotBeWrittenIsSaidToBe(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	path := filepath.Join(t.TempDir(), "log.db")
	db := opened(t, path, sqlite.Options{}.WithBelow(m.below()))
	appended(t, db, write("a-1", 0, "1"))
	m.spoil(func(c call) error {
		if c.kind == callWrite {
			return sqlite3.READONLY
		}
		return nil
	})
	_, err := db.Append(within(t), write("a-1", 1, "2"))
	if err == nil || !strings.Contains(err.Error(), "readonly") {
		t.Errorf("got %v", err)
	}
	if got := strings.Join(ids(t, db, deed.Query{}), " "); got != "1" {
		t.Errorf("the log has %s", got)
	}
	m.spoil(nil)
	appended(t, db, write("a-1", 1, "2"))
}

func TestAThousandIdleFollowersCostNothing(t *testing.T) {
	db := fresh(t)
	appended(t, db, write("a-1", 0, "1"))
	ctx, cancel := context.WithCancel(t.Context())
	var caughtUp, ended sync.WaitGroup
	for i := range 1000 {
		q := deed.Query{Follow: true, Marks: true}
		if i%2 == 0 {
			q.Stream = "a-1"
		}
		caughtUp.Add(1)
		ended.Go(func() {
			for r := range db.Read(ctx, q) {
				if r.ID == "" && r.Position > 0 {
					caughtUp.Done()
				}
			}
		})
	}
	caughtUp.Wait()
	const idle = 2 * time.Second
	before, began := processTime(t), time.Now()
	<-time.After(idle)
	used := processTime(t) - before
	share := 100 * used.Seconds() / time.Since(began).Seconds()
	t.Logf("1,000 idle followers: %v of CPU in %v, %.2f %% of a core", used, idle, share)
	cancel()
	ended.Wait()
	if share > 1 {
		t.Errorf("1,000 idle followers take %.2f %% of a core", share)
	}
}
