package deed_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

// Where only a new version is among the parts, the old rows are read until it has caught up.
func TestVersionRaised(t *testing.T) {
	t.Run("serves the old rows as stale until the new version has caught up, and then drops them", func(t *testing.T) {
		db, clock := memory(t)
		old := start(t, db, accounts, tallies(1))
		old.send(accounts.Send("1", open{"ann"}), accounts.Send("1", pay{5}))
		old.settle()
		old.isRead(1, false)
		old.stop()

		opening := make(gate)
		s := start(t, db, accounts, talliesWith(2, opening.hold))
		s.isRead(1, true)
		row, at := tallyOf(t, s, "1", 0)
		want(t, "row", row, count{2, "v1"})
		row, _ = tallyOf(t, s, "1", at)
		want(t, "row at the position that the old version has", row, count{2, "v1"})
		rows, err := s.Views().List(bounded(t), "tallies", []deed.Where{{Field: "by", Value: "v1"}}, deed.Page{}, at)
		must(t, err)
		want(t, "rows", len(rows.Rows), 1)
		clock.Advance(time.Minute)
		if part := s.part("tallies"); part.Read || part.Ready || part.Behind < time.Minute {
			t.Errorf("the new version is %+v, want it neither read nor ready", part)
		}

		receipt := s.send(accounts.Send("1", pay{1}))
		row, _ = tallyOf(t, s, "1", 0)
		want(t, "row without a position", row, count{2, "v1"})
		answered := make(chan count)
		go func() {
			row, _, err := s.Views().Get(bounded(t), "tallies", "1", receipt.Position)
			var v count
			if err == nil {
				err = deed.DecodeJSON(row.Row, &v)
			}
			if err != nil {
				t.Error(err)
			}
			answered <- v
		}()
		close(opening)
		want(t, "row at the position of what was just written", <-answered, count{3, "v2"})
		s.settle()
		s.isRead(2, false)
		kept(t, db, tallyRef(2))
		row, _ = tallyOf(t, s, "1", 0)
		want(t, "row", row, count{3, "v2"})
		if part := s.part("tallies"); !part.Read || !part.Ready || part.Version != 2 {
			t.Errorf("the new version is %+v, want it read and ready", part)
		}
	})
	t.Run("switches and drops by itself while it runs", func(t *testing.T) {
		db, _ := memory(t)
		old := start(t, db, accounts, tallies(1))
		old.send(accounts.Send("1", open{"ann"}))
		old.settle()
		old.stop()
		s := start(t, db, accounts, tallies(2))
		for ctx := bounded(t); ; {
			refs, err := db.ListViews(ctx)
			must(t, err)
			if len(refs) == 1 {
				break
			}
		}
		s.isRead(2, false)
	})
	t.Run("is not switched to by itself while it lacks something", func(t *testing.T) {
		db, _ := memory(t)
		old := start(t, db, accounts, tallies(1))
		old.send(accounts.Send("1", open{"ann"}), accounts.Send("2", open{"bob"}))
		old.settle()
		old.stop()
		s := start(t, db, accounts, talliesWith(2, func(r deed.Recorded[deed.Event]) {
			if r.Stream == "account-2" {
				panic("broken")
			}
		}))
		receipt := s.send(accounts.Send("1", pay{5}))
		for range 2 {
			s.settle()
			s.isRead(1, true)
			kept(t, db, tallyRef(1), tallyRef(2))
		}
		row, _ := tallyOf(t, s, "1", 0)
		want(t, "row without a position", row, count{1, "v1"})
		row, _ = tallyOf(t, s, "1", receipt.Position)
		want(t, "row at the position of what was just written", row, count{2, "v2"})
		rows, err := s.Views().List(bounded(t), "tallies", nil, deed.Page{}, receipt.Position)
		must(t, err)
		if len(rows.Rows) != 1 || rows.Position < receipt.Position {
			t.Errorf("the list at position %d is %+v", receipt.Position, rows)
		}
		_, err = s.Control().Skip(bounded(t), "tallies", "2")
		must(t, err)
		s.settle()
		s.isRead(2, false)
		kept(t, db, tallyRef(2))
	})
	t.Run("is switched to by who says so, though it lacks something", func(t *testing.T) {
		db, _ := memory(t)
		old := start(t, db, accounts, tallies(1))
		old.send(accounts.Send("1", open{"ann"}))
		old.settle()
		old.stop()
		s := start(t, db, accounts, talliesWith(2, func(deed.Recorded[deed.Event]) { panic("broken") }))
		s.settle()
		s.switchTo(2)
		s.isRead(2, false)
		s.settle()
		kept(t, db, tallyRef(2))
	})
	t.Run("goes back to the version before where that one is started again", func(t *testing.T) {
		file := inFile(t)
		for i, version := range []int{1, 2, 1} {
			file.served([]deed.Part{accounts, tallies(version)}, func(s *running, db *sqlite.DB) {
				s.send(accounts.Send(fmt.Sprint(i), open{"ann"}))
				s.settle()
				s.isRead(version, false)
				kept(t, db, tallyRef(version))
				for key := range i + 1 {
					row, _ := tallyOf(t, s, fmt.Sprint(key), 0)
					want(t, "row", row, count{1, fmt.Sprintf("v%d", version)})
				}
			})
		}
	})
}

