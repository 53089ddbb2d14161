package gateway_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/gateway"
)

type newMember struct {
	Team string `json:"team"`
	Name string `json:"name"`
}

type created struct {
	ID string `json:"id"`
}

// face adds routes of the service's own.
func (s *site) face() {
	s.t.Helper()
	carry := members.Handler(s.db)
	err := s.gw.Handle(
		gateway.Route{
			Method: "POST", Pattern: "/members", Summary: "a member joins, and paints the team", Query: []gateway.Parameter{},
			Body: newMember{}, Answers: map[int]any{201: created{}},
			Handle: func(c *gateway.Call) error {
				var body newMember
				if err := c.Decode(&body); err != nil {
					return err
				}
				id := c.NewID()
				joined, err := carry.Handle(c.Command("join"), id, join{Team: body.Team, Name: body.Name})
				if err != nil {
					return err
				}
				painted, err := carry.Handle(c.Command("paint"), id, paint{Colour: "white"})
				if err != nil {
					return err
				}
				c.Writer.Header().Set("Location", "/members/"+id)
				return c.Reply(http.StatusCreated, created{ID: id}, joined, painted)
			},
		},
		gateway.Route{
			Method: "GET", Pattern: "/members/{memberId}",
			Handle: func(c *gateway.Call) error {
				id, err := c.PathID("memberId")
				if err != nil {
					return err
				}
				return c.Row("members", id)
			},
		},
		gateway.Route{
			Method: "GET", Pattern: "/teams/{team}/members", Query: gateway.ListQuery,
			Handle: func(c *gateway.Call) error {
				return c.List("members", deed.Where{Field: "team", Value: c.Request.PathValue("team")})
			},
		},
		gateway.Route{Method: "DELETE", Pattern: "/members/{memberId}", Handle: func(*gateway.Call) error { return nil }},
		gateway.Route{Method: "GET", Pattern: "/fails/{how}", Handle: fails},
	)
	if err != nil {
		s.t.Fatal(err)
	}
}

func fails(c *gateway.Call) error {
	switch c.Request.PathValue("how") {
	case "panic":
		panic("a secret")
	case "half":
		_, _ = c.Writer.Write([]byte("half of it"))
		_ = http.NewResponseController(c.Writer).Flush()
		return errors.New("a secret")
	case "problem":
		return fmt.Errorf("wrapped: %w", &gateway.Problem{Status: 418, Code: "teapot", Title: "Tea", Detail: "short and stout", More: map[string]any{"spout": true}})
	case "busy":
		return fmt.Errorf("append: %w", deed.ErrBusy)
	case "unknown":
		return deed.ErrUnknown
	case "closed":
		return deed.ErrClosed
	case "forked":
		return deed.ErrForked
	case "conflict":
		return &deed.ConflictError{Stream: "a-1"}
	}
	return errors.New("a secret")
}

func TestOwnFace(t *testing.T) {
	s := start(t, nil)
	s.face()
	const body = `{"team":"red","name":"ann"}`
	first := s.post("/members", body, "Idempotency-Key", "k")
	s.wants(first, 201)
	var made created
	s.strictly(first.body, &made)
	if first.Header.Get("Location") != "/members/"+made.ID || first.Header.Get("Deed-Position") != s.token(2) || made.ID[14] != '8' {
		t.Errorf("%v %v", made, first.Header)
	}
	again := s.post("/members", body, "Idempotency-Key", "k")
	if string(again.body) != string(first.body) || again.StatusCode != 201 || again.Header.Get("Deed-Again") != "true" || s.head() != 2 {
		t.Errorf("again: %s %s, %d events", again.Status, again.body, s.head())
	}
	s.problem(s.post("/members", `{"team":"red","name":"bob"}`, "Idempotency-Key", "k"), 422, "key-reused")
	other := s.post("/members", body)
	s.wants(other, 201)
	s.strictly(other.body, &made)
	if made.ID[14] != '7' {
		t.Errorf("id %s, want a UUIDv7", made.ID)
	}
	position := other.Header.Get("Deed-Position")
	r := s.get("/members/"+made.ID, "Deed-Position", position)
	s.wants(r, 200)
	if r.Header.Get("Etag") != `"p4"` || !strings.Contains(string(r.body), `"colour":"white"`) {
		t.Errorf("%s %v", r.body, r.Header)
	}
	var page gateway.RowsAnswer
	s.strictly(s.get("/teams/red/members?limit=1", "Deed-Position", position).body, &page)
	if len(page.Rows) != 1 || page.Next == "" || page.Position != 4 {
		t.Errorf("page %+v", page)
	}
	if r := s.do("DELETE", "/members/1", ""); r.StatusCode != 204 {
		t.Errorf("got %s, want 204 where nothing is said", r.Status)
	}
}

