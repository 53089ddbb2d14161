package gateway_test

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/gateway"
)

var (
	feedEvents    = flag.Int("feed", 100, "so many events are told to the crowd that follows changes")
	feedPerSecond = flag.Int("feed-rate", 25, "so many of them come in a second")
)

const crowd = 100 // clients

// A hundred follow the changes at once, and each is told everything, once and in order; how long that takes is printed. One
// that does not read is dropped, comes again with the id of its last event, and has missed nothing.
func TestACrowdFollowsChanges(t *testing.T) {
	s := start(t, &gateway.Options{WriteTimeout: 2 * time.Second})
	slow := s.openSlow()
	var feeds []*feed
	for range crowd {
		f := s.follow("/api/changes?view=members", "")
		f.next("snapshot")
		feeds = append(feeds, f)
	}
	appended := make([]time.Time, *feedEvents)
	lags := make([][]time.Duration, crowd)
	var listening sync.WaitGroup
	for i, f := range feeds {
		listening.Go(func() { lags[i] = f.listen(appended) })
	}
	beat := time.NewTicker(time.Second / time.Duration(*feedPerSecond))
	defer beat.Stop()
	for n := range appended {
		data, err := json.Marshal(joined{Team: "crowd", Name: strings.Repeat("n", 2000)})
		if err != nil {
			t.Fatal(err)
		}
		e := deed.NewEvent{ID: fmt.Sprint("e", n), Type: "member-joined", Data: data}
		batch := deed.Batch{Writes: []deed.Write{{Stream: deed.Stream("member", strconv.Itoa(n)), Events: []deed.NewEvent{e}}}}
		appended[n] = time.Now()
		if _, err := s.db.Append(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		<-beat.C
	}
	listening.Wait()
	all := slices.Sorted(slices.Values(slices.Concat(lags...)))
	if len(all) != crowd**feedEvents {
		t.Fatalf("%d of %d changes were told", len(all), crowd**feedEvents)
	}
	p50, p99 := all[len(all)/2], all[len(all)*99/100]
	t.Logf("%d clients, %d events at %d a second, from append to received: p50 %v, p99 %v, at most %v; missed %d",
		crowd, *feedEvents, *feedPerSecond, p50.Round(10*time.Microsecond), p99.Round(10*time.Microsecond), all[len(all)-1].Round(10*time.Microsecond),
		crowd**feedEvents-len(all))
	if most := lagLimit(); p99 > most {
		t.Errorf("p99 is %v, and may be %v", p99, most)
	}
	slow.catchesUp(*feedEvents)
}

// lagLimit is how late a change may be, 99 times of 100: less in make feed, which has the machine for itself.
func lagLimit() time.Duration {
	if *feedEvents > 100 {
		return 5 * time.Second
	}
	return 30 * time.Second
}

// listen reads one event after the other, which must be those that are appended, and returns how long each was under way.
func (f *feed) listen(appended []time.Time) []time.Duration {
	var lags []time.Duration
	for n := range appended {
		e, err := f.read()
		if err != nil {
			f.s.t.Errorf("after %d changes: %v", n, err)
			return lags
		}
		if e.kind != "put" || e.data.Key != strconv.Itoa(n) || e.data.Position != deed.Position(n+1) {
			f.s.t.Errorf("change %d is %s %.100s", n, e.kind, e.text)
			return lags
		}
		lags = append(lags, time.Since(appended[n])) // written before the event was appended
	}
	return lags
}

// sluggard is a client that asks, and does not read.
type sluggard struct {
	s       *site
	conn    net.Conn
	dropped chan struct{}
}

// openSlow opens one whose connection holds little, so that it is known soon that nobody reads.
func (s *site) openSlow() *sluggard {
	s.t.Helper()
	slow := &sluggard{s: s, dropped: make(chan struct{})}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(slow.dropped)
		s.gw.ServeHTTP(w, r)
	}))
	server.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		_ = c.(*net.TCPConn).SetWriteBuffer(4096)
		return ctx
	}
	server.Start()
	s.t.Cleanup(server.Close)
	var err error
	if slow.conn, err = (&net.Dialer{}).DialContext(s.t.Context(), "tcp", server.Listener.Addr().String()); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = slow.conn.Close() })
	_ = slow.conn.(*net.TCPConn).SetReadBuffer(4096)
	fmt.Fprintf(slow.conn, "GET /api/changes?view=members HTTP/1.1\r\nHost: localhost\r\n\r\n")
	return slow
}

// catchesUp waits until the client is dropped. It reads what was sent until then, and the rest with another request: so many
// changes in all, each once.
func (slow *sluggard) catchesUp(changes int) {
	t := slow.s.t
	t.Helper()
	select {
	case <-slow.dropped:
	case <-time.After(time.Minute):
		t.Fatal("a client that does not read is still served")
	}
	answer, err := http.ReadResponse(bufio.NewReader(slow.conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	cut := &feed{s: slow.s, lines: bufio.NewReader(answer.Body)}
	first, last := cut.next("snapshot"), cut.id
	told := 0
	for {
		e, err := cut.read()
		if err != nil {
			break
		}
		if e.data.Key != strconv.Itoa(told) {
			t.Fatalf("change %d is %.100s", told, e.text)
		}
		told, last = told+1, cut.id // of an event that came as a whole
	}
	if told == 0 || told >= changes {
		t.Fatalf("%d of %d changes were told before the client was dropped, after %s", told, changes, first.text)
	}
	f, resumed := slow.s.follow("/api/changes?view=members", last), 0
	for n := told; n < changes; n++ {
		if e := f.next("put"); e.data.Key != strconv.Itoa(n) {
			t.Fatalf("change %d is %.100s", n, e.text)
		}
		resumed++
	}
	t.Logf("a client that did not read was dropped after %d changes, came again, and was told the other %d; missed %d", told, resumed, changes-told-resumed)
}
