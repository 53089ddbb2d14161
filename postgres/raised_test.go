package postgres_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/postgres"
)

// A counter counts, and a process of it remarks on each count in a stream of its own, once.
type (
	count    struct{}
	counted  struct{}
	remark   struct{}
	remarked struct{}
)

func (count) CommandType() string  { return "count" }
func (counted) EventType() string  { return "counted" }
func (remark) CommandType() string { return "remark" }
func (remarked) EventType() string { return "remarked" }

var counters = deed.Decider[int, count, counted]{
	Category: "counter", Commands: []count{{}}, Events: []counted{{}},
	Decide: func(int, count) ([]counted, error) { return []counted{{}}, nil },
	Evolve: func(n int, _ counted) int { return n + 1 },
}

var remarks = deed.Decider[int, remark, remarked]{
	Category: "remarks", Commands: []remark{{}}, Events: []remarked{{}},
	Decide: func(int, remark) ([]remarked, error) { return []remarked{{}}, nil },
	Evolve: func(n int, _ remarked) int { return n + 1 },
}

func remarking(version int) deed.Process[int, counted] {
	return deed.Process[int, counted]{
		Name: "remarking", Version: version, Events: []counted{{}}, Partitions: 2,
		Key:    func(r deed.Recorded[counted]) string { return r.Stream.ID() },
		Evolve: func(n int, _ deed.Recorded[counted]) int { return n + 1 },
		React: func(_ int, r deed.Recorded[counted]) []deed.Effect {
			return []deed.Effect{remarks.Send(r.Stream.ID(), remark{})}
		},
	}
}

// tally is a row; By is the version that made it.
type tally struct{ N, By int }

func tallies(version, partitions int) deed.Projection[tally, counted] {
	return deed.Projection[tally, counted]{
		Name: "tallies", Version: version, Partitions: partitions, Events: []counted{{}},
		Key:    func(r deed.Recorded[counted]) string { return r.Stream.ID() },
		Evolve: func(row tally, _ deed.Recorded[counted]) tally { return tally{row.N + 1, version} },
	}
}

// raised is a fleet whose view and process are raised to another version while it is asked.
type raised struct {
	t      *testing.T
	o      *postgres.Options
	mu     sync.Mutex
	nodes  []*deed.Service
	ctx    context.Context
	asked  atomic.Int64
	read   atomic.Int64
	failed atomic.Int64
}

// join starts a node, which works until it is stopped.
func (r *raised) join(parts ...deed.Part) (stop func()) {
	r.t.Helper()
	db := opened(r.t, r.o)
	service, err := deed.NewService(deed.Config{Store: db, Views: db, LeaseTTL: time.Second}, append(parts, counters, remarks)...)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(r.ctx)
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	r.mu.Lock()
	r.nodes = append(r.nodes, service)
	r.mu.Unlock()
	return func() {
		r.mu.Lock()
		for i, s := range r.nodes {
			if s == service {
				r.nodes = append(r.nodes[:i:i], r.nodes[i+1:]...)
			}
		}
		r.mu.Unlock()
		cancel()
		if err := <-ended; err != nil {
			r.t.Error(err)
		}
	}
}

func (r *raised) node(i int) *deed.Service {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.nodes[i%len(r.nodes)]
}

// ask counts at one node and reads that at another, by the view's name, until done is closed.
func (r *raised) ask(who int, done chan struct{}) {
	key := fmt.Sprint("c", who)
	for n := 1; ; n++ {
		select {
		case <-done:
			return
		default:
		}
		r.asked.Add(1)
		receipt, err := r.node(who+n).Dispatch(r.ctx, deed.Stream("counter", key), "count", []byte("{}"))
		if err != nil {
			r.failed.Add(1)
			r.t.Errorf("count: %v", err)
			return
		}
		row, _, err := r.node(who+n+1).Views().Get(r.ctx, "tallies", key, receipt.Position)
		var v tally
		if err == nil {
			err = json.Unmarshal(row.Row, &v)
		}
		if r.read.Add(1); err != nil || v.N < n {
			r.failed.Add(1)
			r.t.Errorf("after %d, read %+v, %v", n, v, err)
			return
		}
	}
}

// switchTo has a version be read; while it lags that is refused, and tried again.
func (r *raised) switchTo(version int) (took time.Duration) {
	r.t.Helper()
	began := time.Now()
	eventually(r.t, fmt.Sprintf("version %d is read", version), func() bool {
		_, err := r.node(0).Control().Switch(r.ctx, "tallies", version)
		if err != nil && !errors.Is(err, deed.ErrBehind) {
			r.t.Fatal(err)
		}
		return err == nil
	})
	for i := range 2 {
		if reading, err := r.node(i).Views().Reading(r.ctx, "tallies"); err != nil || reading != (deed.Reading{Version: version}) {
			r.t.Errorf("node %d reads %+v, %v", i, reading, err)
		}
	}
	return time.Since(began)
}

// A view's version is raised in a fleet under load, beside the old one, which is switched to and back; a process's is raised too. No
// request fails, no answer is older than what its client wrote, and nothing is done twice.
func TestVersionsAreRaisedUnderLoad(t *testing.T) {
	t.Parallel()
	r := &raised{t: t, o: &postgres.Options{Schema: fresh(t)}, ctx: within(t)}
	leaves := []func(){r.join(tallies(1, 1), remarking(1)), r.join(tallies(1, 1), remarking(1))}
	done := make(chan struct{})
	var asking sync.WaitGroup
	for who := range 8 {
		asking.Go(func() { r.ask(who, done) })
	}
	more := func() {
		from := r.read.Load()
		eventually(t, "some requests more", func() bool { return r.read.Load() >= from+100 || t.Failed() })
	}
	more()
	stays := []func(){r.join(tallies(1, 1), tallies(2, 3), remarking(2)), r.join(tallies(1, 1), tallies(2, 3), remarking(2))}
	more()
	for _, leave := range leaves {
		leave()
	}
	var took []time.Duration
	for _, version := range []int{2, 1, 2} {
		took = append(took, r.switchTo(version))
		more()
	}
	close(done)
	asking.Wait()
	service := r.node(0)
	if err := service.Settle(r.ctx); err != nil {
		t.Fatal(err)
	}
	same, err := service.Views().Compare(r.ctx, "tallies", 1, 2, 0)
	if err != nil || same.Different != 8 || same.OnlyLeft+same.OnlyRight+same.Moving != 0 { // in By
		t.Errorf("compared: %+v, %v", same, err)
	}
	counts, once, twice := 0, map[string]bool{}, 0
	for record, err := range service.Log().Read(r.ctx, deed.Query{}) {
		switch {
		case err != nil:
			t.Fatal(err)
		case record.Type == "counted":
			counts++
		case record.Type == "remarked" && once[record.Meta().Causation]:
			twice++
		case record.Type == "remarked":
			once[record.Meta().Causation] = true
		}
	}
	t.Logf("%d commands and %d reads of what was written, failed %d; %d events, remarked %d, twice %d; switched to 2 in %v, back in %v, to 2 in %v",
		r.asked.Load(), r.read.Load(), r.failed.Load(), counts, len(once), twice, took[0].Round(time.Millisecond), took[1].Round(time.Millisecond), took[2].Round(time.Millisecond))
	if counts != len(once) || twice > 0 || int64(counts) != r.asked.Load() {
		t.Error("each event is to be remarked once")
	}
	for _, stop := range stays {
		stop()
	}
}
