package sqlite_test

import (
	"fmt"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/deedtest"
	"github.com/deed-es/deed/sqlite"
)

func TestSurvey(t *testing.T) {
	clock := deedtest.NewClock(time.Date(2026, 3, 1, 23, 0, 0, 0, time.UTC))
	db, err := sqlite.Open(filepath.Join(t.TempDir(), "log.db"), &sqlite.Options{Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	survey, err := db.Survey(t.Context(), 10)
	if err != nil || len(survey.Kinds)+len(survey.Days) > 0 || survey.Bytes == 0 || survey.Views == 0 {
		t.Errorf("an empty log: %+v, %v", survey, err)
	}
	for i, day := range []int{0, 0, 2, 2, 2, 3} {
		clock.Advance(time.Date(2026, 3, 1+day, 23, 0, 0, 0, time.UTC).Sub(clock.Now()))
		category := []string{"cart", "order"}[i%2]
		e := deed.NewEvent{ID: fmt.Sprint(i), Type: category + "-made", Data: []byte(`{}`)}
		if _, err := db.Append(t.Context(), deed.Batch{Writes: []deed.Write{{Stream: deed.Stream(category, fmt.Sprint(i/2)), Version: deed.Any, Events: []deed.NewEvent{e}}}}); err != nil {
			t.Fatal(err)
		}
	}
	if survey, err = db.Survey(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	day := func(n int) time.Time { return time.Date(2026, 3, n, 0, 0, 0, 0, time.UTC) }
	if want := []deed.KindCount{{Category: "cart", Type: "cart-made", Events: 3}, {Category: "order", Type: "order-made", Events: 3}}; !reflect.DeepEqual(survey.Kinds, want) {
		t.Errorf("kinds: %+v, want %+v", survey.Kinds, want)
	}
	on := func(n int, category string, events int64) deed.DayCount {
		return deed.DayCount{Day: day(n), Category: category, Events: events}
	}
	want := []deed.DayCount{on(1, "cart", 1), on(1, "order", 1), on(3, "cart", 2), on(3, "order", 1), on(4, "order", 1)}
	if !reflect.DeepEqual(survey.Days, want) {
		t.Errorf("days: %+v, want %+v", survey.Days, want)
	}
	if survey, err = db.Survey(t.Context(), 2); err != nil || !reflect.DeepEqual(survey.Days, want[2:]) {
		t.Errorf("the last two days: %+v, %v, want %+v", survey.Days, err, want[2:])
	}
	for _, c := range []struct {
		category, after string
		limit           int
		want            []string
	}{
		{"", "", 0, []string{"cart-0", "cart-1", "cart-2", "order-0", "order-1", "order-2"}},
		{"", "cart-1", 2, []string{"cart-2", "order-0"}},
		{"order", "", 2, []string{"order-0", "order-1"}},
		{"order", "order-1", 9, []string{"order-2"}},
		{"nothing", "", 9, nil},
	} {
		streams, err := db.Streams(t.Context(), c.category, deed.StreamID(c.after), c.limit)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range streams {
			got = append(got, string(s.Stream))
			if s.Version != 1 || s.Position == 0 || s.Time.IsZero() {
				t.Errorf("%+v", s)
			}
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("streams of %q after %q: %v, want %v", c.category, c.after, got, c.want)
		}
	}
}
