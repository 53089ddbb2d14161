package gateway_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/gateway"
)

func TestRow(t *testing.T) {
	s := start(t, nil)
	written := s.join("1", "red").Header.Get("Deed-Position")
	r := s.get("/api/views/members/1", "Deed-Position", written)
	s.wants(r, 200)
	if want := `{"team":"red","name":"name of 1","colour":""}`; string(r.body) != want {
		t.Errorf("got %s, want %s", r.body, want)
	}
	if r.Header.Get("Etag") != `"p1"` || r.Header.Get("Deed-Position") != written || r.Header.Get("Deed-Stale") != "" {
		t.Errorf("headers %v", r.Header)
	}
	if r := s.get("/api/views/members/1", "If-None-Match", `"p1"`); r.StatusCode != 304 || r.Header.Get("Deed-Position") == "" {
		t.Errorf("got %s", r.Status)
	}
	s.problem(s.get("/api/views/members/a%01", "Deed-Position", written), 400, "bad-path")
	// A missing row says as of when it is missing, so that the client reads on from there.
	r = s.get("/api/views/members/2", "Deed-Position", written)
	s.problem(r, 404, "not-found")
	if r.Header.Get("Deed-Position") != written {
		t.Errorf("position %q, want %q", r.Header.Get("Deed-Position"), written)
	}
}

func TestList(t *testing.T) {
	s := start(t, nil)
	var position string
	for i := range 5 {
		position = s.join(fmt.Sprint(i), []string{"red", "blue"}[i%2]).Header.Get("Deed-Position")
	}
	path, keys, pages := "/api/views/members?where.team=red&order=-name&limit=2", "", 0
	for next := path; next != ""; pages++ {
		r := s.get(next, "Deed-Position", position)
		s.wants(r, 200)
		var page gateway.RowsAnswer
		s.strictly(r.body, &page)
		for _, row := range page.Rows {
			keys += row.Key
		}
		if page.Position != 5 || r.Header.Get("Deed-Position") != position {
			t.Errorf("position %d, %s", page.Position, r.Header.Get("Deed-Position"))
		}
		next = ""
		if page.Next != "" {
			next = path + "&cursor=" + url.QueryEscape(page.Next)
			other := "/api/views/members?where.team=blue&order=-name&limit=2&cursor=" + url.QueryEscape(page.Next)
			s.problem(s.get(other), 400, "cursor-expired")
		}
	}
	if keys != "420" || pages != 2 {
		t.Errorf("rows %q in %d pages", keys, pages)
	}
	if r := s.get("/api/views/members?where.team=none"); string(r.body) != `{"rows":[],"position":5}` {
		t.Errorf("got %s", r.body)
	}
}

// Each question with the position of an answer waits until the view has it.
func TestReadYourWrites(t *testing.T) {
	s := start(t, nil)
	for i := range 200 {
		id := fmt.Sprint(i)
		position := s.join(id, "red").Header.Get("Deed-Position")
		s.wants(s.get("/api/views/members/"+id, "Deed-Position", position), 200)
		var page gateway.RowsAnswer
		if err := json.Unmarshal(s.get("/api/views/teams", "Deed-Position", position).body, &page); err != nil {
			t.Fatal(err)
		}
		if got := page.Rows[0].Row.(map[string]any)["members"]; got != float64(i+1) {
			t.Fatalf("%v members, want %d", got, i+1)
		}
	}
}

