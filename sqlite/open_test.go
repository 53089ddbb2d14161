package sqlite_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ncruces/go-sqlite3"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

// The test binary opens this log and says how that went, instead of running tests.
const childEnv = "DEED_SQLITE_TEST_OPEN"

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		_, err := sqlite.Open(path, nil)
		fmt.Fprintln(os.Stdout, errors.Is(err, deed.ErrLocked), err)
		return
	}
	os.Exit(m.Run())
}

func TestSecondWriterIsTurnedAwayAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log.db")
	db := opened(t, path, nil)
	me := fmt.Sprintf("pid %d on ", os.Getpid())

	_, err := sqlite.Open(path, nil)
	wantErr(t, err, deed.ErrLocked)
	if !strings.Contains(err.Error(), me) {
		t.Errorf("%q does not name the holder, %q", err, me)
	}

	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childEnv+"="+path)
	said, err := child.CombinedOutput()
	if err != nil || !strings.HasPrefix(string(said), "true ") || !strings.Contains(string(said), me) {
		t.Errorf("the other process said %q, %v", said, err)
	}

	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	opened(t, path, nil)
}

func TestOneLogHasOneLockUnderAllItsNames(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, link := filepath.Join(dir, "log.db"), filepath.Join(dir, "other.db")
	opened(t, path, nil)
	if err := os.Symlink(path, link); err != nil {
		t.Skip(err)
	}
	_, err := sqlite.Open(link, nil)
	wantErr(t, err, deed.ErrLocked)
}

func TestReopenKeepsEverything(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log.db")
	clock := newHandClock()
	db := opened(t, path, &sqlite.Options{Clock: clock})
	info := db.Info()
	if info.ID == "" || info.Incarnation != 1 || info.Began != 0 {
		t.Errorf("a new log is %+v", info)
	}
	full := deed.NewEvent{
		ID: "e1", Type: "noted", Schema: 3, ContentType: "text/plain", Data: []byte("\xff\x00"), Metadata: []byte(`{"actor":"me"}`),
		Tags: []string{"a:1", "b:2"},
	}
	b := deed.Batch{Writes: []deed.Write{{Stream: "note-1", Events: []deed.NewEvent{full}}}, Command: deed.CommandRef{ID: "c", Hash: "h"}}
	first := appended(t, db, b)
	commitRow(t, db, "k", `{}`, 1)
	before := records(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	db = opened(t, path, &sqlite.Options{Clock: newHandClock()})
	if db.Info() != info {
		t.Errorf("reopened as %+v, was %+v", db.Info(), info)
	}
	after := records(t, db)
	if fmt.Sprintf("%+v", before) != fmt.Sprintf("%+v", after) {
		t.Errorf("from memory %+v, from the file %+v", before, after)
	}
	if again := appended(t, db, b); !again.Again || again.Position != first.Position || again.Version() != 1 {
		t.Errorf("the repeated command got %+v", again)
	}
	if row, at, err := db.Row(t.Context(), testView, "k"); err != nil || at != 1 || string(row.Data) != "{}" {
		t.Errorf("row %+v at %d, %v", row, at, err)
	}
	if r := appended(t, db, write("note-1", 1, "e2")); r.Position != 2 {
		t.Errorf("the next event got position %d", r.Position)
	}
}

func records(t *testing.T, db *sqlite.DB) []deed.Record {
	t.Helper()
	var all []deed.Record
	for r, err := range db.Read(t.Context(), deed.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

func TestWhatIsNotOursIsRefusedAndLeftAlone(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(path string) error{
		"not a deed log: sqlite3: file is not a database": func(path string) error {
			return os.WriteFile(path, []byte(strings.Repeat("a diary, not a database. ", 100)), 0o600)
		},
		"another program's database": func(path string) error {
			return sql(path, "CREATE TABLE t (x); PRAGMA application_id=77")
		},
		"schema version 99, made by a newer program; this one knows up to 3": func(path string) error {
			db, err := sqlite.Open(path, nil)
			if err != nil {
				return err
			}
			return errors.Join(db.Close(), sql(path, "PRAGMA user_version=99"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log.db")
			if err := make(path); err != nil {
				t.Fatal(err)
			}
			for _, readOnly := range []bool{false, true} {
				was, _ := os.ReadFile(path)
				_, err := sqlite.Open(path, &sqlite.Options{ReadOnly: readOnly})
				if err == nil || !strings.Contains(err.Error(), name) {
					t.Errorf("got %v", err)
				}
				if is, _ := os.ReadFile(path); string(is) != string(was) {
					t.Error("the file was changed")
				}
			}
		})
	}
}

// sql runs statements as another program would.
func sql(path, statements string) error {
	c, err := sqlite3.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(c.Exec(statements), c.Close())
}

func TestOptionsAreCheckedAllAtOnce(t *testing.T) {
	t.Parallel()
	_, err := sqlite.Open("", &sqlite.Options{MaxEvent: -1})
	if err == nil || !strings.Contains(err.Error(), "path: ") || !strings.Contains(err.Error(), "MaxEvent: ") {
		t.Errorf("got %v", err)
	}
	if _, err = sqlite.OpenMemory(&sqlite.Options{ReadOnly: true}); err == nil {
		t.Error("a log in memory was opened read-only")
	}
	_, err = sqlite.Open(filepath.Join(t.TempDir(), "no.db"), &sqlite.Options{ReadOnly: true})
	wantErr(t, err, fs.ErrNotExist)
}

func TestClosedAnswersClosed(t *testing.T) {
	t.Parallel()
	db := fresh(t)
	ctx := within(t)
	followed := make(chan error)
	caughtUp := make(chan struct{})
	go func() {
		var last error
		for _, err := range db.Read(ctx, deed.Query{Follow: true, Marks: true}) {
			if last = err; err == nil {
				close(caughtUp)
			}
		}
		followed <- last
	}()
	waited := make(chan error)
	go func() {
		_, err := db.WaitView(ctx, testView, 1)
		waited <- err
	}()
	<-caughtUp
	if err := errors.Join(db.Close(), db.Close()); err != nil {
		t.Fatal(err)
	}
	wantErr(t, <-followed, deed.ErrClosed)
	wantErr(t, <-waited, deed.ErrClosed)
	_, err := db.Append(ctx, write("a-1", 0, "1"))
	wantErr(t, err, deed.ErrClosed)
	_, err = db.Head(ctx)
	wantErr(t, err, deed.ErrClosed)
	for _, err := range db.Read(ctx, deed.Query{}) {
		wantErr(t, err, deed.ErrClosed)
	}
	_, _, err = db.Outcome(ctx, deed.CommandRef{ID: "c"})
	wantErr(t, err, deed.ErrClosed)
	_, err = db.Effects(ctx, deed.EffectQuery{Parts: []string{"p"}})
	wantErr(t, err, deed.ErrClosed)
	_, _, err = db.Row(ctx, testView, "k")
	wantErr(t, err, deed.ErrClosed)
	_, err = db.OpenView(ctx, deed.ViewSpec{ViewRef: testView})
	wantErr(t, err, deed.ErrClosed)
}
