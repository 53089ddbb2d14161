package deed_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/deedtest"
	"github.com/deed-es/deed/sqlite"
)

// Two versions among the parts stand side by side, and somebody says which is read.
func TestVersionsSideBySide(t *testing.T) {
	db, clock := memory(t)
	held := make(gate, 1) // one event for each that is put in
	s := start(t, db, accounts, tallies(1), talliesWith(2, held.hold))
	held <- struct{}{}
	receipt := s.send(accounts.Send("1", open{"ann"}))
	s.settle()
	s.isRead(1, false)
	kept(t, db, tallyRef(1), tallyRef(2))
	for version, read := range map[int]bool{1: true, 2: false} {
		if part := s.version("tallies", version); part.Position != receipt.Position || part.Read != read || !part.Ready || part.State != deed.StateLive {
			t.Errorf("version %d is %+v", version, part)
		}
	}
	if model := s.Model().Projections; len(model) != 1 || model[0].Version != 2 {
		t.Errorf("the model has %+v, want the newest version", model)
	}

	t.Run("a switch is refused while the new version lags", func(t *testing.T) {
		receipt = s.send(accounts.Send("1", pay{5}))
		var behind *deed.BehindError
		if _, err := s.Control().Switch(bounded(t), "tallies", 2); !errors.As(err, &behind) || behind.Want != receipt.Position || behind.Reached >= behind.Want {
			t.Errorf("got %v, want a BehindError about position %d", err, receipt.Position)
		}
		s.isRead(1, false)
		clock.Advance(time.Minute)
		if part := s.version("tallies", 2); part.Read || !part.Ready || part.Behind < time.Minute {
			t.Errorf("the version that nobody reads is %+v, want it ready", part)
		}
		want(t, "what was said", types(t, db, deed.Query{Stream: "process-tallies"}), nil)
	})
	t.Run("and for a version or view that is not kept", func(t *testing.T) {
		for _, version := range []int{0, 3, -1} {
			_, err := s.Control().Switch(bounded(t), "tallies", version)
			wantInvalid(t, err)
		}
		_, err := s.Control().Switch(bounded(t), "nothing", 1)
		wantErr(t, err, deed.ErrNotFound)
		_, err = s.Control().Switch(bounded(t), "account", 1)
		wantErr(t, err, deed.ErrNotFound)
		s.isRead(1, false)
	})
	t.Run("it is said once, under a command's id, and can be taken back", func(t *testing.T) {
		held <- struct{}{}
		s.settle()
		first, err := s.Control().Switch(commanded(t, "switch-1"), "tallies", 2)
		must(t, err)
		s.isRead(2, false)
		row, _ := tallyOf(t, s, "1", receipt.Position)
		want(t, "row", row, count{2, "v2"})
		s.send(accounts.Send("1", pay{6})) // and version 2 lags
		again, err := s.Control().Switch(commanded(t, "switch-1"), "tallies", 2)
		must(t, err)
		if !again.Again || again.Position != first.Position {
			t.Errorf("the same again is answered %+v, want what the first was: %+v", again, first)
		}
		_, err = s.Control().Switch(commanded(t, "switch-1"), "tallies", 1)
		wantErr(t, err, deed.ErrReused)
		s.isRead(2, false)
		s.switchTo(1)
		s.isRead(1, false)
		_, err = s.Control().Switch(commanded(t, "switch-1"), "tallies", 2)
		must(t, err)
		s.isRead(1, false) // what is old is not done again
		row, _ = tallyOf(t, s, "1", 0)
		want(t, "row", row.By, "v1")
		said := records(t, db, deed.Query{Stream: "process-tallies"})
		want(t, "how often it was said", len(said), 2)
		want(t, "what was said", string(said[0].Data), `{"part":"tallies","version":2,"before":1}`)
		want(t, "who said it", said[0].Meta().Actor, "ann")
		want(t, "what was said then", string(said[1].Data), `{"part":"tallies","version":1,"before":2}`)
	})
	close(held)
	t.Run("both are kept, whichever is read", func(t *testing.T) {
		for _, version := range []int{2, 1, 2} {
			s.settle()
			s.switchTo(version)
			s.settle()
			kept(t, db, tallyRef(1), tallyRef(2))
		}
	})
	t.Run("and it is still read after a restart, until only the other is among the parts", func(t *testing.T) {
		s.stop()
		s := start(t, db, accounts, tallies(2), tallies(1))
		s.isRead(2, false)
		s.settle()
		s.isRead(2, false)
		s.stop()
		reading, err := newService(t, db, accounts, tallies(1)).Views().Reading(bounded(t), "tallies") // which does not run
		must(t, err)
		want(t, "what is read", reading, deed.Reading{Version: 2, Stale: true})
		s = start(t, db, accounts, tallies(1))
		s.settle()
		s.isRead(1, false)
		kept(t, db, tallyRef(1))
	})
}

