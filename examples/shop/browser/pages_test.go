package browser_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/console"
	"github.com/deed-es/deed/examples/shop/ui"
)

// page is a page to be looked at.
type page struct {
	name, path string
	status     int  // 0: 200
	bare       bool // made by the gateway alone: no script runs on it
	ready      string
}

// plainPages are those that there are whatever is in the store.
var plainPages = []page{
	{name: "shop", path: "/ui/"},
	{name: "shop-orders", path: "/ui/orders"},
	{name: "shop-orders-unconfirmed", path: "/ui/orders?status=unconfirmed"},
	{name: "shop-confirmations", path: "/ui/confirmations"},
	{name: "shop-customers", path: "/ui/customers"},
	{name: "shop-users", path: "/ui/users"},
	{name: "shop-campaigns", path: "/ui/campaigns"},
	{name: "shop-mailbox", path: "/ui/mailbox"},
	{name: "shop-about", path: "/ui/about"},
	{name: "shop-missing", path: "/ui/there-is-none", status: http.StatusNotFound},
	{name: "docs", path: "/docs"},
	{name: "console", path: "/console"},
	{name: "console-log", path: "/console/log", ready: `document.querySelector("#tail-state").textContent === "live"`},
	{name: "console-log-filtered", path: "/console/log?category=order&type=order-placed"},
	{name: "console-streams", path: "/console/streams"},
	{name: "console-map", path: "/console/map"},
	{name: "console-views", path: "/console/views"},
	{name: "console-view", path: "/console/views/orders"},
	{name: "console-tables", path: "/console/views/order-text"},
	{name: "console-processes", path: "/console/processes"},
	{name: "console-process", path: "/console/processes/confirmation"},
	{name: "console-reactor", path: "/console/processes/exchange-rate"},
	{name: "console-parked", path: "/console/parked"},
	{name: "console-store", path: "/console/store"},
	{name: "console-asks", path: "/console/parts/orders/rebuild"},
	{name: "console-asks-pause", path: "/console/parts/orders/pause"},
	{name: "console-asks-resume", path: "/console/parts/orders/resume"},
	{name: "console-asks-switch", path: "/console/parts/orders/switch?version=1"},
	{name: "console-compare", path: "/console/parts/orders/compare"},
	{name: "console-fleet", path: "/console/fleet"},
	{name: "console-asks-retry", path: "/console/parked/orders/none/retry", status: http.StatusNotFound},
	{name: "console-asks-skip", path: "/console/parked/orders/none/skip", status: http.StatusNotFound},
	{name: "console-missing", path: "/console/views/there-is-none", status: http.StatusNotFound},
	{name: "gateway-missing", path: "/console/there-is-none", status: http.StatusNotFound, bare: true},
	{name: "gateway-refused", path: "/ui//orders", status: http.StatusBadRequest, bare: true},
}

// pagesOf are the pages of things that a shop with sample data has.
func pagesOf(s *shop) []page {
	first := func(view string) string {
		s.t.Helper()
		var list struct{ Rows []struct{ Key string } }
		if err := json.Unmarshal(s.do("GET", "/api/views/"+view+"?limit=1", "", http.StatusOK), &list); err != nil || len(list.Rows) == 0 {
			s.t.Fatalf("%s has no row (%v)", view, err)
		}
		return list.Rows[0].Key
	}
	confirmed := s.rowOf("orders", "status", "confirmed")
	at := fmt.Sprint(s.position("order-"+confirmed, "order-placed"))
	return []page{
		{name: "shop-order", path: "/ui/orders/" + confirmed},
		{name: "shop-order-waiting", path: "/ui/orders/" + first("confirmation-requests")},
		{name: "shop-customer", path: "/ui/customers/" + first("customers")},
		{name: "shop-user", path: "/ui/users/" + first("users")},
		{name: "shop-campaign", path: "/ui/campaigns/" + first("campaigns")},
		{name: "console-record", path: "/console/log/" + at},
		{name: "console-causes", path: "/console/log/" + at + "/causes"},
		{name: "console-stream", path: "/console/streams/order-" + confirmed},
		{name: "console-sides", path: "/console/streams/order-" + confirmed + "/rows"},
		{name: "console-row", path: "/console/views/orders/" + confirmed},
		{name: "console-instance", path: "/console/processes/classification/" + first("customers")},
	}
}

