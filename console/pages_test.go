package console_test

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/cart"
)

var everyPage = []string{
	"", "/log", "/log?category=cart&type=cart-opened&tag=a:b&text=x", "/streams", "/streams?find=cart-", "/map", "/views", "/processes", "/parked", "/store",
}

// Every page of a service without an event says so, and what to do.
func TestPagesOfAnEmptyStore(t *testing.T) {
	s := open(t, nil, cart.Decider, cart.Summaries, cart.Reminders, gift)
	for _, path := range everyPage {
		s.get(200, "/console"+path)
	}
	s.get(200, "/console").has(t, "The log is empty", "cart-summaries", "word-live")
	s.get(200, "/console/log").has(t, "The log is empty", "Carts &amp; Co console")
	s.get(200, "/console/streams").has(t, "There are no streams yet")
	s.get(200, "/console/store").has(t, "There are no events yet")
	s.get(200, "/console/parked").has(t, "Nothing is parked")
	s.get(200, "/console/views/cart-summaries").has(t, "There is no such row")
	s.get(200, "/console/processes/cart-reminders").has(t, "None is pending", "No instance has a state")
	s.get(200, "/console/views/cart-summaries/1").has(t, "There is no row of this key")
	for _, path := range []string{
		"/log/1", "/log/0", "/log/1/data", "/log/1/causes", "/streams/cart-1", "/streams/cart-1/rows", "/views/nothing", "/views/nothing/1", "/processes/nothing",
		"/processes/cart-summaries", "/processes/nothing/1", "/parts/nothing/pause", "/parked/nothing/1/retry", "/parked/cart-summaries/1/skip",
	} {
		s.get(404, "/console"+path).has(t, "correlation")
	}
	for _, path := range []string{"/log/x", "/log?before=x", "/log?category=A%20b", "/streams/cart-1?version=x", "/views/cart-summaries?order=x", "/views/cart-summaries?cursor=x"} {
		if p := s.get(s.ask("GET", "/console"+path).StatusCode, "/console"+path); p.StatusCode/100 != 4 {
			t.Errorf("%s: %d", path, p.StatusCode)
		}
	}
	bare := open(t, nil, cart.Decider)
	for _, path := range everyPage {
		bare.get(200, "/console"+path)
	}
}

// Every page that a page leads to is there, and shows what people have written as text.
func TestEveryLinkOfEveryPage(t *testing.T) {
	s, _ := carts(t, nil)
	putOdd(t, s)
	queue, seen := []string{"/console"}, map[string]bool{"/console": true}
	for len(queue) > 0 && len(seen) < 400 {
		path := queue[0]
		queue = queue[1:]
		p := s.ask("GET", path)
		if p.StatusCode != 200 && p.StatusCode != 303 && path != "/console/streams/cart-nowhere" { // which is the cart that is not there
			t.Errorf("%s: %d %.300s", path, p.StatusCode, body(p.text))
		}
		if !strings.HasPrefix(p.Header.Get("Content-Type"), "text/html") {
			continue
		}
		for _, fault := range faultsOf(p.text) {
			t.Errorf("%s: %s", path, fault)
		}
		p.hasNot(t, "<script>alert", "</td> more")
		for _, m := range regexp.MustCompile(`href="([^"#]+)`).FindAllStringSubmatch(p.text, -1) {
			to := strings.ReplaceAll(m[1], "&amp;", "&")
			if !seen[to] {
				seen[to] = true
				queue = append(queue, to)
			}
		}
	}
	t.Logf("%d pages", len(seen))
	if len(seen) < 100 {
		t.Errorf("%d pages only", len(seen))
	}
}

