package console_test

import (
	"errors"
	"fmt"
	"html"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/cart"
	"github.com/deed-es/deed/gateway"
)

// door lets somebody in by the name in a header, and notes what was asked.
type door struct {
	mu     sync.Mutex
	asked  []gateway.Action
	forbid string // a part of routes that nobody may
}

func (d *door) Authorize(r *http.Request, a gateway.Action) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, a)
	if d.forbid != "" && strings.Contains(a.Route, d.forbid) {
		return "", fmt.Errorf("%s: %w", a.Route, gateway.ErrForbidden)
	}
	return r.Header.Get("X-Who"), nil
}

// confirmed asks for a page that asks, and returns where its form is sent to.
func (s *site) confirmed(path string) string {
	s.t.Helper()
	p := s.get(200, path)
	form := regexp.MustCompile(`<form method="post" action="([^"]+)" id="confirm">`).FindStringSubmatch(p.text)
	if form == nil {
		s.t.Fatalf("%s has no form: %s", path, body(p.text))
	}
	return html.UnescapeString(form[1])
}

// said are the types of what was said to a part, the actor of the last one with it.
func (s *site) said(part string) (types []string, actor string) {
	s.t.Helper()
	for r, err := range s.Log().Read(s.Context(), deed.Query{Stream: deed.Stream("process", part)}) {
		if err != nil {
			s.t.Fatal(err)
		}
		types, actor = append(types, r.Type), r.Meta().Actor
	}
	return types, actor
}

// What is said to a part is asked first, done once however often it is sent, and stored with who said it.
func TestPauseResumeRebuild(t *testing.T) {
	d := &door{}
	s, _ := carts(t, &gateway.Options{Authorizer: d})
	var want []string
	for _, step := range []struct{ action, event, state string }{
		{"pause", "part-paused", deed.StatePaused}, {"resume", "part-resumed", deed.StateLive}, {"rebuild", "part-rebuilt", deed.StateLive},
	} {
		to := s.confirmed("/console/parts/cart-summaries/" + step.action)
		if types, _ := s.said("cart-summaries"); !slices.Equal(types, want) {
			t.Fatalf("the page that asks before %s has stored %q", step.action, types)
		}
		want = append(want, step.event)
		for range 3 {
			p := s.ask("POST", to, "X-Who", "ann")
			if p.StatusCode != 303 || p.Header.Get("Location") != "/console/views?of=cart-summaries&said="+step.action+"#cart-summaries" {
				t.Fatalf("%s: %d %q %s", step.action, p.StatusCode, p.Header.Get("Location"), body(p.text))
			}
		}
		s.settle()
		if types, actor := s.said("cart-summaries"); !slices.Equal(types, want) || actor != "ann" {
			t.Errorf("after %s: %q by %q", step.action, types, actor)
		}
		s.get(200, "/console/views/cart-summaries").has(t, "word-"+step.state)
	}
	s.get(200, "/console/views/cart-summaries").has(t, `data-key="1"`, `data-key="2"`)
	last := d.asked[len(d.asked)-1]
	if last.View != "cart-summaries" {
		t.Errorf("asked about %+v", last)
	}
	if !slices.ContainsFunc(d.asked, func(a gateway.Action) bool {
		return a.Route == "POST /console/parts/{part}/rebuild" && a.Part == "cart-summaries"
	}) {
		t.Errorf("nobody was asked about the rebuild: %v", d.asked)
	}
	if p := s.ask("POST", "/console/parts/gift/rebuild?id=1"); p.StatusCode != 422 {
		t.Errorf("a reactor is rebuilt: %d %s", p.StatusCode, body(p.text))
	}
	if p := s.ask("POST", "/console/parts/gift/pause"); p.StatusCode != 422 {
		t.Errorf("without an id: %d %s", p.StatusCode, body(p.text))
	}
	if p := s.ask("POST", "/console/parts/nothing/pause?id=1"); p.StatusCode != 404 {
		t.Errorf("nothing is paused: %d %s", p.StatusCode, body(p.text))
	}
	to := s.confirmed("/console/parts/gift/pause")
	if p := s.ask("POST", to); p.Header.Get("Location") != "/console/processes/gift?of=gift&said=pause" {
		t.Errorf("%d %q", p.StatusCode, p.Header.Get("Location"))
	}
	s.get(200, "/console/processes/gift?said=pause&of=gift").has(t, "Said: pause", "Resume")
}

