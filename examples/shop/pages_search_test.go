package main

import (
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/deed-es/deed/examples/shop/ui"
	"github.com/deed-es/deed/gateway"
)

// search sends the form for words that a page has.
func (v *visitor) search(page *document, words string) *document {
	v.t.Helper()
	f := page.byID("search")
	values := fields(f)
	if !values.Has("q") {
		v.t.Fatalf("%s cannot be searched", page.path)
	}
	values.Set("q", words)
	return v.look(attr(f, "action")+"?"+values.Encode(), 200)
}

// marks are the words that a page marks.
func marks(page *document) string {
	var all []string
	for n := range page.root.Descendants() {
		if n.Data == "mark" && n.Type == html.ElementNode {
			all = append(all, text(n))
		}
	}
	return strings.Join(all, " ")
}

// Orders are found by their words, and by those of their customer's name, in the selection that is shown.
func TestPagesSearchOrders(t *testing.T) {
	v := openPages(t, 0)
	green, _ := v.order(`{"description":"green tea from <b>Uji</b>","quantity":1,"value":"10","email":"ann@example.org","firstName":"Ann","lastName":"Lee"}`)
	pot, _ := v.order(`{"description":"a teapot, cast iron","quantity":1,"value":"5000","email":"bob@example.org","firstName":"Bob","lastName":"Ray"}`)
	v.order(`{"description":"coffee","quantity":1,"value":"20","email":"ann@example.org"}`)
	v.settle()
	list := v.look("/ui/orders", 200)
	for words, want := range map[string]struct {
		keys  []string
		marks string
	}{
		" tea ": {[]string{pot, green}, "teapot tea"}, "uji green": {[]string{green}, "green Uji"}, "lee tea": {[]string{green}, "tea"}, "ray": {[]string{pot}, ""},
	} {
		found := v.search(list, words)
		if keys := found.keys(); !slices.Equal(keys, want.keys) || marks(found) != want.marks {
			t.Errorf("%q: found %q, with %q marked, want %q and %q", words, keys, marks(found), want.keys, want.marks)
		}
		if typed := fields(found.byID("search")).Get("q"); typed != strings.TrimSpace(words) {
			t.Errorf("%q: the form has %q", words, typed)
		}
	}
	waiting := v.look("/ui/orders?status=unconfirmed", 200)
	if keys := v.search(waiting, "tea").keys(); !slices.Equal(keys, []string{pot}) {
		t.Errorf("in a selection: %q", keys)
	}
	for _, nothing := range []*document{v.search(list, "zebra"), v.search(waiting, "coffee")} {
		says := text(nothing.find(func(n *html.Node) bool { _, is := lookUp(n, "data-empty"); return is }))
		if len(nothing.keys()) != 0 || !strings.Contains(says, "Nothing found for") || !strings.Contains(says, "Try fewer words") {
			t.Errorf("%s: %q", nothing.path, says)
		}
	}
	rows := attr(v.search(list, "tea").byID("list-orders"), "data-rows") + "&" + url.Values{"key": list.keys()}.Encode()
	root, err := html.Parse(strings.NewReader(string(v.expect(v.do("GET", rows, "", "Accept", accept), 200, "").body)))
	if err != nil {
		t.Fatal(err)
	}
	if part := (&document{root: root}); len(part.keys()) != 2 || marks(part) != "teapot tea" {
		t.Errorf("single rows: %q, with %q marked", part.keys(), marks(part))
	}
}

// Whatever somebody looks for is words, and nothing breaks.
func TestPagesSearchForOddWords(t *testing.T) {
	v := openPages(t, 0)
	v.seedOdd()
	for _, words := range append([]string{`"`, `""`, "*", "-", "(", "AND", "a OR b", "NEAR(a b)", "\x00", "\x02", "\xff", "{text}", "?", "col:x", "'; --"}, odd...) {
		v.look("/ui/orders?"+url.Values{"q": {words}}.Encode(), 200)
	}
	if found := v.look("/ui/orders?q=alert", 200); len(found.keys()) == 0 || marks(found) == "" {
		t.Error("what looks like a script is not found")
	}
	for _, query := range []url.Values{{"q": {strings.Repeat("x", 401)}}, {"q": {"tea"}, "from": {"nonsense"}}} {
		if page := v.look("/ui/orders?"+query.Encode(), 400); page.byID("fault") == nil {
			t.Errorf("%.40v: no page says why", query)
		}
	}
	v.look("/ui/users?q=tea", 400)
}

// A shop without an index of words has nothing to search with, and says so who asks all the same.
func TestPagesWithoutAnIndex(t *testing.T) {
	v := openPages(t, 1)
	gw, err := gateway.New(v.shop.service, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(gw.Stop)
	if err := gw.Handle(ui.Routes(ui.Shop{Service: v.shop.service})...); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gw)
	t.Cleanup(server.Close)
	v.url = server.URL
	if page := v.look("/ui/orders", 200); page.byID("search") != nil || len(page.keys()) != 1 {
		t.Errorf("the page has a form to search with, or not the order: %q", page.keys())
	}
	if says := text(v.look("/ui/orders?q=tea", 400).byID("fault")); !strings.Contains(says, "no index") {
		t.Errorf("it says %q", says)
	}
}

// Who went on through a list comes back the same way, part by part, and to its beginning at any time.
func TestPagesLeadBack(t *testing.T) {
	v := openPages(t, 160)
	for start, least := range map[string]int{"/ui/orders": 4, "/ui/orders?q=t": 2, "/ui/orders?status=confirmed": 2} {
		var came [][]string
		page := v.look(start, 200)
		if page.link("previous") != "" || page.link("first") != "" {
			t.Errorf("%s leads back", start)
		}
		for ; ; page = v.look(page.link("next"), 200) {
			came = append(came, page.keys())
			if page.link("next") == "" {
				break
			}
		}
		if all := slices.Concat(came...); len(came) < least || len(slices.Compact(slices.Sorted(slices.Values(all)))) != len(all) {
			t.Errorf("%s has %d parts, or a row twice", start, len(came))
		}
		if to := page.link("first"); len(came) > 2 && !slices.Equal(v.look(to, 200).keys(), came[0]) {
			t.Errorf("%s: %s is not the beginning", start, to)
		}
		for i := len(came) - 1; i > 0; i-- {
			page = v.look(page.link("previous"), 200)
			if !slices.Equal(page.keys(), came[i-1]) {
				t.Fatalf("%s: one back from part %d is not part %d", start, i, i-1)
			}
		}
		if page.path != start || page.link("previous") != "" {
			t.Errorf("the way back from %s leads to %s", start, page.path)
		}
	}
	second, err := url.Parse(v.look("/ui/orders", 200).link("next"))
	if err != nil {
		t.Fatal(err)
	}
	far := second.Query()
	far["back"] = slices.Repeat([]string{"0"}, 100)
	third, err := url.Parse(v.look("/ui/orders?"+far.Encode(), 200).link("next"))
	if err != nil || len(third.Query()["back"]) != 8 {
		t.Errorf("an address remembers %d parts (%v)", len(third.Query()["back"]), err)
	}
	far.Del("back")
	if page := v.look("/ui/orders?"+far.Encode(), 200); page.link("previous") != "" || page.link("first") != "/ui/orders" {
		t.Errorf("from somewhere it leads to %q and %q", page.link("previous"), page.link("first"))
	}
}
