package deed_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

// level is a type with a JSON form of its own.
type level int

func (l level) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, `"level %d"`, int(l)), nil }

func (l *level) UnmarshalJSON(data []byte) error {
	_, err := fmt.Sscanf(string(data), `"level %d"`, (*int)(l))
	return err
}

// embedded gives fields to the row that it is embedded in.
type embedded struct {
	City string `json:"city"`
}

// person is a row with a field of each kind.
type person struct {
	Name   string    `json:"name"`
	Age    int       `json:"age"`
	Size   float64   `json:"size"`
	Member bool      `json:"member"`
	Level  level     `json:"level"`
	Born   time.Time `json:"born,omitzero"`
	Nick   *string   `json:"nick"`
	Points uint8     `json:"points"`
	Plain  string
	embedded
	Hobbies []string `json:"hobbies"`
}

// written carries a whole row.
type written struct {
	Key string `json:"key"`
	Row person `json:"row"`
}

func (written) EventType() string { return "person-written" }

var people = deed.Projection[person, written]{
	Name:   "people",
	Events: []written{{}},
	Key:    func(r deed.Recorded[written]) string { return r.Event.Key },
	Index:  []string{"name", "age", "size", "member", "level", "born", "nick", "points", "Plain", "city"},
	Evolve: func(_ person, r deed.Recorded[written]) person { return r.Event.Row },
}

func ptr[T any](v T) *T { return &v }

var ancient = time.Date(1912, 6, 23, 0, 0, 0, 0, time.UTC)

func crowd(t testing.TB) (*deed.View[person], *sqlite.DB) {
	t.Helper()
	db, _ := memory(t)
	for _, w := range []written{
		{"a", person{Name: "ann", Age: 30, Size: 1.5, Member: true, Level: 2, Nick: ptr("x"), Points: 1, Plain: "p", embedded: embedded{"rome"}}},
		{"b", person{Name: "bob", Age: -5, Size: 1.75, Level: 1, Born: ancient, Plain: "q"}},
		{"c", person{Name: "Cat", Age: 30, Size: -2, Member: true, Level: 3, Nick: ptr(""), Points: 200}},
		{"d", person{Name: "dan", Age: 1 << 60, Size: 1e300, Level: 1, Born: ancient.Add(time.Hour)}},
		{"e", person{Name: "eve", Age: 30, Size: 1.5, Member: true, Level: 2, Nick: ptr("a"), embedded: embedded{"oslo"}}},
	} {
		tell(t, db, told{deed.Stream("person", w.Key), w})
	}
	s := start(t, db, people)
	s.settle()
	return people.View(db), db
}

func keysOf[V any](rows deed.Rows[V]) string {
	keys := ""
	for _, r := range rows.Rows {
		keys += r.Key
	}
	return keys
}