// A parked key is shown with why, is parked again when a retry fails, goes on when the retry does not, and can be skipped.
func TestRetryAndSkip(t *testing.T) {
	s, broken := carts(t, nil)
	s.Send(cart.Decider.Send("3", cart.Open{Owner: "x"}))
	s.settle()
	s.Send(cart.Decider.Send("3", cart.AddItem{SKU: "broken"}))
	s.settle()
	s.get(200, "/console/parked").has(t, "cannot add &lt;b&gt;this&lt;/b&gt;", "sum:1", "sum:3", "cart-item-added", `href="/console/parked/sums/sum:1/retry"`)
	s.get(200, "/console").has(t, "1 thing wants to be looked at")
	s.get(200, "/console/parked/sums/sum:1/skip").has(t, "left out for good", "cannot add &lt;b&gt;", `class="risky"`)
	again := s.confirmed("/console/parked/sums/sum:1/retry")
	if p := s.ask("POST", again); p.StatusCode != 303 || p.Header.Get("Location") != "/console/parked?of=sums&said=retry" {
		t.Fatalf("%d %q", p.StatusCode, p.Header.Get("Location"))
	}
	s.settle()
	s.get(200, "/console/parked").has(t, "sum:1", "sum:3")
	broken.Store(false)
	for _, path := range []string{"/console/parked/sums/sum:1/retry", "/console/parked/sums/sum:3/skip"} {
		if p := s.ask("POST", s.confirmed(path)); p.StatusCode != 303 {
			t.Fatalf("%d %s", p.StatusCode, body(p.text))
		}
		s.settle()
	}
	s.get(200, "/console/parked").has(t, "Nothing is parked")
	s.get(200, "/console/views/sums/sum:1").has(t, `<span class="j-number">2</span>`)
	s.get(200, "/console/views/sums/sum:3").has(t, `<span class="j-number">1</span>`)
	if types, _ := s.said("sums"); !slices.Equal(types, []string{"part-retried", "part-retried", "part-skipped"}) {
		t.Errorf("said: %q", types)
	}
	if p := s.ask("POST", again); p.StatusCode != 303 { // it was sent before
		t.Errorf("again: %d", p.StatusCode)
	}
	if p := s.ask("POST", "/console/parked/sums/sum:1/retry?id=other"); p.StatusCode != 404 {
		t.Errorf("nothing is parked, and a retry is %d", p.StatusCode)
	}
}

// Keys that are not known are parked by their stream, and are told apart from others.
func TestUnroutedKeys(t *testing.T) {
	lost := cart.Summaries
	lost.Name = "lost"
	lost.Key = func(deed.Recorded[cart.Event]) string { panic(errors.New("no key")) }
	s := open(t, nil, cart.Decider, lost)
	s.Send(cart.Decider.Send("1", cart.Open{Owner: "x"}))
	s.settle()
	s.get(200, "/console/parked").has(t, `<span class="soft">stream</span> <bdi>cart-1</bdi>`, `href="/console/parked/lost/cart-1/skip?unrouted=true"`)
	s.get(404, "/console/parked/lost/cart-1/skip")
	to := s.confirmed("/console/parked/lost/cart-1/skip?unrouted=true")
	if p := s.ask("POST", to); p.StatusCode != 303 {
		t.Fatalf("%d %s", p.StatusCode, body(p.text))
	}
	s.settle()
	s.get(200, "/console/parked").has(t, "Nothing is parked")
}

// No page that is read changes anything, whoever reads it.
func TestReadingChangesNothing(t *testing.T) {
	s, _ := carts(t, nil)
	before, err := s.Head(s.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range s.gateway.Routes() {
		if r.Method != "GET" || !strings.HasPrefix(r.Pattern, "/console") || strings.HasSuffix(r.Pattern, "/tail") {
			continue
		}
		path := strings.NewReplacer("{part}", "sums", "{key}", "sum:1", "{view}", "sums", "{stream}", "cart-1", "{position}", "1", "{file}", "console.css", "{$}", "").Replace(r.Pattern)
		for _, method := range []string{"GET", "HEAD"} {
			if p := s.ask(method, path+"?id=1"); p.StatusCode >= 500 {
				t.Errorf("%s %s: %d", method, path, p.StatusCode)
			}
		}
	}
	s.settle()
	if after, err := s.Head(s.Context()); err != nil || after != before {
		t.Errorf("the head was %d and is %d, %v", before, after, err)
	}
}

// A page of another site can say nothing, whatever it sends, and who may not, may not.
func TestWhoMaySayWhat(t *testing.T) {
	d := &door{}
	s, _ := carts(t, &gateway.Options{Authorizer: d})
	to := s.confirmed("/console/parts/sums/rebuild")
	for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://elsewhere.example"}, {"Sec-Fetch-Site", "same-site"}} {
		if p := s.ask("POST", to, header...); p.StatusCode != 403 {
			t.Errorf("%q: %d", header, p.StatusCode)
		}
	}
	d.forbid = "POST /console/"
	if p := s.ask("POST", to); p.StatusCode != 403 {
		t.Errorf("forbidden: %d", p.StatusCode)
	}
	d.forbid = "GET /console/log"
	for _, path := range []string{"/console/log", "/console/log/1", "/console/log/1/data", "/console/log/tail", "/console/log/1/causes"} {
		if p := s.ask("GET", path); p.StatusCode != 403 || strings.Contains(p.text, "cart-opened") {
			t.Errorf("%s: %d", path, p.StatusCode)
		}
	}
	if types, _ := s.said("sums"); len(types) > 0 {
		t.Errorf("said: %q", types)
	}
	for _, r := range s.gateway.Routes() {
		if strings.HasPrefix(r.Pattern, "/console") != r.Page {
			t.Errorf("%s %s: a page is %t", r.Method, r.Pattern, r.Page)
		}
	}
	document, err := s.gateway.OpenAPI()
	if err != nil || strings.Contains(string(document), `"/console`) {
		t.Errorf("the pages are in the document, %v", err)
	}
}
