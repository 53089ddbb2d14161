package storetest

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/deed-es/deed"
)

// followCases are about subscriptions.
func followCases() []storeCase {
	return []storeCase{
		{sentence: "a follower gets what is there and then what is appended, without a seam", run: followsWithoutSeam},
		{sentence: "a follower gets only what its query selects", run: followsItsQuery},
		{sentence: "a follower begins after its position, or its version", run: followsAfter},
		{sentence: "a follower of an empty log waits for the first event", run: followsEmptyLog},
		{sentence: "Limit with Follow ends after so many", run: followLimitEnds},
		{sentence: "a follower that waits ends with its context's error", run: waitingFollowerEnds},
		{sentence: "a follower may append in its own loop, and gets that too", run: followerAppends},
		{sentence: "a follower gets the whole of a long log and goes on from there", run: followsLongLog},
		{sentence: "closing the store ends its followers with ErrClosed", run: closeEndsFollowers},
		{sentence: "a refused append shows nothing to a follower", run: refusedIsNotFollowed},
	}
}

// A follower takes from a sequence step by step, in the case's own goroutine.
type follower struct {
	b    *bed
	q    deed.Query
	next func() (deed.Record, error, bool)
}

func (b *bed) follow(q deed.Query) *follower {
	b.Helper()
	q.Follow = true
	next, stop := iter.Pull2(b.store.Read(b.ctx, q))
	b.Cleanup(stop)
	return &follower{b: b, q: q, next: next}
}

func (f *follower) take() deed.Record {
	f.b.Helper()
	r, err, more := f.next()
	if err != nil || !more {
		f.b.Fatalf("following %+v: error %v, more is %v", f.q, err, more)
	}
	return r
}

// gets checks that the next events are these, passing over marks if the query has them.
func (f *follower) gets(ids ...string) {
	f.b.Helper()
	for _, id := range ids {
		r := f.take()
		for f.q.Marks && r.IsMark() {
			r = f.take()
		}
		if r.ID != id {
			f.b.Fatalf("following %+v: got %s, want %s", f.q, brief(r), id)
		}
	}
}

// ends checks that the sequence ends with an error, or without where want is nil.
func (f *follower) ends(want error) {
	f.b.Helper()
	_, err, more := f.next()
	if more != (want != nil) || !errors.Is(err, want) {
		f.b.Fatalf("following %+v: error %v, more is %v, want the end with %v", f.q, err, more, want)
	}
	if want == nil {
		return
	}
	if r, err, more := f.next(); more {
		f.b.Fatalf("following %+v: %s, %v after the end", f.q, brief(r), err)
	}
}

func followsWithoutSeam(b *bed) {
	b.ok(put("order-1", 0, "a", "b"))
	f := b.follow(deed.Query{})
	f.gets("a")
	b.ok(put("order-1", 2, "c"))
	f.gets("b", "c")
	for i := range 20 {
		b.ok(put("order-1", deed.Version(i+3), fmt.Sprint("n", i)))
		f.gets(fmt.Sprint("n", i))
	}
}

func followsItsQuery(b *bed) {
	queries := []deed.Query{
		{Stream: "order-1"},
		{Category: "order"},
		{Match: []deed.Match{tagged("sku:1")}},
		{Category: "order", Match: []deed.Match{{Types: []string{"closed"}}, tagged("to:2")}},
	}
	var followers []*follower
	for _, q := range queries {
		followers = append(followers, b.follow(q))
	}
	for round := range 2 {
		if round == 0 {
			smallLog(b)
		} else {
			b.ok(of("customer-1", 2, typed("c3", "moved")))
			b.ok(of("order-9", 0, typed("z", "closed", "sku:1")))
			b.ok(of("order-1", 4, typed("a5", "closed", "sku:1")))
		}
		for i, q := range queries {
			seen := map[int]int{0: 0, 1: len(selected(b.log()[:min(11, len(b.log()))], q))}[round]
			followers[i].gets(idsOf(b.read(q))[seen:]...)
		}
	}
}

func followsAfter(b *bed) {
	where := smallLog(b)
	b.follow(deed.Query{After: where["b3"]}).gets("a4", "c2")
	b.follow(deed.Query{Category: "order", After: where["s1"]}).gets("a2", "a3", "b3", "a4")
	b.follow(deed.Query{Stream: "order-1", AfterVersion: 2}).gets("a3", "a4")
	end := b.follow(deed.Query{After: where["c2"]})
	version := b.follow(deed.Query{Stream: "order-1", AfterVersion: 4})
	b.ok(put("order-1", 4, "a5"))
	end.gets("a5")
	version.gets("a5")
}

