package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/cart"
	"github.com/deed-es/deed/postgres"
	"github.com/deed-es/deed/sqlite"
)

const restoredSchema = "deed"

// consumer is a service over a log that is restored under it, with its views in a file of its own or in the log's database.
type consumer struct {
	log   *postgres.DB
	views deed.ViewStore
	file  *sqlite.DB // nil: in the database
	ended chan error
	stop  context.CancelFunc
}

// consume runs a service whose views are in a file, or with an empty name in the database.
func consume(t *testing.T, s *server, file string) *consumer {
	t.Helper()
	c := &consumer{log: opened(t, s, restoredSchema), ended: make(chan error, 1)}
	c.views = c.log
	if file != "" {
		var err error
		c.file, err = sqlite.Open(file, nil)
		must(t, err)
		c.views = c.file
	}
	service, err := deed.NewService(deed.Config{Store: c.log, Views: c.views, LeaseTTL: shortLease}, cart.Decider, cart.Summaries, gift)
	must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	go func() {
		c.ended <- service.Run(ctx)
		close(c.ended)
	}()
	t.Cleanup(c.close)
	return c
}

func (c *consumer) close() {
	c.stop()
	<-c.ended
	if c.file != nil {
		_ = c.file.Close()
	}
	_ = c.log.Close()
}

// comesToHave waits until the view says of a cart that it has so many things in it, the gift among them.
func (c *consumer) comesToHave(t *testing.T, id string, things int) {
	t.Helper()
	eventually(t, fmt.Sprintf("cart %s has %d things in it", id, things), func() bool {
		row, err := cart.Summaries.View(c.views).Get(bounded(t), id, 0)
		return err == nil && row.Items == things
	})
}

// forked waits until the service has ended, because its log is another than it was.
func (c *consumer) forked(t *testing.T, what string) {
	t.Helper()
	timer := time.NewTimer(30 * time.Second)
	defer timer.Stop()
	select {
	case err := <-c.ended:
		if !errors.Is(err, deed.ErrForked) {
			t.Errorf("%s has ended with %v, and not with ErrForked", what, err)
		}
	case <-timer.C:
		t.Errorf("%s goes on", what)
	}
}

// shopping opens a cart and puts so many things into it.
func shopping(t *testing.T, log deed.Store, id string, things int) {
	t.Helper()
	handler := cart.Decider.Handler(log)
	_, err := handler.Handle(bounded(t), id, cart.Open{Owner: "ann"})
	must(t, err)
	for range things {
		_, err = handler.Handle(bounded(t), id, cart.AddItem{SKU: "x"})
		must(t, err)
	}
}

// A copy of the database is put back while services run whose views are further. Others append meanwhile, and use positions again.
func TestAConsumerOfARestoredLogStops(t *testing.T) {
	t.Parallel()
	for _, more := range []struct {
		what   string
		things int // that are put into another cart in the log that was restored; 0: there is none
	}{
		{"that is shorter than before", 0},
		{"that is about as long as before", 3},
		{"that is longer than before", 40},
	} {
		t.Run(more.what, func(t *testing.T) {
			t.Parallel()
			s, dir := testServer(t), t.TempDir()
			runs := consume(t, s, filepath.Join(dir, "runs.db"))
			rests := consume(t, s, filepath.Join(dir, "rests.db"))
			inside := consume(t, s, "")
			shopping(t, runs.log, "1", 3)
			for _, c := range []*consumer{runs, rests, inside} {
				c.comesToHave(t, "1", 4)
			}
			must(t, s.shut())
			copied, err := s.copyData(t.Context())
			must(t, err)
			must(t, s.start(t.Context()))
			shopping(t, opened(t, s, restoredSchema), "2", 4)
			for _, c := range []*consumer{runs, rests, inside} {
				c.comesToHave(t, "2", 5)
			}
			rests.close()

			must(t, s.crash())
			must(t, s.restore(t.Context(), copied))
			must(t, s.start(t.Context()))
			other := opened(t, s, restoredSchema)
			shopping(t, other, "3", 1)
			if more.things > 0 {
				shopping(t, other, "4", more.things)
			}
			runs.forked(t, "the service that ran meanwhile, with views of its own,")
			inside.forked(t, "the service that ran meanwhile, with views in the database,")
			for _, id := range []string{"3", "4"} {
				if row, err := cart.Summaries.View(runs.views).Get(bounded(t), id, 0); err == nil {
					t.Errorf("cart %s of the other past was folded in: %+v", id, row)
				}
			}
			consume(t, s, filepath.Join(dir, "rests.db")).forked(t, "the service that was started again, with views of its own,")
			inside = consume(t, s, "") // these views were restored with the log
			inside.comesToHave(t, "3", 2)
			if more.things > 0 {
				inside.comesToHave(t, "4", more.things+1)
			}
			oneGiftEach(t, other)
		})
	}
}

// oneGiftEach checks that each cart got one.
func oneGiftEach(t *testing.T, log deed.Reader) {
	t.Helper()
	gifts := map[deed.StreamID]int{}
	for _, r := range all(t, log) {
		if gifts[r.Stream] += 0; strings.Contains(string(r.Data), "gift") {
			gifts[r.Stream]++
		}
	}
	for cart, n := range gifts {
		if n != 1 {
			t.Errorf("%s got %d gifts", cart, n)
		}
	}
}
