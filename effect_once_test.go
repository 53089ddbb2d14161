package deed_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

// carried counts how often each effect is carried out.
type carried struct {
	mu    sync.Mutex
	times map[string]int // by the effect's id
	hold  func(deed.Request)
}

func (c *carried) watch(next deed.HandleFunc) deed.HandleFunc {
	return func(ctx context.Context, req deed.Request) (deed.Receipt, error) {
		if _, is := req.Command.(pay); is {
			c.mu.Lock()
			c.times[req.Meta.CommandID]++
			c.mu.Unlock()
			if c.hold != nil {
				c.hold(req)
			}
		}
		return next(ctx, req)
	}
}

func (c *carried) once(t *testing.T, effects int) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	want(t, "effects", len(c.times), effects)
	for id, n := range c.times {
		if n != 1 {
			t.Errorf("effect %s was carried out %d times", id, n)
		}
	}
}

// lateLooks is a store whose looks at all pending effects a test can hold up once they have their answer.
type lateLooks struct {
	*sqlite.DB
	after func([]deed.PendingEffect)
}

func (l *lateLooks) Effects(ctx context.Context, q deed.EffectQuery) ([]deed.PendingEffect, error) {
	page, err := l.DB.Effects(ctx, q)
	if q.Key == "" {
		l.after(page)
	}
	return page, err
}

func TestEffectsAreCarriedOutOnce(t *testing.T) {
	gift := keeps(func(_ diary, r deed.Recorded[deed.Event]) []deed.Effect {
		if r.Type != "account-opened" {
			return nil
		}
		return []deed.Effect{accounts.Send(r.Stream.ID(), pay{1}), accounts.Send(r.Stream.ID(), pay{2})}
	})
	t.Run("though they were read as pending before they were done", func(t *testing.T) {
		db, _ := memory(t)
		trying, goOn := make(chan struct{}), make(chan struct{})
		read, seen := make(chan struct{}), make(chan struct{})
		c := &carried{times: map[string]int{}, hold: func(req deed.Request) {
			if req.Stream == "account-1" && req.Command == (pay{1}) {
				close(trying)
				<-goOn
			}
		}}
		var stale sync.Once
		store := &lateLooks{db, func(page []deed.PendingEffect) {
			if len(page) == 4 { // with those of account 1, the first of which is under way
				stale.Do(func() {
					close(read)
					<-seen
				})
			}
		}}
		service, err := deed.NewService(deed.Config{Store: store, Middleware: []deed.Middleware{c.watch}}, accounts, gift)
		must(t, err)
		s := startService(t, db, service)
		s.send(accounts.Send("1", open{"ann"}))
		<-trying
		s.send(accounts.Send("2", open{"bob"}))
		<-read
		close(goOn)
		look := time.NewTicker(time.Millisecond)
		defer look.Stop()
		for s.effects().Busy > 0 { // until account 1 is done with
			<-look.C
		}
		close(seen)
		s.settle()
		c.once(t, 4)
	})
	t.Run("also of many that come in all the while", func(t *testing.T) {
		db, _ := memory(t)
		c := &carried{times: map[string]int{}}
		service, err := deed.NewService(deed.Config{Store: db, Middleware: []deed.Middleware{c.watch}}, accounts, gift)
		must(t, err)
		s := startService(t, db, service)
		const sides, each = 8, 40
		var sending sync.WaitGroup
		for side := range sides {
			sending.Go(func() {
				for i := range each {
					_, err := s.Dispatch(bounded(t), deed.Stream("account", id(side*each+i)), "open", []byte(`{"owner":"ann"}`))
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		sending.Wait()
		s.settle()
		c.once(t, 2*sides*each)
	})
}

// appends notes what is told of appends.
type appends struct {
	mu      sync.Mutex
	streams []string
}

func (a *appends) Begin(ctx context.Context, o deed.Operation) (context.Context, func(error)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if o.Kind == deed.OpAppend {
		a.streams = append(a.streams, string(o.Stream))
	}
	return ctx, func(error) {}
}

func (a *appends) Wrote(deed.Group) {}

// What an effect appends to its process's own stream is told as an append, too.
func TestAppendsOfEffectsAreObserved(t *testing.T) {
	db, _ := memory(t)
	told := &appends{}
	p := keeps(when("account-opened", deed.Wake()))
	service, err := deed.NewService(deed.Config{Store: db, Observer: told}, accounts, p)
	must(t, err)
	s := startService(t, db, service)
	s.send(accounts.Send("1", open{"ann"}))
	s.settle()
	s.stop()
	want(t, "appends", told.streams, []string{"account-1", "process-keeper:1"})
}
