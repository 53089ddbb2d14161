package gateway_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/gateway"
	"github.com/deed-es/deed/sqlite"
)

// What one request asks for is bounded, and what no list or log can have is refused before the store is asked.
func TestQuestionsAreBounded(t *testing.T) {
	s := start(t, nil)
	at := s.join("1", "red").Header.Get("Deed-Position")
	where := strings.Repeat("&where.team=red", 16)
	s.wants(s.get("/api/views/members?limit=1"+where, "Deed-Position", at), 200)
	p := s.problem(s.get("/api/views/members?limit=1"+where+"&where.name=x"), 400, "bad-query")
	if p["field"] != "where" {
		t.Errorf("the field is %v", p["field"])
	}
	tags := strings.Repeat("&tag=kind:member", 64)
	s.wants(s.get("/api/log?limit=1"+tags), 200)
	if p := s.problem(s.get("/api/log?limit=1"+tags+"&tag=kind:member"), 400, "bad-query"); p["field"] != "tags" {
		t.Errorf("the field is %v", p["field"])
	}
	for _, cursor := range []string{"members/%00", "members/a%07", "members//member-%00"} {
		s.problem(s.get("/api/parked?cursor="+cursor), 400, "cursor-expired")
	}
	s.wants(s.get("/api/parked?cursor=members//member-1"), 200)
}

// A route that reads the body itself does not wait for it for ever either.
func TestSlowBodyOfARouteThatReadsItself(t *testing.T) {
	s := start(t, &gateway.Options{BodyTimeout: 20 * time.Millisecond})
	read := make(chan error, 2)
	err := s.gw.Handle(gateway.Route{Method: "POST", Pattern: "/upload", Handle: func(c *gateway.Call) error {
		_, err := io.ReadAll(c.Request.Body)
		read <- err
		return c.Reply(200, nil)
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, framing := range []string{"Content-Length: 20\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"} {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = fmt.Fprintf(conn, "POST /upload HTTP/1.1\r\nHost: localhost\r\n%s", framing)
		select {
		case err := <-read:
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("reading failed with %v", err)
			}
		case <-time.After(20 * time.Second):
			t.Error("the body is still waited for")
			return
		}
	}
}

// lingering has rows that take their time.
type lingering struct {
	*sqlite.DB
	pages time.Duration
}

func (l lingering) ListRows(ctx context.Context, view deed.ViewRef, q deed.RowQuery) ([]deed.Row, deed.Position, error) {
	select {
	case <-time.After(l.pages):
	case <-ctx.Done():
	}
	return l.DB.ListRows(ctx, view, q)
}

// A comparison takes as long as it has to: its answer comes, however little time a server gives to others.
func TestLongComparison(t *testing.T) {
	const bound = 20 * time.Millisecond
	db := lingering{inMemory(t), 10 * bound}
	service, err := deed.NewService(deed.Config{Store: db, Views: db}, members, rows, raised(2, anyhow))
	if err != nil {
		t.Fatal(err)
	}
	gw, err := gateway.New(service, nil)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(gw)
	server.Config.WriteTimeout = bound
	server.Start()
	t.Cleanup(server.Close)
	t.Cleanup(gw.Stop)
	s := &site{t: t, db: db.DB, service: service, gw: gw, url: server.URL, log: &logged{}}
	s.run()
	if err := service.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, err := s.once("/api/parts/members/compare?left=1&right=2")
	if err != nil {
		t.Fatalf("there is no answer: %v", err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != 200 || !strings.Contains(string(text), `"same":0`) {
		t.Errorf("%s %s, %v", r.Status, text, err)
	}
}

// once asks one time, on a connection of its own.
func (s *site) once(path string) (*http.Response, error) {
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(s.t.Context(), "tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		return nil, err
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path); err != nil {
		return nil, err
	}
	return http.ReadResponse(bufio.NewReader(conn), nil)
}
