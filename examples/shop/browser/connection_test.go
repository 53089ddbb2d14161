package browser_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
)

// inOrder waits until a tab shows all orders that there are, each once, the newest first.
func (b *tab) inOrder() {
	b.t.Helper()
	var list struct{ Rows []struct{ Key string } }
	if err := json.Unmarshal(b.shop.do("GET", "/orders?order=-placedAt&limit=1000", "", http.StatusOK), &list); err != nil {
		b.t.Fatal(err)
	}
	var keys []string
	for _, r := range list.Rows {
		keys = append(keys, r.Key)
	}
	b.await(`JSON.stringify([...document.querySelectorAll("#table-orders tbody tr")].map(e => e.dataset.key)) === ` + js(js(keys)))
	b.await(`[...document.querySelectorAll("#table-orders [data-cell=status]")].every(e => e.textContent.includes("confirmed"))`)
}

func numbered(n int) order {
	o := tea
	o.Description = fmt.Sprintf("order number %d", n)
	return o
}

// Nothing is lost and nothing doubled: not when the connection hiccups, nor when it is away, nor when the shop is.
func TestAConnectionThatIsCutGoesOn(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	r := openRelay(t, s)
	b := visit(t, r.shop)
	b.allow("network: ", "net::ERR", "answer: 503 to GET "+r.shop.url+"/api/changes")
	s.place(numbered(0))
	b.open("/ui/orders")
	same := b.unreloaded()
	b.inOrder()
	r.awaitFollowing(t, 1)
	for n := 1; n <= 12; n++ {
		s.place(numbered(n))
		if n%4 == 0 {
			r.hiccup(t)
			s.place(numbered(100 + n))
			r.awaitFollowing(t, 1)
		}
	}
	b.shop = s // the tab is behind the relay, and what it is compared with is not
	b.inOrder()

	r.cut()
	b.await(`(e => e.checkVisibility() && e.textContent.includes("Not connected"))(document.getElementById("connection"))`)
	b.shoot("shop-orders-cut")
	s.place(numbered(200))
	s.place(numbered(201))
	r.heal()
	b.inOrder()
	b.none("#connection")

	s.stop()
	b.await(`document.getElementById("connection").checkVisibility()`)
	s.again()
	r.lead(t, s)
	s.place(numbered(300))
	b.inOrder()
	b.none("#connection")
	same()
}

// A browser gives a host six connections over HTTP/1.1. Ten tabs take one of them.
func TestTenTabsShareAConnection(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	r := openRelay(t, s)
	first := visit(t, r.shop)
	first.open("/ui/orders")
	tabs := []*tab{first}
	for len(tabs) < 10 {
		tabs = append(tabs, first.another())
		tabs[len(tabs)-1].open("/ui/orders")
	}
	r.awaitFollowing(t, 1)
	s.place(numbered(1))
	for _, b := range tabs {
		b.count("#table-orders tbody tr", 1)
	}
	if n := r.mostFollowed(); n != 1 {
		t.Errorf("ten tabs follow with %d connections", n)
	}

	// The tab that has the connection goes to another page: it is another's then, and nothing is missed.
	for _, b := range tabs[:5] {
		b.open("/ui/about")
	}
	s.place(numbered(2))
	for _, b := range tabs[5:] {
		b.count("#table-orders tbody tr", 2)
	}
	r.awaitFollowing(t, 1)
	for _, b := range tabs[:2] {
		b.open("/ui/orders")
		b.count("#table-orders tbody tr", 2)
	}
}
