package deed

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"
)

// weighed notes how much the pages of changes have that it gives.
type weighed struct {
	*memoryViews
	pages []int // rows
	most  int   // bytes of a page
}

func (w *weighed) Changes(ctx context.Context, view ViewRef, after ChangeCursor, limit int) ([]Row, Position, error) {
	rows, at, err := w.memoryViews.Changes(ctx, view, after, limit)
	size := 0
	for _, r := range rows {
		size += len(r.Data)
	}
	w.pages, w.most = append(w.pages, len(rows)), max(w.most, size)
	return rows, at, err
}

// What is read at once of a view's changes is bounded by how large its rows are: whoever takes them slowly has all of it in memory.
func TestPagesOfChangesAreBounded(t *testing.T) {
	const rows = 1001 // so that the last page is not full
	for _, c := range []struct{ size, most, pages int }{{100, 128 << 10, 12}, {99_000, 8 * 99_000, 130}} {
		t.Run(fmt.Sprint(c.size), func(t *testing.T) {
			store := &weighed{memoryViews: newMemoryViews(time.Now)}
			ref := ViewRef{Name: "v", Version: 1}
			if _, err := store.OpenView(t.Context(), ViewSpec{ViewRef: ref}); err != nil {
				t.Fatal(err)
			}
			commit := ViewCommit{View: ref, Checkpoint: Checkpoint{Position: 3}}
			data := bytes.Repeat([]byte("7"), c.size)
			for i := range rows {
				commit.Rows = append(commit.Rows, RowChange{Row: Row{Key: fmt.Sprintf("k%04d", i), Position: 3, Data: data}})
			}
			if err := store.CommitView(t.Context(), commit); err != nil {
				t.Fatal(err)
			}
			told := 0
			for change, err := range (rawView{store: store, ref: ref}).changes(t.Context(), ChangeCursor{}) {
				if err != nil {
					t.Fatal(err)
				}
				if want := fmt.Sprintf("k%04d", told); change.Key != want {
					t.Fatalf("told of %s, want %s", change.Key, want)
				}
				if told++; change.More != (told < rows) {
					t.Fatalf("change %d of %d says that more come: %t", told, rows, change.More)
				}
				if told == rows {
					break
				}
			}
			if told != rows || store.most > c.most || len(store.pages) > c.pages {
				t.Errorf("told of %d rows in %d pages of at most %d bytes: %v", told, len(store.pages), store.most, store.pages)
			}
		})
	}
}

// A page after large rows is small again.
func TestPagesOfChangesShrink(t *testing.T) {
	large := []Row{{Key: "a", Data: make([]byte, 1<<20)}}
	if n := changesPage(mostChanges, large); n > mostChanges/8 {
		t.Errorf("after a page of 1 MiB the next has %d rows", n)
	}
	if n := changesPage(leastChanges, large); n != leastChanges {
		t.Errorf("a page has %d rows, want %d at least", n, leastChanges)
	}
}
