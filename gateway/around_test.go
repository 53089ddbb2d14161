package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/deed-es/deed/gateway"
)

// wrapped is a writer of somebody who is around the gateway.
type wrapped struct {
	http.ResponseWriter
	status int
}

func (w *wrapped) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *wrapped) Unwrap() http.ResponseWriter { return w.ResponseWriter }

type aroundKey struct{}

// around tells what it was asked and what came of it, a line for each request.
func around(told chan<- string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			own := r.WithContext(context.WithValue(r.Context(), aroundKey{}, "around"))
			writer := &wrapped{ResponseWriter: w, status: http.StatusOK}
			next.ServeHTTP(writer, own)
			told <- fmt.Sprintf("%s: %d", own.Pattern, writer.status)
		})
	}
}

// What is around sees everything: routes, what no route answers, and what the protections refuse. It knows the route, and what
// it puts into the context comes to the handlers.
func TestAroundSeesEverything(t *testing.T) {
	told := make(chan string, 1)
	s := start(t, &gateway.Options{Around: around(told)})
	seen := make(chan any, 1)
	own := gateway.Route{Method: "GET", Pattern: "/own/{id}", Handle: func(c *gateway.Call) error {
		seen <- c.Context().Value(aroundKey{})
		return nil
	}}
	if err := s.gw.Handle(own); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, host, want string }{
		{"/own/1", "", "GET /own/{id}: 204"},
		{"/healthz", "", "GET /healthz: 200"},
		{"/nowhere", "", "/: 404"},
		{"/healthz", "evil.example", ": 421"},
		{"/a//b", "", ": 400"},
	} {
		headers := []string{}
		if c.host != "" {
			headers = append(headers, "Host", c.host)
		}
		s.get(c.path, headers...)
		if got := <-told; got != c.want {
			t.Errorf("%s: got %q, want %q", c.path, got, c.want)
		}
	}
	if got := <-seen; got != "around" {
		t.Errorf("the handler was given %v", got)
	}
}

// A server that Serve runs has it around, too.
func TestAroundIsServed(t *testing.T) {
	told := make(chan string, 1)
	s := start(t, &gateway.Options{Around: around(told)})
	l := listen(t, "127.0.0.1:0")
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- gateway.ServeListener(ctx, l, s.gw) }()
	s.url = "http://" + l.Addr().String()
	s.wants(s.get("/healthz"), 200)
	if got, want := <-told, "GET /healthz: 200"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// A body that is too large ends the connection, also where a writer of somebody else's stands between: the rest of it is not
// waited for.
func TestATooLargeBodyEndsTheConnection(t *testing.T) {
	for name, o := range map[string]*gateway.Options{
		"alone": {MaxBody: 100}, "wrapped": {MaxBody: 100, Around: around(make(chan string, 1))},
	} {
		s := start(t, o)
		body := io.MultiReader(strings.NewReader(`{"team":"`), bytes.NewReader(bytes.Repeat([]byte("x"), 1000))) // its size is not known
		r, err := http.NewRequestWithContext(t.Context(), "POST", s.url+joinPath, body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		response, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != 413 || !response.Close {
			t.Errorf("%s: got %s, and the connection is to close: %v", name, response.Status, response.Close)
		}
	}
}

func TestMetricsRoute(t *testing.T) {
	from := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = io.WriteString(w, "up 1\n")
	})
	s := start(t, &gateway.Options{Metrics: from})
	r := s.get("/metrics")
	s.wants(r, 200)
	if string(r.body) != "up 1\n" || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/plain;") || r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("got %v %q", r.Header, r.body)
	}
	s.problem(s.get("/metrics?name=up"), 400, "bad-query")
	s.problem(s.post("/metrics", ""), 405, "method-not-allowed")
	text, err := s.gw.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	if answer := doc.Paths.Value("/metrics").Get.Responses.Status(200); answer.Value.Content["text/plain"] == nil {
		t.Error("the document does not say that /metrics answers with text")
	}

	closed := start(t, &gateway.Options{Metrics: from, Authorizer: &denying{err: gateway.ErrForbidden}})
	closed.problem(closed.get("/metrics"), 403, "forbidden")
	without := start(t, nil)
	without.problem(without.get("/metrics"), 404, "not-found")
}
