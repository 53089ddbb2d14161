package sqlite_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

func TestAReadOnlyLogFollowsTheProcessThatWrites(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log.db")
	db := opened(t, path, nil)
	appended(t, db, write("a-1", 0, "1"))
	reader := opened(t, path, &sqlite.Options{ReadOnly: true})
	if reader.Info() != db.Info() {
		t.Errorf("the reader sees %+v, not %+v", reader.Info(), db.Info())
	}

	got := make(chan string, 10)
	go func() {
		for r, err := range reader.Read(within(t), deed.Query{Follow: true, Limit: 3, Category: "a"}) {
			got <- fmt.Sprint(r.ID, " ", r.Type, " ", err)
		}
		close(got)
	}()
	for i := 1; i <= 3; i++ {
		if s := <-got; s != number("", i)+" noted <nil>" && s != number("", i)+" other <nil>" {
			t.Errorf("the reader got %q", s)
		}
		b := write("b-1", deed.Any, number("b", i)) // a kind the reader does not know yet
		b.Writes = append(b.Writes, write("a-1", deed.Any, number("", i+1)).Writes...)
		b.Writes[1].Events[0].Type = "other"
		appended(t, db, b)
	}
	if s, more := <-got; more {
		t.Errorf("behind its limit the reader got %q", s)
	}
	if head, err := reader.Head(t.Context()); head != 7 || err != nil {
		t.Errorf("head %d, %v", head, err)
	}
}

func TestAReadOnlyLogRefusesToWrite(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log.db")
	db := opened(t, path, nil)
	reader := opened(t, path, &sqlite.Options{ReadOnly: true})
	ctx := within(t)

	_, err := reader.Append(ctx, write("a-1", 0, "1"))
	wantErr(t, err, deed.ErrReadOnly)
	wantErr(t, reader.FinishEffects(ctx, []string{"e"}), deed.ErrReadOnly)
	wantErr(t, reader.Forget(ctx, time.Now()), deed.ErrReadOnly)
	_, err = reader.OpenView(ctx, deed.ViewSpec{ViewRef: testView})
	wantErr(t, err, deed.ErrReadOnly)

	_, _, err = reader.Row(ctx, testView, "k")
	wantErr(t, err, deed.ErrNotFound)
	reached := make(chan error)
	go func() {
		_, err := reader.WaitView(ctx, testView, 1)
		reached <- err
	}()
	commitRow(t, db, "k", `{"a":1}`, 1)
	if err := <-reached; err != nil {
		t.Fatal(err)
	}
	if row, at, err := reader.Row(ctx, testView, "k"); err != nil || at != 1 || string(row.Data) != `{"a":1}` {
		t.Errorf("row %+v at %d, %v", row, at, err)
	}
}

func TestAReadOnlyLogNeedsNoWriter(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log.db")
	db := opened(t, path, nil)
	appended(t, db, write("a-1", 0, "1", "2"))
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	reader := opened(t, path, &sqlite.Options{ReadOnly: true})
	if got := ids(t, reader, deed.Query{Backward: true}); fmt.Sprint(got) != "[2 1]" {
		t.Errorf("the reader sees %v", got)
	}
	opened(t, path, nil) // a reader is not in a writer's way
}
