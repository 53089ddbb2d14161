package deed_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/deed-es/deed"
)

// roaming is a fleet whose nodes come, go, freeze, are cut off, and return, at random, while commands are handled.
type roaming struct {
	t      *testing.T
	f      *commons
	rng    *rand.Rand
	rota   *rota
	writer *member
	nodes  []*rover
	made   int
	paused map[string]bool

	mu      sync.Mutex
	reacted map[deed.StreamID][]deed.Version
}

// rover is a node with what disturbs it.
type rover struct {
	*member
	thaw func() // nil: it is not frozen
	deaf bool
}

const (
	duties  = 3
	moneyed = 4 // accounts
)

func (w *roaming) parts(node string) []deed.Part {
	cut := lines
	cut.Name, cut.Partitions = "cut", 3
	cut.Evolve = func(l line, r deed.Recorded[deed.Event]) line {
		defer w.rota.enter(fmt.Sprintf("partition %d of cut", deed.PartitionOf(r.Stream.ID(), 3)), node)()
		return l.evolve(r)
	}
	whole := lines
	whole.Evolve = func(l line, r deed.Recorded[deed.Event]) line {
		defer w.rota.enter("lines", node)()
		return l.evolve(r)
	}
	reactor := deed.Reactor[deed.Event]{
		Name: "notary", Events: accountEvents, Partitions: 2,
		React: func(_ context.Context, r deed.Recorded[deed.Event], _ string) ([]deed.Effect, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.reacted[r.Stream] = append(w.reacted[r.Stream], r.Version)
			return nil, nil
		},
	}
	parts := []deed.Part{accounts, whole, cut, busy(2), reactor, owners}
	return append(parts, w.rota.duties(duties, node, 100*time.Millisecond)...)
}

func (w *roaming) chance(percent int) bool { return w.rng.IntN(100) < percent }

// lasting is a time at random, up to so many TTLs.
func (w *roaming) lasting(ttls float64) time.Duration {
	return time.Duration(w.rng.Float64() * ttls * float64(fleetTTL))
}

func (w *roaming) come() {
	w.made++
	name := fmt.Sprintf("node-%d", w.made)
	w.nodes = append(w.nodes, &rover{member: w.f.join(name, w.parts(name)...)})
}

// heal ends what disturbs a node.
func (r *rover) heal() {
	if r.thaw != nil {
		r.thaw()
		r.thaw = nil
	}
	r.deafen(false)
	r.deaf = false
}

func (w *roaming) leave(i int) {
	w.nodes[i].heal()
	w.nodes[i].stop()
	w.nodes = slices.Delete(w.nodes, i, i+1)
}

func (w *roaming) disturb(n *rover) {
	switch w.rng.IntN(5) {
	case 0:
		n.heal()
	case 1:
		if n.thaw == nil {
			w.rota.cutOff(n.name)
			n.thaw = n.freeze()
		}
	case 2:
		n.deaf = !n.deaf
		n.deafen(n.deaf)
	case 3:
		w.rota.cutOff(n.name)
		w.f.evict(n.name)
	case 4:
		n.heal()
		n.stop()
		n.run()
	}
}

func (w *roaming) command() {
	i := w.rng.IntN(moneyed)
	key := id(i)
	if w.chance(30) && i%2 == 0 { // that is open
		key = "twin-" + key
	}
	c := accounts.Send(key, pay{1 + w.rng.IntN(4)})
	if w.chance(15) {
		c = accounts.Send(key, rename{"cay"})
	}
	w.writer.send(c)
}

func (w *roaming) control() {
	part := []string{"lines", "cut", "keeper", "notary", "owners"}[w.rng.IntN(5)]
	c := w.writer.Control()
	switch {
	case w.paused[part]:
		must(w.t, second(c.Resume(bounded(w.t), part)))
		w.paused[part] = false
	case w.chance(50):
		must(w.t, second(c.Pause(bounded(w.t), part)))
		w.paused[part] = true
	case part != "keeper" && part != "notary":
		must(w.t, second(c.Rebuild(bounded(w.t), part)))
	}
}

