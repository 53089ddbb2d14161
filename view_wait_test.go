package deed_test

import (
	"context"
	"errors"
	"testing"

	"github.com/deed-es/deed"
)

func TestViewWaits(t *testing.T) {
	t.Run("for a position whose events are not for it", func(t *testing.T) {
		db, _ := memory(t)
		s := start(t, db, accounts, lines)
		s.send(accounts.Send("1", open{"ann"}))
		view := lines.View(db)
		for range 20 {
			position := write(t, db, "noise-1", "noise", `{}`)
			row, err := view.Get(bounded(t), "1", position)
			must(t, err)
			want(t, "row", row.Owner, "ann")
		}
		for range 1200 / raceScale {
			write(t, db, "noise-1", "noise", `{}`)
		}
		position := write(t, db, "noise-1", "noise", `{}`)
		rows, err := view.List(bounded(t), nil, deed.Page{}, position)
		must(t, err)
		want(t, "position", rows.Position, position)
	})
	t.Run("until it is there, and is woken", func(t *testing.T) {
		db, _ := memory(t)
		view := lines.View(db)
		got := make(chan error)
		go func() {
			row, err := view.Get(bounded(t), "1", 2)
			if err == nil && row.Balance != 5 {
				err = errors.New("the row is older than asked for")
			}
			got <- err
		}()
		start(t, db, accounts, lines).send(accounts.Send("1", open{"ann"}), accounts.Send("1", pay{5}))
		must(t, <-got)
	})
	t.Run("until the caller does not want to any more, and tells how far it is", func(t *testing.T) {
		db, _ := memory(t)
		s := start(t, db, accounts, lines)
		s.send(accounts.Send("1", open{"ann"}))
		s.settle()
		ctx, cancel := context.WithCancel(bounded(t))
		cancel()
		_, err := lines.View(db).Get(ctx, "1", 2)
		var behind *deed.BehindError
		if !errors.As(err, &behind) || *behind != (deed.BehindError{View: "lines", Want: 2, Reached: 1}) || !errors.Is(err, deed.ErrBehind) {
			t.Errorf("Get: got %v, want *BehindError at 1", err)
		}
		_, err = lines.View(db).List(ctx, nil, deed.Page{}, 2)
		wantErr(t, err, deed.ErrBehind)
		_, err = s.Views().Position(ctx, "lines", 2)
		wantErr(t, err, deed.ErrBehind)
	})
	t.Run("not for what has stopped to come, if the caller does not", func(t *testing.T) {
		db, _ := memory(t)
		s := strict(t, db, lines)
		position := write(t, db, "account-1", "account-paid", `no JSON`)
		s.settle()
		ctx, cancel := context.WithCancel(bounded(t))
		cancel()
		_, err := lines.View(db).Get(ctx, "1", position)
		wantErr(t, err, deed.ErrBehind)
	})
	t.Run("ends when the store is closed", func(t *testing.T) {
		db, _ := memory(t)
		got := make(chan error)
		go func() {
			_, err := lines.View(db).Get(bounded(t), "1", 2)
			got <- err
		}()
		must(t, db.Close())
		wantErr(t, <-got, deed.ErrClosed)
	})
}

func TestViewsByName(t *testing.T) {
	db, _ := memory(t)
	s := start(t, db, accounts, lines)
	views := s.Views()
	t.Run("give rows and lists as JSON", func(t *testing.T) {
		s.send(accounts.Send("1", open{"<ann>"}), accounts.Send("2", open{"bob"}))
		row, position, err := views.Get(bounded(t), "lines", "1", 2)
		must(t, err)
		want(t, "row", string(row.Row), `{"owner":"<ann>","balance":0,"payments":0}`)
		want(t, "row's position", row.Position, 1)
		want(t, "position", position, 2)
		rows, err := views.List(bounded(t), "lines", []deed.Where{{Field: "balance", Value: "0"}}, deed.Page{Limit: 1}, 0)
		must(t, err)
		want(t, "rows", keysOf(rows), "1")
		reading, err := views.Reading(bounded(t), "lines")
		must(t, err)
		want(t, "reading", reading, deed.Reading{Version: 1})
	})
	t.Run("say where they are when a row is missing", func(t *testing.T) {
		_, position, err := views.Get(bounded(t), "lines", "9", 2)
		wantErr(t, err, deed.ErrNotFound)
		want(t, "position", position, 2)
	})
	t.Run("say ErrNotFound of what they are not", func(t *testing.T) {
		_, _, err := views.Get(bounded(t), "nothing", "1", 0)
		wantErr(t, err, deed.ErrNotFound)
		_, err = views.List(bounded(t), "nothing", nil, deed.Page{}, 0)
		wantErr(t, err, deed.ErrNotFound)
		_, err = views.Position(bounded(t), "nothing", 0)
		wantErr(t, err, deed.ErrNotFound)
		_, err = views.Reading(bounded(t), "nothing")
		wantErr(t, err, deed.ErrNotFound)
		for _, err := range views.Changes(bounded(t), "nothing", 1, deed.ChangeCursor{}) {
			wantErr(t, err, deed.ErrNotFound)
		}
	})
	t.Run("tell changes as they come, removals too", func(t *testing.T) {
		var seen []string
		for c, err := range views.Changes(bounded(t), "lines", 1, deed.ChangeCursor{}) {
			must(t, err)
			seen = append(seen, c.Key)
			switch len(seen) {
			case 2:
				s.send(accounts.Send("3", open{"cat"}))
			case 3:
				want(t, "change", c.Row == nil, false)
				s.send(accounts.Send("1", shut{}))
			}
			if len(seen) == 4 {
				want(t, "removal", c, deed.Change{View: "lines", Key: "1", Position: 4})
				break
			}
		}
		want(t, "changes", seen, []string{"1", "2", "3", "1"})
	})
}
