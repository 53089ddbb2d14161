package gateway_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/gateway"
	"github.com/deed-es/deed/sqlite"
)

// feed is a stream of server-sent events under test.
type feed struct {
	s      *site
	lines  *bufio.Reader
	cancel context.CancelFunc
	id     string // of the last event
	beats  int
	resp   *http.Response
}

type event struct {
	kind string
	data struct {
		View     string          `json:"view"`
		Key      string          `json:"key"`
		Position deed.Position   `json:"position"`
		Row      json.RawMessage `json:"row"`
	}
	text string
}

func (s *site) follow(path, lastID string, headers ...string) *feed {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute+time.Duration(*feedEvents / *feedPerSecond)*time.Second)
	s.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, "GET", s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		text, _ := io.ReadAll(resp.Body)
		s.t.Fatalf("follow %s: %s %s", path, resp.Status, text)
	}
	return &feed{s: s, lines: bufio.NewReader(resp.Body), cancel: cancel, id: lastID, resp: resp}
}

func (f *feed) close() {
	f.cancel()
	_ = f.resp.Body.Close()
}

// read returns the next event, or why there is none.
func (f *feed) read() (event, error) {
	var e event
	for {
		line, err := f.lines.ReadString('\n')
		if err != nil {
			return e, err
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "\n" && e.kind != "":
			return e, nil
		case name == "" && line != "\n":
			f.beats++
		case name == "id":
			f.id = value
		case name == "event":
			e.kind = value
		case name == "data":
			e.text = value
			if err := json.Unmarshal([]byte(value), &e.data); err != nil {
				return e, err
			}
		}
	}
}

// next returns the next event, which must be of a kind.
func (f *feed) next(kind string) event {
	f.s.t.Helper()
	e, err := f.read()
	if err != nil {
		f.s.t.Fatalf("want %s: %v", kind, err)
	}
	if e.kind != kind {
		f.s.t.Fatalf("got %s %s, want %s", e.kind, e.text, kind)
	}
	return e
}

func (s *site) id(views string) string {
	return fmt.Sprintf("%s;%s.%d", views, s.service.Info().ID, s.service.Info().Incarnation)
}

func TestChanges(t *testing.T) {
	s := start(t, nil)
	s.get("/api/views/members", "Deed-Position", s.join("1", "red").Header.Get("Deed-Position"))
	f := s.follow("/api/changes?view=members", "")
	if e := f.next("snapshot"); e.text != `{"view":"members","position":1}` || f.id != s.id("members@1=1") {
		t.Errorf("got %s, id %s", e.text, f.id)
	}
	s.join("b 1", "red")
	if e := f.next("put"); e.text != `{"view":"members","key":"b 1","position":2,"row":{"team":"red","name":"name of b 1","colour":""}}` {
		t.Errorf("got %s", e.text)
	}
	s.wants(s.post("/api/commands/member/1/paint", `{"colour":"dark"}`), 200)
	if e := f.next("put"); e.data.Key != "1" || f.id != s.id("members@1=3/1") {
		t.Errorf("got %s, id %s", e.text, f.id)
	}
	if e := f.next("put"); e.data.Key != "b 1" || f.id != s.id("members@1=3") {
		t.Errorf("got %s, id %s", e.text, f.id)
	}
	s.wants(s.post(leavePath, `{}`), 200)
	if e := f.next("removed"); e.text != `{"view":"members","key":"1","position":4}` || f.id != s.id("members@1=4") {
		t.Errorf("got %s, id %s", e.text, f.id)
	}
}

// crowd appends n members of a team in one step, and their painting as one event.
func (s *site) crowd(n, size int) {
	s.t.Helper()
	var batch deed.Batch
	name := strings.Repeat("n", size)
	for i := range n {
		data := fmt.Sprintf(`{"team":"crowd","name":%q}`, name)
		e := deed.NewEvent{ID: deed.NewID(), Type: "member-joined", Data: []byte(data)}
		batch.Writes = append(batch.Writes, deed.Write{Stream: deed.Stream("member", fmt.Sprintf("m,%04d", i)), Events: []deed.NewEvent{e}})
	}
	if _, err := s.db.Append(s.t.Context(), batch); err != nil {
		s.t.Fatal(err)
	}
	s.wants(s.post("/api/commands/member/m,0000/paint", `{"colour":"blue"}`), 200)
}

// A client that is cut off inside an event that changed a thousand rows goes on at the next row: each comes once, in order.
func TestResumeInsideAnEvent(t *testing.T) {
	s := start(t, nil)
	const n = 1000
	first := s.follow("/api/changes?view=members&view=teams", "")
	first.next("snapshot")
	first.next("snapshot")
	begin := first.id
	first.close()
	s.crowd(n, 1)
	if err := s.service.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The rows were joined at 1 to n and painted at n+1: only the latter change is left to be told. Cut again and again,
	// within them and between the views.
	seen, id, counted := 0, begin, 0
	for cuts := 0; seen < n || counted < 1; cuts++ {
		f := s.follow("/api/changes?view=members&view=teams", id)
		for range 1 + cuts*7%97 {
			e := f.next("put")
			if e.data.View == "teams" {
				counted++
			} else if want := fmt.Sprintf("m,%04d", seen); e.data.Key != want || e.data.Position != n+1 {
				t.Fatalf("after %s: got %s, want key %s", id, e.text, want)
			} else {
				seen++
			}
			id = f.id
			if seen == n && counted == 1 {
				break
			}
		}
		f.close()
	}
	if want := s.id("members@1=1001,teams@1=1000"); id != want || counted != 1 {
		t.Errorf("id %s after %d counts, want %s", id, counted, want)
	}
	s.join("z", "red")
	f := s.follow("/api/changes?view=teams&view=members", id) // in another order
	f.next("put")
	f.next("put")
}

