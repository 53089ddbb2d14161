package gateway_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/deed-es/deed/gateway"
)

type parkedPage struct {
	Parked []struct {
		Part, Kind, Key, Stream, Type, Error, Time string
		Unrouted                                   bool
		Position, Records                          int
	}
	Next string
}

func (s *site) parked(query string) parkedPage {
	s.t.Helper()
	r := s.get("/api/parked" + query)
	s.wants(r, 200)
	var page parkedPage
	if err := json.Unmarshal(r.body, &page); err != nil {
		s.t.Fatalf("%v in %s", err, r.body)
	}
	return page
}

// A row whose projection failed is marked wherever it is read, says why under /api/parked, and goes on when the record is
// skipped: the answer's position is when.
func TestParked(t *testing.T) {
	s := start(t, nil)
	s.wants(s.join("1", "red"), 200)
	s.wants(s.join("2", "blue"), 200)
	s.wants(s.post("/api/commands/member/1/paint", `{"colour":"ultraviolet"}`), 200)
	painted := s.post("/api/commands/member/1/paint", `{"colour":"green"}`)
	s.wants(painted, 200)
	at := painted.Header.Get("Deed-Position")

	r := s.get("/api/views/members/1", "Deed-Position", at)
	s.wants(r, 200)
	if r.Header.Get("Deed-Parked") != "3" || !strings.Contains(string(r.body), `"colour":""`) {
		t.Errorf("the row is %s with Deed-Parked %q, want it as it was before, and 3", r.body, r.Header.Get("Deed-Parked"))
	}
	if r := s.get("/api/views/members/2", "Deed-Position", at); r.Header.Get("Deed-Parked") != "" {
		t.Errorf("another row has Deed-Parked %q", r.Header.Get("Deed-Parked"))
	}
	r = s.get("/api/views/members", "Deed-Position", at)
	if !strings.Contains(string(r.body), `{"key":"1","position":1,"parked":3,"row":`) || r.Header.Get("Deed-Parked") != "3" {
		t.Errorf("the list is %s with Deed-Parked %q, want the row marked", r.body, r.Header.Get("Deed-Parked"))
	}
	page := s.parked("")
	if len(page.Parked) != 1 || page.Next != "" {
		t.Fatalf("got %+v, want one key", page)
	}
	if p := page.Parked[0]; p.Part != "members" || p.Kind != "projection" || p.Key != "1" || p.Stream != "member-1" || p.Type != "team-painted" ||
		p.Position != 3 || p.Records != 2 || p.Time == "" || !strings.Contains(p.Error, "nobody can see it") {
		t.Errorf("got %+v", p)
	}

	r = s.post("/api/parked/members/1/retry", "")
	s.wants(r, 200)
	if r = s.get("/api/views/members/1", "Deed-Position", r.Header.Get("Deed-Position")); r.Header.Get("Deed-Parked") != "3" {
		t.Errorf("tried again in vain it has Deed-Parked %q, want 3", r.Header.Get("Deed-Parked"))
	}
	first := s.post("/api/parked/members/1/skip", "", "Idempotency-Key", "k1")
	s.wants(first, 200)
	r = s.get("/api/views/members/1", "Deed-Position", first.Header.Get("Deed-Position"))
	if r.Header.Get("Deed-Parked") != "" || !strings.Contains(string(r.body), `"colour":"green"`) {
		t.Errorf("behind what was skipped the row is %s with Deed-Parked %q", r.body, r.Header.Get("Deed-Parked"))
	}
	again := s.post("/api/parked/members/1/skip", "", "Idempotency-Key", "k1")
	s.wants(again, 200)
	if string(again.body) != string(first.body) || again.Header.Get("Deed-Again") != "true" {
		t.Errorf("the same key again: %s, want %s", again.body, first.body)
	}
	s.problem(s.post("/api/parked/members/1/skip", ""), 404, "not-found")
	r = s.get("/api/streams/process-members")
	if n := strings.Count(string(r.body), `"type":"part-`); n != 2 {
		t.Errorf("the audit has %d events, want 2: %s", n, r.body)
	}
}

// An event whose row is not known marks all rows, and is named by its stream.
func TestParkedWithoutAKey(t *testing.T) {
	s := start(t, nil)
	s.wants(s.join("1", "red"), 200)
	s.wants(s.join("2", "a/b"), 200)
	at := s.join("3", "red").Header.Get("Deed-Position")
	if r := s.get("/api/views/teams/red", "Deed-Position", at); r.Header.Get("Deed-Parked") != "2" {
		t.Errorf("a row has Deed-Parked %q, want 2", r.Header.Get("Deed-Parked"))
	}
	r := s.get("/api/views/teams/blue", "Deed-Position", at)
	s.problem(r, 404, "not-found")
	if r.Header.Get("Deed-Parked") != "2" {
		t.Errorf("a missing row has Deed-Parked %q, want 2", r.Header.Get("Deed-Parked"))
	}
	page := s.parked("?part=teams&limit=1")
	if len(page.Parked) != 1 || page.Parked[0].Key != "member-2" || !page.Parked[0].Unrouted {
		t.Fatalf("got %+v", page)
	}
	s.problem(s.post("/api/parked/teams/member-2/skip", ""), 404, "not-found")
	r = s.post("/api/parked/teams/member-2/skip?unrouted=true", "")
	s.wants(r, 200)
	if r := s.get("/api/views/teams/red", "Deed-Position", r.Header.Get("Deed-Position")); r.Header.Get("Deed-Parked") != "" {
		t.Errorf("skipped, the row has Deed-Parked %q", r.Header.Get("Deed-Parked"))
	}
}

