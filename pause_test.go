package deed_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

func TestPause(t *testing.T) {
	file := inFile(t)
	parts := []deed.Part{accounts, lines, owners, keeps(when(""))}
	file.served(parts, func(s *running, db *sqlite.DB) {
		s.send(accounts.Send("1", open{"ann"}))
		s.settle()
		for _, part := range []string{"lines", "owners", "keeper"} {
			must(t, second(s.Control().Pause(deed.WithMeta(bounded(t), deed.Meta{Actor: "eve"}), part)))
			must(t, second(s.Control().Pause(bounded(t), part)))
		}
		at := s.send(accounts.Send("1", pay{1})).Position
		s.settle()
		for _, part := range []string{"lines", "owners", "keeper"} {
			if p := s.part(part); p.State != deed.StatePaused || p.Ready || p.Position >= at {
				t.Errorf("paused, it is %+v", p)
			}
			audit := records(t, db, deed.Query{Stream: deed.StreamID("process-" + part)})
			want(t, "who", audit[0].Meta().Actor, "eve")
		}
		got, err := lines.View(db).Get(bounded(t), "1", 1)
		must(t, err)
		want(t, "row", got, line{"ann", 0, 0})
	})
	t.Run("lasts over a restart, until it is ended", func(t *testing.T) {
		file.served(parts, func(s *running, db *sqlite.DB) {
			s.settle()
			for _, part := range []string{"lines", "owners", "keeper"} {
				want(t, "state", s.part(part).State, deed.StatePaused)
				must(t, second(s.Control().Resume(bounded(t), part)))
			}
			s.settle()
			got, err := lines.View(db).Get(bounded(t), "1", 2)
			must(t, err)
			want(t, "row", got, line{"ann", 1, 1})
			want(t, "notes", len(s.notes("keeper", "1")), 2)
			want(t, "sum", found(t, db, owners, "ann", 2), [][]any{{"1", int64(1)}})
		})
		file.served(parts, func(s *running, _ *sqlite.DB) {
			s.settle()
			want(t, "state", s.part("lines").State, deed.StateLive)
		})
	})
}

func TestRebuild(t *testing.T) {
	for name, mode := range map[string]deed.Mode{"async": deed.Async, "inline": deed.Inline} {
		t.Run(name, func(t *testing.T) {
			db, _ := memory(t)
			var folded atomic.Int64
			p := lines
			p.Mode = mode
			p.Evolve = func(l line, r deed.Recorded[deed.Event]) line { folded.Add(1); return l.evolve(r) }
			s := start(t, db, accounts, p, owners)
			at := s.send(accounts.Send("1", open{"ann"}), accounts.Send("1", pay{1})).Position
			_, err := p.View(db).Get(bounded(t), "1", at)
			must(t, err)
			ctx := deed.WithMeta(bounded(t), deed.Meta{CommandID: "c1"})
			first, err := s.Control().Rebuild(ctx, "lines")
			must(t, err)
			again, err := s.Control().Rebuild(ctx, "lines")
			must(t, err)
			want(t, "the same again", again.Position, first.Position)
			must(t, second(s.Control().Rebuild(bounded(t), "owners")))
			s.settle()
			got, err := p.View(db).Get(bounded(t), "1", first.Position)
			must(t, err)
			want(t, "row", got, line{"ann", 1, 1})
			if n := folded.Load(); n < 4 || mode == deed.Async && n > 4 {
				t.Errorf("%d events were folded, want the two of them twice", n)
			}
			want(t, "sum", found(t, db, owners, "ann", first.Position), [][]any{{"1", int64(1)}})
			want(t, "audit", types(t, db, deed.Query{Stream: "process-lines"}), []string{"part-rebuilt"})
		})
	}
}

// A part that has stopped is started anew by a rebuild, and what does not exist or cannot be is said.
func TestControlOfOthers(t *testing.T) {
	db, _ := memory(t)
	live, inline := lines, lines
	live.Name, live.Mode, inline.Name, inline.Mode = "live", deed.Live, "inline", deed.Inline
	task := deed.Task{Name: "relay", Run: func(ctx context.Context, _ deed.Lease) error { <-ctx.Done(); return ctx.Err() }}
	s := start(t, db, accounts, live, inline, keeps(when("")), task)
	c := s.Control()
	wantErr(t, second(c.Pause(bounded(t), "nothing")), deed.ErrNotFound)
	wantErr(t, second(c.Rebuild(bounded(t), "nothing")), deed.ErrNotFound)
	for _, err := range []error{
		second(c.Pause(bounded(t), "live")), second(c.Resume(bounded(t), "inline")), second(c.Rebuild(bounded(t), "live")),
		second(c.Rebuild(bounded(t), "keeper")), second(c.Rebuild(bounded(t), "relay")),
	} {
		if !errors.As(err, new(*deed.InvalidError)) {
			t.Errorf("got %v, want *InvalidError", err)
		}
	}
	must(t, second(c.Pause(bounded(t), "relay")))
	want(t, "state", s.part("relay").State, deed.StatePaused)
	must(t, second(c.Resume(bounded(t), "relay")))
}
