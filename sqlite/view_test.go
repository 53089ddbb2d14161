package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

var testView = deed.ViewRef{Name: "notes", Version: 1}

// commitRow opens the view and stores one row up to a position.
func commitRow(t *testing.T, db deed.ViewStore, key, data string, at deed.Position, index ...any) {
	t.Helper()
	spec := deed.ViewSpec{ViewRef: testView}
	if len(index) > 0 {
		spec.Index = []string{"field"}
	}
	from, err := db.OpenView(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	row := deed.RowChange{Row: deed.Row{Key: key, Data: []byte(data), Position: at}, Index: index}
	if data == "" {
		row.Data, row.Index = nil, nil
	}
	err = db.CommitView(t.Context(), deed.ViewCommit{
		View: testView, From: from.Position, Checkpoint: deed.Checkpoint{Log: "l", Incarnation: 1, Position: at}, Rows: []deed.RowChange{row},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func keys(rows []deed.Row) string {
	all := ""
	for _, r := range rows {
		all += r.Key
	}
	return all
}

func TestListsGoOnBehindACursorWhateverTheValue(t *testing.T) {
	t.Parallel()
	db := inMemory(t, nil)
	values := []any{nil, nil, false, true, -2.5, int64(1), 1.0, int64(3), "", "B", "a", "a"}
	for i, v := range values {
		commitRow(t, db, string(rune('a'+i)), "{}", deed.Position(i+1), v)
	}
	for _, desc := range []bool{false, true} {
		want := "abcdefghijkl"
		if desc {
			want = "lkjihgfedcba"
		}
		got := ""
		q := deed.RowQuery{Order: "field", Desc: desc, Limit: 1}
		for {
			rows, _, err := db.ListRows(t.Context(), testView, q)
			if err != nil {
				t.Fatal(err)
			}
			if len(rows) == 0 {
				break
			}
			got += keys(rows)
			q.After = &deed.RowCursor{Key: rows[0].Key, Value: values[rows[0].Key[0]-'a']}
		}
		if got != want {
			t.Errorf("desc %v: one by one %s, want %s", desc, got, want)
		}
		rows, _, err := db.ListRows(t.Context(), testView, deed.RowQuery{Order: "field", Desc: desc})
		if err != nil || keys(rows) != want {
			t.Errorf("desc %v: at once %s, want %s, %v", desc, keys(rows), want, err)
		}
	}
	for value, want := range map[any]string{nil: "ab", true: "d", int64(1): "fg", 1.0: "fg", "a": "kl", "b": "", int64(0): ""} {
		rows, _, err := db.ListRows(t.Context(), testView, deed.RowQuery{Where: []deed.RowWhere{{Field: "field", Value: value}}})
		if err != nil || keys(rows) != want {
			t.Errorf("where %v: %q, want %q, %v", value, keys(rows), want, err)
		}
	}
	var invalid *deed.InvalidError
	if _, _, err := db.ListRows(t.Context(), testView, deed.RowQuery{Order: "other"}); !errors.As(err, &invalid) || invalid.Field != "other" {
		t.Errorf("an unknown field: %v", err)
	}
}

func TestRemovedRowsStayInTheChangesUntilTombstonesAreDropped(t *testing.T) {
	t.Parallel()
	clock := newHandClock()
	db := inMemory(t, &sqlite.Options{Clock: clock})
	commitRow(t, db, "a", "{}", 1)
	commitRow(t, db, "b", "{}", 2)
	commitRow(t, db, "a", "", 3)
	if _, at, err := db.Row(t.Context(), testView, "a"); !errors.Is(err, deed.ErrNotFound) || at != 3 {
		t.Errorf("the removed row: %v at %d", err, at)
	}
	rows, at, err := db.Changes(t.Context(), testView, deed.ChangeCursor{Position: 1}, 10)
	if err != nil || at != 3 || keys(rows) != "ba" || rows[1].Data != nil {
		t.Errorf("changes %+v at %d, %v", rows, at, err)
	}
	if err := db.DropTombstones(t.Context(), clock.Now()); err != nil {
		t.Fatal(err)
	}
	if rows, _, _ = db.Changes(t.Context(), testView, deed.ChangeCursor{Position: 2}, 10); keys(rows) != "a" {
		t.Errorf("a tombstone of this moment was dropped: %+v", rows)
	}
	if err := db.DropTombstones(t.Context(), clock.move(time.Second)); err != nil {
		t.Fatal(err)
	}
	_, _, err = db.Changes(t.Context(), testView, deed.ChangeCursor{Position: 2}, 10)
	wantErr(t, err, deed.ErrCursor)
	if rows, _, err = db.Changes(t.Context(), testView, deed.ChangeCursor{Position: 3}, 10); err != nil || len(rows) != 0 {
		t.Errorf("changes at the end %+v, %v", rows, err)
	}
}

func TestAViewIsWaitedForWithoutPolling(t *testing.T) {
	t.Parallel()
	db := inMemory(t, nil)
	ctx := within(t)
	there := make(chan string)
	for _, reach := range []deed.Position{1, 2} {
		go func() {
			at, err := db.WaitView(ctx, testView, reach)
			there <- fmt.Sprint(at, err)
		}()
	}
	commitRow(t, db, "a", "{}", 1)
	if got := <-there; got != "1 <nil>" {
		t.Error(got)
	}
	short, cancel := context.WithCancel(ctx)
	cancel()
	at, err := db.WaitView(short, testView, 2)
	var behind *deed.BehindError
	if at != 1 || !errors.As(err, &behind) || behind.Reached != 1 || behind.Want != 2 {
		t.Errorf("at %d, %v", at, err)
	}
	commitRow(t, db, "a", "{}", 2)
	if got := <-there; got != "2 <nil>" {
		t.Error(got)
	}
}

func TestAViewWithAnotherIndexIsMadeAnew(t *testing.T) {
	t.Parallel()
	db := fresh(t)
	commitRow(t, db, "a", "{}", 1)
	other := deed.ViewRef{Name: testView.Name, Version: 2}
	for _, spec := range []deed.ViewSpec{{ViewRef: other}, {ViewRef: testView, Index: []string{"x"}}} {
		if at, err := db.OpenView(t.Context(), spec); err != nil || at != (deed.Checkpoint{}) {
			t.Errorf("opened at %+v, %v", at, err)
		}
		if _, at, err := db.Row(t.Context(), spec.ViewRef, "a"); !errors.Is(err, deed.ErrNotFound) || at != 0 {
			t.Errorf("row at %d, %v", at, err)
		}
	}
	err := db.CommitView(t.Context(), deed.ViewCommit{View: other, From: 5, Checkpoint: deed.Checkpoint{Position: 6}})
	wantErr(t, err, deed.ErrConflict)
	if err := db.DropView(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	_, _, err = db.Row(t.Context(), other, "a")
	wantErr(t, err, deed.ErrNotFound)
}
