package deed_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/deed-es/deed"
)

func withID(ctx context.Context, commandID string) context.Context {
	return deed.WithMeta(ctx, deed.Meta{CommandID: commandID})
}

func TestHandlerRepeated(t *testing.T) {
	t.Run("gives the first answer again for the same command id", func(t *testing.T) {
		db, _ := memory(t)
		ctx := bounded(t)
		first, err := accounts.Handler(db).Handle(withID(ctx, "c1"), "1", open{"ann"})
		must(t, err)
		want(t, "first", first.Again, false)
		_, err = accounts.Handler(db).Handle(ctx, "1", pay{5})
		must(t, err)
		for range 2 { // in another handler, which has cached nothing
			again, err := accounts.Handler(db).Handle(withID(ctx, "c1"), "1", open{"ann"})
			must(t, err)
			first.Again = true
			want(t, "again", again, first)
		}
		want(t, "events", len(records(t, db, deed.Query{})), 2)
		want(t, "kept in the event", records(t, db, deed.Query{})[0].Meta().CommandID, "c1")
	})
	t.Run("gives the first answer again where there was nothing to do", func(t *testing.T) {
		db, _ := memory(t)
		h := accounts.Handler(db)
		ctx := bounded(t)
		_, err := h.Handle(ctx, "1", open{"ann"})
		must(t, err)
		first, err := h.Handle(withID(ctx, "c1"), "1", pay{0})
		must(t, err)
		want(t, "first", first, deed.Receipt{Position: 1, Streams: at("account-1", 1)})
		_, err = h.Handle(ctx, "1", pay{5})
		must(t, err)
		again, err := h.Handle(withID(ctx, "c1"), "1", pay{0})
		must(t, err)
		first.Again = true
		want(t, "again", again, first)
	})
	t.Run("gives the first answer again to HandleAt, whatever the version is now", func(t *testing.T) {
		db, _ := memory(t)
		h := accounts.Handler(db)
		first, err := h.HandleAt(withID(bounded(t), "c1"), "1", 0, open{"ann"})
		must(t, err)
		again, err := h.HandleAt(withID(bounded(t), "c1"), "1", 0, open{"ann"})
		must(t, err)
		want(t, "again", again.Version(), first.Version())
	})
	t.Run("refuses a command id with another body, another command, or another stream", func(t *testing.T) {
		db, _ := memory(t)
		h := accounts.Handler(db)
		ctx := withID(bounded(t), "c1")
		_, err := h.Handle(ctx, "1", open{"ann"})
		must(t, err)
		for stream, cmd := range map[string]deed.Command{"1": open{"bob"}, "2": open{"ann"}} {
			_, err = h.Handle(ctx, stream, cmd)
			wantErr(t, err, deed.ErrReused)
		}
		_, err = h.Handle(ctx, "1", rename{"ann"}) // the same JSON
		wantErr(t, err, deed.ErrReused)
		want(t, "events", len(records(t, db, deed.Query{})), 1)
	})
	t.Run("does not keep refusals", func(t *testing.T) {
		db, _ := memory(t)
		h := accounts.Handler(db)
		ctx := withID(bounded(t), "c1")
		_, err := h.Handle(ctx, "1", pay{5})
		wantErr(t, err, errNotOpen)
		_, err = h.Handle(bounded(t), "1", open{"ann"})
		must(t, err)
		receipt, err := h.Handle(ctx, "1", pay{5})
		must(t, err)
		want(t, "receipt", receipt, deed.Receipt{Position: 2, Streams: at("account-1", 2)})
	})
	t.Run("handles a command once that comes in many times at once", func(t *testing.T) {
		db, _ := memory(t)
		h := accounts.Handler(db)
		_, err := h.Handle(bounded(t), "1", open{"ann"})
		must(t, err)
		answers := make(chan error)
		const times = 32
		for i := range times {
			go func() {
				h := h
				if i%2 == 1 {
					h = accounts.Handler(db)
				}
				receipt, err := h.Handle(withID(bounded(t), "c1"), "1", pay{5})
				if err == nil && receipt.Version() != 2 {
					err = fmt.Errorf("receipt %+v, want version 2", receipt)
				}
				answers <- err
			}()
		}
		for range times {
			if err := <-answers; err != nil {
				t.Error(err)
			}
		}
		want(t, "events", len(records(t, db, deed.Query{})), 2)
	})
}