// Names are shared by versions of an Async projection only.
func TestVersionsOfOneName(t *testing.T) {
	db, _ := memory(t)
	inline, process := tallies(2), lines
	inline.Mode, process.Name = deed.Inline, "tallies"
	cut := tallies(1)
	cut.Partitions = 3
	for name, parts := range map[string][]deed.Part{
		"the same version": {tallies(1), tallies(1)}, "0, which is 1": {tallies(0), tallies(1)}, "in other partitions": {tallies(1), cut},
		"an Inline one": {tallies(1), inline}, "besides an Inline one": {inline, tallies(1)}, "another view": {tallies(1), process},
	} {
		if _, err := deed.NewService(deed.Config{Store: db, Views: db}, parts...); err == nil {
			t.Errorf("%s was taken beside version 1", name)
		}
	}
	newService(t, db, accounts, tallies(3), tallies(1), tallies(2))
	read, err := db.ViewRead(bounded(t), "tallies")
	must(t, err)
	want(t, "what is read at first", read, deed.ViewVersion{Version: 1, Partitions: 1})
}

// Who follows the changes of a view is told when another version is read, and begins anew with it.
func TestChangesEndWhereTheVersionIsSwitched(t *testing.T) {
	db, _ := memory(t)
	s := start(t, db, accounts, tallies(1), tallies(2))
	s.send(accounts.Send("1", open{"ann"}))
	s.settle()
	s.stop() // so that nobody looks what is read every now and then
	changed, ended := make(chan deed.Change), make(chan error, 1)
	go func() {
		for change, err := range s.Views().Changes(bounded(t), "tallies", 1, deed.ChangeCursor{}) {
			if err != nil {
				ended <- err
				return
			}
			changed <- change
		}
	}()
	first := <-changed
	want(t, "row", string(first.Row), `{"n":1,"by":"v1"}`)
	s.switchTo(2)
	wantErr(t, <-ended, deed.ErrCursor)
	for _, err := range s.Views().Changes(bounded(t), "tallies", 1, deed.ChangeCursor{Position: first.Position}) {
		wantErr(t, err, deed.ErrCursor)
	}
	for change, err := range s.Views().Changes(bounded(t), "tallies", 2, deed.ChangeCursor{}) {
		must(t, err)
		want(t, "row", string(change.Row), `{"n":1,"by":"v2"}`)
		break
	}
}