func (w *roaming) run(steps int) {
	w.writer = w.f.aside("writer", w.parts("writer")...)
	for i := range moneyed {
		w.writer.send(accounts.Send(id(i), open{"ann"}))
		if i%2 == 0 {
			w.writer.send(accounts.Send("twin-"+id(i), open{"bob"}))
		}
	}
	for range 3 {
		w.come()
	}
	for range steps {
		for range w.rng.IntN(4) {
			w.command()
		}
		switch n := w.rng.IntN(max(len(w.nodes), 1)); {
		case w.chance(15) && len(w.nodes) < 4:
			w.come()
		case w.chance(10) && len(w.nodes) > 0:
			w.leave(n)
		case w.chance(60) && len(w.nodes) > 0:
			w.disturb(w.nodes[n])
		case w.chance(30):
			w.control()
		}
		pass(w.lasting(0.7))
	}
	for _, n := range w.nodes {
		n.heal()
	}
	for part, paused := range w.paused {
		if paused {
			must(w.t, second(w.writer.Control().Resume(bounded(w.t), part)))
		}
	}
	if len(w.nodes) == 0 {
		w.come()
	}
	pass(3 * fleetTTL)
	w.command()
	w.writer.settle()
	w.check()
}

// check compares what there is with what the log makes of it.
func (w *roaming) check() {
	t := w.t
	rows, effects, wakes := map[string]line{}, map[string]int{}, 0
	paid1, refused := map[string]int{}, map[string]int{}
	versions := map[deed.StreamID]deed.Version{}
	for _, r := range records(t, w.f.db, deed.Query{}) {
		key := r.Stream.ID()
		if of, own := strings.CutPrefix(key, "keeper:"); own && r.Type == "effect-refused" {
			refused["twin-"+of]++
		}
		if r.Stream.Category() != "account" {
			continue
		}
		e := happened(t, r)
		rows[key] = rows[key].evolve(deed.Recorded[deed.Event]{Event: e, Record: r})
		versions[r.Stream] = r.Version
		if p, ok := e.(paid); ok {
			if r.Meta().Causation != "" {
				paid1[key]++
			}
			if p.Amount > 1 {
				effects["twin-"+key]++
				wakes++
			}
		}
	}
	for key, n := range effects {
		if paid1[key]+refused[key] != n {
			t.Errorf("%d effects were for %s, of which %d were taken and %d refused", n, key, paid1[key], refused[key])
		}
	}
	cut := lines
	cut.Name, cut.Partitions = "cut", 3
	for _, p := range []deed.Projection[line, deed.Event]{lines, cut} {
		list, err := p.View(w.f.db).List(bounded(t), nil, deed.Page{}, 0)
		must(t, err)
		got := map[string]line{}
		for _, r := range list.Rows {
			got[r.Key] = r.Row
		}
		want(t, "rows of "+p.Name, got, rows)
	}
	for key, row := range rows {
		if n := len(w.writer.notes("keeper", key)); n < int(versions[deed.Stream("account", key)]) {
			t.Errorf("the process has %d notes of %s, which has %d events", n, key, versions[deed.Stream("account", key)])
		}
		sums := found(t, w.f.db, owners, row.Owner, 0)
		if !slices.ContainsFunc(sums, func(r []any) bool { return r[0] == key && r[1] == int64(row.Balance) }) {
			t.Errorf("the tables have %v, not %s with %d", sums, key, row.Balance)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for stream, last := range versions { // at least once each, none before the one before it
		var reached deed.Version
		for _, v := range w.reacted[stream] {
			if v > reached+1 {
				t.Errorf("the reactor was called for %s in the order %v", stream, w.reacted[stream])
				break
			}
			reached = max(reached, v)
		}
		want(t, "the last reacted to of "+string(stream), reached, last)
	}
}

// happened decodes an event of an account.
func happened(t *testing.T, r deed.Record) deed.Event {
	t.Helper()
	switch r.Type {
	case "account-opened":
		return decoded[opened](t, r)
	case "account-paid":
		return decoded[paid](t, r)
	case "account-renamed":
		return decoded[renamed](t, r)
	}
	return closed{}
}

func decoded[E deed.Event](t *testing.T, r deed.Record) deed.Event {
	t.Helper()
	var e E
	must(t, deed.DecodeJSON(r.Data, &e))
	return e
}

// However nodes come and go, views are what the log makes them, each effect is carried out once, nothing is lost, and no two run the
// same unless one was cut off past its time.
func TestFleetWalk(t *testing.T) {
	walks, seed := *walksWanted, *walkSeed
	if walks == 0 {
		walks = max(60/raceScale, 4)
	}
	if seed == 0 {
		seed = rand.Uint64()
	}
	for range walks {
		inFleet(t, func(t *testing.T, f *commons) {
			w := &roaming{
				t: t, f: f, rng: rand.New(rand.NewPCG(seed, 4)), rota: newRota(t), paused: map[string]bool{}, reacted: map[deed.StreamID][]deed.Version{},
			}
			w.run(60)
		})
		if t.Failed() {
			t.Fatalf("run it again with -walkseed %d", seed)
		}
		seed++
	}
}
