package deed_test

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/deedtest"
	"github.com/deed-es/deed/sqlite"
)

func TestRun(t *testing.T) {
	t.Run("is refused while it runs already, and may be called again when that has ended", func(t *testing.T) {
		db, _ := memory(t)
		begun := make(chan struct{}, 2)
		sign := deed.Task{Name: "sign", Run: func(ctx context.Context, _ deed.Lease) error {
			begun <- struct{}{}
			<-ctx.Done()
			return nil
		}}
		s := start(t, db, accounts, lines, keeps(when("account-opened", accounts.Send("1", pay{5}))), sign)
		<-begun
		ended, cancel := context.WithCancel(bounded(t))
		cancel() // were it not refused, it would end at once, and well
		if err := s.Run(ended); err == nil || !strings.Contains(err.Error(), "running already") {
			t.Fatalf("a second Run returned %v, want it to be refused", err)
		}
		s.send(accounts.Send("1", open{"ann"})) // the first goes on
		s.settle()
		want(t, "state", s.part("lines").State, deed.StateLive)
		s.stop()

		again := startService(t, db, s.Service)
		<-begun
		again.send(accounts.Send("1", pay{7}))
		again.settle()
		row, err := lines.View(db).Get(bounded(t), "1", 0)
		must(t, err)
		want(t, "row", row, line{"ann", 12, 2})
		want(t, "state", again.part("lines").State, deed.StateLive)
	})
	t.Run("leaves nothing retrying behind", func(t *testing.T) {
		notNow := errors.New("not now")
		db, _ := memory(t)
		var failing atomic.Bool
		failing.Store(true)
		fails := func() error {
			if failing.Load() {
				return notNow
			}
			return nil
		}
		store := &hooked{
			DB:           db,
			onCommitView: func(deed.ViewCommit) error { return fails() },
			onCommitPart: func(deed.PartCommit) error { return fails() },
		}
		world := &outside{fail: func(int) error { return fails() }}
		mailer := deed.Reactor[deed.Event]{Name: "mailer", Events: accountEvents, React: world.react}
		s := start(t, store, accounts, lines, keeps(when("")), mailer)
		s.send(accounts.Send("1", open{"ann"}))
		s.settle()
		parts := []string{"lines", "keeper", "mailer"}
		for _, name := range parts {
			want(t, name, s.part(name).State, deed.StateRetrying)
		}
		s.stop()
		for _, name := range parts {
			part := s.part(name)
			want(t, name+", after Run", part.State, deed.StateOff)
			want(t, name+" is ready", part.Ready, false)
		}
		failing.Store(false)
		s = startService(t, store, s.Service)
		s.settle()
		for _, name := range parts {
			part := s.part(name)
			want(t, name+", run again", part.State, deed.StateLive)
			want(t, name+"'s error", part.Error, "")
		}
	})
}

// watched is a logger's handler that does something with each record.
type watched struct {
	slog.Handler
	see func(context.Context, slog.Record)
}

func (w watched) Enabled(context.Context, slog.Level) bool { return true }

func (w watched) Handle(ctx context.Context, r slog.Record) error {
	w.see(ctx, r)
	return nil
}

// What goes wrong is logged without the lock that Status takes.
func TestLoggerMayAskForStatus(t *testing.T) {
	db, _ := memory(t)
	d := accounts
	d.Decide = func(a account, cmd deed.Command) ([]deed.Event, error) {
		if cmd == (pay{13}) {
			panic("unlucky")
		}
		return a.decide(cmd)
	}
	var service *deed.Service
	asked := make(chan error, 100)
	logger := slog.New(watched{slog.DiscardHandler, func(_ context.Context, r slog.Record) {
		if r.Level < slog.LevelWarn {
			return
		}
		_, err := service.Status(context.Background())
		asked <- err
	}})
	var err error
	service, err = deed.NewService(deed.Config{Store: db, Views: db, Logger: logger}, d, keeps(when("account-opened", accounts.Send("1", pay{13}))))
	must(t, err)
	s := startService(t, db, service)
	s.send(accounts.Send("1", open{"ann"}))
	select {
	case err := <-asked:
		must(t, err)
	case <-bounded(t).Done():
		s.stopped.Store(true) // it would hang, too
		t.Fatal("an effect failed, and the logger that asks for the status never returned")
	}
	s.settle()
	want(t, "held", s.effects().Held[0].Error, "pay account-1: panic: unlucky")
}