// What a view cannot go on from gets a reset, and then a snapshot.
func TestReset(t *testing.T) {
	s := start(t, nil)
	s.get("/api/views/members", "Deed-Position", s.join("1", "red").Header.Get("Deed-Position"))
	for name, id := range map[string]string{
		"another version": "members@2=1",
		"another view":    "teams@1=1",
		"beyond the end":  "members@1=9",
		"another log":     "members@1=1;other.1",
		"no id":           "what is this",
		"no version":      "members=1",
	} {
		f := s.follow("/api/changes?view=members", id)
		if e := f.next("reset"); e.text != `{"view":"members","position":1}` || f.id != s.id("") {
			t.Errorf("%s: got %s, id %s", name, e.text, f.id)
		}
		if e := f.next("snapshot"); e.text != `{"view":"members","position":1}` || f.id != s.id("members@1=1") {
			t.Errorf("%s: got %s, id %s", name, e.text, f.id)
		}
		f.close()
	}
	// A client that was cut off between reset and snapshot is told again.
	f := s.follow("/api/changes?view=members", s.id(""))
	f.next("reset")
	f.close()
	f = s.follow("/api/changes?view=members&last-event-id="+url.QueryEscape("members@1=0"), "")
	f.next("put")
	f.close()
	// Rows removed since the cursor are forgotten: the client may have some that are gone.
	s.wants(s.post(leavePath, `{}`), 200)
	if err := s.service.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.db.DropTombstones(t.Context(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	f = s.follow("/api/changes?view=members&view=teams", s.id("members@1=1,teams@1=1"))
	f.next("reset")
	if e := f.next("snapshot"); e.data.View != "members" || e.data.Position != 2 || f.id != s.id("teams@1=1,members@1=2") {
		t.Errorf("got %s, id %s", e.text, f.id)
	}
}

func TestHeartbeat(t *testing.T) {
	s := start(t, &gateway.Options{Heartbeat: time.Millisecond})
	f := s.follow("/api/changes?view=members", "")
	f.next("snapshot")
	for range 3 {
		if line, err := f.lines.ReadString('\n'); err != nil || !strings.HasPrefix(line, ":") {
			t.Fatalf("%q %v, want a comment", line, err)
		}
		if line, err := f.lines.ReadString('\n'); err != nil || line != "\n" {
			t.Fatalf("%q %v", line, err)
		}
	}
}

func TestMaxFollowers(t *testing.T) {
	s := start(t, &gateway.Options{MaxFollowers: 1})
	f := s.follow("/api/changes?view=members", "")
	f.next("snapshot")
	r := s.get("/api/log?follow=true")
	s.problem(r, 503, "busy")
	if r.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

// A client that does not read is dropped, and others are not held up.
func TestSlowClient(t *testing.T) {
	s := start(t, &gateway.Options{WriteTimeout: 50 * time.Millisecond})
	s.crowd(500, 4000)
	if err := s.service.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	dropped := make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.gw.ServeHTTP(w, r)
		close(dropped)
	}))
	server.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		_ = c.(*net.TCPConn).SetWriteBuffer(4096)
		return ctx
	}
	server.Start()
	defer server.Close()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.(*net.TCPConn).SetReadBuffer(4096)
	fmt.Fprintf(conn, "GET /api/changes?view=members&last-event-id=members@1=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
	select {
	case <-dropped:
	case <-time.After(time.Minute):
		t.Fatal("a client that does not read is still served")
	}
	f := s.follow("/api/changes?view=members", "members@1=0")
	for range 500 {
		f.next("put")
	}
}

// restored is a site over a log that looks as if it had been restored.
func restored(t *testing.T, info deed.LogInfo, events int) *site {
	t.Helper()
	db, err := sqlite.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	s := &site{t: t, db: db, log: &logged{}}
	store := &otherLog{DB: db, info: info}
	if s.service, err = deed.NewService(deed.Config{Store: store, Views: db}, members, rows); err != nil {
		t.Fatal(err)
	}
	if s.gw, err = gateway.New(s.service, nil); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s.gw)
	t.Cleanup(server.Close)
	t.Cleanup(s.gw.Stop)
	s.url = server.URL
	for i := range events {
		s.join(fmt.Sprint(i), "red")
	}
	return s
}

// otherLog is a log of another identity.
type otherLog struct {
	*sqlite.DB
	info deed.LogInfo
}

func (o *otherLog) Info() deed.LogInfo { return o.info }