// missingPages are the pages of things that there are not. A row or an instance that there is not may have been: its page says so.
var missingPages = []page{
	{name: "shop-order-missing", path: "/ui/orders/none", status: http.StatusNotFound},
	{name: "shop-customer-missing", path: "/ui/customers/none", status: http.StatusNotFound},
	{name: "shop-user-missing", path: "/ui/users/none", status: http.StatusNotFound},
	{name: "shop-campaign-missing", path: "/ui/campaigns/none", status: http.StatusNotFound},
	{name: "console-record-missing", path: "/console/log/1000000", status: http.StatusNotFound},
	{name: "console-causes-missing", path: "/console/log/1000000/causes", status: http.StatusNotFound},
	{name: "console-stream-missing", path: "/console/streams/order-none", status: http.StatusNotFound},
	{name: "console-sides-missing", path: "/console/streams/order-none/rows", status: http.StatusNotFound},
	{name: "console-row-missing", path: "/console/views/orders/none"},
	{name: "console-instance-missing", path: "/console/processes/classification/none"},
}

// notPages are the routes of pages that are nothing to look at: what pages are made with, and what leads elsewhere.
var notPages = []string{
	"/ui/assets/{edition}/{file}", "/ui/rows/{list}", "/ui/behind/{view}", "/ui/{section}/{id}/{command}",
	"/console/{$}", "/console/assets/{file}", "/console/log/tail", "/console/log/{position}/data", "/console/map/rates", "/console/parts",
}

// Every page that there is, with nothing in the store and with 200 orders, has nothing red in the browser's console, and never
// scrolls sideways.
func TestEveryPage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		args []string
	}{{name: "empty"}, {name: "seeded", args: []string{"-seed", "200"}}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := openShop(t, c.args...)
			all := slices.Concat(plainPages, missingPages)
			if c.args != nil {
				all = append(all, pagesOf(s)...)
			}
			everyRoute(t, all)
			b := visit(t, s)
			for _, p := range all {
				b.look(c.name, p)
			}
			t.Logf("%s: %d pages, and nothing red", c.name, len(all))
			b.open("/console/views")
			b.biteAxe()
		})
	}
}

// Who compares two versions of a view, and switches, sees which is read; so does who only looks on.
func TestVersionsOfAView(t *testing.T) {
	t.Parallel()
	r := readings{shut: make(chan struct{}), open: make(chan struct{})}
	first, second := r.projection(), r.projection()
	second.Version, second.Partitions = 2, 4
	second.Evolve = func(v reading, e deed.Recorded[deed.Event]) reading {
		return reading{Reading: max(v.Reading, e.Event.(reading).Reading)}
	}
	s, store := openService(t, first, second)
	flood(t, store, measured, 100_000)
	b, other := visit(t, s), visit(t, s)
	other.open("/console/views")
	same := other.unreloaded()
	b.open("/console/views")
	section := func(version int) string { return fmt.Sprintf(`section[data-part="readings@%d"] `, version) }
	b.has(section(1)+"[data-live=reads]", "read")
	b.has(section(2)+"[data-live=reads]", "not read")
	for _, version := range []int{1, 2} {
		b.await(`document.querySelector(` + js(section(version)+"[data-live=position]") + `).textContent === "6,000"`)
	}
	b.await(`document.querySelector(` + js(section(2)+"[data-partition='3'] [data-cell=position]") + `).textContent === "6,000"`)
	b.shoot("console-views-versions")
	b.follow("[data-action=compare]", "/console/parts/readings/compare")
	b.count("#counts + p [data-part]", 2)
	b.has("[data-count=different]", "30")
	b.count("section[data-key]", 20)
	b.shoot("console-compare-versions")
	b.follow("#more", "/console/parts/readings/compare")
	b.count("section[data-key]", 30)
	b.follow("[data-action=switch]", "/console/parts/readings/switch")
	b.shoot("console-asks-switch-versions")
	b.follow("#confirm button", "/console/views")
	b.has("#said", "switch")
	for _, who := range []*tab{b, other} {
		who.await(`document.querySelector(` + js(section(2)+"[data-live=reads]") + `).textContent === "read"`)
		who.none(section(2) + "[data-action=switch]")
		who.await(`document.querySelector(` + js(section(1)+"[data-action=switch]") + `).checkVisibility()`)
	}
	same()
}

