package deed_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/deed-es/deed"
)

// aside is a node that runs nothing of its own and sees what the others do.
func (c *commons) aside(name string, parts ...deed.Part) *member {
	m := c.invite(name, deed.Config{Roles: []deed.Role{deed.RoleCommands, deed.RoleQueries}}, parts...)
	m.run()
	return m
}

// Settle waits for what other nodes do: also for parts whose mark is stored seldom, and for effects that are due.
func TestFleetSettles(t *testing.T) {
	inFleet(t, func(t *testing.T, f *commons) {
		slow := func(next deed.HandleFunc) deed.HandleFunc {
			return func(ctx context.Context, req deed.Request) (deed.Receipt, error) {
				<-time.NewTimer(time.Second).C
				return next(ctx, req)
			}
		}
		few := keeps(func(_ diary, r deed.Recorded[deed.Event]) []deed.Effect {
			return []deed.Effect{accounts.Send("2", pay{1}), accounts.Send("3", open{"eve"}), deed.Wake().In(time.Hour)}
		})
		few.Events = []deed.Event{paid{}}
		few.Key = func(r deed.Recorded[deed.Event]) string {
			if r.Stream.ID() == "1" {
				return "1"
			}
			return ""
		}
		parts := []deed.Part{accounts, lines, owners, few, deed.Reactor[deed.Event]{Name: "notary", Events: []deed.Event{closed{}}, React: noReaction}}
		away := f.aside("away", parts...)
		here := f.invite("here", deed.Config{Middleware: []deed.Middleware{slow}}, parts...)
		here.run()
		away.send(accounts.Send("1", open{"ann"}), accounts.Send("2", open{"bob"}))
		away.settle()
		want(t, "position of a part that follows none of it", away.part("notary").Position, 2)
		away.send(accounts.Send("1", pay{5}))
		away.settle()
		want(t, "what the effects brought about", types(t, f.db, deed.Query{After: 2}), []string{"account-paid", "account-paid", "account-opened"})
		want(t, "what is pending", len(away.pending("keeper")), 1)
		pass(time.Hour)
		away.settle()
		want(t, "woken", len(away.notes("keeper", "1")), 2)
		want(t, "what is pending", len(away.pending("keeper")), 0)
		here.settle()
	})
}

// Every node tells how all parts are doing, and where.
func TestFleetStatus(t *testing.T) {
	inFleet(t, func(t *testing.T, f *commons) {
		cut := lines
		cut.Name, cut.Partitions = "cut", 4
		parts := []deed.Part{accounts, lines, cut, keeps(when("")), owners}
		away := f.aside("away", parts...)
		for _, name := range []string{"lines", "cut", "keeper", "owners"} {
			want(t, "before anybody runs it", away.part(name).State, deed.StateOff)
			want(t, "ready", away.part(name).Ready, false)
		}
		a, b := f.join("a", parts...), f.join("b", parts...)
		until(t, "it is shared", fleetTTL, func() bool { h := f.shares(); return len(h) == 3 && h[1] >= 3 })
		for i := range 7 {
			away.send(accounts.Send(id(i), open{"ann"}))
		}
		away.settle()
		pass(fleetTTL)
		holders := f.holders()
		for _, m := range []*member{a, b, away} {
			for part, lease := range map[string]string{"lines": "lines@1", "keeper": "keeper@1", "owners": "owners@1"} {
				p, state := m.part(part), deed.StateElsewhere
				if holders[lease] == m.name {
					state = deed.StateLive
				}
				want(t, m.name+" says of "+part, []any{p.State, p.Node, p.Position, p.Lag, p.Ready}, []any{state, holders[lease], deed.Position(7), deed.Position(0), true})
				want(t, "partitions", len(p.Partitions), 0)
			}
			p := m.part("cut")
			want(t, "position", p.Position, 7)
			for i, q := range p.Partitions {
				node, state := holders["cut."+id(i)+"of4@1"], deed.StateElsewhere
				if node == m.name {
					state = deed.StateLive
				}
				want(t, m.name+" says of a partition", q, deed.PartitionStatus{Index: i, State: state, Position: 7, Node: node})
			}
			want(t, "partitions", len(p.Partitions), 4)
		}
		a.stop()
		b.stop()
		pass(fleetTTL)
		for _, m := range []*member{a, b, away} {
			for _, name := range []string{"lines", "cut", "keeper", "owners"} {
				p := m.part(name)
				want(t, "when nobody runs it", []any{p.State, p.Node, p.Position}, []any{deed.StateOff, "", deed.Position(7)})
			}
		}
	})
}

