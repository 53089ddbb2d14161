package gateway_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/deed-es/deed/gateway"
)

// Without an Authorizer only this machine is served.
func TestServeRefusesTheWorld(t *testing.T) {
	s := open(t, nil)
	for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0"} {
		err := gateway.Serve(t.Context(), addr, s.gw)
		if err == nil || !strings.Contains(err.Error(), "Authorizer") {
			t.Errorf("%s: %v", addr, err)
		}
	}
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := gateway.ServeListener(t.Context(), l, s.gw); err == nil || !strings.Contains(err.Error(), "Authorizer") {
		t.Errorf("listener: %v", err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener is still open: %v", err)
	}
	if err := gateway.Serve(t.Context(), "nonsense", s.gw); err == nil {
		t.Error("an address that is none is served")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	open := open(t, &gateway.Options{Authorizer: gateway.AllowAll})
	if err := gateway.ServeListener(ctx, listen(t, "0.0.0.0:0"), open.gw); err != nil {
		t.Errorf("with an Authorizer: %v", err)
	}
}

func listen(t *testing.T, addr string) net.Listener {
	t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// When its context ends, Serve ends who follows, lets go of who waits, and returns nil.
func TestServeStops(t *testing.T) {
	asked := make(announcing, 1)
	s := open(t, &gateway.Options{Authorizer: asked})
	l := listen(t, "127.0.0.1:0")
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- gateway.ServeListener(ctx, l, s.gw) }()
	s.url = "http://" + l.Addr().String()
	s.join("1", "red")
	changes := s.follow("/api/changes?view=members", "")
	changes.next("snapshot")
	records := s.follow("/api/log", "", "Accept", "text/event-stream")
	records.next("record")

	waiting := make(chan reply, 1)
	go func() {
		waiting <- s.get("/api/views/members/1", "Deed-Position", s.token(1), "Prefer", "wait=60")
	}()
	<-asked
	cancel()
	for _, f := range []*feed{changes, records} {
		if e, err := f.read(); err == nil {
			t.Errorf("got %s after the end", e.text)
		}
	}
	s.problem(<-waiting, 504, "behind")
	if err := <-stopped; err != nil {
		t.Errorf("Serve returned %v", err)
	}
	if _, err := http.Get(s.url + "/healthz"); err == nil {
		t.Error("the server still answers")
	}
}

// announcing is an Authorizer that tells when somebody asks for a row.
type announcing chan struct{}

func (a announcing) Authorize(_ *http.Request, action gateway.Action) (string, error) {
	if action.Key != "" {
		a <- struct{}{}
	}
	return "", nil
}

// Who waits for a view is let go when the gateway stops.
func TestStopEndsWaiting(t *testing.T) {
	s := open(t, nil)
	s.join("1", "red")
	s.gw.Stop()
	s.problem(s.get("/api/views/members/1", "Deed-Position", s.token(1), "Prefer", "wait=60"), 504, "behind")
	s.wants(s.get("/api/views/members"), 200)
}

func TestServe(t *testing.T) {
	s := open(t, nil)
	probe := listen(t, "127.0.0.1:0")
	_, port, err := net.SplitHostPort(probe.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = probe.Close()
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- gateway.Serve(ctx, "localhost:"+port, s.gw) }()
	for {
		resp, err := http.Get("http://localhost:" + port + "/healthz")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode != 200 {
				t.Errorf("got %s", resp.Status)
			}
			break
		}
		select {
		case err := <-stopped:
			t.Fatal(err)
		default:
		}
	}
	cancel()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// announce sends the head of a request with a JSON body, and the first of its bytes.
func (s *site) announce(size, begin string) reply {
	s.t.Helper()
	conn, err := (&net.Dialer{}).DialContext(s.t.Context(), "tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %s\r\n\r\n%s", joinPath, size, begin)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return reply{resp, body}
}

// A body that does not come is not waited for, and no room is made for one that is too large.
func TestSlowBody(t *testing.T) {
	s := start(t, &gateway.Options{BodyTimeout: 20 * time.Millisecond})
	s.problem(s.announce("20", "{"), 408, "timeout")
	s.problem(s.announce("1000000000000000", ""), 413, "too-large")
	if s.head() != 0 {
		t.Error("something was stored")
	}
}

// The time that a client has for a body is over once the body is there: handling it may take longer.
func TestBodyTimeoutIsForTheBody(t *testing.T) {
	s := start(t, &gateway.Options{BodyTimeout: 20 * time.Millisecond})
	err := s.gw.Handle(gateway.Route{Method: "POST", Pattern: "/slow", Handle: func(c *gateway.Call) error {
		var body newMember
		if err := c.Decode(&body); err != nil {
			return err
		}
		select {
		case <-c.Context().Done():
			return c.Context().Err()
		case <-time.After(60 * time.Millisecond):
			return c.Reply(200, body)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	s.wants(s.post("/slow", joinBody), 200)
}
