package deed_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/deed-es/deed"
)

// A node that cannot say that it is there leaves off by itself before others take what it had; when it can again, it takes part again.
func TestFleetLeavesOffInTime(t *testing.T) {
	for name, disturb := range map[string]func(m *member) (end func()){
		"beats fail":             func(m *member) func() { m.deafen(true); return func() { m.deafen(false) } },
		"beats are not answered": func(m *member) func() { return m.unanswered() },
	} {
		t.Run(name, func(t *testing.T) {
			inFleet(t, func(t *testing.T, f *commons) {
				r := newRota(t) // which complains where two run the same
				const ends = 200 * time.Millisecond
				a := f.join("a", r.duties(6, "a", ends)...)
				f.join("b", r.duties(6, "b", ends)...)
				shared := func() bool { return fmt.Sprint(f.shares()) == "[3 3]" && len(r.who()) == 6 }
				until(t, "both have half", 2*fleetTTL, shared)
				pass(fleetTTL)
				end := disturb(a)
				took := until(t, "a leaves off", fleetTTL, func() bool { return len(r.who()) == 3 })
				if took > fleetTTL-ends {
					t.Errorf("it left off after %s, want some time before %s have passed", took, fleetTTL)
				}
				took += until(t, "b has all", fleetTTL, func() bool { return len(r.who()) == 6 })
				if took < fleetTTL*4/5 || took > fleetTTL*6/5+50*time.Millisecond {
					t.Errorf("it was taken over after %s, want about %s", took, fleetTTL)
				}
				pass(3 * fleetTTL)
				want(t, "what runs", len(r.who()), 6)
				end()
				until(t, "both have half again", fleetTTL, shared)
				want(t, "overlaps", r.overlaps, 0)
			})
		})
	}
}

// A store that is away for a moment ends nothing.
func TestFleetBearsWithTheStore(t *testing.T) {
	inFleet(t, func(t *testing.T, f *commons) {
		r := newRota(t)
		a := f.join("a", r.duties(3, "a", 0)...)
		pass(fleetTTL)
		for range 5 {
			a.deafen(true)
			pass(fleetTTL / 2)
			a.deafen(false)
			pass(fleetTTL)
			end := a.unanswered()
			pass(fleetTTL / 2)
			end()
			pass(fleetTTL)
		}
		for i := range 3 {
			nodes, _ := r.took(fmt.Sprintf("duty-%d", i))
			want(t, "it was begun once", nodes, []string{"a"})
		}
	})
}

// A node that hangs is taken over, whatever it is doing; when it goes on it stores nothing of what it had begun.
func TestFleetFencesOff(t *testing.T) {
	inFleet(t, func(t *testing.T, f *commons) {
		a := f.join("a", accounts, lines, keeps(when("account-paid", accounts.Send("1", rename{"eve"}).In(0))))
		until(t, "a has all", fleetTTL, func() bool { return len(f.holders()) == 2 })
		a.send(accounts.Send("1", open{"ann"}))
		a.settle()
		thaw := a.freeze()
		a.send(accounts.Send("1", pay{5}))
		until(t, "it is amid two commits", fleetTTL, func() bool { return a.seat.rests(2) })
		b := f.join("b", accounts, lines, keeps(when("account-paid", accounts.Send("1", rename{"eve"}).In(0))))
		took := until(t, "b has all", 2*fleetTTL, func() bool {
			h := f.holders()
			return h["lines@1"] == "b" && h["keeper@1"] == "b"
		})
		if took > fleetTTL*6/5+50*time.Millisecond {
			t.Errorf("b had it after %s, want about %s", took, fleetTTL)
		}
		b.settle()
		want(t, "refused", f.refused(), 0)
		thaw()
		until(t, "a was refused", fleetTTL, func() bool { return f.refused() >= 2 })
		if n := f.refused(); n > 4 {
			t.Errorf("a tried %d times to store what it must not, want it to leave off", n)
		}
		until(t, "both have some", 2*fleetTTL, func() bool { return fmt.Sprint(f.shares()) == "[1 1]" })
		a.send(accounts.Send("1", pay{2}))
		a.settle()
		b.settle()
		row, err := lines.View(f.db).Get(bounded(t), "1", 0)
		must(t, err)
		want(t, "row", row, line{"eve", 7, 2})
		want(t, "events", types(t, f.db, deed.Query{Stream: "account-1"}), []string{"account-opened", "account-paid", "account-renamed", "account-paid", "account-renamed"})
	})
}