// A view that does not come that far in time says so: with a problem, or with an old row where that will do.
func TestBehind(t *testing.T) {
	s := open(t, nil) // no view moves
	r := s.join("1", "red")
	position, cookie := r.Header.Get("Deed-Position"), strings.Split(r.Header.Get("Set-Cookie"), ";")[0]
	for _, path := range []string{"/api/views/members/1", "/api/views/members"} {
		r := s.get(path, "Deed-Position", position, "Prefer", "wait=0")
		p := s.problem(r, 504, "behind")
		if p["position"] != 0.0 || p["view"] != "members" || r.Header.Get("Deed-Position") != "" {
			t.Errorf("got %v", p)
		}
		for _, headers := range [][]string{
			{"Deed-Position", position, "Prefer", "wait=0, stale"},
			{"Deed-Position", position, "Prefer", "respond-async; x=1, stale, WAIT = 0"},
			{"Cookie", cookie, "Prefer", "wait=0"},
		} {
			r := s.get(path, headers...)
			if r.StatusCode == 504 || r.Header.Get("Deed-Stale") != "true" || r.Header.Get("Deed-Position") != s.token(0) {
				t.Errorf("%s %v: %s %v", path, headers, r.Status, r.Header)
			}
		}
		if r := s.get(path); r.Header.Get("Deed-Stale") != "" {
			t.Error("stale, and nothing was asked for")
		}
	}
	s.run()
	r = s.get("/api/views/members/1", "Cookie", cookie)
	if r.StatusCode != 200 || r.Header.Get("Deed-Stale") != "" {
		t.Errorf("%s %v", r.Status, r.Header)
	}
}

// Positions that this log can never reach are refused at once.
func TestTokens(t *testing.T) {
	s := start(t, nil)
	s.join("1", "red")
	own := s.service.Info()
	foreign := gateway.Token{Log: "other", Incarnation: 1, Position: 1}.String()
	later := gateway.Token{Log: own.ID, Incarnation: own.Incarnation + 1, Position: 1}.String()
	for _, token := range []string{foreign, foreign + "," + foreign, later, s.token(2), "2"} {
		for _, path := range []string{"/api/views/members/1", "/api/views/members", "/api/state/member/1", "/api/log", "/api/streams/member-1"} {
			s.problem(s.get(path, "Deed-Position", token, "Prefer", "wait=60"), 409, "foreign-position")
		}
		s.problem(s.get("/api/log?after="+token), 409, "foreign-position")
	}
	for _, token := range []string{s.token(1), foreign + ", " + s.token(1), s.token(1) + "," + foreign, "1", "0"} {
		s.wants(s.get("/api/views/members/1", "Deed-Position", token), 200)
	}
	for _, token := range []string{"", "x", ".1.1", "a.b", s.token(1) + ",", "-1", "01", own.ID + ".0.1"} {
		s.problem(s.get("/api/views/members/1", "Deed-Position", token), 400, "bad-header")
	}
	// A browser keeps its cookie when the log behind a name changes; it is of no use then, and no harm.
	for _, cookie := range []string{foreign, "x", s.token(9)} {
		r := s.get("/api/views/members/1", "Cookie", "Deed-Position="+cookie, "Prefer", "wait=60")
		if r.StatusCode != 200 || r.Header.Get("Deed-Stale") != "" {
			t.Errorf("%s: %s %v", cookie, r.Status, r.Header)
		}
	}
	// Ports of one host share cookies: the token of another log is kept.
	r := s.join("2", "red", "Cookie", `Deed-Position="`+foreign+","+s.token(1)+`"`)
	if got := r.Header.Get("Set-Cookie"); !strings.HasPrefix(got, `Deed-Position="`+foreign+","+s.token(2)+`";`) {
		t.Errorf("cookie %s", got)
	}
}

// A log that was restored knows the positions of its past up to where it began anew.
func TestTokensOfAnOlderIncarnation(t *testing.T) {
	info := deed.LogInfo{ID: "log", Incarnation: 3, Began: 5}
	s := restored(t, info, 9)
	for _, c := range []struct {
		incarnation int64
		position    deed.Position
		ok          bool
	}{{3, 9, true}, {3, 10, false}, {2, 5, true}, {2, 6, false}, {1, 5, true}, {1, 9, false}, {4, 1, false}} {
		token := gateway.Token{Log: "log", Incarnation: c.incarnation, Position: c.position}.String()
		r := s.get("/api/log?limit=1&after=" + token)
		if c.ok != (r.StatusCode == 200) {
			t.Errorf("%s: %s %s", token, r.Status, r.body)
		}
		if !c.ok {
			s.problem(r, 409, "foreign-position")
		}
		// The same for the cursor of changes: what cannot be gone on from is begun anew.
		id := fmt.Sprintf("members@1=%d;log.%d", c.position, c.incarnation)
		feed := s.follow("/api/changes?view=members", id)
		if !c.ok {
			feed.next("reset")
			feed.next("snapshot")
		}
		feed.close()
	}
}