func TestViewList(t *testing.T) {
	view, _ := crowd(t)
	t.Run("orders by a field of each kind, equal ones by key", func(t *testing.T) {
		for order, keys := range map[string]string{
			"": "abcde", "-": "edcba",
			"name": "cabde", "-name": "edbac",
			"age": "baced", "-age": "decab",
			"size": "caebd", "-size": "dbeac",
			"member": "bdace", "-member": "ecadb",
			"level": "bdaec", "-level": "ceadb",
			"nick": "bdcea", "-nick": "aecdb",
			"points": "bdeac", "-points": "caedb",
			"born": "acebd", "-born": "dbeca",
		} {
			rows, err := view.List(bounded(t), nil, deed.Page{Order: order}, 0)
			must(t, err)
			if got := keysOf(rows); got != keys {
				t.Errorf("by %q: got %s, want %s", order, got, keys)
			}
		}
	})
	t.Run("filters by a field of each kind, and by text as a URL has it", func(t *testing.T) {
		type named string
		for _, c := range []struct {
			where []deed.Where
			keys  string
		}{
			{[]deed.Where{{Field: "name", Value: "ann"}}, "a"},
			{[]deed.Where{{Field: "name", Value: named("ann")}}, "a"},
			{[]deed.Where{{Field: "name", Value: "ANN"}}, ""},
			{[]deed.Where{{Field: "age", Value: 30}}, "ace"},
			{[]deed.Where{{Field: "age", Value: int64(1 << 60)}}, "d"},
			{[]deed.Where{{Field: "age", Value: "-5"}}, "b"},
			{[]deed.Where{{Field: "age", Value: uint8(30)}}, "ace"},
			{[]deed.Where{{Field: "size", Value: 1.5}}, "ae"},
			{[]deed.Where{{Field: "size", Value: -2}}, "c"},
			{[]deed.Where{{Field: "size", Value: "1e300"}}, "d"},
			{[]deed.Where{{Field: "member", Value: true}}, "ace"},
			{[]deed.Where{{Field: "member", Value: "false"}}, "bd"},
			{[]deed.Where{{Field: "level", Value: level(2)}}, "ae"},
			{[]deed.Where{{Field: "level", Value: "level 2"}}, "ae"},
			{[]deed.Where{{Field: "born", Value: ancient}}, "b"},
			{[]deed.Where{{Field: "nick", Value: nil}}, "bd"},
			{[]deed.Where{{Field: "nick", Value: ""}}, "c"},
			{[]deed.Where{{Field: "points", Value: 200}}, "c"},
			{[]deed.Where{{Field: "Plain", Value: "q"}}, "b"},
			{[]deed.Where{{Field: "city", Value: "oslo"}}, "e"},
			{[]deed.Where{{Field: "age", Value: 30}, {Field: "size", Value: 1.5}}, "ae"},
			{[]deed.Where{{Field: "age", Value: 30}, {Field: "age", Value: 31}}, ""},
		} {
			rows, err := view.List(bounded(t), c.where, deed.Page{}, 0)
			if err != nil {
				t.Errorf("%v: %v", c.where, err)
			} else if got := keysOf(rows); got != c.keys {
				t.Errorf("%v: got %q, want %q", c.where, got, c.keys)
			}
		}
	})
	t.Run("gives every row once, page by page, through ties and nulls", func(t *testing.T) {
		for _, order := range []string{"", "-", "name", "-name", "age", "-age", "size", "-size", "member", "-member", "level", "-level", "nick", "-nick", "born", "-born"} {
			all, err := view.List(bounded(t), nil, deed.Page{Order: order}, 0)
			must(t, err)
			want(t, "a page that holds all has no next", all.Next, "")
			for limit := 1; limit <= 5; limit++ {
				keys := ""
				page := deed.Page{Order: order, Limit: limit}
				for {
					rows, err := view.List(bounded(t), nil, page, 0)
					must(t, err)
					keys += keysOf(rows)
					want(t, "position", rows.Position, 5)
					if page.Cursor = rows.Next; page.Cursor == "" {
						break
					}
					want(t, "a page before the last is full", len(rows.Rows), limit)
				}
				if keys != keysOf(all) {
					t.Errorf("by %q, %d a page: got %s, want %s", order, limit, keys, keysOf(all))
				}
			}
		}
	})
	t.Run("refuses what it cannot answer", func(t *testing.T) {
		for name, ask := range map[string]func() error{
			"an unknown field":  func() error { return list(t, view, []deed.Where{{Field: "hobbies", Value: 1}}, deed.Page{}) },
			"an unknown order":  func() error { return list(t, view, nil, deed.Page{Order: "shoe"}) },
			"a wrong type":      func() error { return list(t, view, []deed.Where{{Field: "age", Value: true}}, deed.Page{}) },
			"a wrong text":      func() error { return list(t, view, []deed.Where{{Field: "age", Value: "x"}}, deed.Page{}) },
			"a list as value":   func() error { return list(t, view, []deed.Where{{Field: "level", Value: []int{1}}}, deed.Page{}) },
			"a negative limit":  func() error { return list(t, view, nil, deed.Page{Limit: -1}) },
			"too large a limit": func() error { return list(t, view, nil, deed.Page{Limit: 1001}) },
			"no base64":         func() error { return list(t, view, nil, deed.Page{Cursor: "%%%"}) },
			"no cursor": func() error {
				return list(t, view, nil, deed.Page{Cursor: base64.RawURLEncoding.EncodeToString([]byte("{"))})
			},
		} {
			if err := ask(); !errors.As(err, new(*deed.InvalidError)) {
				t.Errorf("%s: got %v, want *InvalidError", name, err)
			}
		}
		for _, key := range []string{"", "a/b", ".."} {
			if _, err := view.Get(bounded(t), key, 0); !errors.As(err, new(*deed.InvalidError)) {
				t.Errorf("Get of %q: got %v, want *InvalidError", key, err)
			}
		}
	})
	t.Run("says ErrCursor to a cursor of another list", func(t *testing.T) {
		where := []deed.Where{{Field: "age", Value: 30}}
		rows, err := view.List(bounded(t), where, deed.Page{Order: "size", Limit: 1}, 0)
		must(t, err)
		must(t, list(t, view, where, deed.Page{Order: "size", Limit: 3, Cursor: rows.Next})) // another limit is the same list
		for name, page := range map[string]deed.Page{
			"another order":   {Order: "age", Cursor: rows.Next},
			"turned round":    {Order: "-size", Cursor: rows.Next},
			"no order at all": {Cursor: rows.Next},
		} {
			if err := list(t, view, where, page); !errors.Is(err, deed.ErrCursor) {
				t.Errorf("%s: got %v, want ErrCursor", name, err)
			}
		}
		for _, other := range [][]deed.Where{nil, {{Field: "age", Value: 31}}, {{Field: "size", Value: 30}}} {
			if err := list(t, view, other, deed.Page{Order: "size", Cursor: rows.Next}); !errors.Is(err, deed.ErrCursor) {
				t.Errorf("%v: got %v, want ErrCursor", other, err)
			}
		}
		_, db := crowd(t)
		newer := people
		newer.Version = 2
		s := start(t, db, newer)
		s.settle()
		if err := list(t, newer.View(db), where, deed.Page{Order: "size", Cursor: rows.Next}); !errors.Is(err, deed.ErrCursor) {
			t.Errorf("a newer version: got %v, want ErrCursor", err)
		}
	})
	t.Run("keeps its place while rows come and go", func(t *testing.T) {
		view, db := crowd(t)
		first, err := view.List(bounded(t), nil, deed.Page{Order: "age", Limit: 2}, 0) // b a
		must(t, err)
		tell(t, db, told{"person-a", written{"a", person{}}}, told{"person-0", written{"0", person{Name: "new", Age: -9}}}, told{"person-f", written{"f", person{Age: 31}}})
		rows, err := view.List(bounded(t), nil, deed.Page{Order: "age", Cursor: first.Next}, 8)
		must(t, err)
		want(t, "rest", keysOf(rows), "cefd")
	})
}

func list(t *testing.T, view *deed.View[person], where []deed.Where, page deed.Page) error {
	_, err := view.List(bounded(t), where, page, 0)
	return err
}
