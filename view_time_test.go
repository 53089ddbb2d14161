package deed_test

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/deed-es/deed"
)

// moment is a row with times, and the event that carries it.
type moment struct {
	Key   string     `json:"key"`
	At    time.Time  `json:"at"`
	Until *time.Time `json:"until"`
}

func (moment) EventType() string { return "moment-noted" }

// ended is an event for all moments that begin at the same instant.
type ended struct {
	At time.Time `json:"at"`
}

func (ended) EventType() string { return "moments-ended" }

var moments = deed.Projection[moment, deed.Event]{
	Name:   "moments",
	Events: []deed.Event{moment{}, ended{}},
	Index:  []string{"at", "until"},
	Route: func(r deed.Recorded[deed.Event]) []deed.Target {
		switch e := r.Event.(type) {
		case moment:
			return []deed.Target{deed.ToKey(e.Key)}
		case ended:
			return []deed.Target{deed.ToWhere("at", e.At)}
		}
		return nil
	},
	Evolve: func(m moment, r deed.Recorded[deed.Event]) moment {
		switch e := r.Event.(type) {
		case moment:
			return e
		case ended:
			m.Until = &e.At
		}
		return m
	},
}

// Times are kept as the rows have them, and found and ordered as instants.
func TestViewTimes(t *testing.T) {
	db, _ := memory(t)
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	east, west := time.FixedZone("east", 5*3600+1800), time.FixedZone("west", -7*3600)
	inOrder := []moment{
		{Key: "k", At: noon.Add(-time.Nanosecond).In(east)},
		{Key: "b", At: noon},
		{Key: "g", At: noon.In(west), Until: ptr(noon.In(east))}, // equal ones by key
		{Key: "d", At: noon.Add(time.Nanosecond)},
		{Key: "c", At: noon.Add(100 * time.Millisecond)},
		{Key: "a", At: noon.Add(120 * time.Millisecond).In(west), Until: ptr(noon.Add(time.Millisecond))},
		{Key: "h", At: noon.Add(123 * time.Millisecond).In(east)},
		{Key: "e", At: noon.Add(time.Second)},
		{Key: "f", At: noon.Add(time.Hour).In(east)},
		{Key: "i", At: noon.Add(24 * time.Hour).In(west), Until: ptr(noon.Add(time.Second))},
	}
	for _, i := range []int{5, 2, 9, 0, 7, 3, 1, 8, 6, 4} {
		tell(t, db, told{deed.Stream("moment", inOrder[i].Key), inOrder[i]})
	}
	s := start(t, db, moments)
	s.settle()
	view := moments.View(db)
	find := func(field string, value any) string {
		t.Helper()
		rows, err := view.List(bounded(t), []deed.Where{{Field: field, Value: value}}, deed.Page{}, 0)
		must(t, err)
		return keysOf(rows)
	}
	expect := ""
	for _, m := range inOrder {
		expect += m.Key
	}
	backward := []byte(expect)
	slices.Reverse(backward)

	t.Run("are ordered as instants, page by page", func(t *testing.T) {
		for order, keys := range map[string]string{"at": expect, "-at": string(backward), "until": "bcdefhkgai", "-until": "iagkhfedcb"} {
			for limit := 1; limit <= len(keys)+1; limit++ {
				got := ""
				for page := (deed.Page{Order: order, Limit: limit}); ; {
					rows, err := view.List(bounded(t), nil, page, 0)
					must(t, err)
					got += keysOf(rows)
					if page.Cursor = rows.Next; page.Cursor == "" {
						break
					}
				}
				if got != keys {
					t.Errorf("by %q, %d a page: got %s, want %s", order, limit, got, keys)
				}
			}
		}
	})
	t.Run("are found in whatever zone they are asked for, and as text", func(t *testing.T) {
		for _, value := range []any{
			noon, noon.In(east), noon.In(west), noon.Local(),
			"2026-01-01T12:00:00Z", "2026-01-01T12:00:00.000Z", "2026-01-01T17:30:00+05:30", "2026-01-01T05:00:00.0-07:00",
		} {
			if got := find("at", value); got != "bg" {
				t.Errorf("at %v: got %q, want bg", value, got)
			}
			if got := find("until", value); got != "g" {
				t.Errorf("until %v: got %q, want g", value, got)
			}
		}
		want(t, "with a fraction", find("at", noon.Add(120*time.Millisecond)), "a")
		want(t, "with a fraction, as text", find("at", "2026-01-01T12:00:00.12Z"), "a")
		want(t, "a monotonic reading is no part of it", find("at", time.Now()), "")
		want(t, "none", find("until", nil), "bcdefhk")
	})
	t.Run("stay in the row as they were", func(t *testing.T) {
		row, _, err := s.Views().Get(bounded(t), "moments", "f", 0)
		must(t, err)
		var stored struct{ At string }
		must(t, json.Unmarshal(row.Row, &stored))
		want(t, "at", stored.At, "2026-01-01T18:30:00+05:30")
	})
	t.Run("are refused as InvalidError where they are none", func(t *testing.T) {
		for _, value := range []any{"yesterday", "2026-01-01", "", 7, true} {
			_, err := view.List(bounded(t), []deed.Where{{Field: "at", Value: value}}, deed.Page{}, 0)
			if !errors.As(err, new(*deed.InvalidError)) {
				t.Errorf("%v: got %v, want *InvalidError", value, err)
			}
		}
	})
	t.Run("lead events to their rows, stored ones and those of the step under way", func(t *testing.T) {
		tell(t, db, told{"moment-l", moment{Key: "l", At: noon.In(east)}}, told{"moment-all", ended{noon.In(west)}})
		s.settle()
		want(t, "ended", find("until", noon), "bgl")
	})
}