// appendAndRead is a store with nothing else to it.
type appendAndRead struct{ db *sqlite.DB }

func (s appendAndRead) Append(ctx context.Context, b deed.Batch) (deed.Receipt, error) {
	return s.db.Append(ctx, b)
}

func (s appendAndRead) Read(ctx context.Context, q deed.Query) iter.Seq2[deed.Record, error] {
	return s.db.Read(ctx, q)
}

// A store that is no engine cannot tell its head; a service finds it out all the same.
func TestServiceOnAPlainStore(t *testing.T) {
	// Long ago, for what has no clock is measured by the machine's.
	db, err := sqlite.OpenMemory(&sqlite.Options{Clock: deedtest.NewClock(time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC))})
	must(t, err)
	t.Cleanup(func() { _ = db.Close() })
	serve := func(views deed.ViewStore) *deed.Service {
		s, err := deed.NewService(deed.Config{Store: appendAndRead{db}, Views: views}, accounts, lines)
		must(t, err)
		return s
	}
	s := serve(db)
	head, err := s.Head(bounded(t))
	must(t, err)
	want(t, "head of nothing", head, 0)
	write(t, db, "account-1", "account-opened", `{"owner":"ann"}`)
	write(t, db, "account-1", "account-paid", `{"amount":5}`)

	t.Run("knows head, lag and age of what is not handled", func(t *testing.T) {
		head, err := s.Head(bounded(t))
		must(t, err)
		want(t, "head", head, 2)
		status, err := s.Status(bounded(t))
		must(t, err)
		want(t, "head", status.Head, 2)
		part := status.Parts[0]
		want(t, "state", part.State, deed.StateOff)
		want(t, "lag", part.Lag, 2)
		if part.Behind < 365*24*time.Hour {
			t.Errorf("behind by %v, want more than a year", part.Behind)
		}
	})
	t.Run("is not settled while nothing runs", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(bounded(t), 10*time.Millisecond)
		defer cancel()
		err := s.Settle(ctx)
		wantErr(t, err, context.DeadlineExceeded)
		if !strings.Contains(err.Error(), "the log is at 2, projection lines at 0") {
			t.Errorf("got %v, want it to say what is left", err)
		}
	})
	t.Run("is neither settled nor live while a view lags, and both when it is there", func(t *testing.T) {
		begun, goOn := make(chan struct{}), make(chan struct{})
		var held atomic.Bool
		held.Store(true)
		store := &hooked{DB: db, onCommitView: func(deed.ViewCommit) error {
			if held.Swap(false) {
				close(begun)
				<-goOn
			}
			return nil
		}}
		s := startService(t, store, serve(store))
		release := sync.OnceFunc(func() { close(goOn) })
		t.Cleanup(release) // before it is stopped
		<-begun
		part := s.part("lines")
		want(t, "lag", part.Lag, 2)
		want(t, "ready", part.Ready, false)
		want(t, "state", part.State, deed.StateCatchingUp)
		ctx, cancel := context.WithTimeout(bounded(t), 10*time.Millisecond)
		defer cancel()
		wantErr(t, s.Settle(ctx), context.DeadlineExceeded)
		release()
		s.settle()
		row, err := lines.View(db).Get(bounded(t), "1", 0) // without waiting for it
		must(t, err)
		want(t, "row", row, line{"ann", 5, 1})
		part = s.part("lines")
		want(t, "part", part, deed.PartStatus{Name: "lines", Kind: "projection", Version: 1, State: deed.StateLive, Position: 2, Ready: true, Read: true})
	})
	t.Run("settles what its commands bring about", func(t *testing.T) {
		s := startService(t, db, serve(db))
		s.send(accounts.Send("2", open{"bob"}), accounts.Send("2", pay{1}))
		s.settle()
		row, err := lines.View(db).Get(bounded(t), "2", 0)
		must(t, err)
		want(t, "row", row, line{"bob", 1, 1})
	})
}
