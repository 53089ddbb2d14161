package deed_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

// parted is a store in which one part cannot be registered.
type parted struct {
	*sqlite.DB
	fails string
}

func (p *parted) OpenPart(ctx context.Context, spec deed.PartSpec) (deed.PartState, error) {
	if spec.Name == p.fails && !spec.Look {
		return deed.PartState{}, deed.ErrUnavailable
	}
	return p.DB.OpenPart(ctx, spec)
}

// The partitions of a process or reactor begin at one place, however often it takes to make the service: what comes between is not
// passed over by those that were not registered yet.
func TestPartitionsBeginTogether(t *testing.T) {
	for _, fails := range []string{"keeper.cut", "keeper.0of4", "keeper.2of4", "keeper.3of4"} {
		t.Run("where "+fails+" cannot be registered at first", func(t *testing.T) {
			for kind, part := range map[string]func(seen func(key string)) deed.Part{
				"process": func(seen func(string)) deed.Part {
					p := keeps(when(""))
					evolve := p.Evolve
					p.Evolve = func(d diary, r deed.Recorded[deed.Event]) diary { seen(r.Stream.ID()); return evolve(d, r) }
					p.Partitions, p.From = 4, deed.FromNow()
					return p
				},
				"reactor": func(seen func(string)) deed.Part {
					return deed.Reactor[deed.Event]{
						Name: "keeper", Events: accountEvents, Partitions: 4, From: deed.FromNow(),
						React: func(_ context.Context, r deed.Recorded[deed.Event], _ string) ([]deed.Effect, error) {
							seen(r.Stream.ID())
							return nil, nil
						},
					}
				},
			} {
				var mu sync.Mutex
				var handled []string
				keeper := part(func(key string) {
					mu.Lock()
					defer mu.Unlock()
					handled = append(handled, key)
				})
				db, _ := memory(t)
				s := start(t, db, accounts)
				s.send(accounts.Send("old", open{"ann"}))
				store := &parted{DB: db, fails: fails}
				_, err := deed.NewService(deed.Config{Store: store, Views: store}, accounts, keeper)
				wantErr(t, err, deed.ErrUnavailable)
				var between []string
				for i := range 9 {
					between = append(between, id(i))
					s.send(accounts.Send(id(i), open{"ann"}))
				}
				s.stop()
				s = start(t, db, accounts, keeper)
				s.send(accounts.Send("9", open{"ann"}))
				s.settle()
				s.stop()
				expect := append(between, "9")
				if fails == "keeper.cut" { // nothing was fixed
					expect = expect[9:]
				}
				slices.Sort(handled)
				want(t, kind, handled, expect)
			}
		})
	}
}

// Services that are made at once have their partitions begin at one place too: that of the first, though it could not be made.
func TestPartitionsOfSeveralServicesBeginTogether(t *testing.T) {
	db, _ := memory(t)
	s := start(t, db, accounts)
	s.send(accounts.Send("old", open{"ann"}))
	p := keeps(when(""))
	p.Partitions, p.From = 4, deed.FromNow()
	store := &hooked{DB: db}
	store.onCommitPart = func(deed.PartCommit) error { // the log goes on, and another one is first, before this one has stored anything
		store.onCommitPart = nil
		for i := range 9 {
			s.send(accounts.Send("between-"+id(i), open{"ann"}))
		}
		first := &parted{DB: db, fails: "keeper.2of4"}
		_, err := deed.NewService(deed.Config{Store: first, Views: first}, accounts, p)
		wantErr(t, err, deed.ErrUnavailable)
		return nil
	}
	second := newService(t, store, accounts, p)
	for i := range 9 {
		s.send(accounts.Send(id(i), open{"ann"}))
	}
	s.stop()
	s = startService(t, store, second)
	s.settle()
	for i := range 9 {
		want(t, "notes", len(s.notes("keeper", id(i))), 1)
		want(t, "notes of what was there before", len(s.notes("keeper", "between-"+id(i))), 0)
	}
}

// A process that is cut and does not say where it begins is refused, and nothing of it is fixed.
func TestPartitionsThatBeginNowhere(t *testing.T) {
	db, _ := memory(t)
	start(t, db, accounts).send(accounts.Send("old", open{"ann"}))
	p := keeps(when(""))
	p.Partitions = 4
	for range 2 {
		_, err := deed.NewService(deed.Config{Store: db, Views: db}, accounts, p)
		if err == nil || !strings.Contains(err.Error(), "process keeper: it is new to a log that has events already: say From") {
			t.Fatalf("got %v, want it to ask for From", err)
		}
	}
	p.Partitions, p.From = 3, deed.FromStart()
	s := start(t, db, accounts, p)
	s.settle()
	want(t, "notes", len(s.notes("keeper", "old")), 1)
}
