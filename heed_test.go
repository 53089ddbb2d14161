package deed_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/deed-es/deed"
)

var errCutOff = errors.New("the connection is lost")

// hardOfHearing is a node's way to the shared log on which what is said about parts can be cut off, and where views cannot be dropped.
type hardOfHearing struct {
	*seat

	mu     sync.Mutex
	cut    bool
	ends   map[*context.CancelFunc]bool
	drops  int
	refuse bool
}

// cutOff ends the node's following of what is said, and lets none begin until it is called again.
func (h *hardOfHearing) cutOff(cut bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cut = cut
	for end := range h.ends {
		(*end)()
	}
}

func (h *hardOfHearing) refuseDrops(refuse bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refuse = refuse
}

// begin is how a following begins; ok says whether it does.
func (h *hardOfHearing) begin(ctx context.Context) (session context.Context, end func(), ok bool) {
	session, cancel := context.WithCancel(ctx)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ends == nil {
		h.ends = map[*context.CancelFunc]bool{}
	}
	h.ends[&cancel] = true
	return session, func() {
		cancel()
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.ends, &cancel)
	}, !h.cut
}

func (h *hardOfHearing) Read(ctx context.Context, q deed.Query) iter.Seq2[deed.Record, error] {
	if !q.Follow || len(q.Match) == 0 || !slices.Contains(q.Match[0].Types, "part-paused") {
		return h.seat.Read(ctx, q)
	}
	return func(yield func(deed.Record, error) bool) {
		session, end, ok := h.begin(ctx)
		defer end()
		if !ok {
			yield(deed.Record{}, errCutOff)
			return
		}
		for r, err := range h.seat.Read(session, q) {
			if session.Err() != nil && ctx.Err() == nil {
				err = errCutOff
			}
			if !yield(r, err) {
				return
			}
		}
		if ctx.Err() == nil {
			yield(deed.Record{}, errCutOff)
		}
	}
}

func (h *hardOfHearing) DropView(ctx context.Context, view deed.ViewRef) error {
	h.mu.Lock()
	refuse := h.refuse
	h.drops++
	h.mu.Unlock()
	if refuse {
		return errCutOff
	}
	return h.seat.DropView(ctx, view)
}

// dropped is how often views were to be dropped since it was asked the last time.
func (h *hardOfHearing) dropped() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.drops
	h.drops = 0
	return n
}

// hearing has a node that may be hard of hearing run what others only know.
func hearing(t *testing.T, c *commons, parts ...deed.Part) (node, other *member, h *hardOfHearing) {
	t.Helper()
	node, h = listener(t, c, "hearing", parts...)
	other = c.aside("other", parts...)
	pass(fleetTTL)
	return node, other, h
}

// listener is a node that may be hard of hearing.
func listener(t *testing.T, c *commons, name string, parts ...deed.Part) (*member, *hardOfHearing) {
	t.Helper()
	h := &hardOfHearing{seat: &seat{DB: c.db, commons: c}}
	service, err := deed.NewService(deed.Config{Store: h, Views: h, Node: name, LeaseTTL: fleetTTL}, parts...)
	must(t, err)
	return &member{running: startService(t, h, service), name: name, seat: h.seat}, h
}

// What was said while a node could not follow the log is heard when it can: also of a part that waits.
func TestWhatIsSaidIsHeardLater(t *testing.T) {
	for name, part := range map[string]deed.Part{"lines": lines, "owners": owners} {
		t.Run(name, func(t *testing.T) {
			inFleet(t, func(t *testing.T, c *commons) {
				node, other, h := hearing(t, c, accounts, part)
				other.send(accounts.Send("1", open{"ann"}))
				other.settle()
				must(t, second(other.Control().Pause(bounded(t), name)))
				pass(time.Second)
				want(t, "state", node.part(name).State, deed.StatePaused)
				ref := deed.ViewRef{Name: name, Version: 1}

				h.cutOff(true)
				pass(time.Second)
				must(t, second(other.Control().Rebuild(bounded(t), name)))
				pass(time.Minute)
				kept(t, c.db, ref)
				h.cutOff(false)
				pass(time.Minute)
				want(t, "drops", h.dropped(), 1)
				kept(t, c.db)

				must(t, second(other.Control().Resume(bounded(t), name)))
				other.settle()
				must(t, second(other.Control().Pause(bounded(t), name)))
				pass(time.Second)
				kept(t, c.db, ref)
				h.refuseDrops(true)
				must(t, second(other.Control().Rebuild(bounded(t), name)))
				pass(time.Minute)
				kept(t, c.db, ref)
				h.refuseDrops(false)
				pass(time.Minute)
				kept(t, c.db)
			})
		})
	}
}

// While a view cannot be made anew, what else is said is heard.
func TestWhatElseIsSaidIsHeard(t *testing.T) {
	inFleet(t, func(t *testing.T, c *commons) {
		node, other, h := hearing(t, c, accounts, lines, owners)
		other.send(accounts.Send("1", open{"ann"}))
		other.settle()
		h.refuseDrops(true)
		must(t, second(other.Control().Rebuild(bounded(t), "lines")))
		pass(time.Second)
		must(t, second(other.Control().Pause(bounded(t), "owners")))
		pass(time.Minute)
		want(t, "state", node.part("owners").State, deed.StatePaused)
	})
}

// A node that was cut off many times hears no later than one that was cut off for the first time.
func TestEachTimeANodeIsCutOffIsTheFirst(t *testing.T) {
	inFleet(t, func(t *testing.T, c *commons) {
		node, other, h := hearing(t, c, accounts, lines)
		for range 15 {
			h.cutOff(true)
			h.cutOff(false)
			pass(time.Minute)
		}
		h.cutOff(true)
		h.cutOff(false)
		must(t, second(other.Control().Pause(bounded(t), "lines")))
		until(t, "it is heard", time.Second, func() bool { return node.part("lines").State == deed.StatePaused })
	})
}

// Tables that go from one node to the other while somebody says that they are to be made anew are: by who has them now.
func TestFleetRebuildsTablesThatMove(t *testing.T) {
	inFleet(t, func(t *testing.T, c *commons) {
		var generation atomic.Int64
		p := owners
		p.Write = func(r deed.Recorded[deed.Event]) []deed.Statement {
			return append(owners.Write(r), deed.SQL(`UPDATE {sums} SET sum = ?`, generation.Load()))
		}
		a, hearsA := listener(t, c, "a", accounts, p)
		a.send(accounts.Send("1", open{"ann"}))
		a.settle()
		b, hearsB := listener(t, c, "b", accounts, p)
		other := c.aside("c", accounts, p)
		pass(fleetTTL)
		for round := range 6 {
			generation.Add(1)
			from, to, hears := a, b, hearsA
			if round%2 == 1 {
				from, to, hears = b, a, hearsB
			}
			until(t, "they are where they were", fleetTTL, func() bool { return c.holders()["owners@1"] == from.name })
			thaw := from.freeze() // it learns of nothing
			hears.cutOff(true)
			c.evict(from.name)
			must(t, second(other.Control().Rebuild(bounded(t), "owners"))) // said while nobody knows who has them
			until(t, "the other has them", 2*fleetTTL, func() bool { return c.holders()["owners@1"] == to.name })
			hears.cutOff(false)
			thaw()
			other.settle()
			pass(fleetTTL)
			other.settle()
			want(t, "rows", found(t, c.db, p, "ann", 0), [][]any{{"1", generation.Load()}})
		}
	})
}
