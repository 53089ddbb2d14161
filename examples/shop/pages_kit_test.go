package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/deed-es/deed/deedtest"
	"github.com/deed-es/deed/sqlite"
)

// visitor is somebody who looks at the shop's pages with a browser that runs no scripts.
type visitor struct {
	*client
	shop   *shop
	clock  *deedtest.Clock
	settle func()
	stop   func() // ends the service, so that views fall behind; the pages are still answered
}

// openPages runs a shop with so many sample orders, whose clock is moved by hand.
func openPages(t *testing.T, seed int) *visitor {
	t.Helper()
	clock := deedtest.NewClock(deedtest.Start)
	store, err := sqlite.OpenMemory(&sqlite.Options{Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	o, err := parse(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	o.seed = seed
	s, err := newShop(stores{store, store}, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.service.Run(ctx) }()
	stopped := false
	stop := func() {
		if !stopped {
			stopped = true
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(stop)
	if err := s.seedEmpty(ctx, io.Discard); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s.gateway)
	t.Cleanup(server.Close)
	t.Cleanup(s.gateway.Stop)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	browser := &http.Client{Transport: server.Client().Transport, Timeout: patience, Jar: jar, CheckRedirect: stay}
	v := &visitor{client: &client{t: t, url: server.URL, http: browser}, shop: s, clock: clock, stop: stop}
	v.settle = func() {
		t.Helper()
		bounded, done := context.WithTimeout(t.Context(), patience)
		defer done()
		if err := s.service.Settle(bounded); err != nil {
			t.Fatal(err)
		}
	}
	v.settle()
	return v
}

// accept is what browsers say when somebody follows a link.
const accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

// look asks for a page.
func (v *visitor) look(path string, status int) *document {
	v.t.Helper()
	a := v.do("GET", path, "", "Accept", accept)
	if a.status != status {
		v.t.Fatalf("%s: %d, want %d: %.600s", path, a.status, status, a.body)
	}
	return v.read(path, a)
}

// send sends a form of a page with what somebody has typed: names and values in turn.
func (v *visitor) send(page *document, form string, typed ...string) answer {
	v.t.Helper()
	f := page.byID(form)
	if f == nil {
		v.t.Fatalf("%s has no form %s", page.path, form)
	}
	values := fields(f)
	for i := 0; i+1 < len(typed); i += 2 {
		if !values.Has(typed[i]) {
			v.t.Fatalf("the form %s has no field %s", form, typed[i])
		}
		values.Set(typed[i], strings.ReplaceAll(typed[i+1], "\n", "\r\n"))
	}
	return v.post(attr(f, "action"), values)
}

func (v *visitor) post(path string, values url.Values, header ...string) answer {
	v.t.Helper()
	header = append([]string{"Content-Type", "application/x-www-form-urlencoded", "Accept", accept, "Sec-Fetch-Site", "same-origin"}, header...)
	return v.do("POST", path, values.Encode(), header...)
}

// goOn follows the way that a form has led to.
func (v *visitor) goOn(a answer) *document {
	v.t.Helper()
	if a.status != http.StatusSeeOther {
		v.t.Fatalf("%d, want 303: %.2000s", a.status, a.body)
	}
	return v.look(a.header.Get("Location"), http.StatusOK)
}

// fields is what a form sends when nobody types.
func fields(form *html.Node) url.Values {
	values := url.Values{}
	for n := range form.Descendants() {
		name := attr(n, "name")
		switch {
		case name == "":
		case n.Data == "input":
			values.Set(name, attr(n, "value"))
		case n.Data == "textarea":
			values.Set(name, text(n))
		case n.Data == "select":
			values.Set(name, "")
			for o := range n.Descendants() {
				if _, chosen := lookUp(o, "selected"); chosen {
					values.Set(name, attr(o, "value"))
				}
			}
		}
	}
	return values
}

// document is a page that was read as a browser reads it.
type document struct {
	path string
	root *html.Node
	raw  []byte
}

func (v *visitor) read(path string, a answer) *document {
	v.t.Helper()
	root, err := html.Parse(bytes.NewReader(a.body))
	if err != nil {
		v.t.Fatalf("%s: %v", path, err)
	}
	d := &document{path: path, root: root, raw: a.body}
	v.proper(d, a)
	return d
}

func (d *document) byID(id string) *html.Node {
	return d.find(func(n *html.Node) bool { return attr(n, "id") == id })
}

// row is the row of a list with this key.
func (d *document) row(key string) *html.Node {
	return d.find(func(n *html.Node) bool { return n.Data == "tr" && attr(n, "data-key") == key })
}

func (d *document) find(ok func(*html.Node) bool) *html.Node {
	for n := range d.root.Descendants() {
		if n.Type == html.ElementNode && ok(n) {
			return n
		}
	}
	return nil
}

// link is where a link to another part of a list leads; empty: there is none.
func (d *document) link(part string) string {
	return attr(d.find(func(n *html.Node) bool { return attr(n, "data-page") == part }), "href")
}

// cell is what a row of a list says of something.
func (d *document) cell(key, name string) string {
	for n := range d.row(key).Descendants() {
		if attr(n, "data-cell") == name {
			return text(n)
		}
	}
	return ""
}

// keys are the keys of the rows.
func (d *document) keys() []string {
	var keys []string
	for n := range d.root.Descendants() {
		if n.Data == "tr" && attr(n, "data-key") != "" {
			keys = append(keys, attr(n, "data-key"))
		}
	}
	return keys
}

// text is all text below a node.
func text(n *html.Node) string {
	if n == nil {
		return ""
	}
	var all strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			all.WriteString(d.Data)
		}
	}
	return all.String()
}

func attr(n *html.Node, name string) string {
	value, _ := lookUp(n, name)
	return value
}

func lookUp(n *html.Node, name string) (string, bool) {
	if n == nil || n.Type != html.ElementNode {
		return "", false
	}
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}
