package browser_test

import (
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
)

// remote is a name that browsers do not take for their own machine's.
const remote = "shop.test"

// byName has a shop be reached by a name, without TLS, as it is in somebody's own network. What the browser says that its requests
// come from is passed on.
func byName(t *testing.T, s *shop) *shop {
	t.Helper()
	to, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(to)
		if p.In.Header.Get("Origin") == "http://"+p.In.Host {
			p.Out.Header.Set("Origin", s.url)
		}
	}})
	t.Cleanup(server.Close)
	seen := *s
	seen.url = strings.Replace(server.URL, "127.0.0.1", remote, 1)
	return &seen
}

// Forms are taken from the pages that they stand on under any name: browsers send no Sec-Fetch-Site to most, and say where a form
// comes from only if the page lets them.
func TestFormsUnderAName(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	b := visit(t, byName(t, s))
	b.allow("Cross-Origin-Opener-Policy")
	b.open("/console/parts/orders/pause")
	b.elsewhere(func() { b.click("#confirm button") })
	b.has("#said", "Said: pause")
	b.open("/console/parts/orders/resume")
	b.elsewhere(func() { b.click("#confirm button") })
	b.has("#said", "Said: resume")
}

// A page of the console that is cut off says so, and takes it back.
func TestTheConsoleSaysThatItIsCutOff(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	r := openRelay(t, s)
	for _, path := range []string{"/console", "/console/map"} {
		b := visit(t, r.shop)
		b.allow("network: ", "net::ERR")
		b.open(path)
		same := b.unreloaded()
		b.none("#lost")
		r.cut()
		b.await(`(e => e.checkVisibility() && e.textContent.includes("Not connected"))(document.getElementById("lost"))`)
		r.heal()
		b.none("#lost")
		same()
	}
}