// putOdd stores records that no decider of this service would.
func putOdd(t *testing.T, s *site) {
	t.Helper()
	for i, e := range []deed.NewEvent{
		{Type: "odd-binary", ContentType: "image/png", Data: []byte{0x89, 'P', 'N', 'G', 0, 0xff}},
		{Type: "odd-broken", Data: []byte(`{"a":`)},
		{Type: "odd-text", ContentType: "text/html; charset=utf-8", Data: []byte(script)},
		{Type: "odd-long", Data: encode(t, map[string]any{script: strings.Repeat(odd, 5000), "l": make([]int, 10_000)})},
		{Type: "odd-empty", ContentType: "application/x-nothing"},
		{Type: "odd-meta", Metadata: []byte(`<b>no JSON`), Tags: []string{"a:" + script, "ä:" + odd}},
		{Type: "odd-deep", Data: []byte(strings.Repeat(`{"a":`, 500) + "1" + strings.Repeat("}", 500))},
		{Type: "odd-loop", Metadata: []byte(`{"causation":"odd-7","correlation":"loop","command":"a"}`)},
		{Type: "odd-loop", Metadata: []byte(`{"causation":"odd-7","correlation":"loop","command":"b"}`)},
	} {
		e.ID = fmt.Sprintf("odd-%d", i)
		stream := deed.Stream("cart", []string{"مرحبا " + script[:7] + " 🫖", "odd?x#y%25 &", "odd"}[i%3])
		if _, err := s.DB.Append(context.Background(), deed.Batch{Writes: []deed.Write{{Stream: stream, Version: deed.Any, Events: []deed.NewEvent{e}}}}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOddRecords(t *testing.T) {
	s := open(t, nil, cart.Decider)
	putOdd(t, s)
	s.get(200, "/console/log/1").has(t, "image/png", "6 bytes", "89 50 4e 47 00 ff", `href="/console/log/1/data"`)
	s.get(200, "/console/log/2").has(t, "This says that it is JSON, and is not", "{&#34;a&#34;:")
	s.get(200, "/console/log/3").has(t, "&lt;script&gt;")
	s.get(200, "/console/log/4").has(t, "characters, see", "more that is not shown", "مرحبا")
	s.get(200, "/console/log/5").has(t, "Empty.")
	s.get(200, "/console/log/6").has(t, "&lt;script&gt;")
	s.get(200, "/console/log/8/causes").has(t, "odd-loop")
	s.get(200, "/console/log").has(t, "image/png, 6 bytes")
	for position, kind := range map[int]string{1: "application/octet-stream", 3: "application/octet-stream", 2: "text/plain; charset=utf-8"} {
		p := s.get(200, fmt.Sprintf("/console/log/%d/data", position))
		if p.Header.Get("Content-Type") != kind || p.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("the data at %d is %q, %q", position, p.Header.Get("Content-Type"), p.Header.Get("X-Content-Type-Options"))
		}
	}
	stream := url.PathEscape("cart-odd?x#y%25 &")
	s.get(200, "/console/streams/"+stream).has(t, "odd-broken", "could not be folded")
	s.get(200, "/console/streams/"+stream+"?version=1").has(t, "the type")
}

// The log is filtered by what stands in its address, and can be read back to its start.
func TestLogPage(t *testing.T) {
	s, _ := carts(t, nil)
	all := s.get(200, "/console/log")
	all.has(t, `data-position="1"`, "cart-checked-out", "&lt;script&gt;alert(", "مرحبا", `data-tail="/console/log/tail?after=`)
	s.get(200, "/console/log?type=cart-opened").hasNot(t, `data-type="cart-item-added"`)
	s.get(200, "/console/log?type=cart-opened+cart-item-added&category=cart").has(t, `data-type="cart-item-added"`, `data-type="cart-opened"`)
	s.get(200, "/console/log?text=BOB").has(t, `data-type="cart-opened"`, `value="BOB"`)
	s.get(200, "/console/log?text=BOB").hasNot(t, `data-type="cart-item-added"`)
	s.get(200, "/console/log?text=nothing-like-it").has(t, "No record is like that")
	s.get(200, "/console/log?text="+url.QueryEscape(script)).has(t, `value="&lt;script&gt;`)
	for range 120 {
		s.Send(cart.Decider.Send("1", cart.AddItem{SKU: "tea"}))
	}
	found := map[string]bool{}
	for path := "/console/log?category=cart"; path != ""; {
		p := s.get(200, path)
		for _, m := range regexp.MustCompile(`data-position="(\d+)"`).FindAllStringSubmatch(p.text, -1) {
			found[m[1]] = true
		}
		if n := strings.Count(p.text, "<tr data-position"); n > 50 {
			t.Errorf("%s has %d records", path, n)
		}
		older := regexp.MustCompile(`id="older" href="([^"]+)"`).FindStringSubmatch(p.text)
		if path = ""; older != nil {
			path = strings.ReplaceAll(older[1], "&amp;", "&")
		}
	}
	if len(found) < 125 || !found["1"] {
		t.Errorf("%d records in all", len(found))
	}
}

// A text that is in few records is looked for within bounds, and the page says how to go on.
func TestLogSearchIsBounded(t *testing.T) {
	s := open(t, nil, cart.Decider)
	s.Send(cart.Decider.Send("1", cart.Open{Owner: "needle"}))
	for from := 0; from < 21_000; from += 1000 {
		var events []deed.NewEvent
		for i := range 1000 {
			events = append(events, deed.NewEvent{ID: fmt.Sprint(from + i), Type: "many"})
		}
		if _, err := s.DB.Append(s.Context(), deed.Batch{Writes: []deed.Write{{Stream: "cart-many", Version: deed.Any, Events: events}}}); err != nil {
			t.Fatal(err)
		}
	}
	p := s.get(200, "/console/log?text=needle")
	p.has(t, "20,000 records of this selection were looked through", `id="older" href="/console/log?before=1002&amp;text=needle"`)
	s.get(200, "/console/log?before=1002&text=needle").has(t, `data-position="1"`, "Back to the newest")
}

func TestStreamsPage(t *testing.T) {
	s, _ := carts(t, nil)
	for i := range 120 {
		s.Send(cart.Decider.Send(fmt.Sprintf("many-%03d", i), cart.Open{Owner: "x"}))
	}
	s.get(200, "/console/streams?find=cart-1").has(t, `data-stream="cart-1"`)
	s.get(200, "/console/streams?find=cart-1").hasNot(t, `data-stream="cart-2"`)
	s.get(200, "/console/streams?find=car").has(t, `data-stream="cart-1"`)
	s.get(200, "/console/streams?find=zzz").has(t, "No stream begins with")
	found := map[string]bool{}
	for path := "/console/streams?find=cart-many"; path != ""; {
		p := s.get(200, path)
		for _, m := range regexp.MustCompile(`data-stream="([^"]+)"`).FindAllStringSubmatch(p.text, -1) {
			found[m[1]] = true
		}
		more := regexp.MustCompile(`id="more" href="([^"]+)"`).FindStringSubmatch(p.text)
		if path = ""; more != nil {
			path = strings.ReplaceAll(more[1], "&amp;", "&")
		}
	}
	if len(found) != 120 {
		t.Errorf("%d streams", len(found))
	}
}

// A cart as it was at each version, and what each step changed.
func TestTimeTravel(t *testing.T) {
	s, _ := carts(t, nil)
	first := s.get(200, "/console/streams/cart-2?version=1")
	first.has(t, `data-version="1"`, `id="next" rel="next" href="/console/streams/cart-2?version=2"`, `type="range"`, `min="1" max="4" value="1"`)
	first.has(t, `class="change-added" data-path="Open"`)
	s.get(200, "/console/streams/cart-2?version=2").has(t, `class="change-changed" data-path="Items"`)
	s.get(200, "/console/streams/cart-2?version=2").hasNot(t, `data-path="Open"`)
	s.get(200, "/console/streams/cart-2").has(t, `data-version="4"`, `data-path="Closed"`, "ann &lt;admin&gt;")
	s.get(200, "/console/streams/cart-2?version=99").has(t, `data-version="4"`)
	s.get(200, "/console/streams/process-upsell:2").has(t, "No decider of this service folds the category")
}

func TestBothSides(t *testing.T) {
	s, _ := carts(t, nil)
	p := s.get(200, "/console/streams/cart-2/rows")
	p.has(t, `data-version="4"`, `data-view="cart-summaries"`, `data-key="2"`, "the row&#39;s key is the id of the stream", "closed")
	p.has(t, `data-view="sums"`, `data-key="sum:2"`, "the row&#39;s cart is the id of the stream", `href="#view-sums"`)
}

// The map has every part, what goes between them, and what processes were seen to send.
func TestMap(t *testing.T) {
	s, _ := carts(t, nil)
	p := s.get(200, "/console/map")
	p.has(t, `aria-label="command add-item"`, `aria-label="decider cart"`, `aria-label="event cart-opened"`, `aria-label="projection sums"`, `aria-label="process upsell"`,
		`aria-label="reactor gift"`, `aria-label="target cart"`, "stroke-dasharray", `data-event="cart-opened"`)
	rates := s.ask("GET", "/console/map/rates")
	if rates.StatusCode != 200 || !strings.Contains(rates.text, `"events"`) {
		t.Errorf("%d %s", rates.StatusCode, rates.text)
	}
}

func TestStorePage(t *testing.T) {
	s, _ := carts(t, nil)
	p := s.get(200, "/console/store")
	p.has(t, "2026-01-01", "cart-opened", "effect-refused", "in memory", `<tr class="group"><th colspan="3" scope="rowgroup"><a href="/console/streams?find=cart-">cart</a> <span class="soft">`)
	p.hasNot(t, "<td></td>")
}

func TestViewsPages(t *testing.T) {
	s, _ := carts(t, nil)
	s.get(200, "/console/views").has(t, `data-part="sums"`, "1 key is parked", `/console/parts/sums/rebuild`)
	s.get(200, "/console/views/sums?where.items=2&order=-items").has(t, `data-key="sum:2"`, `value="2"`)
	s.get(200, "/console/views/sums?where.items=2").hasNot(t, `data-key="sum:1"`)
	s.get(200, "/console/views/sums/sum:1").has(t, "lacks what is parked", "cart-1")
	s.get(200, "/console/views/cart-summaries/1").has(t, "&lt;script&gt;alert(", "last changed at")
	live := s.ask("GET", "/console/parts")
	if live.StatusCode != 200 || !strings.Contains(live.text, `"name":"sums"`) {
		t.Errorf("%d %s", live.StatusCode, live.text)
	}
}

func TestProcessPages(t *testing.T) {
	s, _ := carts(t, nil)
	s.get(200, "/console/processes").has(t, "cart-reminders", "reactor", "First due")
	s.get(200, "/console/processes/cart-reminders").has(t, "check-out", "2026-01-01 13:00:00.000", `href="/console/processes/cart-reminders/1"`, `data-key="2"`)
	s.get(200, "/console/processes/cart-reminders/2").has(t, "true", "None is pending")
	s.get(200, "/console/processes/cart-reminders/1").has(t, "check-out", "This instance has no state")
	s.get(200, "/console/processes/upsell").has(t, "add-item", "there is no such cart", `href="/console/processes/upsell/2"`)
	s.get(200, "/console/processes/upsell/2").has(t, "effect-refused", "there is no such cart")
	p := s.ask("GET", "/console/processes/upsell?find=2")
	if p.StatusCode != 303 || p.Header.Get("Location") != "/console/processes/upsell/2" {
		t.Errorf("find: %d %q", p.StatusCode, p.Header.Get("Location"))
	}
}

// The tree of what happened: a request, the reactor's and the process's commands, and what came of them.
func TestCauses(t *testing.T) {
	s, _ := carts(t, nil)
	for r, err := range s.Log().Read(s.Context(), deed.Query{Stream: "cart-2", Limit: 1}) {
		if err != nil {
			t.Fatal(err)
		}
		p := s.get(200, fmt.Sprintf("/console/log/%d/causes", r.Position))
		p.has(t, "asked for by <bdi>ann &lt;admin&gt;</bdi>", "corr-1", `href="/console/processes/gift"`, "effect-refused", `href="/console/processes/upsell"`)
		p.has(t, fmt.Sprintf(`aria-current="true" data-position="%d"`, r.Position))
	}
}
