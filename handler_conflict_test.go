package deed_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/deed-es/deed"
)

func TestHandlerConflicts(t *testing.T) {
	t.Run("are tried again with what the other has written", func(t *testing.T) {
		db, _ := memory(t)
		store := &hooked{DB: db}
		others := 3
		store.onAppend = func(ctx context.Context, b deed.Batch) (deed.Receipt, error) {
			if others--; others >= 0 && b.Writes[0].Version > 0 { // somebody else is faster
				write(t, db, "account-1", "account-paid", `{"amount":1}`)
			}
			return db.Append(ctx, b)
		}
		h := accounts.Handler(store)
		_, err := h.Handle(bounded(t), "1", open{"ann"})
		must(t, err)
		receipt, err := h.Handle(bounded(t), "1", pay{5})
		must(t, err)
		want(t, "version", receipt.Version(), 4)
		state, _, err := h.Load(bounded(t), "1")
		must(t, err)
		want(t, "payments", state.Payments, []int{1, 1, 5})
	})
	t.Run("end after so many tries", func(t *testing.T) {
		db, _ := memory(t)
		appends := 0
		store := &hooked{DB: db, onAppend: func(_ context.Context, b deed.Batch) (deed.Receipt, error) {
			appends++
			return deed.Receipt{}, &deed.ConflictError{Stream: b.Writes[0].Stream, Want: b.Writes[0].Version, Actual: 7}
		}}
		_, err := accounts.Handler(store).Handle(bounded(t), "1", open{"ann"})
		wantErr(t, err, deed.ErrConflict)
		want(t, "the first try and those after it", appends, 21)
	})
	t.Run("are not made up by a refusal that wraps ErrConflict", func(t *testing.T) {
		db, _ := memory(t)
		decided := 0
		d := accounts
		d.Decide = func(account, deed.Command) ([]deed.Event, error) {
			decided++
			return nil, fmt.Errorf("the domain says: %w", deed.ErrConflict)
		}
		_, err := d.Handler(db).Handle(bounded(t), "1", open{"ann"})
		if !errors.As(err, new(*deed.RejectedError)) {
			t.Errorf("got %v, want a refusal", err)
		}
		want(t, "decided", decided, 1)
	})
}

func TestHandleAt(t *testing.T) {
	t.Run("handles at the version and refuses at another", func(t *testing.T) {
		for name, cache := range map[string]int{"from the cache": 0, "without a cache": -1} {
			t.Run(name, func(t *testing.T) {
				db, _ := memory(t)
				h := accounts.HandlerWith(db, &deed.HandlerOptions{Cache: cache})
				other := accounts.Handler(db)
				ctx := bounded(t)
				conflict := func(v deed.Version, cmd deed.Command, actual deed.Version) {
					t.Helper()
					_, err := h.HandleAt(ctx, "1", v, cmd)
					var conflict *deed.ConflictError
					if !errors.As(err, &conflict) || *conflict != (deed.ConflictError{Stream: "account-1", Want: v, Actual: actual}) {
						t.Errorf("at %d: got %v, want a conflict with %d", v, err, actual)
					}
				}
				handled := func(v deed.Version, cmd deed.Command) {
					t.Helper()
					if _, err := h.HandleAt(ctx, "1", v, cmd); err != nil {
						t.Errorf("at %d: %v", v, err)
					}
				}
				conflict(1, open{"ann"}, 0)
				conflict(deed.Exists, open{"ann"}, 0)
				handled(0, open{"ann"})
				conflict(0, pay{5}, 1)
				handled(1, pay{5})
				_, err := other.Handle(ctx, "1", pay{5}) // version 3; h has cached 2
				must(t, err)
				conflict(2, pay{5}, 3)
				conflict(2, pay{0}, 3)   // nothing to do
				conflict(2, pay{-99}, 3) // what would be refused
				_, err = other.Handle(ctx, "1", pay{5})
				must(t, err)
				handled(4, pay{5})
				_, err = other.Handle(ctx, "1", pay{5})
				must(t, err)
				handled(deed.Exists, pay{5}) // though h has cached 5
				handled(deed.Any, pay{5})
			})
		}
	})
	t.Run("does not try again", func(t *testing.T) {
		db, _ := memory(t)
		appends := 0
		store := &hooked{DB: db, onAppend: func(ctx context.Context, b deed.Batch) (deed.Receipt, error) {
			if appends++; appends == 1 {
				write(t, db, "account-1", "account-opened", `{"owner":"bob"}`)
			}
			return db.Append(ctx, b)
		}}
		_, err := accounts.Handler(store).HandleAt(bounded(t), "1", 0, open{"ann"})
		wantErr(t, err, deed.ErrConflict)
		want(t, "appends", appends, 1)
	})
	t.Run("lets one of many win", func(t *testing.T) {
		db, _ := memory(t)
		h := accounts.Handler(db)
		var won atomic.Int64
		var racers sync.WaitGroup
		for i := range 32 {
			racers.Go(func() {
				_, err := h.HandleAt(bounded(t), "1", 0, open{id(i)})
				switch {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, deed.ErrConflict):
					t.Error(err)
				}
			})
		}
		racers.Wait()
		want(t, "winners", won.Load(), 1)
	})
}