// What only a new version says about partitions is a new version too.
func TestPartitionsChanged(t *testing.T) {
	db, _ := memory(t)
	whole := tallies(1)
	old := start(t, db, accounts, whole)
	keys := strings.Split("1 2 3 4 5 6 7 8 9", " ")
	for _, key := range keys {
		old.send(accounts.Send(key, open{"ann"}))
	}
	old.settle()
	old.stop()

	opening := make(gate)
	cut := talliesWith(1, opening.hold)
	cut.Partitions = 3
	s := start(t, db, accounts, cut)
	s.isRead(1, true)
	for _, key := range keys {
		row, _ := tallyOf(t, s, key, 0)
		want(t, "row of the old partitions", row, count{1, "v1"})
	}
	receipt := s.send(accounts.Send("3", pay{1}))
	close(opening)
	row, _ := tallyOf(t, s, "3", receipt.Position)
	want(t, "row of the new partitions", row, count{2, "v1"})
	s.settle()
	s.isRead(1, false)
	kept(t, db, deed.ViewRef{Name: "tallies.0of3", Version: 1}, deed.ViewRef{Name: "tallies.1of3", Version: 1}, deed.ViewRef{Name: "tallies.2of3", Version: 1})
	for _, key := range keys {
		tallyOf(t, s, key, receipt.Position)
	}
	s.stop()

	s = start(t, db, accounts, whole)
	s.settle()
	s.isRead(1, false)
	kept(t, db, tallyRef(1))
}

// Views that stand in one version only are none of this business.
func TestVersionsOfOthersAreLeftAlone(t *testing.T) {
	db, _ := memory(t)
	inline, live := tallies(1), lines
	inline.Mode, live.Mode = deed.Inline, deed.Live
	strange := deed.ViewRef{Name: "stranger", Version: 3}
	_, err := db.OpenView(bounded(t), deed.ViewSpec{ViewRef: strange})
	must(t, err)
	left := deed.ViewRef{Name: "lines", Version: 7} // by one that was Async once
	_, err = db.OpenView(bounded(t), deed.ViewSpec{ViewRef: left})
	must(t, err)
	s := start(t, db, accounts, inline, live)
	receipt := s.send(accounts.Send("1", open{"ann"}))
	s.settle()
	kept(t, db, left, strange)
	kept(t, db.InlineViews(), tallyRef(1))
	for _, name := range []string{"tallies", "lines"} {
		if part := s.part(name); !part.Read {
			t.Errorf("%s is not read", name)
		}
		_, _, err := s.Views().Get(bounded(t), name, "1", receipt.Position)
		must(t, err)
		_, err = s.Control().Switch(bounded(t), name, 1)
		wantInvalid(t, err)
	}
	s.isRead(1, false)
}

// The tables of an old version are dropped. They are not read by name, so nobody misses them.
func TestTablesOfAnOldVersion(t *testing.T) {
	db, _ := memory(t)
	s := start(t, db, accounts, owners)
	s.send(accounts.Send("1", open{"ann"}))
	s.settle()
	s.stop()
	raised := owners
	raised.Version = 2
	kept(t, db, deed.ViewRef{Name: owners.Name, Version: 1})
	s = start(t, db, accounts, raised)
	s.settle()
	kept(t, db, deed.ViewRef{Name: owners.Name, Version: 2})
	reading, err := s.Views().Reading(bounded(t), owners.Name)
	must(t, err)
	want(t, "what is read", reading, deed.Reading{Version: 2})
	if part := s.part(owners.Name); !part.Read {
		t.Error("the tables are not said to be read")
	}
}
