package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/cart"
	"github.com/deed-es/deed/examples/shop/drive"
	"github.com/deed-es/deed/postgres"
)

func testServer(t *testing.T) *server {
	t.Helper()
	s, err := startServer(t.Context())
	must(t, err)
	t.Cleanup(func() {
		if err := s.remove(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func opened(t *testing.T, s *server, schema string) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(t.Context(), s.url(), &postgres.Options{Schema: schema})
	must(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// A process that is stopped while it has the log's lock loses it when the server has waited a second and a half for it.
const (
	lockKept = 3 * time.Second / 2
	slack    = 2 * time.Second // a machine that has other things to do
)

// A process is stopped until it has had the lock in so many of its stops. It may be asked for the time besides, when it moves a
// Parallel log's mark, and stops without the lock then.
const (
	keepsOthers     = 2
	stopsOfAppender = 50
)

func TestAProcessStoppedWithTheLogsLockKeepsOthersForTwoSeconds(t *testing.T) {
	t.Parallel()
	s := testServer(t)
	for _, order := range []postgres.Order{postgres.Serial, postgres.Parallel} {
		t.Run(string(order), func(t *testing.T) {
			db := opened(t, s, "locked_"+string(order))
			must(t, db.SetOrder(t.Context(), order))
			c, lines := play(t, "appender", s, "locked_"+string(order))
			kept, stops := 0, 0
			for kept < keepsOthers && stops < stopsOfAppender {
				hear(t, c, lines, "stops")
				began := time.Now()
				receipt, err := db.Append(bounded(t), deed.Batch{Writes: []deed.Write{{
					Stream: "other-1", Version: deed.Any, Events: []deed.NewEvent{{ID: fmt.Sprint("other", stops), Type: "noted", Data: []byte("{}")}},
				}}})
				must(t, err)
				stored := time.Since(began)
				head, err := db.Head(bounded(t))
				must(t, err)
				shown := time.Since(began)
				t.Logf("stored after %v, to be read after %v", stored.Round(time.Millisecond), shown.Round(time.Millisecond))
				if head < receipt.Position {
					t.Errorf("the log ends at %d, after an append at %d", head, receipt.Position)
				}
				if shown > lockKept+slack {
					t.Errorf("another process was kept from reading what it stored for %v", shown)
				}
				if shown > lockKept/2 {
					kept++
				}
				must(t, c.Signal(continued))
				hear(t, c, lines, "stored")
				stops++
			}
			if kept < keepsOthers {
				t.Errorf("the process that was stopped %d times had the lock %d times, so this shows nothing", stops, kept)
			}
			c.Kill(os.Kill)
			stored := map[string]int{}
			for _, r := range all(t, db) {
				stored[r.ID]++
			}
			for i := range stops { // the process has begun with another since
				for _, id := range []string{fmt.Sprint("stopped", i), fmt.Sprint("other", i)} {
					if stored[id] != 1 {
						t.Errorf("%s is in the log %d times", id, stored[id])
					}
				}
			}
		})
	}
}

// all is the whole log.
func all(t *testing.T, log deed.Reader) (records []deed.Record) {
	t.Helper()
	for r, err := range log.Read(bounded(t), deed.Query{}) {
		must(t, err)
		records = append(records, r)
	}
	return records
}

// running runs a service until the test ends, or the returned function is called.
func running(t *testing.T, config deed.Config, parts ...deed.Part) (*deed.Service, func() error) {
	t.Helper()
	service, err := deed.NewService(config, parts...)
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- service.Run(ctx)
		close(ended)
	}()
	stop := func() error { cancel(); return <-ended }
	t.Cleanup(func() { _ = stop() })
	return service, stop
}

func TestAProcessStoppedPastItsLeaseIsFencedWhenItGoesOn(t *testing.T) {
	t.Parallel()
	s := testServer(t)
	for _, which := range []string{"projection", "process"} {
		t.Run(which, func(t *testing.T) {
			db := opened(t, s, "fenced_"+which)
			c, lines := play(t, which, s, "fenced_"+which)
			handler := cart.Decider.Handler(db)
			open := func(id string) {
				t.Helper()
				_, err := handler.Handle(bounded(t), id, cart.Open{Owner: "ann"})
				must(t, err)
			}
			hear(t, c, lines, "begins")
			open("before")
			eventually(t, "the process gives its gift", func() bool { return len(all(t, db)) == 2 })
			open(stopping)
			hear(t, c, lines, "stops")
			open("while")
			began := time.Now()
			service, _ := running(t, deed.Config{Store: db, Views: db, Node: "other", LeaseTTL: shortLease}, cart.Decider, cart.Summaries, gift)
			eventually(t, "the other takes over", func() bool { return len(all(t, db)) == 6 })
			_, err := cart.Summaries.View(db).Get(bounded(t), "while", 6)
			must(t, err)
			t.Logf("the other had done all of it %v after it was started", time.Since(began).Round(time.Millisecond))
			must(t, c.Signal(continued))
			eventually(t, "the process that was stopped leaves off, by itself or because it is fenced", func() bool {
				return strings.Contains(c.Said(), "is another's by now") || strings.Contains(c.Said(), "a lease was lost")
			})
			open("after")
			eventually(t, "both go on", func() bool { return len(all(t, db)) >= 8 })
			if err := service.Settle(bounded(t)); err != nil {
				t.Fatalf("%v\nthe process that was stopped has said:\n%s", err, c.Said())
			}
			gifts := map[deed.StreamID]int{}
			for _, r := range all(t, db) {
				gifts[r.Stream]++
			}
			for _, id := range []string{"before", stopping, "while", "after"} {
				if n := gifts[deed.Stream("cart", id)]; n != 2 {
					t.Errorf("cart %s has %d events, and not that it was opened and one gift", id, n)
				}
				row, err := cart.Summaries.View(db).Get(bounded(t), id, 8)
				must(t, err)
				if row.Items != 1 {
					t.Errorf("the view says of cart %s that it has %d things in it", id, row.Items)
				}
			}
		})
	}
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	ctx := bounded(t)
	for !is() {
		if drive.Pause(ctx, askEvery) != nil {
			t.Fatalf("it does not come to it that %s", what)
		}
	}
}
