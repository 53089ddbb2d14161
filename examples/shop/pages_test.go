package main

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// Text that a page must not take for anything but text.
var (
	odd = []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `'; DROP TABLE orders; --`, "{{.}} ${x} %s", "شركة الشاي",
		"👩‍👩‍👧‍👦 ☕️", strings.Repeat("Wolfeschlegelsteinhausenberger", 3), "\u202eright to left\u202c", "&amp;&lt;", "line\nbreak",
	}
	oddID   = `a b?c#d%25é&x"'<>+=`
	longest = strings.Repeat("a long story ", 7692) + "</p>"
)

// seedOdd adds what is not likely, and allowed.
func (v *visitor) seedOdd() {
	v.t.Helper()
	for i, text := range odd {
		order := url.Values{
			"description": {text}, "quantity": {"1"}, "value": {fmt.Sprint(i * 600)}, "email": {fmt.Sprintf("odd%d@example.org", i)},
			"firstName": {text}, "lastName": {text},
		}
		if a := v.post("/ui/orders", order); a.status != http.StatusSeeOther {
			v.t.Fatalf("%q: %d %.2000s", text, a.status, a.body)
		}
		if a := v.post("/ui/users", url.Values{"firstName": {text}, "lastName": {text}}); a.status != http.StatusSeeOther {
			v.t.Fatalf("%q: %d", text, a.status)
		}
	}
	v.order(fmt.Sprintf(`{"description":%q,"quantity":1000000,"email":"long@example.org","firstName":"Long","lastName":"Story","value":"999999999999.99"}`, longest))
	for category, body := range map[string]string{
		"user/%s/create":       `{"firstName":"Odd","lastName":"Id"}`,
		"campaign/%s/create":   `{"name":"<b>odd</b>","classification":"gold","subject":"<i>","body":"` + strings.Repeat("x", 20000) + `"}`,
		"customer/%s/register": `{"email":"<b>@example.org","firstName":"Odd","lastName":"Id"}`,
	} {
		v.expect(v.do("POST", "/api/commands/"+fmt.Sprintf(category, url.PathEscape(oddID)), body), 200, "")
	}
	v.settle()
}

// Every page that can be reached by links is proper, and every link leads somewhere.
func TestPagesAreProper(t *testing.T) {
	for _, seed := range []int{0, 200} {
		t.Run(fmt.Sprint(seed, " orders"), func(t *testing.T) {
			v := openPages(t, seed)
			least := 20
			if seed > 0 {
				v.seedOdd()
				least = rounds(250, 60)
			}
			seen := v.crawl("/", rounds(2000, 80))
			if seen < least {
				t.Errorf("only %d pages", seen)
			}
			t.Logf("%d pages", seen)
		})
	}
}

// crawl follows links from page to page and returns how many pages there are, most at most.
func (v *visitor) crawl(from string, most int) int {
	v.t.Helper()
	known, left, pages := map[string]bool{from: true}, []string{from}, 0
	for len(left) > 0 && pages < most {
		path := left[0]
		left = left[1:]
		a := v.do("GET", path, "", "Accept", accept)
		for a.status == http.StatusSeeOther {
			a = v.do("GET", a.header.Get("Location"), "", "Accept", accept)
		}
		if a.status != http.StatusOK {
			v.t.Errorf("%s: %d", path, a.status)
		}
		if strings.HasPrefix(path, "/ui/assets/") || path != "/" && !strings.HasPrefix(path, "/ui/") {
			continue
		}
		pages++
		page := v.read(path, a)
		for n := range page.root.Descendants() {
			for _, name := range []string{"href", "src", "data-rows"} {
				link, _, _ := strings.Cut(attr(n, name), "#")
				if name == "data-rows" || link == "" || known[link] {
					continue
				}
				known[link] = true
				left = append(left, link)
			}
		}
	}
	return pages
}

