package gateway_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/deed-es/deed/gateway"
)

// The problems that take some doing are documented where they happen.
func TestProblemsAreDocumented(t *testing.T) {
	plain := start(t, nil)
	text, err := plain.gw.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	named := func(r reply, operation string) {
		t.Helper()
		var p struct{ Code string }
		if err := json.Unmarshal(r.body, &p); err != nil {
			t.Fatalf("%s %s: %v", r.Status, r.body, err)
		}
		method, path, _ := strings.Cut(operation, " ")
		said := doc.Paths.Value(path).GetOperation(method).Responses.Status(r.StatusCode)
		if said == nil || !slices.Contains(regexp.MustCompile(`[a-z-]+`).FindAllString(*said.Value.Description, -1), p.Code) {
			t.Errorf("%s answers %d %s, which is not documented there", operation, r.StatusCode, p.Code)
			return
		}
		headers := map[string]bool{}
		for name := range said.Value.Headers {
			headers[http.CanonicalHeaderKey(name)] = true
		}
		for name := range r.Header {
			if (strings.HasPrefix(name, "Deed-") || name == "Retry-After" || name == "Www-Authenticate") && !headers[name] {
				t.Errorf("%s answers %d with %s, which is not documented there", operation, r.StatusCode, name)
			}
		}
	}
	const (
		command = "POST /api/commands/member/{id}/join"
		row     = "GET /api/views/members/{key}"
	)
	for err, status := range map[error]int{gateway.ErrUnauthenticated: 401, gateway.ErrForbidden: 403} {
		s := start(t, &gateway.Options{Authorizer: &denying{err: err}})
		for path, operation := range map[string]string{"/api/views/members/1": row, "/healthz": "GET /healthz", "/docs": "GET /docs", "/api/log": "GET /api/log"} {
			r := s.get(path)
			s.wants(r, status)
			named(r, operation)
		}
		named(s.post(joinPath, joinBody), command)
	}
	limited := start(t, &gateway.Options{Rate: 0.001, Burst: 1})
	limited.wants(limited.get("/healthz"), 200)
	for path, operation := range map[string]string{"/api/views/members": "GET /api/views/members", "/openapi.json": "GET /openapi.json"} {
		r := limited.get(path)
		limited.wants(r, 429)
		named(r, operation)
	}
	still := open(t, nil) // its views do not move
	still.join("1", "red")
	named(still.get("/readyz"), "GET /readyz")
	for path, operation := range map[string]string{"/api/views/members/1": row, "/api/views/members": "GET /api/views/members"} {
		r := still.get(path, "Deed-Position", still.token(1), "Prefer", "wait=0")
		still.wants(r, 504)
		named(r, operation)
		still.wants(still.get("/api/views/members/1", "Deed-Position", still.token(1), "Prefer", "wait=0, stale"), 404)
	}
	_ = still.db.Close()
	for path, operation := range map[string]string{
		"/readyz": "GET /readyz", "/api/views/members/1": row, "/api/views/members": "GET /api/views/members", "/api/state/member/1": "GET /api/state/member/{id}",
		"/api/log": "GET /api/log", "/api/streams/member-1": "GET /api/streams/{stream}", "/api/changes?view=members": "GET /api/changes",
	} {
		r := still.get(path)
		still.wants(r, 503)
		named(r, operation)
	}
	named(still.post(joinPath, joinBody), command)
	slow := start(t, &gateway.Options{BodyTimeout: 20 * time.Millisecond})
	named(slow.announce("20", "{"), command)
	named(plain.post("/api/commands/member/1/explode", "{}"), "POST /api/commands/member/{id}/explode")
	full := start(t, &gateway.Options{MaxFollowers: 1})
	full.follow("/api/changes?view=members", "").next("snapshot")
	named(full.get("/api/changes?view=members"), "GET /api/changes")
	named(full.get("/api/log?follow"), "GET /api/log")
}

// Every code that the gateway has is in the list of problems, and every one of that list in some operation.
func TestCodesAreDocumented(t *testing.T) {
	s := open(t, nil)
	s.face()
	text, err := s.gw.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Problems   []struct{ Code string } `json:"x-deed-problems"`
		Components struct {
			Responses map[string]struct{ Description string }
		}
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, p := range doc.Problems {
		listed[p.Code] = true
	}
	sources, err := filepath.Glob("*.go")
	if err != nil || len(sources) < 20 {
		t.Fatal(sources, err)
	}
	for _, name := range sources {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?:Code: |Code = |code\w+ += )"([a-z-]+)"`).FindAllSubmatch(source, -1) {
			if !listed[string(m[1])] {
				t.Errorf("%s has the code %s, which is not listed", name, m[1])
			}
		}
	}
	var all strings.Builder
	for _, r := range doc.Components.Responses {
		all.WriteString(r.Description + " ")
	}
	for code := range listed {
		if code != "method-not-allowed" && !strings.Contains(all.String(), code) {
			t.Errorf("no operation has the problem %s", code)
		}
	}
}