// Commands for one stream queue up inside a handler, so that none of them is refused by the store and tried again.
func TestHandlerQueues(t *testing.T) {
	db, _ := memory(t)
	var conflicts atomic.Int64
	store := &hooked{DB: db, onAppend: func(ctx context.Context, b deed.Batch) (deed.Receipt, error) {
		receipt, err := db.Append(ctx, b)
		if err != nil {
			conflicts.Add(1)
		}
		return receipt, err
	}}
	h := accounts.Handler(store)
	_, err := h.Handle(bounded(t), "1", open{"ann"})
	must(t, err)
	const writers = 64
	each := max(20/raceScale, 2)
	var writing sync.WaitGroup
	for range writers {
		writing.Go(func() {
			for range each {
				if _, err := h.Handle(bounded(t), "1", pay{1}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writing.Wait()
	state, _, err := h.Load(bounded(t), "1")
	must(t, err)
	want(t, "balance", state.Balance, writers*each)
	want(t, "conflicts in the store", conflicts.Load(), 0)
}

// Who waits behind another command can stop waiting, and does not stop those behind.
func TestHandlerQueueIsLeft(t *testing.T) {
	db, _ := memory(t)
	begun, goOn := make(chan struct{}), make(chan struct{})
	var first atomic.Bool
	store := &hooked{DB: db, onAppend: func(ctx context.Context, b deed.Batch) (deed.Receipt, error) {
		if !first.Swap(true) {
			close(begun)
			<-goOn
		}
		return db.Append(ctx, b)
	}}
	h := accounts.Handler(store)
	results := make(chan error, 2)
	handle := func() {
		_, err := h.Handle(bounded(t), "1", open{"ann"})
		results <- err
	}
	go handle()
	<-begun
	ctx, cancel := context.WithCancel(bounded(t))
	cancel()
	_, err := h.Handle(ctx, "1", open{"ann"})
	wantErr(t, err, context.Canceled)
	go handle()
	_, err = h.Handle(bounded(t), "2", open{"ann"}) // another stream does not wait
	must(t, err)
	close(goOn)
	must(t, <-results)
	must(t, <-results)
	want(t, "events", len(records(t, db, deed.Query{Stream: "account-1"})), 1)
}

// Two handlers with caches of their own take turns over one store; each answer is that of one who decides alone, refusals,
// empty decisions and Load included.
func TestTwoHandlersAnswerAsOne(t *testing.T) {
	db, _ := memory(t)
	handlers := []*accountHandler{accounts.Handler(db), accounts.HandlerWith(db, &deed.HandlerOptions{Cache: 2})}
	model := newSerial()
	random := rand.New(rand.NewPCG(7, 7))
	ctx := bounded(t)
	for i := range 10_000 / raceScale {
		h := handlers[i%2]
		stream := id(random.IntN(4))
		if random.IntN(5) == 0 {
			state, version, err := h.Load(ctx, stream)
			must(t, err)
			want(t, "state", state, model.states[stream])
			want(t, "version", version, model.versions[stream])
			continue
		}
		cmd := randomCommand(random)
		wantReceipt, wantRefusal := model.handle(stream, cmd)
		receipt, err := h.Handle(ctx, stream, cmd)
		if (err == nil) != (wantRefusal == nil) || err != nil && !errors.As(err, new(*deed.RejectedError)) {
			t.Fatalf("command %d, %#v to %s: got %v, want %v", i, cmd, stream, err, wantRefusal)
		}
		if wantRefusal != nil && errors.Unwrap(errors.Unwrap(err)).Error() != wantRefusal.Error() {
			t.Fatalf("command %d, %#v to %s: refused with %v, want %v", i, cmd, stream, err, wantRefusal)
		}
		want(t, fmt.Sprintf("receipt of command %d, %#v to %s", i, cmd, stream), receipt, wantReceipt)
	}
}

func randomCommand(random *rand.Rand) deed.Command {
	switch random.IntN(12) {
	case 0, 1:
		return open{id(random.IntN(2))}
	case 2:
		return rename{id(random.IntN(2))}
	case 3:
		return pay{0}
	case 4:
		return pay{-random.IntN(200)}
	}
	return pay{random.IntN(20)}
}

// serial is the answers of one who decides alone.
type serial struct {
	states   map[string]account
	versions map[string]deed.Version
	last     map[string]deed.Position
	head     deed.Position
}

func newSerial() *serial {
	return &serial{states: map[string]account{}, versions: map[string]deed.Version{}, last: map[string]deed.Position{}}
}

func (s *serial) handle(stream string, cmd deed.Command) (deed.Receipt, error) {
	events, refusal := s.states[stream].decide(cmd)
	if refusal != nil {
		return deed.Receipt{}, refusal
	}
	for _, e := range events {
		state := s.states[stream]
		state.Payments = append([]int(nil), state.Payments...)
		s.states[stream] = state.evolve(e)
		s.versions[stream]++
		s.head++
		s.last[stream] = s.head
	}
	return deed.Receipt{Position: s.last[stream], Streams: at("account-"+stream, s.versions[stream])}, nil
}

// Load goes on from the cached state while a command decides from it; neither sees what the other folds.
func TestLoadBesideCommands(t *testing.T) {
	db, _ := memory(t)
	h, other := accounts.Handler(db), accounts.Handler(db)
	ctx := bounded(t)
	_, err := h.Handle(ctx, "1", open{"ann"})
	must(t, err)
	var working sync.WaitGroup
	working.Go(func() {
		for range 400 / raceScale {
			if _, err := h.Handle(ctx, "1", pay{1}); err != nil {
				t.Error(err)
			}
		}
	})
	working.Go(func() {
		for range 400 / raceScale {
			if _, err := other.Handle(ctx, "1", pay{100}); err != nil {
				t.Error(err)
			}
		}
	})
	for range 2 {
		working.Go(func() {
			for range 400 / raceScale {
				state, version, err := h.Load(ctx, "1")
				if err != nil {
					t.Error(err)
					return
				}
				sum := 0
				for _, p := range state.Payments {
					sum += p
				}
				if sum != state.Balance || len(state.Payments) != int(version)-1 {
					t.Errorf("version %d: the payments %v do not make the balance %d", version, state.Payments, state.Balance)
					return
				}
			}
		})
	}
	working.Wait()
}

// The same, step by step: Load folds an event of somebody else's behind the cached state, and a command is decided from that
// state before Load is done.
func TestLoadKeepsItsTurn(t *testing.T) {
	db, _ := memory(t)
	folding, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	d := accounts
	d.Evolve = func(a account, e deed.Event) account {
		a = a.evolve(e)
		if e == (paid{100}) {
			once.Do(func() {
				close(folding)
				<-goOn
			})
		}
		return a
	}
	h := d.Handler(db)
	for _, cmd := range []deed.Command{open{"ann"}, pay{1}, pay{1}, pay{1}} { // three payments, and room for a fourth
		_, err := h.Handle(bounded(t), "1", cmd)
		must(t, err)
	}
	write(t, db, "account-1", "account-paid", `{"amount":100}`)
	loaded := make(chan account)
	go func() {
		state, _, err := h.Load(bounded(t), "1")
		if err != nil {
			t.Error(err)
		}
		loaded <- state
	}()
	<-folding
	ctx, cancel := context.WithTimeout(bounded(t), 20*time.Millisecond)
	defer cancel()
	_, err := h.Handle(ctx, "1", pay{7})
	wantErr(t, err, context.DeadlineExceeded) // it waits
	close(goOn)
	want(t, "payments", (<-loaded).Payments, []int{1, 1, 1, 100})
}
