package storetest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/deed-es/deed"
)

// listCases are about ListRows.
func listCases() []viewCase {
	return []viewCase{
		{"a list without order is by key", listByKey},
		{"a list comes in the order of an index field, of any type", listByField},
		{"where holds where the field has the value, of any type", whereHolds},
		{"all conditions of a list hold together, with order and direction", conditionsTogether},
		{"large numbers are told apart", largeNumbers},
		{"pages after a cursor are the whole list, in each order and direction, with ties and nil", pagesAreTheList},
		{"a field that is no index is an error", unknownFieldIsAnError},
	}
}

// stock fills the view with rows whose index values have ties and nils.
func (b *viewBed) stock() []deed.RowChange {
	b.Helper()
	b.make(b.cart())
	var rows []deed.RowChange
	for i := range 30 {
		status := []any{"open", "paid", nil, "sent"}[i%4]
		total := []any{int64(5), int64(-3), nil, int64(40), int64(5)}[i%5]
		rows = append(rows, row(fmt.Sprintf("k%02d", (i*11)%30), deed.Position(i+1), status, total))
	}
	b.commit(b.cart().ViewRef, 0, 30, rows...)
	return rows
}

func listByKey(b *viewBed) {
	b.make(b.cart())
	view := b.cart().ViewRef
	b.commit(view, 0, 3, row("b", 1, "open", nil), row("c", 2, "paid", nil), row("a", 3, nil, nil))
	rows := b.list(view, deed.RowQuery{}, "a", "b", "c")
	if rows[0].Position != 3 || string(rows[0].Data) != `{"at":3}` {
		b.Errorf("row is %+v %s", rows[0], rows[0].Data)
	}
	b.list(view, deed.RowQuery{Desc: true}, "c", "b", "a")
	b.list(view, deed.RowQuery{Limit: 2}, "a", "b")
	b.list(view, deed.RowQuery{After: &deed.RowCursor{Key: "a"}}, "b", "c")
	b.list(view, deed.RowQuery{After: &deed.RowCursor{Key: "aa"}}, "b", "c")
	b.list(view, deed.RowQuery{Desc: true, After: &deed.RowCursor{Key: "c"}, Limit: 1}, "b")
	if _, at, err := b.views.ListRows(b.ctx, view, deed.RowQuery{Limit: 1}); at != 3 || err != nil {
		b.Errorf("the list is read at %d, %v, want 3", at, err)
	}
}

func listByField(b *viewBed) {
	for i, values := range [][]any{
		{int64(-10), int64(-9), int64(0), int64(2), int64(10), int64(1 << 60)},
		{-1e300, -1.5, 0.0, 0.25, 2.5, 1e20},
		{"aa", "ab", "b", "ba", "c"},
		{false, true},
	} {
		spec := deed.ViewSpec{ViewRef: deed.ViewRef{Name: fmt.Sprint("v", i), Version: 1}, Index: []string{"field"}, Log: b.log}
		b.make(spec)
		var rows []deed.RowChange
		var keys []string
		for n, value := range values {
			keys = append(keys, fmt.Sprint("k", (n*7)%10))
			rows = append(rows, row(keys[n], 1, value))
		}
		slices.SortFunc(rows, func(a, b deed.RowChange) int { return cmp.Compare(a.Key, b.Key) })
		b.commit(spec.ViewRef, 0, 1, rows...)
		b.list(spec.ViewRef, deed.RowQuery{Order: "field"}, keys...)
		slices.Reverse(keys)
		b.list(spec.ViewRef, deed.RowQuery{Order: "field", Desc: true}, keys...)
	}
}

func whereHolds(b *viewBed) {
	b.make(b.cart())
	view := b.cart().ViewRef
	values := []any{"open", "Open", "open ", "", "o'pen\"%", int64(1), int64(-7), 2.5, true, false, nil}
	var rows []deed.RowChange
	for i, value := range values {
		rows = append(rows, row(fmt.Sprintf("k%02d", i), 1, value, "same"))
	}
	b.commit(view, 0, 1, rows...)
	for i, value := range values {
		// Whether true is 1 and false 0 is nobody's promise: a field has values of one type.
		if value == int64(1) || value == true {
			continue
		}
		b.list(view, deed.RowQuery{Where: []deed.RowWhere{{Field: "status", Value: value}}}, fmt.Sprintf("k%02d", i))
	}
	b.list(view, deed.RowQuery{Where: []deed.RowWhere{{Field: "status", Value: "never"}}})
	b.list(view, deed.RowQuery{Where: []deed.RowWhere{{Field: "total", Value: "same"}}, Limit: 2}, "k00", "k01")
}

func conditionsTogether(b *viewBed) {
	rows := b.stock()
	view := b.cart().ViewRef
	for _, status := range []any{"open", nil, "sent", "never"} {
		for _, total := range []any{int64(5), nil, int64(-3)} {
			var keys []string
			for _, r := range rows {
				if r.Index[0] == status && r.Index[1] == total {
					keys = append(keys, r.Key)
				}
			}
			slices.Sort(keys)
			where := []deed.RowWhere{{Field: "status", Value: status}, {Field: "total", Value: total}}
			b.list(view, deed.RowQuery{Where: where}, keys...)
			if len(keys) > 1 {
				b.list(view, deed.RowQuery{Where: where, Limit: 1, Order: "total", After: &deed.RowCursor{Value: total, Key: keys[0]}}, keys[1])
			}
			slices.Reverse(keys)
			b.list(view, deed.RowQuery{Where: where, Desc: true}, keys...)
		}
	}
}

