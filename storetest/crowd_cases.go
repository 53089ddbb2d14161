package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/deed-es/deed"
)

// fullUp appends from more sides at once than a queue has places.
func fullUp(b *bed) {
	n := scaled(6000)
	stored := make([]bool, n)
	b.crowd(n, func(i int) error {
		_, err := b.store.Append(b.ctx, put(deed.StreamID(fmt.Sprint("order-", i%100)), deed.Any, fmt.Sprint(i)))
		if stored[i] = err == nil; err != nil && !errors.Is(err, deed.ErrBusy) {
			return err
		}
		return nil
	})
	b.holds(b.log(), stored)
}

// holds checks that the log has the events of exactly those appends, which are named by their numbers.
func (b *bed) holds(log []deed.Record, stored []bool) {
	b.Helper()
	seen := map[string]bool{}
	for _, r := range log {
		if seen[r.ID] {
			b.Fatalf("%s is in the log twice", brief(r))
		}
		seen[r.ID] = true
	}
	for i := range stored {
		if seen[fmt.Sprint(i)] != stored[i] {
			b.Fatalf("append %d is in the log: %v, acknowledged: %v", i, seen[fmt.Sprint(i)], stored[i])
		}
	}
}

// closedUnderAppends closes the store while many append to it, and looks at what is there afterwards.
func closedUnderAppends(b *bed) {
	n := scaled(400)
	stored, unknown := make([]bool, n), make([]bool, n)
	store := b.store
	var answered atomic.Int32
	halfway := sync.OnceFunc(b.close)
	b.crowd(n, func(i int) error {
		_, err := store.Append(b.ctx, put(deed.StreamID(fmt.Sprint("order-", i)), 0, fmt.Sprint(i)))
		stored[i], unknown[i] = err == nil, errors.Is(err, deed.ErrUnknown)
		if err != nil && !unknown[i] && !errors.Is(err, deed.ErrClosed) {
			return err
		}
		if answered.Add(1) >= int32(n/8) {
			halfway()
		}
		return nil
	})
	b.store = b.open(b.config)
	log := b.log()
	for _, r := range log {
		var i int
		if _, err := fmt.Sscan(r.ID, &i); err != nil {
			b.Fatalf("%s: %v", brief(r), err)
		}
		stored[i] = stored[i] || unknown[i]
	}
	b.holds(log, stored)
	for i := range stored {
		if _, err := b.store.Append(b.ctx, put(deed.StreamID(fmt.Sprint("order-", i)), 0, fmt.Sprint(i))); err != nil {
			b.Fatalf("the retry of %d: %v", i, err)
		}
		stored[i] = true
	}
	b.holds(b.log(), stored)
}
