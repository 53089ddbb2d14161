package gateway_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/deed-es/deed/gateway"
)

// browsers is what a browser says that it takes.
const browsers = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"

// pages adds routes for people, and one for programs beside them.
func (s *site) pages() {
	s.t.Helper()
	fail := func(c *gateway.Call) error {
		c.Writer.Header().Set("Content-Security-Policy", "script-src *")
		c.Writer.Header().Set("Etag", `"1"`)
		switch how := c.Request.PathValue("how"); how {
		case "panic":
			panic("a secret")
		case "error":
			return errors.New("a secret")
		case "body":
			var body struct{}
			return c.Decode(&body)
		default:
			return &gateway.Problem{Status: http.StatusTeapot, Code: "odd", Detail: how}
		}
	}
	nothing := func(*gateway.Call) error { return nil }
	err := s.gw.Handle(
		gateway.Route{Method: "GET", Pattern: "/{$}", Page: true, Query: []gateway.Parameter{}, Handle: nothing},
		gateway.Route{Method: "GET", Pattern: "/pages/{how}", Page: true, Query: []gateway.Parameter{}, Handle: fail},
		gateway.Route{Method: "POST", Pattern: "/pages/{how}", Page: true, Handle: fail},
		gateway.Route{Method: "GET", Pattern: "/pagesnot/{how}", Handle: fail},
	)
	if err != nil {
		s.t.Fatal(err)
	}
}

var markup = regexp.MustCompile(`<[^>]*>`)

// page holds r to be a page about a problem that holds texts, and nothing that could run in it.
func (s *site) page(r reply, status int, texts ...string) {
	s.t.Helper()
	s.wants(r, status)
	h, html := r.Header, string(r.body)
	if h.Get("Content-Type") != "text/html; charset=utf-8" || h.Get("Vary") != "Accept" || h.Get("Cache-Control") != "no-store" || h.Get("Etag") != "" {
		s.t.Errorf("the headers %v are not those of a problem's page", h)
	}
	style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(html)
	if style == nil {
		s.t.Fatalf("%s is no page", html)
	}
	sum := sha256.Sum256([]byte(style[1]))
	policy := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	if got := h["Content-Security-Policy"]; len(got) != 1 || got[0] != policy || h.Get("X-Content-Type-Options") != "nosniff" {
		s.t.Errorf("the policy is %q, want %q", got, policy)
	}
	for _, bad := range []string{"<script", "<img", "javascript:", "secret", "ZgotmplZ", "<no value>"} {
		if strings.Contains(strings.ToLower(html), strings.ToLower(bad)) {
			s.t.Errorf("the page has %q: %s", bad, html)
		}
	}
	text := markup.ReplaceAllString(html, "")
	for _, want := range append(texts, fmt.Sprint(status), h.Get("Deed-Correlation-Id"), "Teams &lt;&amp;&gt;") {
		if !strings.Contains(text, want) {
			s.t.Errorf("the page lacks %q: %s", want, text)
		}
	}
	if h.Get("Deed-Correlation-Id") == "" || strings.Count(html, "<h1>") != 1 || !strings.Contains(html, "<title>") {
		s.t.Errorf("the page is not complete: %s", html)
	}
}

