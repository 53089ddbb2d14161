package console_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/cart"
	"github.com/deed-es/deed/gateway"
	"github.com/deed-es/deed/sqlite"
)

// basket is a row of a view that stands in two versions.
type basket struct {
	Owner string   `json:"owner"`
	Items []string `json:"items"`
	Count int      `json:"count,omitempty"`
}

// baskets is a version of the view. The second counts, does without the carts of bob, and knows a row of everybody.
func baskets(version int) deed.Projection[basket, cart.Event] {
	return deed.Projection[basket, cart.Event]{
		Name: "baskets", Version: version, Events: cart.Events, Index: []string{"owner"},
		Key: func(r deed.Recorded[cart.Event]) string {
			if opened, ok := r.Event.(cart.Opened); ok && version == 2 && opened.Owner == "bob" {
				return "all"
			}
			return r.Stream.ID()
		},
		Evolve: func(b basket, r deed.Recorded[cart.Event]) basket {
			switch e := r.Event.(type) {
			case cart.Opened:
				b.Owner = e.Owner
			case cart.ItemAdded:
				b.Items = append(slices.Clone(b.Items), e.SKU)
				if version == 2 {
					b.Count++
					b.Items[0] = "first " + b.Items[0]
				}
			}
			return b
		},
	}
}

func basketsOf(t *testing.T, o *gateway.Options) *site {
	t.Helper()
	s := open(t, o, cart.Decider, baskets(1), baskets(2), cart.Summaries)
	for _, command := range []deed.Effect{
		cart.Decider.Send("1", cart.Open{Owner: "ann"}), cart.Decider.Send("2", cart.Open{Owner: "bob"}), cart.Decider.Send("3", cart.Open{Owner: script}),
		cart.Decider.Send("3", cart.AddItem{SKU: odd}),
	} {
		s.Send(command)
	}
	s.settle()
	return s
}

// Each version of a view is shown for itself, with which is read.
func TestVersionsAreShown(t *testing.T) {
	s := basketsOf(t, nil)
	p := s.get(200, "/console/views")
	p.has(t, `id="baskets"`, `data-part="baskets@1"`, `data-part="baskets@2"`, "2 versions", `lag of baskets@1 over`, `lag of baskets@2 over`,
		`href="/console/parts/baskets/compare"`, `id="cart-summaries" data-part="cart-summaries"`)
	first, second, _ := strings.Cut(p.text[strings.Index(p.text, `data-part="baskets@2"`):], `data-part="baskets@1"`)
	if !strings.Contains(first, ">not read<") || !strings.Contains(first, `<p data-live="switch"><a class="button" data-action="switch" href="/console/parts/baskets/switch?version=2"`) {
		t.Errorf("version 2 is shown as %s", first)
	}
	second, _, _ = strings.Cut(second, "</section>")
	if !strings.Contains(second, ">read<") || !strings.Contains(second, `<p data-live="switch" hidden>`) {
		t.Errorf("version 1 is shown as %s", second)
	}
	s.get(200, "/console").has(t, `<tr data-part="baskets@1">`, `<tr data-part="baskets@2">`, `<span class="soft">version 2</span>`)
	s.get(200, "/console/views/baskets").has(t, `data-part="baskets@1"`, "version 1,", `data-key="2"`, "All its versions")
	s.get(200, "/console/parts/baskets/rebuild").has(t, `id="versions"`, "version 1, which is read", "version 2")
	s.get(200, "/console/parts/cart-summaries/rebuild").hasNot(t, `id="versions"`)
	live := s.ask("GET", "/console/parts").text
	for _, want := range []string{`"key":"baskets@1"`, `"key":"baskets@2"`, `"reads":"read"`, `"reads":"not read"`, `"key":"cart-summaries"`} {
		if !strings.Contains(live, want) {
			t.Errorf("pages that are open are not told %s: %s", want, live)
		}
	}
	p.hasNot(t, "Fleet", "data-fleet", "<dt>Node</dt>")
	s.get(200, "/console/fleet").has(t, "shares its log with no other")
}

