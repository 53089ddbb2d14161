package gateway_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/gateway"
)

const (
	joinPath  = "/api/commands/member/1/join"
	joinBody  = `{"team":"red","name":"ann"}`
	leavePath = "/api/commands/member/1/leave"
)

func TestCommand(t *testing.T) {
	s := start(t, nil)
	r := s.post(joinPath, joinBody)
	s.wants(r, 200)
	if want := `{"stream":"member-1","version":1,"position":1}`; string(r.body) != want {
		t.Errorf("got %s, want %s", r.body, want)
	}
	s.strictly(r.body, &gateway.CommandAnswer{})
	if got := r.Header.Get("Deed-Position"); got != s.token(1) {
		t.Errorf("position %q, want %q", got, s.token(1))
	}
	cookie := r.Header.Get("Set-Cookie")
	for _, part := range []string{"Deed-Position=" + s.token(1) + ";", "HttpOnly", "SameSite=Lax", "Path=/"} {
		if !strings.Contains(cookie, part) {
			t.Errorf("the cookie %q lacks %q", cookie, part)
		}
	}
	s.problem(s.post(joinPath, joinBody), 409, "member-exists")
	s.wants(s.post(leavePath, `{}`), 200)
	s.problem(s.post(leavePath, `{}`), 404, "not-found")
}

// The same key with the same body is the first answer again; with another body it is refused.
func TestIdempotencyKey(t *testing.T) {
	s := start(t, nil)
	first := s.post(joinPath, joinBody, "Idempotency-Key", "k1")
	s.wants(first, 200)
	if first.Header.Get("Deed-Again") != "" {
		t.Error("the first answer says that it is given again")
	}
	s.wants(s.post(leavePath, `{}`, "Idempotency-Key", "k1"), 200) // another route
	s.join("2", "red", "Idempotency-Key", "k1")                    // another thing
	again := s.post(joinPath, ` {"name":"ann", "team":"red"} `, "Idempotency-Key", "k1")
	s.wants(again, 200)
	if string(again.body) != string(first.body) || again.Header.Get("Deed-Again") != "true" {
		t.Errorf("got %s, Deed-Again %q, want %s again", again.body, again.Header.Get("Deed-Again"), first.body)
	}
	s.problem(s.post(joinPath, `{"team":"red","name":"bob"}`, "Idempotency-Key", "k1"), 422, "key-reused")
	for _, key := range []string{"", "two words", strings.Repeat("x", 256), "caf\u00e9"} {
		s.problem(s.post(joinPath, joinBody, "Idempotency-Key", key), 400, "bad-header")
	}
	if s.head() != 3 {
		t.Errorf("%d events, want 3", s.head())
	}
}

// A key belongs to who used it.
func TestIdempotencyKeyOfActors(t *testing.T) {
	s := start(t, &gateway.Options{Authorizer: byHeader{}})
	s.wants(s.post(joinPath, joinBody, "Idempotency-Key", "k1", "Actor", "ann"), 200)
	s.problem(s.post(joinPath, joinBody, "Idempotency-Key", "k1", "Actor", "bob"), 409, "member-exists")
}

func TestIfMatch(t *testing.T) {
	s := start(t, nil)
	s.problem(s.post(joinPath, joinBody, "If-Match", `*`), 412, "version-mismatch")
	s.wants(s.post(joinPath, joinBody, "If-None-Match", "*"), 200)
	p := s.problem(s.post(joinPath, joinBody, "If-None-Match", "*"), 412, "version-mismatch")
	if events := p["events"].([]any); p["version"] != 1.0 || len(events) != 1 {
		t.Errorf("got %v, want version 1 and one event", p)
	}
	state := s.get("/api/state/member/1")
	s.wants(s.post("/api/commands/member/1/paint", `{"colour":"blue"}`, "If-Match", state.Header.Get("Etag")), 200)
	s.wants(s.post("/api/commands/member/1/paint", `{"colour":"pink"}`, "If-Match", "*"), 200)
	p = s.problem(s.post(leavePath, `{}`, "If-Match", state.Header.Get("Etag")), 412, "version-mismatch")
	between, err := json.Marshal(p["events"])
	if err != nil {
		t.Fatal(err)
	}
	var records []gateway.RecordAnswer
	s.strictly(between, &records)
	if p["version"] != 3.0 || len(records) != 2 || records[0].Version != 2 || records[1].Type != "team-painted" {
		t.Errorf("got %v, want version 3 and the two events between", p)
	}
	s.problem(s.post(leavePath, `{}`, "If-Match", `"7"`), 412, "version-mismatch")
	for _, tag := range []string{`"p3"`, `W/"3"`, `3`, `"3","4"`, `""`, `"-1"`, `"03"`} {
		s.problem(s.post(leavePath, `{}`, "If-Match", tag), 400, "bad-header")
	}
	s.problem(s.post(leavePath, `{}`, "If-None-Match", `"3"`), 400, "bad-header")
	s.problem(s.post(leavePath, `{}`, "If-None-Match", "*", "If-Match", "*"), 400, "bad-header")
	s.wants(s.post(leavePath, `{}`, "If-Match", `"3"`), 200)
}