// What people type in stands on pages as they typed it, all of it, and as nothing else.
func TestPagesShowTextAsText(t *testing.T) {
	v := openPages(t, 0)
	v.seedOdd()
	all := text(v.look("/ui/orders", 200).root) + text(v.look("/ui/users", 200).root) + text(v.look("/ui/customers", 200).root)
	for _, typed := range odd {
		if !strings.Contains(all, typed+" "+typed) {
			t.Errorf("%q is not on the pages as it was typed", typed)
		}
	}
	list := v.look("/ui/orders", 200)
	if n := len(list.raw); n > 100_000 {
		t.Errorf("the list has %d bytes: the long description stands in it", n)
	}
	link := list.find(func(n *html.Node) bool { return attr(n, "class") == "all" })
	path, _, _ := strings.Cut(attr(link, "href"), "#")
	if whole := text(v.look(path, 200).byID("whole")); !strings.Contains(whole, longest) {
		t.Error("the whole description is nowhere to be seen")
	}
	for _, section := range []string{"users", "customers", "campaigns"} {
		page := v.look("/ui/"+section+"/"+url.PathEscape(oddID), 200)
		if row := v.look("/ui/"+section, 200).row(oddID); row == nil || attr(row, "id") == "" {
			t.Errorf("%s: no row of %q", section, oddID)
		}
		if text(page.byID("facts")) == "" {
			t.Errorf("%s: nothing is said of %q", section, oddID)
		}
		if section == "users" {
			page = v.goOn(v.send(page, "update-user", "firstName", "Even"))
			if title := text(page.byID("title")); !strings.Contains(title, "Even") {
				t.Errorf("the user %q is %q", oddID, title)
			}
		}
	}
}

// Lists come newest first and page by page, each row once; a filter narrows them.
func TestPagesOfLists(t *testing.T) {
	v := openPages(t, 120)
	for path, most := range map[string]int{"/ui/orders": 120, "/ui/orders?status=confirmed": 119, "/ui/customers?class=bronze&mail=true": 14} {
		var keys, times []string
		pages := 0
		for next := path; next != ""; pages++ {
			page := v.look(next, 200)
			keys = append(keys, page.keys()...)
			for n := range page.root.Descendants() {
				if at := attr(n, "data-at"); at != "" {
					times = append(times, at)
				}
			}
			next = page.link("next")
		}
		if want := (len(keys) + 49) / 50; pages != want || len(keys) == 0 || len(keys) > most {
			t.Errorf("%s: %d rows on %d pages", path, len(keys), pages)
		}
		if !slices.IsSortedFunc(times, func(a, b string) int { return strings.Compare(b, a) }) {
			t.Errorf("%s is not in order: %v", path, times)
		}
		slices.Sort(keys)
		if len(slices.Compact(slices.Clone(keys))) != len(keys) {
			t.Errorf("%s has a row twice", path)
		}
	}
	if rows := v.look("/ui/orders", 200); len(rows.keys()) != 50 {
		t.Errorf("%d rows on the first page", len(rows.keys()))
	}
}

// The newest stands first, whatever it is called.
func TestPagesShowTheNewestFirst(t *testing.T) {
	v := openPages(t, 0)
	for _, id := range []string{"b", "c", "a"} {
		v.clock.Advance(time.Minute)
		v.expect(v.do("POST", "/api/commands/user/"+id+"/create", `{"firstName":"Ann","lastName":"Lee"}`), 200, "")
	}
	v.settle()
	if keys := v.look("/ui/users", 200).keys(); !slices.Equal(keys, []string{"a", "c", "b"}) {
		t.Errorf("the list is %q", keys)
	}
}

