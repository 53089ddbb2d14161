package deed_test

import (
	"sync/atomic"
	"testing"

	"github.com/deed-es/deed"
)

// folds is a projection that counts what it folds.
func folds(p deed.Projection[line, deed.Event], folded *atomic.Int64) deed.Projection[line, deed.Event] {
	evolve := p.Evolve
	p.Evolve = func(l line, r deed.Recorded[deed.Event]) line { folded.Add(1); return evolve(l, r) }
	return p
}

// A view is made anew by the node that folds it, once, whichever node was told; who waits for where it was said sees it so.
func TestFleetRebuilds(t *testing.T) {
	for name, partitions := range map[string]int{"whole": 1, "cut": 3} {
		t.Run(name, func(t *testing.T) {
			inFleet(t, func(t *testing.T, f *commons) {
				var folded atomic.Int64
				p := folds(lines, &folded)
				p.Partitions = partitions
				away := f.aside("away", accounts, p, owners)
				a := f.join("a", accounts, p, owners)
				f.join("b", accounts, p, owners)
				for i := range 5 {
					away.send(accounts.Send(id(i), open{"ann"}), accounts.Send(id(i), pay{i + 1}))
				}
				away.settle()
				pass(fleetTTL)
				for _, m := range []*member{away, a, away} {
					folded.Store(0)
					ctx := deed.WithMeta(bounded(t), deed.Meta{CommandID: deed.NewID()})
					said, err := m.Control().Rebuild(ctx, "lines")
					must(t, err)
					for i := range 5 {
						want(t, "row", rowOf(t, f, p, id(i), said.Position), line{"ann", i + 1, 1})
					}
					must(t, second(m.Control().Rebuild(ctx, "lines"))) // the same again
					must(t, second(m.Control().Rebuild(bounded(t), "owners")))
					m.settle()
					pass(fleetTTL)
					want(t, "folded", folded.Load(), 10)
					want(t, "sums", len(found(t, f.db, owners, "ann", 0)), 5)
				}
			})
		})
	}
}

// A view that nobody runs is made anew by who was told.
func TestFleetRebuildsWhatNobodyRuns(t *testing.T) {
	inFleet(t, func(t *testing.T, f *commons) {
		a, away := f.join("a", accounts, lines), f.aside("away", accounts, lines)
		at := a.send(accounts.Send("1", open{"ann"})).Position
		a.settle()
		a.stop()
		until(t, "nobody has it", fleetTTL, func() bool { return away.part("lines").State == deed.StateOff })
		must(t, second(away.Control().Rebuild(bounded(t), "lines")))
		_, err := lines.View(f.db).Get(bounded(t), "1", 0)
		wantErr(t, err, deed.ErrNotFound)
		a.run()
		want(t, "row", rowOf(t, f, lines, "1", at), line{"ann", 0, 0})
	})
}

// A rebuild that is said while its view goes from one node to the other is not lost: who was told ran it no more, who runs it now did
// not yet.
func TestFleetRebuildsWhatMoves(t *testing.T) {
	inFleet(t, func(t *testing.T, f *commons) {
		var generation atomic.Int64
		p := lines
		p.Evolve = func(l line, r deed.Recorded[deed.Event]) line {
			l = l.evolve(r)
			l.Payments = int(generation.Load())
			return l
		}
		a := f.join("a", accounts, p)
		a.send(accounts.Send("1", open{"ann"}))
		a.settle()
		b := f.join("b", accounts, p)
		other := f.aside("c", accounts, p)
		pass(fleetTTL)
		for round := range 6 {
			generation.Add(1)
			from, to := a, b
			if round%2 == 1 {
				from, to = b, a
			}
			until(t, "it is where it was", fleetTTL, func() bool { return f.holders()["lines@1"] == from.name })
			thaw := from.freeze() // it learns of nothing
			f.evict(from.name)
			must(t, second(other.Control().Rebuild(bounded(t), "lines"))) // said while nobody knows who has it
			until(t, "the other has it", 2*fleetTTL, func() bool { return f.holders()["lines@1"] == to.name })
			thaw()
			other.settle()
			pass(fleetTTL)
			other.settle()
			want(t, "row", rowOf(t, f, p, "1", 0), line{"ann", 0, int(generation.Load())})
		}
	})
}

// What a part has parked is seen, tried again and left out from any node.
func TestFleetParks(t *testing.T) {
	inFleet(t, func(t *testing.T, f *commons) {
		var broken atomic.Bool
		broken.Store(true)
		cut := fragile(&broken)
		cut.Name, cut.Partitions = "cut", 3
		saga := keeps(when(""))
		evolve := saga.Evolve
		saga.Evolve = func(d diary, r deed.Recorded[deed.Event]) diary {
			if e, ok := r.Event.(paid); ok && e.Amount == 13 && broken.Load() {
				panic("unlucky")
			}
			return evolve(d, r)
		}
		parts := []deed.Part{accounts, fragile(&broken), cut, saga}
		away := f.aside("away", parts...)
		f.join("a", parts...)
		f.join("b", parts...)
		for _, key := range []string{"1", "2"} {
			away.send(accounts.Send(key, open{"ann"}), accounts.Send(key, pay{1}), accounts.Send(key, pay{13}), accounts.Send(key, pay{2}))
		}
		away.settle()
		names := []string{"lines", "cut", "keeper"}
		for _, name := range names {
			all := away.parked(name)
			want(t, "parked of "+name, len(all), 2)
			want(t, "key and records", []any{all[0].Key, all[0].Records, all[0].Position, all[1].Key}, []any{"1", 2, deed.Position(3), "2"})
			want(t, "status", away.part(name).Parked, 2)
			away.skip(name, "1")
		}
		away.settle()
		broken.Store(false)
		for _, name := range names {
			want(t, "parked of "+name, len(away.parked(name)), 1)
			away.retry(name, "2")
		}
		away.settle()
		for _, name := range names {
			want(t, "parked of "+name, len(away.parked(name)), 0)
			want(t, "status", away.part(name).Parked, 0)
		}
		for _, p := range []deed.Projection[line, deed.Event]{lines, cut} {
			want(t, "row", rowOf(t, f, p, "1", 0), line{"ann", 3, 2})
			want(t, "row", rowOf(t, f, p, "2", 0), line{"ann", 16, 3})
		}
		want(t, "notes", []int{len(away.notes("keeper", "1")), len(away.notes("keeper", "2"))}, []int{3, 4})
	})
}
