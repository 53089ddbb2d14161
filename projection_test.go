package deed_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/deedtest"
	"github.com/deed-es/deed/sqlite"
)

func TestProjection(t *testing.T) {
	t.Run("folds events into rows by key, and a zero row is gone", func(t *testing.T) {
		db, _ := memory(t)
		s := start(t, db, accounts, lines)
		view := lines.View(db)
		receipt := s.send(accounts.Send("1", open{"ann"}), accounts.Send("1", pay{5}), accounts.Send("2", open{"bob"}), accounts.Send("1", pay{2}))
		row, err := view.Get(bounded(t), "1", receipt.Position)
		must(t, err)
		want(t, "row", row, line{"ann", 7, 2})
		_, err = view.Get(bounded(t), "3", receipt.Position)
		wantErr(t, err, deed.ErrNotFound)
		receipt = s.send(accounts.Send("1", shut{}))
		_, err = view.Get(bounded(t), "1", receipt.Position)
		wantErr(t, err, deed.ErrNotFound)
		rows, err := view.List(bounded(t), nil, deed.Page{}, 0)
		must(t, err)
		want(t, "rows", rows.Rows, []deed.KeyedRow[line]{{Key: "2", Position: 3, Row: line{Owner: "bob"}}})
	})
	t.Run("passes over events without a key, and knows what was recorded of them", func(t *testing.T) {
		db, _ := memory(t)
		p := deed.Projection[[]string, deed.Event]{
			Name: "seen", Events: []deed.Event{paid{}},
			Key: func(r deed.Recorded[deed.Event]) string {
				if r.Event.(paid).Amount > 10 {
					return ""
				}
				return "all"
			},
			Evolve: func(list []string, r deed.Recorded[deed.Event]) []string {
				return append(list, fmt.Sprintf("%s %d %d %t %s", r.Stream, r.Version, r.Position, r.Time.Equal(deedtest.Start), r.Meta().Actor))
			},
		}
		s := start(t, db, accounts, p)
		s.send(accounts.Send("1", open{"ann"}), accounts.Send("1", pay{5}), accounts.Send("1", pay{50}))
		_, err := s.Dispatch(deed.WithMeta(bounded(t), deed.Meta{Actor: "ann"}), "account-1", "pay", []byte(`{"amount":6}`))
		must(t, err)
		row, err := p.View(db).Get(bounded(t), "all", 4)
		must(t, err)
		want(t, "row", row, []string{"account-1 2 2 true ", "account-1 4 4 true ann"})
	})
	t.Run("counts each event once, however often it is stopped", func(t *testing.T) {
		file := inFile(t)
		const restarts = 5
		for i := range restarts {
			file.served([]deed.Part{accounts, lines}, func(s *running, _ *sqlite.DB) {
				if i == 0 {
					s.send(accounts.Send("1", open{"ann"}))
				}
				s.send(accounts.Send("1", pay{1}), accounts.Send("1", pay{1})) // stopped while it may be folding these
			})
		}
		file.served([]deed.Part{accounts, lines}, func(s *running, db *sqlite.DB) {
			s.settle()
			row, err := lines.View(db).Get(bounded(t), "1", 0)
			must(t, err)
			want(t, "row", row, line{"ann", 2 * restarts, 2 * restarts})
		})
	})
	t.Run("is made anew for a raised version, and only then", func(t *testing.T) {
		file := inFile(t)
		var folded atomic.Int64 // an Inline projection folds in the engine too
		counting := lines
		counting.Evolve = func(l line, r deed.Recorded[deed.Event]) line {
			folded.Add(1)
			return l.evolve(r)
		}
		raised := counting
		raised.Version = 2
		raised.Evolve = func(l line, r deed.Recorded[deed.Event]) line {
			folded.Add(1)
			l.Payments += 100
			return l.evolve(r)
		}
		indexed := raised
		indexed.Index = []string{"payments"}
		for _, c := range []struct {
			p      deed.Projection[line, deed.Event]
			folded int
			row    line
		}{{counting, 2, line{"ann", 5, 1}}, {counting, 0, line{"ann", 5, 1}}, {raised, 2, line{"ann", 5, 201}}, {raised, 0, line{"ann", 5, 201}}, {indexed, 2, line{"ann", 5, 201}}} {
			folded.Store(0)
			file.served([]deed.Part{accounts, c.p}, func(s *running, db *sqlite.DB) {
				if head, _ := s.Head(bounded(t)); head == 0 {
					s.send(accounts.Send("1", open{"ann"}), accounts.Send("1", pay{5}))
				}
				s.settle()
				row, err := c.p.View(db).Get(bounded(t), "1", 2)
				must(t, err)
				want(t, "row", row, c.row)
				want(t, "events folded", int(folded.Load()), c.folded)
			})
		}
	})
	t.Run("can fold a long log, in steps", func(t *testing.T) {
		db, _ := memory(t)
		n := 2345 / raceScale
		for i := range n {
			write(t, db, deed.Stream("account", id(i%7)), "account-paid", `{"amount":1}`)
		}
		s := start(t, db, lines)
		s.settle()
		sum := 0
		rows, err := lines.View(db).List(bounded(t), nil, deed.Page{}, 0)
		must(t, err)
		for _, r := range rows.Rows {
			sum += r.Row.Balance
		}
		want(t, "sum", sum, n)
		want(t, "position", s.part("lines").Position, deed.Position(n))
	})
}

// A commit that fails for a reason that may pass is tried again, with what has come since; the status says so meanwhile.
func TestProjectionRetries(t *testing.T) {
	db, _ := memory(t)
	failing := errors.New("the disk is full")
	tries := make(chan int, 100)
	store := &hooked{DB: db, onCommitView: func(c deed.ViewCommit) error {
		select {
		case tries <- len(c.Rows):
		default:
		}
		return failing
	}}
	s := start(t, store, accounts, lines)
	s.send(accounts.Send("1", open{"ann"}), accounts.Send("1", pay{5}))
	for range 5 {
		s.settle() // lets it try again
		<-tries
	}
	part := s.part("lines")
	want(t, "state", part.State, deed.StateRetrying)
	want(t, "error", part.Error, "the disk is full")
	want(t, "ready", part.Ready, true) // it does not lag for long
	if part.Attempts < 5 {
		t.Errorf("%d attempts, want them counted up: they make the backoff", part.Attempts)
	}
	s.stop()

	failing = nil
	s = start(t, store, accounts, lines)
	s.settle()
	row, err := lines.View(db).Get(bounded(t), "1", 0)
	must(t, err)
	want(t, "row", row, line{"ann", 5, 1})
	part = s.part("lines")
	want(t, "state", part.State, deed.StateLive)
	want(t, "attempts", part.Attempts, 0)
	want(t, "error", part.Error, "")
}

// A projection that has failed while there was nothing to do is live again once it reads.
func TestProjectionRecoversWithoutEvents(t *testing.T) {
	db, _ := memory(t)
	write(t, db, "account-1", "account-paid", `{"amount":1}`)
	fail := make(chan error, 1)
	fail <- errors.New("just once")
	store := &hooked{DB: db, onCommitView: func(deed.ViewCommit) error {
		select {
		case err := <-fail:
			_ = err
			return err
		default:
			return nil
		}
	}}
	s := start(t, store, lines)
	s.settle()
	s.settle()
	want(t, "state", s.part("lines").State, deed.StateLive)
	want(t, "error", s.part("lines").Error, "")
}