// A page asks for single rows as it shows the whole: with its filters, and without those that are gone.
func TestPagesAskForRows(t *testing.T) {
	v := openPages(t, 20)
	list := v.look("/ui/orders?status=confirmed", 200)
	section := list.byID("list-orders")
	keys := list.keys()
	other := v.look("/ui/orders?status=unconfirmed", 200).keys()
	path := attr(section, "data-rows") + "&" + url.Values{"key": {keys[0], "nobody", other[0]}}.Encode()
	a := v.expect(v.do("GET", path, "", "Accept", accept), 200, "")
	root, err := html.Parse(strings.NewReader(string(a.body)))
	if err != nil {
		t.Fatal(err)
	}
	got := (&document{root: root}).keys()
	if !slices.Equal(got, keys[:1]) {
		t.Errorf("got the rows %q, want %q", got, keys[:1])
	}
	if a.header.Get("Content-Security-Policy") != policy {
		t.Error("no policy")
	}
	for path, status := range map[string]int{
		"/ui/rows/nothing": 404, "/ui/rows/orders?nonsense=1": 400, "/ui/behind/nothing": 404, "/ui/behind/orders": 200,
		"/ui/rows/orders?" + url.Values{"key": make([]string, 101)}.Encode(): 400, "/ui/assets/x/nothing.js": 404, "/ui/assets/x/..%2fx": 400,
	} {
		if a := v.do("GET", path, ""); a.status != status {
			t.Errorf("%.60s: %d, want %d", path, a.status, status)
		}
	}
}

// Where something is not right, people get a page that says what to do, and programs a problem.
func TestPagesThatAreNotThere(t *testing.T) {
	v := openPages(t, 0)
	for path, status := range map[string]int{
		"/ui/nothing": 404, "/ui/orders/nobody": 404, "/ui/users/nobody": 404, "/ui/customers/nobody": 404, "/ui/campaigns/nobody": 404,
		"/ui/orders?from=nonsense": 400, "/ui/orders?nonsense=1": 400, "/ui/mailbox?from=x": 404, "/ui/a/b/c/d": 404,
	} {
		page := v.look(path, status)
		if page.byID("fault") == nil || page.find(func(n *html.Node) bool { return attr(n, "href") == "/ui/" && n.Data == "a" }) == nil {
			t.Errorf("%s does not say what to do", path)
		}
		if got := decode[problem](t, v.do("GET", path, "")); got.Code == "" {
			t.Errorf("%s for programs: %+v", path, got)
		}
	}
	if a := v.do("GET", "/ui/orders/x/cancel", "", "Accept", accept); a.header.Get("Location") != "/ui/orders/x" {
		t.Errorf("an answer that is loaded again leads to %q", a.header.Get("Location"))
	}
}

// A page that is behind the log says so, and shows what there is.
func TestPagesSayThatTheyAreBehind(t *testing.T) {
	v := openPages(t, 0)
	v.expect(v.do("POST", "/api/commands/user/a/create", `{"firstName":"Ann","lastName":"Lee"}`), 200, "")
	v.settle()
	if behind := v.look("/ui/users", 200).byID("behind-users"); text(behind) != "" {
		t.Errorf("a list that is up to date says %q", text(behind))
	}
	v.stop()
	v.expect(v.do("POST", "/api/commands/user/b/create", `{"firstName":"Bob","lastName":"Ray"}`), 200, "")
	page := v.look("/ui/users", 200)
	if got := text(page.byID("behind-users")); !strings.Contains(got, "1 event behind the log") {
		t.Errorf("it says %q", got)
	}
	if !slices.Equal(page.keys(), []string{"a"}) {
		t.Errorf("it shows %q", page.keys())
	}
	v.look("/ui/users/b", 404)
}

// A browser is led to the pages; who asks for JSON is told of the routes for programs.
func TestTheRootLeadsBrowsersToThePages(t *testing.T) {
	v := openPages(t, 0)
	if a := v.do("GET", "/", "", "Accept", accept); a.status != http.StatusSeeOther || a.header.Get("Location") != "/ui/" {
		t.Errorf("a browser is told %d %s", a.status, a.header.Get("Location"))
	}
	for _, r := range decode[indexAnswer](t, v.do("GET", "/", "", "Accept", "application/json")).Routes {
		if strings.HasPrefix(r.Path, "/ui/") {
			t.Errorf("a program is told of %s", r.Path)
		}
	}
}