// Who follows is told, too, where it was another process that switched, or dropped the version.
func TestChangesEndWhereAnotherSwitches(t *testing.T) {
	for name, switched := range map[string]func(db *sqlite.DB) error{
		"switched": func(*sqlite.DB) error { return nil },
		"and dropped": func(db *sqlite.DB) error {
			return db.DropView(context.Background(), tallyRef(1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			db, _ := memory(t)
			s := start(t, db, accounts, tallies(1), tallies(2))
			s.send(accounts.Send("1", open{"ann"}))
			s.settle()
			for change, err := range s.Views().Changes(bounded(t), "tallies", 1, deed.ChangeCursor{}) {
				if err != nil {
					wantErr(t, err, deed.ErrCursor)
					return
				}
				if change.Position == 1 {
					must(t, db.ReadView(bounded(t), "tallies", deed.ViewVersion{Version: 1, Partitions: 1}, deed.ViewVersion{Version: 2, Partitions: 1}))
					must(t, switched(db))
				}
			}
			t.Error("the changes ended without an error")
		})
	}
}

// shifting is a store in which another version comes to be read, and the old one is gone, just before it is read.
type shifting struct {
	*sqlite.DB
	shift func()
}

func (s *shifting) before(view deed.ViewRef) {
	if shift := s.shift; shift != nil && view == tallyRef(1) {
		s.shift = nil
		shift()
	}
}

func (s *shifting) Row(ctx context.Context, view deed.ViewRef, key string) (deed.Row, deed.Position, error) {
	s.before(view)
	return s.DB.Row(ctx, view, key)
}

func (s *shifting) ListRows(ctx context.Context, view deed.ViewRef, q deed.RowQuery) ([]deed.Row, deed.Position, error) {
	s.before(view)
	return s.DB.ListRows(ctx, view, q)
}

func (s *shifting) WaitView(ctx context.Context, view deed.ViewRef, reach deed.Position) (deed.Position, error) {
	if reach > 0 {
		s.before(view)
	}
	return s.DB.WaitView(ctx, view, reach)
}

func (s *shifting) Changes(ctx context.Context, view deed.ViewRef, after deed.ChangeCursor, limit int) ([]deed.Row, deed.Position, error) {
	s.before(view)
	return s.DB.Changes(ctx, view, after, limit)
}

// A version that is gone by the time that it is looked at is no reason not to answer.
func TestReadingWhileTheVersionGoes(t *testing.T) {
	db, err := sqlite.OpenMemory(&sqlite.Options{Clock: deedtest.NewClock(deedtest.Start)})
	must(t, err)
	t.Cleanup(func() { _ = db.Close() })
	old := start(t, db, accounts, tallies(1))
	receipt := old.send(accounts.Send("1", open{"ann"}))
	old.settle()
	old.stop()
	writer := start(t, db, accounts, tallies(2), tallies(1))
	writer.settle()
	writer.stop()
	first, second := deed.ViewVersion{Version: 1, Partitions: 1}, deed.ViewVersion{Version: 2, Partitions: 1}
	for _, after := range []deed.Position{0, receipt.Position} {
		for name, read := range map[string]func(v deed.Views) error{
			"a row": func(v deed.Views) error {
				row, at, err := v.Get(bounded(t), "tallies", "1", after)
				if err == nil && (string(row.Row) != `{"n":1,"by":"v2"}` || at < after) {
					t.Errorf("after %d: the row at %d is %s", after, at, row.Row)
				}
				return err
			},
			"a list": func(v deed.Views) error {
				rows, err := v.List(bounded(t), "tallies", nil, deed.Page{}, after)
				if err == nil && len(rows.Rows) != 1 {
					t.Errorf("after %d: the list is %+v", after, rows)
				}
				return err
			},
			"the changes": func(v deed.Views) error {
				for _, err := range v.Changes(bounded(t), "tallies", 1, deed.ChangeCursor{Position: after}) {
					wantErr(t, err, deed.ErrCursor)
					return nil
				}
				return errors.New("there are none")
			},
		} {
			store := &shifting{DB: db}
			s := newService(t, store, accounts, tallies(2), tallies(1))
			store.shift = func() {
				must(t, db.ReadView(bounded(t), "tallies", first, second))
				must(t, db.DropView(bounded(t), tallyRef(1)))
			}
			if err := read(s.Views()); err != nil {
				t.Errorf("%s after %d: %v", name, after, err)
			}
			must(t, db.ReadView(bounded(t), "tallies", second, first))
			again := start(t, db, accounts, tallies(1))
			again.settle()
			again.stop()
			writer := start(t, db, accounts, tallies(2), tallies(1))
			writer.settle()
			writer.stop()
		}
	}
}