// A service's own routes have the protections of the others.
func TestOwnFaceIsProtected(t *testing.T) {
	s := start(t, nil)
	s.face()
	s.problem(s.post("/members", `{"team":1}`), 422, "invalid")
	s.problem(s.post("/members", `{"team":"a","name":"b","id":"c"}`), 422, "invalid")
	s.problem(s.post("/members", `[`), 400, "malformed")
	s.problem(s.post("/members?x=1", `{}`), 400, "bad-query")
	s.problem(s.post("/members", `{}`, "Content-Type", "text/plain"), 415, "unsupported-media-type")
	s.problem(s.post("/members", `{"team":"`+strings.Repeat("a", 1<<20)+`"}`), 413, "too-large")
	s.problem(s.post("/members", `{"team":"a"}`), 422, "invalid") // the domain's
	s.problem(s.post("/members", `{}`, "Sec-Fetch-Site", "cross-site"), 403, "foreign-origin")
	s.problem(s.raw("GET", "/members/a%2Fb", ""), 400, "bad-path")
	s.problem(s.get("/members/nobody"), 404, "not-found")
	s.problem(s.do("PATCH", "/members", "{}"), 405, "method-not-allowed")
	if s.head() != 0 {
		t.Errorf("%d events were stored", s.head())
	}
}

func TestProblems(t *testing.T) {
	s := start(t, nil)
	s.face()
	for how, want := range map[string]struct {
		status int
		code   string
	}{
		"panic": {500, "internal"}, "other": {500, "internal"}, "problem": {418, "teapot"}, "busy": {503, "busy"},
		"unknown": {503, "outcome-unknown"}, "closed": {503, "unavailable"}, "forked": {409, "foreign-position"},
		"conflict": {409, "conflict"},
	} {
		r := s.get("/fails/" + how)
		p := s.problem(r, want.status, want.code)
		if strings.Contains(string(r.body), "secret") {
			t.Errorf("%s tells too much: %s", how, r.body)
		}
		if want.status == 503 && r.Header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", how)
		}
		if how == "problem" && (p["spout"] != true || p["title"] != "Tea") {
			t.Errorf("got %v", p)
		}
	}
	// An answer that has begun is cut off, so that nobody takes it for whole.
	resp, err := http.Get(s.url + "/fails/half")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	buf := make([]byte, 100)
	n, err := resp.Body.Read(buf)
	for err == nil {
		_, err = resp.Body.Read(buf[n:])
	}
	if err.Error() == "EOF" {
		t.Errorf("half an answer was taken for whole: %q", buf[:n])
	}
}

func TestHealth(t *testing.T) {
	s := open(t, nil)
	s.wants(s.get("/healthz"), 200)
	p := s.problem(s.get("/readyz"), 503, "not-ready")
	if parts := p["parts"].([]any); len(parts) != 2 {
		t.Errorf("got %v, want both views", parts)
	}
	s.run()
	if err := s.service.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := s.get("/readyz")
	s.wants(r, 200)
	var ready gateway.ReadyAnswer
	s.strictly(r.body, &ready)
	if ready.Status != "ready" || len(ready.Parts) != 2 || !ready.Parts[0].Ready {
		t.Errorf("got %s", r.body)
	}
	s = open(t, nil)
	_ = s.db.Close()
	s.problem(s.get("/readyz"), 503, "unavailable")
	s.problem(s.get("/api/state/member/1"), 503, "unavailable")
}