// Whoever looks at a page with a browser is told by a page what has happened and what to do. Programs are told as ever.
func TestProblemsOfPagesArePages(t *testing.T) {
	s := start(t, &gateway.Options{Title: "Teams <&>", MaxBody: 100})
	s.pages()
	for _, c := range []struct {
		method, path, body string
		headers            []string
		status             int
		code               string
		texts              []string
	}{
		{"GET", "/pages/x?no=1", "", nil, 400, "bad-query", []string{"This cannot be asked for", "No: is no parameter of this route."}},
		{"GET", "/pages//x", "", nil, 400, "bad-path", []string{"Check the address"}},
		{"GET", "/pages/x/y", "", nil, 404, "not-found", []string{"There is no such page", "Check the address"}},
		{"GET", "/pages", "", nil, 404, "not-found", []string{"There is no such page"}},
		{"DELETE", "/pages/x", "", nil, 405, "method-not-allowed", []string{"This cannot be done here"}},
		{"DELETE", "/", "", nil, 405, "method-not-allowed", []string{"This cannot be done here"}},
		{"POST", "/pages/body", strings.Repeat(" ", 101), nil, 413, "too-large", []string{"The body has more than 100 bytes.", "Go back, and send less."}},
		{"GET", "/pages/panic", "", nil, 500, "internal", []string{"Something went wrong here", "Load this page again"}},
		{"GET", "/pages/error", "", nil, 500, "internal", []string{"tell who runs this service the correlation"}},
		{"POST", "/pages/error", "{}", nil, 500, "internal", []string{"Something went wrong here"}},
		{"POST", "/pages/x", "{}", []string{"Origin", "https://evil.example"}, 403, "foreign-origin", []string{"This came from another site"}},
		{"GET", "/pages/x", "", []string{"Host", "evil.example"}, 421, "foreign-host", []string{"evil.example"}},
		{"GET", "/pages/it%20is%20so!", "", nil, 418, "odd", []string{"This did not work", "It is so! Go back"}},
		{"GET", "/pages/%3Cscript%3Ealert(1)%3C%2Fscript%3E", "", nil, 400, "bad-path", nil},
		{"GET", "/pages/%3Cimg src=x onerror%3Dalert(1)%3E", "", nil, 418, "odd", []string{"&lt;img src=x"}},
	} {
		r := s.do(c.method, strings.ReplaceAll(c.path, " ", "%20"), c.body, append(c.headers, "Accept", browsers)...)
		s.page(r, c.status, c.texts...)
		again := strings.Contains(string(r.body), `<a href="">`)
		if again != (c.status >= 500 && c.method == "GET") {
			t.Errorf("%s %s: %d: that it can be loaded again is said: %v", c.method, c.path, c.status, again)
		}
		for _, accept := range []string{"application/json", "*/*", ""} {
			r := s.do(c.method, strings.ReplaceAll(c.path, " ", "%20"), c.body, append(c.headers, "Accept", accept)...)
			s.problem(r, c.status, c.code)
			if r.Header.Get("Vary") != "Accept" {
				t.Errorf("%s %s: the JSON does not say that there is a page", c.method, c.path)
			}
		}
	}
}

// What is for programs stays so, whoever asks.
func TestProblemsOfProgramsAreJSON(t *testing.T) {
	s := start(t, nil)
	s.pages()
	for path, status := range map[string]int{"/pagesnot/x": 418, "/pagesnot": 404, "/api/views/none": 404, "/api/none": 404, "/none": 404} {
		r := s.get(path, "Accept", browsers)
		if r.StatusCode != status || r.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: got %s %s", path, r.Status, r.body)
		}
	}
}

// Who prefers JSON, or does not want a page, gets none.
func TestWhoPrefersAPage(t *testing.T) {
	s := start(t, nil)
	s.pages()
	for accept, page := range map[string]bool{
		browsers: true, "text/html": true, "TEXT/HTML; charset=utf-8": true, "application/json;q=0.5, text/html;q=0.9": true, "text/html, application/json": true,
		"": false, "*/*": false, "text/*": false, "text/html;q=0": false, "text/html;q=0.5, application/json": false, "text/html;q=x": false, "text/html;q=NaN": false,
		"text/html;q=0.1, application/problem+json;q=0.2": false, "text/htmlx": false, ";;,": false, "image/avif,image/webp,*/*;q=0.8": false, "text/event-stream": false,
	} {
		kind := s.get("/pages/x", "Accept", accept).Header.Get("Content-Type")
		if (kind == "text/html; charset=utf-8") != page || !page && kind != "application/problem+json" {
			t.Errorf("Accept %q got %s", accept, kind)
		}
	}
	r := s.do("HEAD", "/pages/x", "", "Accept", browsers)
	if r.StatusCode != http.StatusTeapot || len(r.body) != 0 || r.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("HEAD got %s, %v and %d bytes", r.Status, r.Header, len(r.body))
	}
}

// Who may not see a page is told so by a page, with the challenge of the gateway; how it is told does not hang on the route.
func TestWhoMayNotSeeAPage(t *testing.T) {
	authorizer := &denying{err: fmt.Errorf("a secret: %w", gateway.ErrUnauthenticated)}
	s := start(t, &gateway.Options{Title: "Teams <&>", Authorizer: authorizer, Challenge: `Basic realm="teams"`, Rate: 0.001, Burst: 5})
	s.pages()
	r := s.get("/pages/x", "Accept", browsers)
	s.page(r, 401, "You are not signed in", "Sign in, and load this page again.", "Load this page again")
	if r.Header.Get("Www-Authenticate") != `Basic realm="teams"` {
		t.Errorf("WWW-Authenticate %q", r.Header.Get("Www-Authenticate"))
	}
	s.problem(s.get("/pages/x"), 401, "unauthenticated")
	authorizer.err = gateway.ErrForbidden
	s.page(s.get("/", "Accept", browsers), 403, "You may not do this", "Ask who runs this service")
	s.page(s.get("/docs", "Accept", browsers), 403, "You may not do this")
	s.problem(s.get("/docs", "Accept", "application/json"), 403, "forbidden")
	r = s.get("/pages/x", "Accept", browsers)
	s.page(r, 429, "This was asked too often", "More requests per second than allowed.", "in "+r.Header.Get("Retry-After")+" seconds")
}