// A commit under way, whose lease was taken meanwhile, is refused, and the node goes on without it: each of the parts.
func TestFleetFencesEveryPart(t *testing.T) {
	parts := func() []deed.Part {
		reactor := deed.Reactor[deed.Event]{Name: "notary", Events: accountEvents, React: func(context.Context, deed.Recorded[deed.Event], string) ([]deed.Effect, error) { return nil, nil }}
		cut := lines
		cut.Name, cut.Partitions = "cut", 2
		return []deed.Part{accounts, lines, cut, keeps(when("")), reactor, owners}
	}
	inFleet(t, func(t *testing.T, f *commons) {
		a := f.join("a", parts()...)
		const all = 6
		until(t, "a has all", fleetTTL, func() bool { return len(f.holders()) == all })
		a.settle()
		thaw := a.freeze()
		a.send(accounts.Send("1", open{"ann"}))
		until(t, "all of a's commits are under way", fleetTTL, func() bool { return a.seat.rests(all) })
		f.evict("a") // nobody has taken them since
		thaw()
		until(t, "all are refused", fleetTTL, func() bool { return f.refused() >= all })
		a.settle()
		want(t, "refused", f.refused(), all)
		want(t, "holders", len(f.holders()), all)
		row, err := lines.View(f.db).Get(bounded(t), "1", 1)
		must(t, err)
		want(t, "row", row, line{"ann", 0, 0})
	})
}

// A node that is refused what it stores finds out at once why, and does not wait for its next beat.
func TestFleetHeedsTheFence(t *testing.T) {
	inFleet(t, func(t *testing.T, f *commons) {
		a := f.join("a", accounts, lines)
		a.settle()
		pass(2*fleetTTL + 50*time.Millisecond)
		f.evict("a")
		at := a.send(accounts.Send("1", open{"ann"})).Position
		until(t, "it stores that under another lease", fleetTTL/20, func() bool {
			position, err := a.Views().Position(t.Context(), "lines", 0)
			return err == nil && position == at
		})
		want(t, "refused", f.refused(), 1)
	})
}

// What does not end holds up neither the beats, nor those who take over what its node has lost.
func TestFleetWithALoopThatHangs(t *testing.T) {
	inFleet(t, func(t *testing.T, f *commons) {
		var hangs atomic.Bool
		over := make(chan struct{})
		stuck := deed.Task{Name: "stuck", Run: func(ctx context.Context, _ deed.Lease) error {
			hangs.Store(true)
			<-over
			<-ctx.Done()
			return ctx.Err()
		}}
		r := newRota(t)
		a := f.join("a", stuck, r.duty("duty", "a", 0))
		until(t, "it hangs", fleetTTL, hangs.Load)
		b := f.join("b", r.duty("stuck", "b", 0), r.duty("duty", "b", 0))
		pass(3 * fleetTTL)
		if h := f.holders(); h["stuck"] == "a" {
			want(t, "duty", h["duty"], "b")
		} else {
			t.Errorf("%v: a gave away what it still runs", h)
		}
		f.evict("a")
		until(t, "it is taken over", 2*fleetTTL, func() bool { return f.holders()["stuck"] == "b" && r.who()["stuck"] == "b" })
		b.stop()
		pass(2 * fleetTTL)
		if node, held := f.holders()["stuck"]; held {
			t.Errorf("%s has what it cannot begin, because it has not ended", node)
		}
		close(over)
		until(t, "a begins it anew", fleetTTL, func() bool { return f.holders()["stuck"] == "a" })
		a.stop()
	})
}

// A task that has done all there is to do is not done again on another node while its own is there.
func TestFleetTaskThatEnds(t *testing.T) {
	inFleet(t, func(t *testing.T, f *commons) {
		var done atomic.Int64
		migrate := deed.Task{Name: "migrate", Run: func(context.Context, deed.Lease) error { done.Add(1); return nil }}
		a := f.join("a", migrate)
		b := f.join("b", migrate)
		pass(5 * fleetTTL)
		want(t, "how often", done.Load(), 1)
		here, there := a, b
		if f.holders()["migrate"] == "b" {
			here, there = b, a
		}
		want(t, "state where it is", here.part("migrate").State, deed.StateLive)
		want(t, "state elsewhere", there.part("migrate").State, deed.StateElsewhere)
		want(t, "node", there.part("migrate").Node, here.name)
	})
}

// Stopping is prompt, also while the store is away.
func TestFleetStops(t *testing.T) {
	for name, disturb := range map[string]func(m *member){
		"the store is there": func(*member) {},
		"beats fail":         func(m *member) { m.deafen(true) },
		"beats hang":         func(m *member) { _ = m.unanswered() },
	} {
		t.Run(name, func(t *testing.T) {
			inFleet(t, func(t *testing.T, f *commons) {
				r := newRota(t)
				a := f.join("a", r.duties(3, "a", 0)...)
				pass(fleetTTL)
				disturb(a)
				began := time.Now()
				a.stop()
				if took := time.Since(began); took > 0 && name != "beats hang" || took > fleetTTL {
					t.Errorf("Run ended after %s", took)
				}
				want(t, "what runs", len(r.who()), 0)
			})
		})
	}
}
