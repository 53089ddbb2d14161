package deed_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

func noReaction(context.Context, deed.Recorded[deed.Event], string) ([]deed.Effect, error) {
	return nil, nil
}

// outside is the world that a reactor touches.
type outside struct {
	mu    sync.Mutex
	calls []string // "type version id"
	ids   map[string]bool
	fail  func(call int) error
}

func (o *outside) react(_ context.Context, r deed.Recorded[deed.Event], id string) ([]deed.Effect, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.calls = append(o.calls, r.Type)
	if o.ids == nil {
		o.ids = map[string]bool{}
	}
	o.ids[id] = true
	if o.fail != nil {
		return nil, o.fail(len(o.calls))
	}
	return nil, nil
}

func (o *outside) called() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string(nil), o.calls...)
}

func TestReactor(t *testing.T) {
	mailer := func(o *outside) deed.Reactor[deed.Event] {
		return deed.Reactor[deed.Event]{Name: "mailer", Events: []deed.Event{opened{}, paid{}}, React: o.react}
	}
	t.Run("is called for each event in order, and never again for what it has handled", func(t *testing.T) {
		file := inFile(t)
		var o outside
		file.served([]deed.Part{accounts, mailer(&o)}, func(s *running, _ *sqlite.DB) {
			s.send(accounts.Send("1", open{"ann"}), accounts.Send("1", rename{"bob"}), accounts.Send("1", pay{1}))
			s.settle()
		})
		file.served([]deed.Part{accounts, mailer(&o)}, func(s *running, _ *sqlite.DB) {
			s.send(accounts.Send("1", pay{1}))
			s.settle()
		})
		want(t, "calls", o.called(), []string{"account-opened", "account-paid", "account-paid"})
		want(t, "ids", len(o.ids), 3)
	})
	t.Run("is tried again with the same id, and later events wait", func(t *testing.T) {
		db, _ := memory(t)
		o := outside{fail: func(call int) error {
			if call <= 3 {
				return errors.New("the mail server is away")
			}
			return nil
		}}
		s := start(t, db, accounts, mailer(&o))
		s.send(accounts.Send("1", open{"ann"}), accounts.Send("1", pay{1}))
		for len(o.called()) < 5 {
			s.settle()
		}
		s.settle()
		want(t, "calls", o.called(), []string{"account-opened", "account-opened", "account-opened", "account-opened", "account-paid"})
		want(t, "ids", len(o.ids), 2)
		want(t, "state", s.part("mailer").State, deed.StateLive)
		want(t, "attempts", s.part("mailer").Attempts, 0)
	})
	t.Run("shows what it waits for", func(t *testing.T) {
		db, _ := memory(t)
		o := outside{fail: func(int) error { return errors.New("the mail server is away") }}
		s := start(t, db, accounts, mailer(&o))
		s.send(accounts.Send("1", open{"ann"}))
		for range 3 {
			s.settle()
		}
		part := s.part("mailer")
		want(t, "state", part.State, deed.StateRetrying)
		want(t, "error", part.Error, "account-opened at position 1 (account-1): the mail server is away")
		want(t, "record", part.Record, &deed.FailedRecord{Position: 1, Stream: "account-1", Type: "account-opened"})
		if part.Attempts < 3 {
			t.Errorf("%d attempts, want each counted", part.Attempts)
		}
	})
	t.Run("is stopped by a permanent error, a panic, or effects that are none", func(t *testing.T) {
		for name, react := range map[string]func(context.Context, deed.Recorded[deed.Event], string) ([]deed.Effect, error){
			"there is no such address": func(context.Context, deed.Recorded[deed.Event], string) ([]deed.Effect, error) {
				return nil, deed.Permanent(errors.New("there is no such address"))
			},
			"panic: bang": func(context.Context, deed.Recorded[deed.Event], string) ([]deed.Effect, error) { panic("bang") },
			"cannot wake itself": func(context.Context, deed.Recorded[deed.Event], string) ([]deed.Effect, error) {
				return []deed.Effect{deed.Wake()}, nil
			},
			"sends a nil command": func(context.Context, deed.Recorded[deed.Event], string) ([]deed.Effect, error) {
				return []deed.Effect{accounts.Send("1", nil)}, nil
			},
		} {
			db, _ := memory(t)
			r := mailer(nil)
			r.React = func(ctx context.Context, e deed.Recorded[deed.Event], id string) ([]deed.Effect, error) {
				if e.Type == "account-paid" {
					return react(ctx, e, id)
				}
				return nil, nil
			}
			s := strict(t, db, accounts, r, lines)
			s.send(accounts.Send("1", open{"ann"}), accounts.Send("1", pay{1}), accounts.Send("2", open{"bob"}))
			s.settle()
			part := s.part("mailer")
			want(t, "state", part.State, deed.StateStopped)
			want(t, "position", part.Position, 1)
			want(t, "record", part.Record, &deed.FailedRecord{Position: 2, Stream: "account-1", Type: "account-paid"})
			if !strings.Contains(part.Error, name) {
				t.Errorf("the status says %q, want %q", part.Error, name)
			}
			want(t, "the view", s.part("lines").State, deed.StateLive)
		}
	})
	t.Run("has its effects committed with its mark", func(t *testing.T) {
		file := inFile(t)
		calls, ids := 0, map[string]bool{}
		r := mailer(nil)
		r.React = func(_ context.Context, e deed.Recorded[deed.Event], id string) ([]deed.Effect, error) {
			calls++
			ids[id] = true
			if e.Type == "account-opened" {
				return []deed.Effect{accounts.Send("1", pay{5})}, nil
			}
			return nil, nil
		}
		file.during(func(db *sqlite.DB) { // killed before it can commit
			killed := make(chan struct{})
			store := &hooked{DB: db, onCommitPart: func(deed.PartCommit) error {
				select {
				case <-killed:
				default:
					close(killed)
				}
				return errors.New("killed")
			}}
			s := start(t, store, accounts, r)
			s.send(accounts.Send("1", open{"ann"}))
			<-killed
			s.stop()
			want(t, "payments", len(payments(t, db, "1")), 0)
		})
		file.served([]deed.Part{accounts, r}, func(s *running, db *sqlite.DB) {
			s.settle()
			want(t, "payments", len(payments(t, db, "1")), 1)
		})
		if calls < 3 { // opened twice, paid once
			t.Errorf("called %d times", calls)
		}
		want(t, "ids, which outlive the program", len(ids), 2)
	})
	t.Run("is let go in the middle of its work when Run ends", func(t *testing.T) {
		db, _ := memory(t)
		working := make(chan struct{})
		r := mailer(nil)
		r.React = func(ctx context.Context, _ deed.Recorded[deed.Event], _ string) ([]deed.Effect, error) {
			close(working)
			<-ctx.Done()
			return nil, ctx.Err()
		}
		s := start(t, db, accounts, r)
		s.send(accounts.Send("1", open{"ann"}))
		<-working
		s.stop()
		want(t, "state", s.part("mailer").State, deed.StateOff)
	})
}
