package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/gateway"
	"github.com/deed-es/deed/sqlite"
)

// The domain of these tests: members of teams, which have colours.

type (
	joined struct {
		Team string `json:"team"`
		Name string `json:"name"`
	}
	painted struct {
		Team   string `json:"team"`
		Colour string `json:"colour"`
	}
	left struct{}
)

func (joined) EventType() string    { return "member-joined" }
func (joined) EventTags() []string  { return []string{"kind:member"} }
func (painted) EventType() string   { return "team-painted" }
func (left) EventType() string      { return "member-left" }
func (j join) CommandType() string  { return "join" }
func (p paint) CommandType() string { return "paint" }
func (leave) CommandType() string   { return "leave" }
func (explode) CommandType() string { return "explode" }

type (
	join struct {
		Team string `json:"team"`
		Name string `json:"name"`
		Age  int    `json:"age,omitempty"`
	}
	paint struct {
		Colour string `json:"colour"`
	}
	leave   struct{}
	explode struct{}
)

type member struct {
	Team string `json:"team"`
	In   bool   `json:"in"`
}

func (m member) decide(c deed.Command) ([]deed.Event, error) {
	switch c := c.(type) {
	case join:
		if c.Name == "" {
			return nil, &deed.InvalidError{Field: "name", Reason: "must not be empty"}
		}
		if m.In {
			return nil, deed.Reject("member-exists", "the member is in a team")
		}
		return []deed.Event{joined{Team: c.Team, Name: c.Name}}, nil
	case paint:
		return []deed.Event{painted{Team: m.Team, Colour: c.Colour}}, nil
	case leave:
		if !m.In {
			return nil, fmt.Errorf("the member is in no team: %w", deed.ErrNotFound)
		}
		return []deed.Event{left{}}, nil
	}
	panic("the secret of the domain")
}

func (m member) evolve(e deed.Event) member {
	switch e := e.(type) {
	case joined:
		return member{Team: e.Team, In: true}
	case left:
		return member{}
	}
	return m
}

var events = []deed.Event{joined{}, painted{}, left{}}

var members = deed.Decider[member, deed.Command, deed.Event]{
	Category: "member", Commands: []deed.Command{join{}, paint{}, leave{}, explode{}}, Events: events,
	Decide: member.decide, Evolve: member.evolve,
}

type row struct {
	Team   string `json:"team"`
	Name   string `json:"name"`
	Colour string `json:"colour"`
}

var rows = deed.Projection[row, deed.Event]{
	Name: "members", Events: events, Index: []string{"team", "name"},
	Route: func(r deed.Recorded[deed.Event]) []deed.Target {
		if e, ok := r.Event.(painted); ok {
			return []deed.Target{deed.ToWhere("team", e.Team)}
		}
		return []deed.Target{deed.ToKey(r.Stream.ID())}
	},
	Evolve: func(v row, r deed.Recorded[deed.Event]) row {
		switch e := r.Event.(type) {
		case joined:
			return row{Team: e.Team, Name: e.Name}
		case painted:
			if e.Colour == "ultraviolet" {
				panic("nobody can see it")
			}
			v.Colour = e.Colour
			return v
		}
		return row{}
	},
}

type team struct {
	Members int `json:"members"`
}

var teams = deed.Projection[team, deed.Event]{
	Name: "teams", Events: []deed.Event{joined{}},
	Key:    func(r deed.Recorded[deed.Event]) string { return r.Event.(joined).Team },
	Evolve: func(v team, _ deed.Recorded[deed.Event]) team { return team{v.Members + 1} },
}

// site is a gateway under test.
type site struct {
	t       *testing.T
	db      *sqlite.DB
	service *deed.Service
	gw      *gateway.Gateway
	url     string
	log     *logged
}

// open makes a site whose views do not move until run is called.
func open(t *testing.T, o *gateway.Options) *site {
	t.Helper()
	db, err := sqlite.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return over(t, db, o)
}

// over makes a site over a log.
func over(t *testing.T, db *sqlite.DB, o *gateway.Options) *site {
	t.Helper()
	return of(t, db, o, members, rows, teams)
}