// Two versions are compared: how many rows are the same and not, and the first of those side by side.
func TestVersionsAreCompared(t *testing.T) {
	s := basketsOf(t, nil)
	p := s.get(200, "/console/parts/baskets/compare")
	p.has(t, `data-count="same">1<`, `data-count="different">1<`, `data-count="left">1<`, `data-count="right">1<`, `data-count="moving">0<`,
		"3 rows that differ", `data-key="2"`, `data-key="3"`, `data-key="all"`, "There is no such row",
		`<code><bdi>count</bdi></code>, <code><bdi>items[0]</bdi></code>`, `<li class="mark mark-added"><span class="hidden">only here: </span><span class="j-key">"<bdi>count</bdi>"`,
		`<li class="mark mark-changed"><span class="hidden">differs: </span>`, `href="/console/parts/baskets/switch?version=2"`)
	p.hasNot(t, `data-key="1"`, "<script>alert")
	if n := strings.Count(p.text, `class="mark mark-changed"`); n != 2 {
		t.Errorf("%d places are marked, want the one that changed on both sides", n)
	}
	turned := s.get(200, "/console/parts/baskets/compare?left=2&right=1")
	turned.has(t, `mark mark-removed`, `data-count="left">1<`, `href="/console/parts/baskets/switch?version=2"`)
	same := s.get(200, "/console/parts/baskets/compare?left=1&right=1")
	same.has(t, "Every row is the same in both")
	same.hasNot(t, `data-action="switch"`)
	s.get(200, "/console/parts/cart-summaries/compare").has(t, "keeps one version of the view")
	for path, status := range map[string]int{
		"baskets/compare?left=1&right=9": 422, "baskets/compare?left=x": 422, "baskets/compare?right=0": 422, "nothing/compare": 404, "cart/compare": 404,
		"cart-summaries/compare?left=1&right=2": 422,
	} {
		s.get(status, "/console/parts/"+path)
	}
}

// No more rows are shown at first than one can look through.
func TestManyRowsThatDiffer(t *testing.T) {
	s := basketsOf(t, nil)
	for _, id := range strings.Split("abcdefghijklmnopqrstuvwxyz", "") {
		s.Send(cart.Decider.Send(id, cart.Open{Owner: "x"}))
		s.Send(cart.Decider.Send(id, cart.AddItem{SKU: "tea"}))
	}
	s.settle()
	few := "/console/parts/baskets/compare?left=1&right=2"
	p := s.get(200, few)
	p.has(t, "The first 20 of 29 rows that differ", `id="more" href="/console/parts/baskets/compare?left=1&amp;right=2&amp;rows=many"`)
	many := s.get(200, few+"&rows=many")
	many.has(t, "29 rows that differ", `data-key="z"`)
	many.hasNot(t, `id="more"`)
	if n := strings.Count(p.text, `<section class="card" data-key=`); n != 20 {
		t.Errorf("%d rows are shown", n)
	}
}

// Another version is switched to by who may, once however often it is sent, and is refused while it lags.
func TestSwitch(t *testing.T) {
	d := &door{}
	s := basketsOf(t, &gateway.Options{Authorizer: d})
	s.get(200, "/console/parts/baskets/switch?version=2").has(t, "Switch to version 2 of", "<dt>Read now</dt><dd>version 1</dd>", "nothing behind",
		`id="compare" href="/console/parts/baskets/compare?left=1&amp;right=2"`)
	to := s.confirmed("/console/parts/baskets/switch?version=2")
	if types, _ := s.said("baskets"); len(types) > 0 {
		t.Fatalf("the page that asks has stored %q", types)
	}
	d.forbid = "POST /console/"
	if p := s.ask("POST", to, "X-Who", "ann"); p.StatusCode != 403 {
		t.Errorf("forbidden: %d", p.StatusCode)
	}
	d.forbid = ""
	if p := s.ask("POST", to, "X-Who", "ann", "Sec-Fetch-Site", "cross-site"); p.StatusCode != 403 {
		t.Errorf("from elsewhere: %d", p.StatusCode)
	}
	for range 3 {
		if p := s.ask("POST", to, "X-Who", "ann"); p.StatusCode != 303 || p.Header.Get("Location") != "/console/views?of=baskets&said=switch#baskets" {
			t.Fatalf("%d %q %s", p.StatusCode, p.Header.Get("Location"), body(p.text))
		}
	}
	if types, actor := s.said("baskets"); !slices.Equal(types, []string{"part-switched"}) || actor != "ann" {
		t.Errorf("said: %q by %q", types, actor)
	}
	s.get(200, "/console/views?of=baskets&said=switch").has(t, "Said: switch", `href="/console/parts/baskets/switch?version=1"`)
	s.get(200, "/console/views/baskets").has(t, "version 2,", `data-key="all"`)
	s.get(200, "/console/parts/baskets/switch?version=2").has(t, `id="already"`)
	if p := s.ask("POST", s.confirmed("/console/parts/baskets/switch?version=1"), "X-Who", "ann"); p.StatusCode != 303 {
		t.Errorf("and back: %d %s", p.StatusCode, body(p.text))
	}

	s.post("/console/parts/baskets/pause", "ann")
	s.Send(cart.Decider.Send("4", cart.Open{Owner: "x"}))
	s.get(200, "/console/parts/baskets/switch?version=2").has(t, `id="lags"`, "event")
	p := s.ask("POST", s.confirmed("/console/parts/baskets/switch?version=2"))
	if p.StatusCode != 409 {
		t.Errorf("to a version that lags: %d", p.StatusCode)
	}
	p.has(t, "Version 2 of baskets lags, and is not switched to", "It has come to position", "Nothing was changed", `href="/console/parts/baskets/switch?version=2">Ask again`)
	for _, fault := range faultsOf(p.text) {
		t.Error(fault)
	}
	s.get(200, "/console/views/baskets").has(t, "version 1,")
}

