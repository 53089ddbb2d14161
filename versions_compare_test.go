package deed_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

// jsonRows is a version of a view whose rows are JSON as it stands; what is empty is no row.
func jsonRows(version, partitions int, row func(key string, before json.RawMessage) string) deed.Projection[[]json.RawMessage, deed.Event] {
	return deed.Projection[[]json.RawMessage, deed.Event]{
		Name: "tallies", Version: version, Partitions: partitions, Events: accountEvents,
		Key: func(r deed.Recorded[deed.Event]) string { return r.Stream.ID() },
		Evolve: func(v []json.RawMessage, r deed.Recorded[deed.Event]) []json.RawMessage {
			var before json.RawMessage
			if len(v) > 0 {
				before = v[0]
			}
			if next := row(r.Stream.ID(), before); next != "" {
				return []json.RawMessage{json.RawMessage(next)}
			}
			return nil
		},
	}
}

// fixed are rows that are always the same.
func fixed(rows map[string]string) func(string, json.RawMessage) string {
	return func(key string, _ json.RawMessage) string { return rows[key] }
}

func TestCompare(t *testing.T) {
	for name, partitions := range map[string]int{"whole": 1, "cut into partitions": 3} {
		t.Run(name, func(t *testing.T) {
			db, _ := memory(t)
			left := map[string]string{
				"a": `{"x":1,"y":[1,2]}`, "b": `{"x":1}`, "c": `{"x":1}`, "e": `{"x":1.0}`, "f": `{"x":12345678901234567890}`, "g": `{"x":"é"}`, "h": `[1,2]`, "i": `null`,
			}
			right := map[string]string{
				"a": `{"y":[1,2],"x":1}`, "b": `{"x":2}`, "d": `{"x":1}`, "e": `{"x":1}`, "f": `{"x":12345678901234567891}`, "g": `{"x":"\u00e9"}`, "h": `[2,1]`, "i": `false`,
			}
			s := start(t, db, accounts, jsonRows(1, 1, fixed(left)), jsonRows(2, partitions, fixed(right)))
			for key := 'a'; key <= 'j'; key++ {
				s.send(accounts.Send(string(key), open{"ann"}))
			}
			s.settle()
			c, err := s.Views().Compare(bounded(t), "tallies", 1, 2, 3)
			must(t, err)
			samples := c.Samples
			c.Samples = nil
			want(t, "comparison", c, deed.Comparison{Left: 1, Right: 2, Same: 2, Different: 5, OnlyLeft: 1, OnlyRight: 1})
			want(t, "samples", samples, []deed.Difference{
				{Key: "b", Left: json.RawMessage(`[{"x":1}]`), Right: json.RawMessage(`[{"x":2}]`)},
				{Key: "c", Left: json.RawMessage(`[{"x":1}]`)},
				{Key: "d", Right: json.RawMessage(`[{"x":1}]`)},
			})
			c, err = s.Views().Compare(bounded(t), "tallies", 2, 2, 0)
			must(t, err)
			want(t, "with itself", c, deed.Comparison{Left: 2, Right: 2, Same: 8})
			c, err = s.Views().Compare(bounded(t), "tallies", 2, 1, 0)
			must(t, err)
			want(t, "the other way round", c, deed.Comparison{Left: 2, Right: 1, Same: 2, Different: 5, OnlyLeft: 1, OnlyRight: 1})
		})
	}
	t.Run("goes through all pages", func(t *testing.T) {
		db, _ := memory(t)
		s := start(t, db, accounts, jsonRows(1, 1, fixed(nil)), tallies(2))
		const n = 1005
		for i := range n {
			s.send(accounts.Send(fmt.Sprint(i), open{"ann"}))
		}
		s.settle()
		c, err := s.Views().Compare(bounded(t), "tallies", 1, 2, 0)
		must(t, err)
		want(t, "comparison", c, deed.Comparison{Left: 1, Right: 2, OnlyRight: n})
	})
	t.Run("refuses what cannot be compared", func(t *testing.T) {
		db, _ := memory(t)
		s := start(t, db, accounts, tallies(1), tallies(2))
		for _, versions := range [][3]int{{1, 3, 0}, {0, 2, 0}, {1, 2, -1}, {1, 2, 1001}} {
			_, err := s.Views().Compare(bounded(t), "tallies", versions[0], versions[1], versions[2])
			wantInvalid(t, err)
		}
		_, err := s.Views().Compare(bounded(t), "nothing", 1, 2, 0)
		wantErr(t, err, deed.ErrNotFound)
		s.stop()
		must(t, db.Close())
		_, err = s.Views().Compare(bounded(t), "tallies", 1, 2, 0)
		wantErr(t, err, deed.ErrClosed)
	})
}

// Versions that go on are not called different for being at different positions.
func TestCompareWhileBothGoOn(t *testing.T) {
	db, _ := memory(t)
	sum := func(_ string, before json.RawMessage) string {
		var n int
		_ = json.Unmarshal(before, &n)
		if n = (n + 1) % 4; n == 0 { // gone, every fourth time
			return ""
		}
		return fmt.Sprint(n)
	}
	s := start(t, db, accounts, jsonRows(1, 1, sum), jsonRows(2, 3, sum))
	s.send(accounts.Send("0", open{"ann"}), accounts.Send("1", open{"ann"}), accounts.Send("2", open{"ann"}))
	writing, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-writing:
				return
			default:
			}
			if _, err := s.Dispatch(bounded(t), deed.Stream("account", fmt.Sprint(i%3)), "pay", []byte(`{"amount":1}`)); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	compared := 0
	for range 300 {
		c, err := s.Views().Compare(bounded(t), "tallies", 1, 2, 5)
		if err != nil || c.Different+c.OnlyLeft+c.OnlyRight+len(c.Samples) > 0 {
			t.Errorf("the same rows are compared as %+v, %v", c, err)
			break
		}
		compared += c.Same
	}
	close(writing)
	<-stopped
	if compared == 0 {
		t.Error("no row was compared")
	}
}

// A difference that cannot be looked at as of one position is not called one.
func TestCompareWithAVersionThatLags(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, err := sqlite.OpenMemory(nil)
		must(t, err)
		defer func() { must(t, db.Close()) }()
		held := make(gate, 3)
		s := start(t, db, accounts, tallies(1), talliesWith(2, held.hold))
		defer s.stop()
		for range 3 {
			held <- struct{}{}
		}
		s.send(accounts.Send("1", open{"ann"}), accounts.Send("2", open{"ann"}), accounts.Send("3", open{"ann"}))
		s.settle()
		s.send(accounts.Send("1", pay{1}), accounts.Send("4", open{"ann"}), accounts.Send("3", shut{}))
		synctest.Wait()
		c, err := s.Views().Compare(bounded(t), "tallies", 1, 2, 5)
		must(t, err)
		samples := c.Samples
		c.Samples = nil
		// 1, 3 and 4 have changed in the one and may yet in the other; 2 has changed in neither since.
		want(t, "comparison", c, deed.Comparison{Left: 1, Right: 2, Different: 1, Moving: 3})
		want(t, "samples", len(samples), 1)
		close(held)
		s.settle()
		c, err = s.Views().Compare(bounded(t), "tallies", 1, 2, 0)
		must(t, err)
		want(t, "comparison", c, deed.Comparison{Left: 1, Right: 2, Different: 3})
	})
}