// of makes a site of parts.
func of(t *testing.T, db *sqlite.DB, o *gateway.Options, parts ...deed.Part) *site {
	t.Helper()
	s := &site{t: t, db: db, log: &logged{}}
	var err error
	if s.service, err = deed.NewService(deed.Config{Store: db, Views: db}, parts...); err != nil {
		t.Fatal(err)
	}
	if o == nil {
		o = &gateway.Options{}
	}
	o.Logger = slog.New(slog.NewTextHandler(s.log, nil))
	if s.gw, err = gateway.New(s.service, o); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s.gw)
	t.Cleanup(server.Close)
	t.Cleanup(s.gw.Stop)
	s.url = server.URL
	return s
}

// start makes a site that runs.
func start(t *testing.T, o *gateway.Options) *site {
	t.Helper()
	s := open(t, o)
	s.run()
	return s
}

func (s *site) run() {
	ended := make(chan struct{})
	stopped := s.runUntil(ended)
	s.t.Cleanup(func() {
		close(ended)
		<-stopped
	})
}

// runUntil runs the service until a channel is closed; the one returned is closed when it has stopped.
func (s *site) runUntil(ended chan struct{}) (stopped chan struct{}) {
	ctx, cancel := context.WithCancel(context.Background())
	stopped = make(chan struct{})
	go func() {
		<-ended
		cancel()
	}()
	go func() {
		defer close(stopped)
		if err := s.service.Run(ctx); err != nil {
			s.t.Error(err)
		}
	}()
	return stopped
}

// reply is an answer that was read.
type reply struct {
	*http.Response
	body []byte
}

// do sends a request; headers are given as name, value, name, value.
func (s *site) do(method, path, body string, headers ...string) reply {
	s.t.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, r)
	if err != nil {
		s.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return reply{resp, text}
}

func (s *site) get(path string, headers ...string) reply { return s.do("GET", path, "", headers...) }

func (s *site) post(path, body string, headers ...string) reply {
	return s.do("POST", path, body, headers...)
}

// raw sends a request's target as it is written here.
func (s *site) raw(method, target, body string) reply {
	s.t.Helper()
	addr := strings.TrimPrefix(s.url, "http://")
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(s.t.Context(), "tcp", addr)
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		method, target, addr, len(body), body)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return reply{resp, text}
}

func (s *site) join(id, team string, headers ...string) reply {
	s.t.Helper()
	r := s.post("/api/commands/member/"+id+"/join", fmt.Sprintf(`{"team":%q,"name":%q}`, team, "name of "+id), headers...)
	s.wants(r, 200)
	return r
}

func (s *site) wants(r reply, status int) {
	s.t.Helper()
	if r.StatusCode != status {
		s.t.Fatalf("got %s %s, want %d", r.Status, r.body, status)
	}
}

// problem holds r to be a problem with a status and a code, and returns its members.
func (s *site) problem(r reply, status int, code string) map[string]any {
	s.t.Helper()
	var p map[string]any
	if err := json.Unmarshal(r.body, &p); err != nil {
		s.t.Fatalf("%s %q: %v", r.Status, r.body, err)
	}
	if r.StatusCode != status || p["code"] != code || p["status"] != float64(status) || p["type"] != "urn:deed:problem:"+code {
		s.t.Errorf("got %s %s, want %d %s", r.Status, r.body, status, code)
	}
	if r.Header.Get("Content-Type") != "application/problem+json" || p["title"] == "" || p["detail"] == "" {
		s.t.Errorf("%q %s is no complete problem", r.Header.Get("Content-Type"), r.body)
	}
	if id := r.Header.Get("Deed-Correlation-Id"); id == "" || p["correlation"] != id {
		s.t.Errorf("the correlation %v is not the header's, %q", p["correlation"], id)
	}
	return p
}

func (s *site) head() deed.Position {
	s.t.Helper()
	head, err := s.service.Head(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return head
}

// token is a position of the site's log as clients have it.
func (s *site) token(p deed.Position) string {
	info := s.service.Info()
	return gateway.Token{Log: info.ID, Incarnation: info.Incarnation, Position: p}.String()
}

// strictly decodes JSON that must have exactly the fields of v.
func (s *site) strictly(data []byte, v any) {
	s.t.Helper()
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		s.t.Fatalf("%s: %v", data, err)
	}
}

// logged is what a logger has written.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
