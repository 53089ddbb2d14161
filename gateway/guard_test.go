package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/deed-es/deed/gateway"
)

// byHeader is an Authorizer that believes who says who they are.
type byHeader struct{}

func (byHeader) Authorize(r *http.Request, _ gateway.Action) (string, error) {
	return r.Header.Get("Actor"), nil
}

// denying refuses everything, and knows what it was asked.
type denying struct {
	err   error
	mu    sync.Mutex
	asked []gateway.Action
}

func (d *denying) Authorize(_ *http.Request, a gateway.Action) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, a)
	return "", d.err
}

// The Authorizer is asked about every route that there is, before anything else is looked at.
func TestAuthorizerIsAskedOnEachRoute(t *testing.T) {
	authorizer := &denying{err: fmt.Errorf("no: %w", gateway.ErrForbidden)}
	s := start(t, &gateway.Options{Authorizer: authorizer})
	if err := s.gw.Handle(gateway.Route{Method: "PUT", Pattern: "/things/{id}", Handle: func(*gateway.Call) error { panic("reached") }}); err != nil {
		t.Fatal(err)
	}
	routes := s.gw.Routes()
	if len(routes) < 10 {
		t.Fatalf("%d routes", len(routes))
	}
	wildcard := regexp.MustCompile(`\{[a-zA-Z]+\}`)
	for _, r := range routes {
		authorizer.asked = nil
		s.problem(s.do(r.Method, wildcard.ReplaceAllString(r.Pattern, "x")+"?bad=1", ""), 403, "forbidden")
		if len(authorizer.asked) != 1 || authorizer.asked[0].Route != r.Method+" "+r.Pattern {
			t.Errorf("%s %s: asked about %+v", r.Method, r.Pattern, authorizer.asked)
		}
		if r.Summary == "" && r.Pattern != "/things/{id}" || r.Answers == nil && r.Pattern != "/things/{id}" {
			t.Errorf("%s %s is not described", r.Method, r.Pattern)
		}
	}
	authorizer.asked = nil
	s.get("/api/changes?view=members&view=teams")
	s.post("/api/commands/member/7/join", `{}`)
	want := []gateway.Action{
		{Route: "GET /api/changes", View: "members"},
		{Route: "POST /api/commands/{category}/{id}/{command}", Category: "member", ID: "7", Command: "join"},
	}
	if len(authorizer.asked) != 2 || authorizer.asked[0] != want[0] || authorizer.asked[1] != want[1] {
		t.Errorf("asked about %+v, want %+v", authorizer.asked, want)
	}
	authorizer.err = gateway.ErrUnauthenticated
	r := s.get("/healthz")
	s.problem(r, 401, "unauthenticated")
	if r.Header.Get("Www-Authenticate") != "Bearer" {
		t.Errorf("WWW-Authenticate %q", r.Header.Get("Www-Authenticate"))
	}
	authorizer.err = errors.New("the directory is away")
	s.problem(s.get("/healthz"), 500, "internal")
}

// The events between are told only to who may read the stream.
func TestMismatchAsksForTheStream(t *testing.T) {
	s := start(t, &gateway.Options{Authorizer: onlyCommands{}})
	s.join("1", "red")
	p := s.problem(s.post(joinPath, joinBody, "If-None-Match", "*"), 412, "version-mismatch")
	if _, told := p["events"]; told || p["version"] != 1.0 {
		t.Errorf("got %v, want the version and no events", p)
	}
}

type onlyCommands struct{}

func (onlyCommands) Authorize(_ *http.Request, a gateway.Action) (string, error) {
	if strings.HasPrefix(a.Route, "POST") {
		return "", nil
	}
	return "", gateway.ErrForbidden
}

// A name that a browser may have been tricked into pointing at this machine is not ours.
func TestHosts(t *testing.T) {
	s := start(t, &gateway.Options{Hosts: []string{"Shop.Example"}})
	port := s.url[strings.LastIndexByte(s.url, ':'):]
	for _, host := range []string{"localhost" + port, "LOCALHOST", "localhost.:1", "127.0.0.1:99", "[::1]:80", "shop.example", "shop.example:443"} {
		if r := s.get("/healthz", "Host", host); r.StatusCode != 200 {
			t.Errorf("%s: %s", host, r.Status)
		}
	}
	for _, host := range []string{"evil.example", "localhost.evil.example" + port, "10.0.0.7" + port, "127.0.0.1.evil.example", "[::2]"} {
		s.problem(s.get("/healthz", "Host", host), 421, "foreign-host")
		s.problem(s.post(joinPath, joinBody, "Host", host), 421, "foreign-host")
	}
	for given, want := range map[string]string{"": "", "a:1": "a", "[::1]": "::1", "[::1]:8": "::1", "::1": "::1", "A.": "a", ":1": "", "[": ""} {
		if got := gateway.HostOf(given); got != want {
			t.Errorf("host of %q: %q, want %q", given, got, want)
		}
	}
	open := start(t, &gateway.Options{Hosts: []string{"*"}})
	open.wants(open.get("/healthz", "Host", "anything.example"), 200)
}