// counted is a row with a number that no index holds in full, and the event that carries it.
type counted struct {
	N uint `json:"n"`
}

func (counted) EventType() string { return "counted" }

func TestViewUnsigned(t *testing.T) {
	db, _ := memory(t)
	p := deed.Projection[counted, counted]{
		Name: "counts", Events: []counted{{}}, Key: ownID[counted], Index: []string{"n"},
		Evolve: func(_ counted, r deed.Recorded[counted]) counted { return r.Event },
	}
	tell(t, db, told{"count-a", counted{math.MaxInt64}}, told{"count-b", counted{7}})
	s := strict(t, db, p)
	s.settle()
	view := p.View(db)
	t.Run("numbers are found and ordered up to the greatest that an index holds", func(t *testing.T) {
		rows, err := view.List(bounded(t), nil, deed.Page{Order: "-n"}, 0)
		must(t, err)
		want(t, "keys", keysOf(rows), "ab")
		rows, err = view.List(bounded(t), []deed.Where{{Field: "n", Value: uint64(math.MaxInt64)}}, deed.Page{}, 0)
		must(t, err)
		want(t, "keys", keysOf(rows), "a")
	})
	t.Run("greater ones are errors in a query, and not taken for others", func(t *testing.T) {
		for _, value := range []any{uint64(math.MaxInt64 + 1), uint64(math.MaxUint64), "9223372036854775808"} {
			if rows, err := view.List(bounded(t), []deed.Where{{Field: "n", Value: value}}, deed.Page{}, 0); err == nil {
				t.Errorf("%v: got %v, want an error", value, rows.Rows)
			}
		}
	})
	t.Run("greater ones stop the view that is to hold them", func(t *testing.T) {
		tell(t, db, told{"count-c", counted{math.MaxInt64 + 1}}, told{"count-d", counted{8}})
		s.settle()
		part := s.part("counts")
		want(t, "state", part.State, deed.StateStopped)
		want(t, "record", part.Record, &deed.FailedRecord{Position: 3, Stream: "count-c", Type: "counted"})
		if !strings.Contains(part.Error, "9223372036854775808") {
			t.Errorf("got %q, want it to name the number", part.Error)
		}
		rows, err := view.List(bounded(t), nil, deed.Page{}, 0)
		must(t, err)
		want(t, "keys", keysOf(rows), "ab")
	})
}
