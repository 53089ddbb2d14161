package deed_test

import (
	"context"
	"errors"
	"testing"

	"github.com/deed-es/deed"
)

// answers is a store whose first appends are answered as the list says, stored or not; later ones are the log's own.
func answers(t *testing.T, storage *hooked, storedFirst bool, errs ...error) (appends *int) {
	appends = new(int)
	storage.onAppend = func(ctx context.Context, b deed.Batch) (deed.Receipt, error) {
		*appends++
		if *appends == 1 && storedFirst {
			_, err := storage.DB.Append(ctx, b)
			must(t, err)
		}
		if *appends <= len(errs) {
			return deed.Receipt{}, errs[*appends-1]
		}
		return storage.DB.Append(ctx, b)
	}
	return appends
}

func TestUnknownOutcome(t *testing.T) {
	t.Run("stays unknown, whatever the store answers to the same batch after it", func(t *testing.T) {
		for _, stored := range []bool{true, false} {
			for _, then := range []error{deed.ErrBusy, deed.ErrClosed, context.DeadlineExceeded, context.Canceled, errors.New("the disk is full")} {
				db, _ := memory(t)
				store := &hooked{DB: db}
				answers(t, store, stored, deed.ErrUnknown, then, then, then)
				h := accounts.Handler(store)
				_, err := h.Handle(bounded(t), "1", open{"ann"})
				wantErr(t, err, deed.ErrUnknown)
				if errors.Is(err, then) {
					t.Errorf("got %v, which says that nothing is stored", err)
				}
				_, version, err := h.Load(bounded(t), "1") // which must not be what was hoped for
				must(t, err)
				want(t, "version", version, deed.Version(len(records(t, db, deed.Query{}))))
			}
		}
	})
	t.Run("stays unknown where the caller goes away", func(t *testing.T) {
		db, _ := memory(t)
		ctx, cancel := context.WithCancel(bounded(t))
		appends := 0
		store := &hooked{DB: db, onAppend: func(ctx context.Context, b deed.Batch) (deed.Receipt, error) {
			if appends++; appends == 1 {
				return deed.Receipt{}, deed.ErrUnknown
			}
			cancel()
			return db.Append(ctx, b)
		}}
		_, err := accounts.Handler(store).Handle(ctx, "1", open{"ann"})
		wantErr(t, err, deed.ErrUnknown)
		if errors.Is(err, context.Canceled) {
			t.Errorf("got %v, which says that nothing is stored", err)
		}
	})
	t.Run("is settled by the receipt, also after more that says nothing", func(t *testing.T) {
		for _, stored := range []bool{true, false} {
			db, _ := memory(t)
			store := &hooked{DB: db}
			appends := answers(t, store, stored, deed.ErrUnknown, deed.ErrBusy, deed.ErrUnknown)
			h := accounts.Handler(store)
			receipt, err := h.Handle(bounded(t), "1", open{"ann"})
			must(t, err)
			want(t, "streams", receipt.Streams, at("account-1", 1))
			want(t, "appends", *appends, 4)
			want(t, "events", len(records(t, db, deed.Query{})), 1)
			receipt, err = h.Handle(bounded(t), "1", pay{5})
			must(t, err)
			want(t, "version", receipt.Version(), 2)
		}
	})
	t.Run("is settled by a conflict, which says that it is not stored", func(t *testing.T) {
		db, _ := memory(t)
		appends := 0
		store := &hooked{DB: db, onAppend: func(ctx context.Context, b deed.Batch) (deed.Receipt, error) {
			switch appends++; appends {
			case 1:
				return deed.Receipt{}, deed.ErrUnknown
			case 2:
				write(t, db, "account-1", "account-opened", `{"owner":"bob"}`)
				return deed.Receipt{}, deed.ErrBusy
			}
			return db.Append(ctx, b)
		}}
		_, err := accounts.Handler(store).HandleAt(bounded(t), "1", 0, open{"ann"})
		wantErr(t, err, deed.ErrConflict)
		if errors.Is(err, deed.ErrUnknown) {
			t.Errorf("got %v, though it is known", err)
		}
		want(t, "appends", appends, 3)
		want(t, "events", len(records(t, db, deed.Query{})), 1)
	})
	t.Run("is none where nothing unknown came before", func(t *testing.T) {
		for _, refusal := range []error{deed.ErrBusy, deed.ErrClosed} {
			db, _ := memory(t)
			store := &hooked{DB: db}
			appends := answers(t, store, false, refusal)
			_, err := accounts.Handler(store).Handle(bounded(t), "1", open{"ann"})
			wantErr(t, err, refusal)
			if errors.Is(err, deed.ErrUnknown) {
				t.Errorf("got %v, though it is known", err)
			}
			want(t, "appends", *appends, 1)
		}
	})
	t.Run("is a decision's too", func(t *testing.T) {
		db, _ := memory(t)
		store := &hooked{DB: db}
		answers(t, store, true, deed.ErrUnknown, deed.ErrBusy, deed.ErrClosed, deed.ErrBusy)
		_, err := uniqueEmail.Handler(store).Handle(bounded(t), "1", register{"a@b"})
		wantErr(t, err, deed.ErrUnknown)
		if errors.Is(err, deed.ErrBusy) || errors.Is(err, deed.ErrClosed) {
			t.Errorf("got %v, which says that nothing is stored", err)
		}
	})
}