func largeNumbers(b *viewBed) {
	b.make(b.cart())
	view := b.cart().ViewRef
	const large = int64(1<<53) + 1
	b.commit(view, 0, 1, row("a", 1, nil, large-1), row("b", 1, nil, large), row("c", 1, nil, large+1))
	b.list(view, deed.RowQuery{Where: []deed.RowWhere{{Field: "total", Value: large}}}, "b")
	b.list(view, deed.RowQuery{Order: "total", After: &deed.RowCursor{Value: large - 1, Key: "a"}}, "b", "c")
}

func pagesAreTheList(b *viewBed) {
	rows := b.stock()
	for _, order := range []string{"", "status", "total"} {
		for _, desc := range []bool{false, true} {
			for _, where := range [][]deed.RowWhere{nil, {{Field: "status", Value: "open"}}, {{Field: "total", Value: nil}}} {
				q := deed.RowQuery{Where: where, Order: order, Desc: desc, Limit: 1000}
				whole, _, err := b.views.ListRows(b.ctx, b.cart().ViewRef, q)
				if err != nil {
					b.Fatalf("list %+v: %v", q, err)
				}
				b.inOrder(q, keysOf(whole), rows)
				for _, size := range []int{1, 4, 30} {
					q.Limit = size
					b.inPages(q, keysOf(whole), rows)
				}
			}
		}
	}
}

// inPages reads q page by page and compares it with the whole list.
func (b *viewBed) inPages(q deed.RowQuery, whole []string, rows []deed.RowChange) {
	b.Helper()
	var keys []string
	for {
		page, _, err := b.views.ListRows(b.ctx, b.cart().ViewRef, q)
		if err != nil || len(page) > q.Limit || len(keys) > len(whole) {
			b.Fatalf("list %+v: %d rows after %d of %d, %v", q, len(page), len(keys), len(whole), err)
		}
		if len(page) == 0 {
			break
		}
		keys = append(keys, keysOf(page)...)
		last := page[len(page)-1].Key
		q.After = &deed.RowCursor{Value: fieldOf(rows, last, q.Order), Key: last}
	}
	if strings.Join(keys, " ") != strings.Join(whole, " ") {
		b.Fatalf("pages of %+v are %v, the list is %v", q, keys, whole)
	}
}

// inOrder checks a whole list: complete, values in order with all nils at one end, ties by key in one direction.
func (b *viewBed) inOrder(q deed.RowQuery, keys []string, rows []deed.RowChange) {
	b.Helper()
	want := 0
	for _, r := range rows {
		if len(q.Where) == 0 || fieldOf(rows, r.Key, q.Where[0].Field) == q.Where[0].Value {
			want++
		}
	}
	if len(keys) != want {
		b.Fatalf("list %+v has %d rows, want %d", q, len(keys), want)
	}
	turns := map[string]int{}
	for i := range len(keys) - 1 {
		here, next := fieldOf(rows, keys[i], q.Order), fieldOf(rows, keys[i+1], q.Order)
		switch order := compareValues(here, next); {
		case here == next:
			turns[fmt.Sprint("ties ", cmp.Compare(keys[i], keys[i+1]))]++
		case here == nil || next == nil:
			turns["nil"]++
		case q.Desc && order < 0, !q.Desc && order > 0:
			b.Fatalf("list %+v has %s (%v) before %s (%v)", q, keys[i], here, keys[i+1], next)
		}
	}
	if turns["nil"] > 1 || turns["ties 1"] > 0 && turns["ties -1"] > 0 || turns["ties 0"] > 0 {
		b.Fatalf("list %+v is in no order: %v", q, keys)
	}
}

func fieldOf(rows []deed.RowChange, key, field string) any {
	for _, r := range rows {
		if r.Key == key && field != "" {
			return r.Index[slices.Index([]string{"status", "total"}, field)]
		}
	}
	return nil
}

func compareValues(a, b any) int {
	switch a := a.(type) {
	case string:
		if b, same := b.(string); same {
			return cmp.Compare(a, b)
		}
	case int64:
		if b, same := b.(int64); same {
			return cmp.Compare(a, b)
		}
	}
	return 0
}

func unknownFieldIsAnError(b *viewBed) {
	b.stock()
	for _, q := range []deed.RowQuery{
		{Order: "never", Limit: 1},
		{Where: []deed.RowWhere{{Field: "never", Value: "x"}}, Limit: 1},
		{Order: `total"; drop table x; --`, Limit: 1},
		{Order: "Total", Limit: 1},
	} {
		if rows, _, err := b.views.ListRows(b.ctx, b.cart().ViewRef, q); err == nil {
			b.Errorf("list %+v: %d rows and no error", q, len(rows))
		}
	}
	b.list(b.cart().ViewRef, deed.RowQuery{Limit: 1}, "k00")
}