func TestState(t *testing.T) {
	s := start(t, nil)
	s.join("1", "red")
	r := s.get("/api/state/member/1")
	s.wants(r, 200)
	if want := `{"stream":"member-1","version":1,"position":1,"state":{"team":"red","in":true}}`; string(r.body) != want {
		t.Errorf("got %s, want %s", r.body, want)
	}
	s.strictly(r.body, &gateway.StateAnswer{})
	if r.Header.Get("Etag") != `"1"` || r.Header.Get("Deed-Position") != s.token(1) {
		t.Errorf("headers %v", r.Header)
	}
	for _, tag := range []string{`"1"`, `W/"1"`, `"0", "1"`, `*`} {
		if r := s.get("/api/state/member/1", "If-None-Match", tag); r.StatusCode != 304 || len(r.body) > 0 || r.Header.Get("Deed-Position") == "" {
			t.Errorf("%s: %s %q", tag, r.Status, r.body)
		}
	}
	s.join("2", "red")
	// What a client has seen elsewhere is not forgotten.
	if r := s.get("/api/state/member/1", "Deed-Position", s.token(2)); r.Header.Get("Deed-Position") != s.token(2) {
		t.Errorf("position %s, want %s", r.Header.Get("Deed-Position"), s.token(2))
	}
	s.problem(s.get("/api/state/member/1", "Deed-Position", s.token(3)), 409, "foreign-position")
}

// Correlation is taken where it is valid, made where it is not, stored with the events, and returned.
func TestCorrelation(t *testing.T) {
	s := start(t, &gateway.Options{Authorizer: byHeader{}})
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	const parent = "00-" + trace + "-00f067aa0ba902b7-01"
	for i, c := range []struct{ header, value, want string }{
		{"Deed-Correlation-Id", "abc-1", "abc-1"},
		{"Traceparent", parent, trace},
		{"Traceparent", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", ""},
		{"Deed-Correlation-Id", "two words", ""},
	} {
		r := s.join(string(rune('a'+i)), "red", c.header, c.value, "Actor", "ann")
		got := r.Header.Get("Deed-Correlation-Id")
		if c.want != "" && got != c.want || got == "" || got == c.value != (c.value == c.want) {
			t.Errorf("%s: %q: got %q", c.header, c.value, got)
		}
		for record, err := range s.service.Log().Read(t.Context(), deed.Query{After: deed.Position(i)}) {
			if err != nil {
				t.Fatal(err)
			}
			if meta := record.Meta(); meta.Correlation != got || meta.Actor != "ann" {
				t.Errorf("stored %+v, answered %q", meta, got)
			}
		}
	}
}

// A panic is a problem of its request, is logged, and does not tell the client what it was.
func TestPanic(t *testing.T) {
	s := start(t, nil)
	r := s.post("/api/commands/member/1/explode", `{}`, "Deed-Correlation-Id", "boom-7")
	s.problem(r, 500, "internal")
	if strings.Contains(string(r.body), "secret") {
		t.Errorf("the problem tells too much: %s", r.body)
	}
	if log := s.log.String(); !strings.Contains(log, "secret") || !strings.Contains(log, "boom-7") {
		t.Errorf("the log lacks the panic or its correlation: %s", log)
	}
	s.join("1", "red")
}