func followsEmptyLog(b *bed) {
	all, other := b.follow(deed.Query{}), b.follow(deed.Query{Category: "customer"})
	got := make(chan error, 1)
	go func() {
		r, err, _ := all.next()
		if err == nil && r.ID != "a" {
			err = fmt.Errorf("got %s, want a", brief(r))
		}
		got <- err
	}()
	b.ok(put("order-1", 0, "a"))
	if err := <-got; err != nil {
		b.Fatalf("%v", err)
	}
	b.ok(put("customer-1", 0, "b"))
	other.gets("b")
	all.gets("b")
}

func followLimitEnds(b *bed) {
	smallLog(b)
	f := b.follow(deed.Query{Limit: 2})
	f.gets("a1", "b1")
	f.ends(nil)
	f = b.follow(deed.Query{Category: "customer", Limit: 3, Marks: true})
	f.gets("c1", "c2")
	b.ok(put("order-1", 4, "a5"))
	b.ok(put("customer-1", 2, "c3"))
	f.gets("c3")
	f.ends(nil)
}

func waitingFollowerEnds(b *bed) {
	smallLog(b)
	ctx, cancel := context.WithCancel(b.ctx)
	next, stop := iter.Pull2(b.store.Read(ctx, deed.Query{Category: "customer", Follow: true}))
	defer stop()
	f := &follower{b: b, q: deed.Query{Category: "customer", Follow: true}, next: next}
	f.gets("c1", "c2")
	ended := make(chan error, 1)
	go func() {
		_, err, _ := next()
		ended <- err
	}()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		b.Fatalf("error is %v, want the context's", err)
	}
	if r, err, more := next(); more {
		b.Fatalf("%s, %v after the end", brief(r), err)
	}
}

func followerAppends(b *bed) {
	b.ok(put("order-1", 0, "e0"))
	n := 0
	for r, err := range b.store.Read(b.ctx, deed.Query{Follow: true}) {
		if err != nil {
			b.Fatalf("%v", err)
		}
		if r.ID != fmt.Sprint("e", n) {
			b.Fatalf("got %s, want e%d", brief(r), n)
		}
		if n++; n == 50 {
			break
		}
		b.ok(put("order-1", deed.Version(n), fmt.Sprint("e", n)))
	}
}

func followsLongLog(b *bed) {
	longLog(b)
	for _, q := range []deed.Query{{}, {Category: "order"}, {Stream: "customer-1"}, {Match: []deed.Match{tagged("mod:2")}}} {
		f := b.follow(q)
		f.gets(idsOf(b.read(q))...)
		head := b.head()
		id := fmt.Sprint("after ", head)
		b.ok(batch(
			deed.Write{Stream: "customer-1", Version: deed.Any, Events: []deed.NewEvent{event(id, "mod:2")}},
			deed.Write{Stream: "order-1", Version: deed.Any, Events: []deed.NewEvent{event(id+"!", "mod:2")}},
		))
		q.After = head
		f.gets(idsOf(b.read(q))...)
	}
}

func closeEndsFollowers(b *bed) {
	b.ok(put("order-1", 0, "a"))
	store := b.store
	started, ended := make(chan struct{}, 8), make(chan error, 8)
	for i := range 8 {
		go func() {
			var last error
			for _, err := range store.Read(b.ctx, deed.Query{Follow: true, Marks: i%2 == 0}) {
				if last = err; err == nil {
					select {
					case started <- struct{}{}:
					default:
					}
				}
			}
			ended <- last
		}()
	}
	for range 8 {
		<-started
	}
	b.close()
	for range 8 {
		if err := <-ended; !errors.Is(err, deed.ErrClosed) {
			b.Errorf("a follower ended with %v, want ErrClosed", err)
		}
	}
	b.store = b.open(b.config)
}

func refusedIsNotFollowed(b *bed) {
	f := b.follow(deed.Query{})
	b.ok(of("order-1", 0, event("a", "x:1")))
	b.conflict(put("order-1", 0, "no"), "order-1", 0, 1)
	b.unmet(under(batch(write("order-2", 0, "no"), write("order-3", 0, "nor")), without(0, tagged("x:1"))))
	b.invalid("no events", batch(write("order-2", 0, "no"), write("order-3", 0)))
	b.ok(put("order-1", 1, "b"))
	f.gets("a", "b")
}
