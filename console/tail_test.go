package console_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/cart"
	"github.com/deed-es/deed/gateway"
)

// listener is a page that shows the log as it grows.
type listener struct {
	t       *testing.T
	answer  *http.Response
	lines   *bufio.Scanner
	largest int
}

type told struct {
	Rows      string
	Shown, Of int
	Position  deed.Position
	Skipped   deed.Position
	Settled   bool
	Older     string
	id        string
}

func (s *site) listen(path string, header ...string) *listener {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.Context(), "GET", s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = answer.Body.Close() })
	if answer.StatusCode != 200 || answer.Header.Get("Content-Type") != "text/event-stream" {
		s.t.Fatalf("%s: %d %q", path, answer.StatusCode, answer.Header.Get("Content-Type"))
	}
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 1<<20)
	return &listener{t: s.t, answer: answer, lines: lines}
}

func (l *listener) next() told {
	l.t.Helper()
	var m told
	for l.lines.Scan() {
		line := l.lines.Text()
		if id, ok := strings.CutPrefix(line, "id: "); ok {
			m.id = id
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			l.largest = max(l.largest, len(data))
			if err := json.Unmarshal([]byte(data), &m); err != nil {
				l.t.Fatal(err)
			}
			return m
		}
	}
	l.t.Fatalf("the tail ended: %v", l.lines.Err())
	return m
}

// Under a burst every record is counted, few are sent, and what is sent is bounded. A reader that was away goes on where it was.
func TestTailUnderABurst(t *testing.T) {
	const burst = 20_000
	s := open(t, nil, cart.Decider)
	l := s.listen("/console/log/tail")
	var events []deed.NewEvent
	for from := 0; from < burst; from += 1000 {
		events = events[:0]
		for i := range 1000 {
			events = append(events, deed.NewEvent{ID: fmt.Sprint(from + i), Type: "many", Data: []byte(`{"text":"` + strings.Repeat("<b>x", 200) + `"}`)})
		}
		if _, err := s.DB.Append(s.Context(), deed.Batch{Writes: []deed.Write{{Stream: "cart-many", Version: deed.Any, Events: events}}}); err != nil {
			t.Fatal(err)
		}
	}
	shown, of, messages, last := 0, 0, 0, told{}
	for of < burst {
		if last = l.next(); last.Settled { // where this machine took a second's rest
			continue
		}
		shown, of, messages = shown+last.Shown, of+last.Of, messages+1
		if rows := strings.Count(last.Rows, "<tr "); rows != last.Shown || last.Shown > 40 || strings.Contains(last.Rows, "<b>") {
			t.Fatalf("%d rows, %d shown: %.300s", rows, last.Shown, last.Rows)
		}
	}
	if of != burst || last.Position != burst || strings.TrimSuffix(last.id, "~") != fmt.Sprint(burst) {
		t.Errorf("%d of %d records, the last at %d, %q", of, burst, last.Position, last.id)
	}
	if l.largest > 200<<10 {
		t.Errorf("a message has %d bytes", l.largest)
	}
	t.Logf("%d records in %d messages, %d shown, the largest has %d bytes", of, messages, shown, l.largest)
	again := s.listen("/console/log/tail?after=1", "Last-Event-ID", fmt.Sprint(burst-5))
	if m := again.next(); m.Of != 5 || m.Shown != 5 || m.Position != burst || m.id != fmt.Sprint(burst) {
		t.Errorf("after a break: %d of %d, at %d, %q", m.Shown, m.Of, m.Position, m.id)
	}
}

// many appends so many events after the first ones.
func (s *site) many(from, to int) {
	s.t.Helper()
	var events []deed.NewEvent
	for i := from; i < to; i++ {
		events = append(events, deed.NewEvent{ID: fmt.Sprint("many-", i), Type: "many"})
	}
	if _, err := s.DB.Append(s.Context(), deed.Batch{Writes: []deed.Write{{Stream: "cart-many", Version: deed.Any, Events: events}}}); err != nil {
		s.t.Fatal(err)
	}
}