func TestSwitchesThatCannotBe(t *testing.T) {
	s := basketsOf(t, nil)
	for path, status := range map[string]int{
		"baskets/switch": 422, "baskets/switch?version=x": 422, "baskets/switch?version=3": 404, "nothing/switch?version=1": 404, "cart/switch?version=1": 404,
	} {
		s.get(status, "/console/parts/"+path)
	}
	for path, status := range map[string]int{
		"baskets/switch?id=1": 422, "baskets/switch?version=3&id=1": 422, "baskets/switch?version=2": 422, "nothing/switch?version=1&id=1": 404,
	} {
		if p := s.ask("POST", "/console/parts/"+path); p.StatusCode != status {
			t.Errorf("%s: %d, want %d", path, p.StatusCode, status)
		}
	}
	if types, _ := s.said("baskets"); len(types) > 0 {
		t.Errorf("said: %q", types)
	}
}

// What is parked of several versions is one list.
func TestParkedOfVersions(t *testing.T) {
	broken := baskets(2)
	evolve := broken.Evolve
	broken.Evolve = func(b basket, r deed.Recorded[cart.Event]) basket {
		if r.Stream.ID() == "1" {
			panic("cannot")
		}
		return evolve(b, r)
	}
	s := open(t, nil, cart.Decider, baskets(1), broken)
	s.Send(cart.Decider.Send("1", cart.Open{Owner: "x"}))
	s.settle()
	p := s.get(200, "/console/parked")
	if n := strings.Count(p.text, `id="part-baskets"`); n != 1 {
		t.Errorf("the view stands %d times", n)
	}
	p.has(t, "its versions together", `data-key="1"`)
	s.get(200, "/console").has(t, "1 thing wants to be looked at", `<li class="card" data-part="baskets@2">`)
	s.get(200, "/console/parts/baskets/switch?version=2").has(t, "1 key is parked", "is lacking in its rows")
}

// Rows of a version that nobody keeps any more are said to be old.
func TestStaleRowsAreSaid(t *testing.T) {
	db, err := sqlite.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	old, err := deed.NewService(deed.Config{Store: db, Views: db}, cart.Decider, baskets(1))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- old.Run(ctx) }()
	s := over(t, old, nil)
	s.send(cart.Decider.Send("1", cart.Open{Owner: "x"}))
	s.settle()
	s.get(200, "/console/views").hasNot(t, "not read", "is version")
	cancel()
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	service, err := deed.NewService(deed.Config{Store: db, Views: db}, cart.Decider, baskets(2))
	if err != nil {
		t.Fatal(err)
	}
	s = over(t, service, nil) // it does not run: it does not put the new version in place of the old
	for _, path := range []string{"/views", "/views/baskets", "/views/baskets/1"} {
		s.get(200, "/console"+path).has(t, "What is read by the name is version 1, which nobody keeps up to date any more: its rows are old",
			"Version 2 is made in its place")
	}
	s.get(200, "/console/views").has(t, ">not read<")
	if live := s.ask("GET", "/console/parts").text; !strings.Contains(live, `"instead":"What is read`) {
		t.Errorf("pages that are open are told %s", live)
	}
}
