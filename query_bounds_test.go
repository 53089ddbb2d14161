package deed_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/deed-es/deed"
)

// wantField fails unless an error is an *InvalidError about a field.
func wantField(t *testing.T, err error, field string) {
	t.Helper()
	var fault *deed.InvalidError
	if !errors.As(err, &fault) || fault.Field != field {
		t.Errorf("got %v, want an *InvalidError about %s", err, field)
	}
}

// How much a list costs is bounded: an address can name conditions as often as it likes.
func TestConditionsOfAListAreBounded(t *testing.T) {
	view, _ := crowd(t)
	where := slices.Repeat([]deed.Where{{Field: "age", Value: 30}}, 16)
	rows, err := view.List(bounded(t), where, deed.Page{}, 0)
	must(t, err)
	if got := keysOf(rows); got != "ace" {
		t.Errorf("got %s, want ace", got)
	}
	_, err = view.List(bounded(t), append(where, where[0]), deed.Page{}, 0)
	wantField(t, err, "where")
}

// A query for more tags than an event can have selects nothing, and is refused before anything looks for it.
func TestTagsOfAMatchAreBounded(t *testing.T) {
	db, _ := memory(t)
	tags := slices.Repeat([]string{"place:rome"}, 64)
	for _, n := range []int{64, 65} {
		q := deed.Query{Match: []deed.Match{{}, {Tags: append(tags, "a:b")[:n]}}}
		err := q.Validate()
		if n == 64 {
			must(t, err)
			continue
		}
		wantField(t, err, "tags")
		for _, err := range db.Read(bounded(t), q) {
			wantField(t, err, "tags")
		}
	}
}

// A cursor that somebody has changed is refused, and what is in it does not come to the store.
func TestACursorsKeyIsOne(t *testing.T) {
	view, _ := crowd(t)
	rows, err := view.List(bounded(t), nil, deed.Page{Limit: 1}, 0)
	must(t, err)
	text, err := base64.RawURLEncoding.DecodeString(rows.Next)
	must(t, err)
	for _, key := range []string{"", "\x00", "a/b", "a\x7f"} {
		var c map[string]any
		must(t, json.Unmarshal(text, &c))
		c["k"] = key
		changed, err := json.Marshal(c)
		must(t, err)
		_, err = view.List(bounded(t), nil, deed.Page{Limit: 1, Cursor: base64.RawURLEncoding.EncodeToString(changed)}, 0)
		wantField(t, err, "cursor")
	}
}