// Once a burst is over the page is sent the newest records without a hole, and where to go on from them; once, and also where it
// was away when the burst ended. What comes afterwards is added to them.
func TestTailSettlesAfterABurst(t *testing.T) {
	s := open(t, nil, cart.Decider)
	l := s.listen("/console/log/tail")
	s.many(0, 900)
	m := l.next()
	if !strings.HasSuffix(m.id, "~") || m.Settled {
		t.Fatalf("a sample is told of by %+v, %q", m, m.id)
	}
	for !m.Settled || m.Position < 900 {
		m = l.next()
	}
	checkSettled := func(m told) {
		t.Helper()
		found := regexp.MustCompile(`<tr data-position="(\d+)"`).FindAllStringSubmatch(m.Rows, -1)
		for i, row := range found {
			if want := fmt.Sprint(900 - i); row[1] != want {
				t.Fatalf("line %d is of %s, want %s", i, row[1], want)
			}
		}
		if len(found) != 50 || m.Of != 0 || m.Position != 900 || m.id != "900" || m.Older != "/console/log?before=851" {
			t.Errorf("%d lines, %+v, %q", len(found), m, m.id)
		}
	}
	checkSettled(m)
	s.many(900, 903)
	if m = l.next(); m.Settled || m.Of != 3 || m.Shown != 3 || m.id != "903" {
		t.Errorf("after it: %+v, %q", m, m.id)
	}
	back := s.listen("/console/log/tail", "Last-Event-ID", "903~")
	if m = back.next(); !m.Settled || m.Shown != 50 || m.id != "903" {
		t.Errorf("who was away: %+v, %q", m, m.id)
	}
}

// Who is very far behind is brought to the end of the log, and told so.
func TestTailJumps(t *testing.T) {
	s := open(t, nil, cart.Decider)
	for from := 0; from < 51_000; from += 1000 {
		var events []deed.NewEvent
		for i := range 1000 {
			events = append(events, deed.NewEvent{ID: fmt.Sprint(from + i), Type: "many"})
		}
		if _, err := s.DB.Append(s.Context(), deed.Batch{Writes: []deed.Write{{Stream: "cart-many", Version: deed.Any, Events: events}}}); err != nil {
			t.Fatal(err)
		}
	}
	l := s.listen("/console/log/tail?after=0")
	if m := l.next(); m.Skipped != 51_000 || m.Of != 0 || m.Position != 51_000 {
		t.Errorf("%+v", m)
	}
	if m := l.next(); !m.Settled || m.Shown != 50 || m.Position != 51_000 {
		t.Errorf("then: %+v", m)
	}
}

// The tail has what the filter of the page selects, and nothing else.
func TestTailFilters(t *testing.T) {
	s := open(t, nil, cart.Decider)
	l := s.listen("/console/log/tail?type=cart-item-added&category=cart&text=TEA")
	for _, sku := range []string{"coffee", "green tea"} {
		_, _ = s.Try(cart.Decider.Send("1", cart.Open{Owner: "tea"}))
		s.Send(cart.Decider.Send("1", cart.AddItem{SKU: sku}))
	}
	if m := l.next(); m.Of != 1 || !strings.Contains(m.Rows, "green tea") || strings.Contains(m.Rows, "coffee") {
		t.Errorf("%+v", m)
	}
	for _, bad := range []string{"?category=A%20b", "?after=x"} {
		if p := s.ask("GET", "/console/log/tail"+bad); p.StatusCode != 422 {
			t.Errorf("%s: %d", bad, p.StatusCode)
		}
	}
}

// The tail ends with the gateway, so that nobody's open page holds it up; and one too many is refused.
func TestTailEnds(t *testing.T) {
	s := open(t, &gateway.Options{MaxFollowers: 1}, cart.Decider)
	l := s.listen("/console/log/tail")
	if p := s.ask("GET", "/console/log/tail"); p.StatusCode != 503 {
		t.Errorf("the second is %d", p.StatusCode)
	}
	s.gateway.Stop()
	for l.lines.Scan() { // to the end, which comes
	}
}
