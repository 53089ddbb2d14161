package users_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/shoptest"
	. "github.com/deed-es/deed/examples/shop/users"
)

func FuzzUsers(f *testing.F) {
	for n := range uint64(10) {
		f.Add(shoptest.Made(1, n, 10*int(n)))
	}
	f.Fuzz(checkUsers)
}

func TestLongHistoriesOfUsers(t *testing.T) {
	for n := range uint64(4) {
		t.Run(fmt.Sprint("seed ", 100+n), func(t *testing.T) { checkUsers(t, shoptest.Made(1, 100+n, 500)) })
	}
}

// Whatever is asked of users, in whatever order: the laws of package shoptest hold, and every user's story is one that the
// blueprint tells.
func checkUsers(t *testing.T, data []byte) {
	t.Helper()
	d := shoptest.Thrown(data)
	log := shoptest.NewLog(t, d)
	shoptest.Decider(log, Decider)
	shoptest.Process(log, Welcoming(WelcomeDelay))
	for d.Next() {
		_ = log.Do(Decider.Send(d.ID(shoptest.Users), d.User()))
	}
	log.Settle()
	stories := map[deed.StreamID][]deed.Recorded[deed.Event]{}
	for _, r := range log.Records {
		stories[r.Stream] = append(stories[r.Stream], r)
	}
	rows, histories := shoptest.Rows(log, View), shoptest.Rows(log, HistoryView)
	if len(rows) != len(stories) || len(histories) != len(stories) {
		t.Errorf("%d rows and %d histories of %d users", len(rows), len(histories), len(stories))
	}
	for stream, story := range stories {
		row, history := rows[stream.ID()], histories[stream.ID()]
		checkStory(t, story, row)
		if len(history.Entries)+history.Earlier != len(story) || len(history.Entries) > 100 || !history.Entries[len(history.Entries)-1].At.Equal(story[len(story)-1].Time) {
			t.Errorf("%s: a history of %d entries and %d earlier ones of %d events", stream, len(history.Entries), history.Earlier, len(story))
		}
	}
}

// checkStory holds what happened to one user against the blueprint: created once and first, deleted once and last, welcomed
// once at most; names as they may be, and new with each update. In the end everybody is welcomed who is not deleted.
func checkStory(t *testing.T, story []deed.Recorded[deed.Event], row Row) {
	t.Helper()
	want, welcomed := Row{ID: story[0].Stream.ID(), Status: Active}, false
	for i, r := range story {
		before := [2]string{want.FirstName, want.LastName}
		ok := want.Status == Active && i > 0
		switch e := r.Event.(type) {
		case Created:
			ok, want.FirstName, want.LastName = i == 0, e.FirstName, e.LastName
			want.CreatedAt = r.Time.Format("2006-01-02T15:04:05.000000Z07:00")
		case Updated:
			want.FirstName, want.LastName = e.FirstName, e.LastName
			ok = ok && before != [2]string{want.FirstName, want.LastName}
		case Welcomed:
			ok, welcomed, want.WelcomedAt = ok && !welcomed, true, r.Time
		case Deleted:
			want.Status = Gone
		}
		if !ok || slices.ContainsFunc([]string{want.FirstName, want.LastName}, noName) {
			t.Errorf("%s at version %d: %T%+v cannot be", r.Stream, r.Version, r.Event, r.Event)
		}
	}
	if row != want || !welcomed && want.Status == Active {
		t.Errorf("got %+v\nwant %+v, welcomed: %t", row, want, welcomed)
	}
}

func noName(name string) bool {
	return strings.TrimSpace(name) == "" || utf8.RuneCountInString(name) > 100
}