// Pages go through all keys of all parts, each once.
func TestParkedInPages(t *testing.T) {
	s := start(t, nil)
	at := ""
	for _, id := range []string{"1", "2", "3"} {
		s.wants(s.join(id, "a/b"), 200)
		at = s.post("/api/commands/member/"+id+"/paint", `{"colour":"ultraviolet"}`).Header.Get("Deed-Position")
	}
	s.get("/api/views/members/1", "Deed-Position", at)
	s.get("/api/views/teams/1", "Deed-Position", at)
	var keys []string
	for next, n := "", 0; n == 0 || next != ""; n++ {
		query := "?limit=2"
		if next != "" {
			query += "&cursor=" + url.QueryEscape(next)
		}
		page := s.parked(query)
		for _, p := range page.Parked {
			keys = append(keys, p.Part+" "+p.Key)
		}
		next = page.Next
	}
	want := "members 1,members 2,members 3,teams member-1,teams member-2,teams member-3"
	if got := strings.Join(keys, ","); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestParkedBadQuestions(t *testing.T) {
	s := start(t, nil)
	if page := s.parked(""); page.Parked == nil || len(page.Parked) > 0 {
		t.Errorf("got %+v, want an empty list", page)
	}
	s.problem(s.get("/api/parked?part=nothing"), 404, "not-found")
	s.problem(s.get("/api/parked?cursor=x"), 400, "cursor-expired")
	s.problem(s.get("/api/parked?limit=0"), 400, "bad-query")
	s.problem(s.post("/api/parked/nothing/1/retry", ""), 404, "not-found")
	s.problem(s.post("/api/parked/members/1/retry?unrouted=maybe", ""), 400, "bad-query")
	s.problem(s.get("/api/parked/members/1/retry"), 405, "method-not-allowed")
}

// Who may retry and skip is asked like everything else.
func TestParkedIsAuthorized(t *testing.T) {
	authorizer := &denying{err: gateway.ErrForbidden}
	s := start(t, &gateway.Options{Authorizer: authorizer})
	s.problem(s.post("/api/parked/members/1/skip", ""), 403, "forbidden")
	if asked := authorizer.asked; len(asked) != 1 || asked[0].Part != "members" || asked[0].Key != "1" || asked[0].Route != "POST /api/parked/{part}/{key}/skip" {
		t.Errorf("asked about %+v", authorizer.asked)
	}
}

// Parts are paused, resumed and rebuilt by whom the Authorizer lets, and their views say how they are.
func TestParts(t *testing.T) {
	s := start(t, nil)
	s.wants(s.join("1", "red"), 200)
	paused := s.post("/api/parts/members/pause", "")
	s.wants(paused, 200)
	at := s.join("2", "red").Header.Get("Deed-Position")
	s.problem(s.get("/api/views/members/2", "Deed-Position", at, "Prefer", "wait=0"), 504, "behind")
	s.problem(s.get("/readyz"), 503, "not-ready")
	s.wants(s.post("/api/parts/members/resume", ""), 200)
	s.wants(s.get("/api/views/members/2", "Deed-Position", at), 200)
	rebuilt := s.post("/api/parts/members/rebuild", "", "Idempotency-Key", "r1")
	s.wants(rebuilt, 200)
	if again := s.post("/api/parts/members/rebuild", "", "Idempotency-Key", "r1"); again.Header.Get("Deed-Again") != "true" {
		t.Errorf("the same key again: %s", again.body)
	}
	s.wants(s.get("/api/views/members/1", "Deed-Position", rebuilt.Header.Get("Deed-Position")), 200)
	s.problem(s.post("/api/parts/nothing/pause", ""), 404, "not-found")
}

// A state is read as it was at any version.
func TestStateAtAVersion(t *testing.T) {
	s := start(t, nil)
	s.wants(s.join("1", "red"), 200)
	s.wants(s.post("/api/commands/member/1/leave", "{}"), 200)
	s.wants(s.join("1", "blue"), 200)
	for version, want := range map[string]string{"1": `{"team":"red","in":true}`, "2": `{"team":"","in":false}`, "3": `{"team":"blue","in":true}`} {
		r := s.get("/api/state/member/1?version=" + version)
		s.wants(r, 200)
		if !strings.Contains(string(r.body), want) || r.Header.Get("Etag") != `"`+version+`"` {
			t.Errorf("version %s: %s with ETag %s, want %s", version, r.body, r.Header.Get("Etag"), want)
		}
	}
	s.problem(s.get("/api/state/member/1?version=4"), 404, "not-found")
	s.problem(s.get("/api/state/member/2?version=1"), 404, "not-found")
	for _, bad := range []string{"0", "-1", "x", ""} {
		s.problem(s.get("/api/state/member/1?version="+bad), 400, "bad-query")
	}
}