// A node that the fleet does not hear of says of nothing that it runs.
func TestFleetStatusOfWhoIsCutOff(t *testing.T) {
	inFleet(t, func(t *testing.T, f *commons) {
		a := f.join("a", accounts, lines)
		pass(fleetTTL)
		want(t, "state", a.part("lines").State, deed.StateLive)
		a.deafen(true)
		pass(2 * fleetTTL)
		want(t, "state", a.part("lines").State, deed.StateOff)
		want(t, "node", a.part("lines").Node, "")
		a.deafen(false)
		pass(fleetTTL)
		want(t, "state", a.part("lines").State, deed.StateLive)
	})
}

// A node with an older version of a process says how the others are all the same.
func TestFleetStatusBesideARaisedVersion(t *testing.T) {
	inFleet(t, func(t *testing.T, f *commons) {
		old := f.aside("old", accounts, lines, keeps(when("")))
		raised := keeps(when(""))
		raised.Version = 2
		f.join("new", accounts, lines, raised)
		old.send(accounts.Send("1", open{"ann"}))
		pass(fleetTTL)
		want(t, "state", old.part("lines").State, deed.StateElsewhere)
		want(t, "state", old.part("keeper").State, deed.StateOff)
	})
}

// A part waits wherever it runs, whoever was told, until it is resumed.
func TestFleetPauses(t *testing.T) {
	inFleet(t, func(t *testing.T, f *commons) {
		names := []string{"lines", "keeper", "owners", "cut"}
		cut := lines
		cut.Name, cut.Partitions = "cut", 2
		parts := []deed.Part{accounts, lines, keeps(when("")), owners, cut}
		away := f.aside("away", parts...)
		a := f.join("a", parts...)
		away.send(accounts.Send("1", open{"ann"}))
		away.settle()
		for _, name := range names {
			must(t, second(away.Control().Pause(bounded(t), name)))
		}
		until(t, "all nodes know", fleetTTL, func() bool {
			return !slices.ContainsFunc(names, func(n string) bool {
				return a.part(n).State != deed.StatePaused || away.part(n).State != deed.StatePaused
			})
		})
		at := away.send(accounts.Send("1", pay{1})).Position
		away.settle()
		b := f.join("b", parts...)
		until(t, "it is shared", fleetTTL, func() bool { h := f.shares(); return h[1] > 0 })
		a.stop() // it is taken over
		until(t, "b has all", fleetTTL, func() bool { return len(f.holders()) == 5 })
		pass(fleetTTL)
		for _, name := range names {
			p := b.part(name)
			want(t, "state", p.State, deed.StatePaused)
			if p.Position >= at {
				t.Errorf("%s has come to %d, though it is paused", name, p.Position)
			}
			must(t, second(away.Control().Resume(bounded(t), name)))
		}
		away.settle()
		pass(fleetTTL / 5)
		for _, name := range names {
			want(t, "state of "+name, []any{b.part(name).State, away.part(name).State}, []any{deed.StateLive, deed.StateElsewhere})
		}
		want(t, "notes", len(away.notes("keeper", "1")), 2)
		want(t, "sum", found(t, f.db, owners, "ann", at), [][]any{{"1", int64(1)}})
		want(t, "row", rowOf(t, f, cut, "1", at), line{"ann", 1, 1})
	})
}

func rowOf(t *testing.T, f *commons, p deed.Projection[line, deed.Event], key string, after deed.Position) line {
	t.Helper()
	row, err := p.View(f.db).Get(bounded(t), key, after)
	must(t, err)
	return row
}