func TestOrigins(t *testing.T) {
	s := start(t, &gateway.Options{Origins: []string{"https://shop.example"}})
	s.problem(s.post(joinPath, joinBody, "Sec-Fetch-Site", "cross-site"), 403, "foreign-origin")
	s.problem(s.post(joinPath, joinBody, "Origin", "https://evil.example"), 403, "foreign-origin")
	if s.head() != 0 {
		t.Fatal("something was stored")
	}
	s.wants(s.post(joinPath, joinBody, "Origin", s.url), 200)
	s.wants(s.post(leavePath, `{}`, "Origin", "https://shop.example", "Sec-Fetch-Site", "cross-site"), 200)
}

func TestRate(t *testing.T) {
	s := start(t, &gateway.Options{Authorizer: byHeader{}, Rate: 0.001, Burst: 2})
	for _, actor := range []string{"ann", "bob", ""} { // nobody is counted by address
		s.wants(s.get("/healthz", "Actor", actor), 200)
		s.wants(s.get("/healthz", "Actor", actor), 200)
		for range 3 { // a request that was refused does not count
			r := s.get("/healthz", "Actor", actor)
			s.problem(r, 429, "too-many-requests")
			if seconds, err := strconv.Atoi(r.Header.Get("Retry-After")); err != nil || seconds < 900 || seconds > 1000 {
				t.Errorf("Retry-After %q", r.Header.Get("Retry-After"))
			}
		}
	}
}

func TestOptions(t *testing.T) {
	s := open(t, nil)
	_, err := gateway.New(s.service, &gateway.Options{
		Hosts: []string{"a/b"}, Origins: []string{"shop"}, MaxBody: -1, MaxPage: 1001, Rate: -1, Timeout: -1, Challenge: "a\nb",
	})
	for _, field := range []string{"Hosts", "Origins", "MaxBody", "MaxPage", "Rate", "Timeout", "Challenge"} {
		if err == nil || !strings.Contains(err.Error(), field+":") {
			t.Errorf("%v lacks %s", err, field)
		}
	}
	if _, err := gateway.New(nil, nil); err == nil {
		t.Error("no service is taken for one")
	}
	for _, r := range []gateway.Route{
		{Method: "GET", Pattern: "/healthz", Handle: func(*gateway.Call) error { return nil }},
		{Method: "GET", Pattern: "/a/{", Handle: func(*gateway.Call) error { return nil }},
		{Method: "FETCH", Pattern: "/a", Handle: func(*gateway.Call) error { return nil }},
		{Method: "GET", Pattern: "/a"},
	} {
		if s.gw.Handle(r) == nil {
			t.Errorf("%s %s was taken", r.Method, r.Pattern)
		}
	}
}

// The address that a connection came to is a name of ours: no page can have it as its own.
func TestHostIsTheAddress(t *testing.T) {
	s := open(t, nil)
	local := &net.TCPAddr{IP: net.IPv4(10, 0, 0, 7), Port: 80}
	ctx := context.WithValue(t.Context(), http.LocalAddrContextKey, net.Addr(local))
	for host, want := range map[string]int{"10.0.0.7": 200, "10.0.0.7:8080": 200, "10.0.0.8": 421, "[::ffff:10.0.0.7]": 200} {
		w := httptest.NewRecorder()
		s.gw.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", "http://"+host+"/healthz", nil))
		if w.Code != want {
			t.Errorf("%s: %d, want %d", host, w.Code, want)
		}
	}
}

// A gateway is a plain http.Handler as well.
func TestRecorder(t *testing.T) {
	s := start(t, nil)
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(context.Background(), "POST", "http://localhost"+joinPath, strings.NewReader(joinBody))
	r.Header.Set("Content-Type", "application/json")
	s.gw.ServeHTTP(w, r)
	if w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