// failingAfter fails so many appends after they were stored, as a lost connection does.
func failingAfter(t *testing.T, times int) (*hooked, *atomic.Int64) {
	db, _ := memory(t)
	var appends atomic.Int64
	h := &hooked{DB: db}
	h.onAppend = func(ctx context.Context, b deed.Batch) (deed.Receipt, error) {
		receipt, err := db.Append(ctx, b)
		if appends.Add(1) <= int64(times) && err == nil {
			return deed.Receipt{}, fmt.Errorf("%w: the connection is gone", deed.ErrUnknown)
		}
		return receipt, err
	}
	return h, &appends
}

func TestHandlerUnknownOutcome(t *testing.T) {
	t.Run("is resolved by the same events again", func(t *testing.T) {
		for name, ctx := range map[string]context.Context{"without a command id": bounded(t), "with a command id": withID(bounded(t), "c1")} {
			t.Run(name, func(t *testing.T) {
				store, appends := failingAfter(t, 2)
				h := accounts.Handler(store)
				receipt, err := h.Handle(ctx, "1", open{"ann"})
				must(t, err)
				want(t, "version", receipt.Version(), 1)
				want(t, "appends", appends.Load(), 3)
				want(t, "events", len(records(t, store, deed.Query{})), 1)
				receipt, err = h.Handle(bounded(t), "1", pay{5}) // and the state in the cache is right
				must(t, err)
				want(t, "version", receipt.Version(), 2)
			})
		}
	})
	t.Run("is resolved for a decision, too", func(t *testing.T) {
		for name, ctx := range map[string]context.Context{"without a command id": bounded(t), "with a command id": withID(bounded(t), "c1")} {
			t.Run(name, func(t *testing.T) {
				store, _ := failingAfter(t, 1)
				receipt, err := uniqueEmail.Handler(store).Handle(ctx, "1", register{"a@b"})
				must(t, err)
				want(t, "version", receipt.Version(), 1)
				want(t, "events", len(records(t, store, deed.Query{})), 1)
			})
		}
	})
	t.Run("stores nothing twice where a decision does not look at its own events", func(t *testing.T) {
		store, _ := failingAfter(t, 1)
		d := uniqueEmail
		d.Query = func(string, register) []deed.Match { return []deed.Match{{Types: []string{"unrelated"}}} }
		_, err := d.Handler(store).Handle(bounded(t), "1", register{"a@b"})
		must(t, err)
		want(t, "events", len(records(t, store, deed.Query{})), 1)
	})
	t.Run("is told when it stays unknown, and a repetition with the id is safe", func(t *testing.T) {
		store, appends := failingAfter(t, 4)
		h := accounts.Handler(store)
		_, err := h.Handle(withID(bounded(t), "c1"), "1", open{"ann"})
		wantErr(t, err, deed.ErrUnknown)
		want(t, "appends", appends.Load(), 4)
		receipt, err := h.Handle(withID(bounded(t), "c1"), "1", open{"ann"})
		must(t, err)
		want(t, "receipt", receipt, deed.Receipt{Position: 1, Streams: at("account-1", 1), Again: true})
		want(t, "events", len(records(t, store, deed.Query{})), 1)
	})
	t.Run("is not tried again when the caller has gone", func(t *testing.T) {
		store, appends := failingAfter(t, 4)
		ctx, cancel := context.WithCancel(bounded(t))
		after := store.onAppend
		store.onAppend = func(_ context.Context, b deed.Batch) (deed.Receipt, error) {
			defer cancel()
			return after(context.WithoutCancel(ctx), b)
		}
		_, err := accounts.Handler(store).Handle(ctx, "1", open{"ann"})
		if !errors.Is(err, deed.ErrUnknown) {
			t.Errorf("got %v, want ErrUnknown", err)
		}
		want(t, "appends", appends.Load(), 1)
	})
}