// everyRoute checks that the pages are all that the shop and its console have.
func everyRoute(t *testing.T, pages []page) {
	t.Helper()
	mux, left := http.NewServeMux(), map[string]bool{}
	for _, r := range append(ui.Routes(ui.Shop{}), console.Routes(nil, nil)...) {
		if r.Page && r.Method == http.MethodGet {
			mux.Handle("GET "+r.Pattern, http.NotFoundHandler())
			left[r.Pattern] = true
		}
	}
	if len(left) < 30 {
		t.Fatalf("the shop and its console have %d pages only", len(left))
	}
	for _, p := range pages {
		_, pattern := mux.Handler(httptest.NewRequestWithContext(t.Context(), http.MethodGet, p.path, nil))
		delete(left, strings.TrimPrefix(pattern, "GET "))
	}
	for _, pattern := range notPages {
		if !left[pattern] {
			t.Errorf("%s is no route that is nothing to look at", pattern)
		}
		delete(left, pattern)
	}
	for pattern := range left {
		t.Errorf("nobody looks at %s", pattern)
	}
}

// look looks at a page from all sides.
func (b *tab) look(store string, p page) {
	b.t.Helper()
	b.resize(wide)
	status := cmp.Or(p.status, http.StatusOK)
	if status != http.StatusOK {
		b.allow(fmt.Sprintf("answer: %d to GET %s%s", status, b.shop.url, p.path))
	}
	if p.bare {
		must(b, chromedp.Navigate(b.shop.url+p.path))
		b.has("main h1", "")
	} else {
		b.open(p.path)
	}
	if p.ready != "" {
		b.await(p.ready)
	}
	if got := value[int](b, `performance.getEntriesByType("navigation")[0].responseStatus`); got != status {
		b.t.Errorf("%s answers %d, want %d; %s", p.path, got, status, b.screen())
	}
	if value[int](b, `document.querySelectorAll("h1").length`) != 1 || value[string](b, "document.title") == "" {
		b.t.Errorf("%s has no title, or not one heading", p.path)
	}
	b.shoot(p.name + "-" + store)
	b.t.Logf("%s: %s", store, p.path)
}

// shoot looks at what the tab shows, in a wide window and on a phone: nothing scrolls sideways. Where somebody wants pictures,
// or axe is asked, that is done by daylight and in the dark.
func (b *tab) shoot(name string) {
	b.t.Helper()
	for _, s := range []size{phone, wide} {
		b.resize(s)
		b.fits()
		if *pictures == "" && *axeFile == "" {
			continue
		}
		for _, scheme := range []string{"dark", "light"} {
			b.wear(scheme)
			whole := name + "-" + s.name + "-" + scheme
			b.picture(whole)
			b.axe(whole)
		}
	}
}

// wear has the tab prefer light or dark pages.
func (b *tab) wear(scheme string) {
	b.t.Helper()
	tell(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
	b.await(`matchMedia("(prefers-color-scheme: ` + scheme + `)").matches`)
}

// picture writes what the page looks like into the folder for pictures.
func (b *tab) picture(name string) {
	b.t.Helper()
	if *pictures == "" {
		return
	}
	if err := os.MkdirAll(*pictures, 0o755); err != nil {
		b.t.Fatal(err)
	}
	b.await(`document.getAnimations().every(a => a.playState !== "running")`)
	data := must(b, chromedp.FullScreenshot(100))
	if err := os.WriteFile(filepath.Join(*pictures, name+".png"), data, 0o600); err != nil {
		b.t.Error(err)
	}
}
