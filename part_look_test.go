package deed_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/deed-es/deed"
)

// quiet is a process that takes notes and does nothing.
func quiet(version int) keeper {
	p := keeps(when(""))
	p.Version = version
	return p
}

// A process of a raised version is folded anew by the node that runs it. While there is none, the old version goes on, whoever knows of
// the new one.
func TestProcessGoesOnUntilItsNewVersionRuns(t *testing.T) {
	inFleet(t, func(t *testing.T, c *commons) {
		old := c.join("old", accounts, quiet(1))
		old.send(accounts.Send("1", open{"ann"}))
		pass(fleetTTL)
		made := c.invite("made", deed.Config{}, accounts, quiet(2)) // it is only made
		asked := c.invite("asked", deed.Config{Roles: []deed.Role{deed.RoleCommands}}, accounts, quiet(2))
		asked.run()
		for _, m := range []*member{made, asked} {
			part := m.part("keeper")
			want(t, "the new version", []any{part.Version, part.State, part.Position}, []any{2, deed.StateOff, deed.Position(0)})
		}
		old.send(accounts.Send("1", pay{1}))
		pass(time.Minute)
		old.settle()
		want(t, "notes", len(old.notes("keeper", "1")), 2)
		part := old.part("keeper")
		want(t, "the old version", []any{part.State, part.Error}, []any{deed.StateLive, ""})
		c.invite("again", deed.Config{}, accounts, quiet(1)) // the old program can still be started

		made.run()
		pass(fleetTTL)
		made.settle()
		asked.settle()
		want(t, "notes", len(made.notes("keeper", "1")), 2)
		want(t, "the new version", made.part("keeper").State, deed.StateLive)
		if _, err := deed.NewService(deed.Config{Store: old.seat, Views: old.seat}, accounts, quiet(1)); err == nil ||
			!strings.Contains(err.Error(), "part keeper is stored with version 2, later than 1") {
			t.Errorf("an old version over a new one: got %v, want it refused", err)
		}
	})
}

// A service that cannot be made leaves a process as it was.
func TestProcessOfAServiceThatFails(t *testing.T) {
	db, _ := memory(t)
	s := start(t, db, accounts, quiet(1))
	s.send(accounts.Send("1", open{"ann"}))
	s.settle()
	s.stop()
	broken := owners
	broken.Create = []string{`CREATE TABLE sums (id TEXT)`}
	if _, err := deed.NewService(deed.Config{Store: db, Views: db}, accounts, quiet(2), broken); err == nil {
		t.Fatal("broken tables were let pass")
	}
	want(t, "notes", len(s.notes("keeper", "1")), 1)
	s = start(t, db, accounts, quiet(1))
	s.send(accounts.Send("1", pay{1}))
	s.settle()
	want(t, "notes", len(s.notes("keeper", "1")), 2)
	s.stop()

	// Where one service is all there is, a raised version begins anew when it runs.
	folded := 0
	raised := quiet(2)
	evolve := raised.Evolve
	raised.Evolve = func(d diary, r deed.Recorded[deed.Event]) diary { folded++; return evolve(d, r) }
	service := newService(t, db, accounts, raised)
	want(t, "notes while it does not run", len(s.notes("keeper", "1")), 2)
	s = startService(t, db, service)
	s.settle()
	want(t, "folded", folded, 2)
	want(t, "notes", len(s.notes("keeper", "1")), 2)
}

// registering counts what is opened to be changed, and what is only looked at.
type registering struct {
	*seat
	opened, looked atomic.Int64
}

func (r *registering) OpenPart(ctx context.Context, spec deed.PartSpec) (deed.PartState, error) {
	if spec.Look {
		r.looked.Add(1)
	} else {
		r.opened.Add(1)
	}
	return r.seat.OpenPart(ctx, spec)
}

// Who asks how a service is doing has nothing stored.
func TestStatusOnlyLooks(t *testing.T) {
	inFleet(t, func(t *testing.T, c *commons) {
		reactor := deed.Reactor[deed.Event]{Name: "notary", Events: accountEvents, React: noReaction, Partitions: 3}
		c.join("a", accounts, quiet(1), reactor).send(accounts.Send("1", open{"ann"}))
		store := &registering{seat: &seat{DB: c.db, commons: c}}
		s, err := deed.NewService(deed.Config{
			Store: store, Views: store, Node: "asked", LeaseTTL: fleetTTL, Roles: []deed.Role{deed.RoleCommands},
		}, accounts, quiet(1), reactor)
		must(t, err)
		asked := startService(t, store, s)
		asked.settle()
		asked.part("keeper")
		want(t, "opened where all is known", store.opened.Load(), int64(0))
		if store.looked.Load() == 0 {
			t.Error("it has not looked at all")
		}
	})
}
