package deed

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// cutTwins are a view and the same one cut into partitions, each of which is as far as it happens to be.
type cutTwins struct {
	t     *testing.T
	store *memoryViews
	of    int
	log   [][]RowChange // by position, from 1
	at    map[string]Position
}

func (c *cutTwins) ref(name string) ViewRef { return ViewRef{Name: name, Version: 1} }

// advance has a view, or a partition, come to a position in one step.
func (c *cutTwins) advance(name string, has func(key string) bool, to Position) {
	last := map[string]RowChange{}
	for p := c.at[name] + 1; p <= to; p++ {
		for _, change := range c.log[p-1] {
			if has(change.Key) {
				last[change.Key] = change
			}
		}
	}
	commit := ViewCommit{View: c.ref(name), From: c.at[name], Checkpoint: Checkpoint{Position: to}}
	for _, change := range last {
		commit.Rows = append(commit.Rows, change)
	}
	if err := c.store.CommitView(context.Background(), commit); err != nil {
		c.t.Fatal(err)
	}
	c.at[name] = to
}

// client follows the changes of a view page by page.
type client struct {
	after ChangeCursor
	rows  map[string]string
}

// poll reads one page as rawView.changes does, and returns whether there may be more at once.
func (c *client) poll(t *testing.T, store ViewStore, view ViewRef, limit int) bool {
	rows, position, err := store.Changes(context.Background(), view, c.after, limit)
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) > limit {
		t.Fatalf("got %d rows, asked for %d", len(rows), limit)
	}
	for i, r := range rows {
		place := ChangeCursor{Position: r.Position, Key: r.Key}
		if !c.after.before(place) {
			t.Fatalf("told of %v after %v", place, c.after)
		}
		if r.Position > position {
			t.Fatalf("told of %v, but the view is at %d", place, position)
		}
		if c.rows[r.Key] = string(r.Data); r.Data == nil {
			delete(c.rows, r.Key)
		}
		last := i == len(rows)-1
		c.after = ChangeCursor{Position: r.Position}
		if last && len(rows) == limit || !last && rows[i+1].Position == r.Position {
			c.after.Key = r.Key
		}
	}
	return len(rows) == limit
}

// The changes of a view that is cut are told in order, each as soon as all partitions have come so far, and none is lost: whatever the
// size of pages, and however far apart the partitions are.
func TestPartitionsTellChanges(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 3))
		of := 2 + rng.IntN(3)
		c := &cutTwins{t: t, store: newMemoryViews(time.Now), of: of, at: map[string]Position{}}
		cut := whole(c.store, of, indexing{})
		names := []string{"whole"}
		for _, p := range partitions(of) {
			names = append(names, p.name("cut"))
		}
		for _, name := range names {
			if _, err := c.store.OpenView(context.Background(), ViewSpec{ViewRef: c.ref(name)}); err != nil {
				t.Fatal(err)
			}
		}
		clients := map[int]*client{1: {}, 2: {}, 3: {}, 7: {}, 500: {}}
		for _, client := range clients {
			client.rows = map[string]string{}
		}
		poll := func(most int) {
			for limit, client := range clients {
				for range rng.IntN(most) {
					if !client.poll(t, cut, c.ref("cut"), limit) {
						break
					}
				}
			}
		}
		for range 40 {
			for range rng.IntN(6) {
				at := Position(len(c.log) + 1)
				var changes []RowChange
				for i := range rng.IntN(5) { // of one position, in all partitions
					change := RowChange{Row: Row{Key: fmt.Sprintf("k%d", (rng.IntN(12)+i)%12), Position: at}}
					if rng.IntN(4) > 0 {
						change.Data = fmt.Appendf(nil, "%d", at)
					}
					changes = append(changes, change)
				}
				c.log = append(c.log, changes)
			}
			head := Position(len(c.log))
			for i, p := range partitions(of) {
				if name := names[i+1]; rng.IntN(2) == 0 && c.at[name] < head {
					c.advance(name, p.has, c.at[name]+1+Position(rng.IntN(int(head-c.at[name]))))
				}
			}
			poll(4)
		}
		head := Position(len(c.log))
		for i, p := range partitions(of) {
			c.advance(names[i+1], p.has, head)
		}
		c.advance("whole", func(string) bool { return true }, head)
		twin := &client{rows: map[string]string{}}
		for twin.poll(t, c.store, c.ref("whole"), 3) {
		}
		for limit, client := range clients {
			for client.poll(t, cut, c.ref("cut"), limit) {
			}
			if fmt.Sprint(client.rows) != fmt.Sprint(twin.rows) {
				t.Fatalf("seed %d, pages of %d: the rows are\n%v, want\n%v", seed, limit, client.rows, twin.rows)
			}
		}
	}
}

// What is told of a view that is cut is where its last partition is, and who waits for it waits for that one.
func TestPartitionsWaitForTheLast(t *testing.T) {
	store := newMemoryViews(time.Now)
	cut := whole(store, 3, indexing{})
	view := ViewRef{Name: "cut", Version: 1}
	for i, p := range partitions(3) {
		ref := ViewRef{Name: p.name("cut"), Version: 1}
		if _, err := store.OpenView(context.Background(), ViewSpec{ViewRef: ref}); err != nil {
			t.Fatal(err)
		}
		if err := store.CommitView(context.Background(), ViewCommit{View: ref, Checkpoint: Checkpoint{Position: Position(9 - i)}}); err != nil {
			t.Fatal(err)
		}
	}
	for reach, reached := range map[Position]bool{0: true, 7: true, 8: false, 9: false, 10: false} {
		at, err := cut.WaitView(context.Background(), view, reach)
		var behind *BehindError
		if errors.As(err, &behind) == reached || at != 7 {
			t.Errorf("waiting for %d: %d, %v", reach, at, err)
		}
		if !reached && *behind != (BehindError{View: "cut", Want: reach, Reached: 7}) {
			t.Errorf("waiting for %d: %+v", reach, behind)
		}
	}
	_, at, err := cut.ListRows(context.Background(), view, RowQuery{})
	if at != 7 || err != nil {
		t.Errorf("a list is at %d, %v", at, err)
	}
}

// Which partition a key is in is written into every store: these must never be others.
func TestPartitionsOfKeys(t *testing.T) {
	for key, in := range map[string][]int{"a": {0, 0, 1, 12}, "": {0, 1, 2, 37}, "order-7": {0, 1, 0, 59}, "ä": {0, 0, 2, 2}} {
		for i, of := range []int{1, 2, 3, 64} {
			if got := partitionOf(key, of); got.index != in[i] || got.of != of || !got.has(key) {
				t.Errorf("%q is in partition %d of %d, not %d", key, got.index, of, in[i])
			}
		}
	}
	counts := map[int]int{}
	for i := range 4000 {
		counts[partitionOf(fmt.Sprintf("order-%d", i), 4).index]++
	}
	for i := range 4 {
		if counts[i] < 800 || counts[i] > 1200 {
			t.Errorf("of 4000 keys %d are in partition %d of 4", counts[i], i)
		}
	}
}
