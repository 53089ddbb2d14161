package postgres_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/postgres"
)

// Values longer than an index of the database takes are stored, told apart and ordered all the same.
func TestLongIndexValuesAreOrderedAndFound(t *testing.T) {
	t.Parallel()
	db := opened(t, &postgres.Options{Schema: fresh(t)})
	view := deed.ViewRef{Name: "notes", Version: 1}
	if _, err := db.OpenView(t.Context(), deed.ViewSpec{ViewRef: view, Index: []string{"text"}}); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("äx", 5000)
	values := []string{long[:900], long[:2000], long, long + "\x00", long + "a", long + "b", long + "ü"} // in order
	rows := make([]deed.RowChange, len(values))
	for i, v := range values {
		rows[i] = deed.RowChange{Row: deed.Row{Key: fmt.Sprint("k", len(values)-i), Data: []byte("{}"), Position: 1}, Index: []any{v}}
	}
	if err := db.CommitView(t.Context(), deed.ViewCommit{View: view, Checkpoint: deed.Checkpoint{Position: 1}, Rows: rows}); err != nil {
		t.Fatal(err)
	}
	for _, desc := range []bool{false, true} {
		var got, want []string
		for i := range values {
			want = append(want, rows[i].Key)
		}
		if desc {
			slices.Reverse(want)
		}
		q := deed.RowQuery{Order: "text", Desc: desc, Limit: 1}
		for {
			page, _, err := db.ListRows(t.Context(), view, q)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			got = append(got, page[0].Key)
			i := slices.IndexFunc(rows, func(r deed.RowChange) bool { return r.Key == page[0].Key })
			q.After = &deed.RowCursor{Key: page[0].Key, Value: values[i]}
		}
		if !slices.Equal(got, want) {
			t.Errorf("desc %v: %v, want %v", desc, got, want)
		}
	}
	for i, v := range values {
		page, _, err := db.ListRows(t.Context(), view, deed.RowQuery{Where: []deed.RowWhere{{Field: "text", Value: v}}})
		if err != nil || len(page) != 1 || page[0].Key != rows[i].Key {
			t.Errorf("value %d is found as %v, %v", i, page, err)
		}
	}
}
