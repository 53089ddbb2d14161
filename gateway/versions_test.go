package gateway_test

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/gateway"
	"github.com/deed-es/deed/sqlite"
)

// raised is another version of the members, which says so in Colour and does something before each event.
func raised(version int, before func(deed.Recorded[deed.Event])) deed.Projection[row, deed.Event] {
	next := rows
	next.Version = version
	next.Evolve = func(v row, r deed.Recorded[deed.Event]) row {
		before(r)
		if v = rows.Evolve(v, r); v.Name != "" && v.Team != "same" {
			v.Colour = "new"
		}
		return v
	}
	return next
}

func anyhow(deed.Recorded[deed.Event]) {}

func inMemory(t *testing.T) *sqlite.DB {
	t.Helper()
	db, err := sqlite.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// eventually asks again for as long as a question is answered with another status.
func (s *site) eventually(status int, ask func() reply) reply {
	s.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		r := ask()
		if r.StatusCode == status {
			return r
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("it is still %s: %s", r.Status, r.body)
		}
	}
}

// Two versions are compared, and one is read in place of the other, for everybody at once.
func TestSwitch(t *testing.T) {
	opening := make(chan struct{}, 100)
	s := of(t, inMemory(t), nil, members, rows, raised(2, func(deed.Recorded[deed.Event]) { <-opening }), teams)
	s.run()
	all := sync.OnceFunc(func() { close(opening) })
	t.Cleanup(all)
	for range 2 {
		opening <- struct{}{}
	}
	s.wants(s.join("1", "red"), 200)
	at := s.join("2", "same").Header.Get("Deed-Position")
	f := s.follow("/api/changes?view=members", "")
	f.next("snapshot")
	s.wants(s.get("/api/views/members/1", "Deed-Position", at), 200)

	compared := s.eventually(200, func() reply {
		r := s.get("/api/parts/members/compare?left=1&right=2")
		if strings.Contains(string(r.body), `"onlyLeft":0`) && strings.Contains(string(r.body), `"moving":0`) {
			return r
		}
		r.StatusCode = 0
		return r
	})
	want := `{"left":1,"right":2,"same":1,"different":1,"onlyLeft":0,"onlyRight":0,"moving":0,"samples":[{"key":"1",` +
		`"left":{"team":"red","name":"name of 1","colour":""},"right":{"team":"red","name":"name of 1","colour":"new"}}]}`
	if got := strings.TrimSpace(string(compared.body)); got != want {
		t.Errorf("compared: %s, want %s", got, want)
	}
	if r := s.get("/api/parts/members/compare?left=2&right=1&samples=0"); !strings.Contains(string(r.body), `"different":1,`) || !strings.Contains(string(r.body), `"samples":[]`) {
		t.Errorf("compared without samples: %s", r.body)
	}

	late := s.join("3", "red").Header.Get("Deed-Position") // which the new version does not come to
	s.wants(s.get("/api/views/members/3", "Deed-Position", late), 200)
	s.problem(s.post("/api/parts/members/switch", `{"version":2}`), 504, "behind")
	opening <- struct{}{}
	first := s.eventually(200, func() reply { return s.post("/api/parts/members/switch", `{"version":2}`, "Idempotency-Key", "v2") })
	if again := s.post("/api/parts/members/switch", `{"version":2}`, "Idempotency-Key", "v2"); again.Header.Get("Deed-Again") != "true" || string(again.body) != string(first.body) {
		t.Errorf("the same key again: %s, want %s", again.body, first.body)
	}
	if r := s.get("/api/views/members/3", "Deed-Position", late); !strings.Contains(string(r.body), `"colour":"new"`) || r.Header.Get("Deed-Stale") != "" {
		t.Errorf("the row is %s, stale %q, want it of the new version", r.body, r.Header.Get("Deed-Stale"))
	}
	for e := (event{}); e.kind != "reset"; { // before that comes what the old version had
		var err error
		if e, err = f.read(); err != nil {
			t.Fatal(err)
		}
	}
	f.next("snapshot")
	all()
	s.eventually(200, func() reply { return s.post("/api/parts/members/switch", `{"version":1}`) })
	if r := s.get("/api/views/members/3", "Deed-Position", late); strings.Contains(string(r.body), "new") {
		t.Errorf("taken back, the row is %s", r.body)
	}
}

func TestSwitchBadQuestions(t *testing.T) {
	s := of(t, inMemory(t), nil, members, rows, raised(2, anyhow), teams)
	s.run()
	s.problem(s.post("/api/parts/members/switch", `{"version":3}`), 422, "invalid")
	s.problem(s.post("/api/parts/members/switch", `{"version":"2"}`), 422, "invalid")
	s.problem(s.post("/api/parts/members/switch", `{"versions":2}`), 422, "invalid")
	s.problem(s.post("/api/parts/members/switch", `{"version"`), 400, "malformed")
	s.problem(s.post("/api/parts/members/switch", ``), 415, "unsupported-media-type")
	s.problem(s.post("/api/parts/nothing/switch", `{"version":2}`), 404, "not-found")
	s.problem(s.get("/api/parts/members/switch"), 405, "method-not-allowed")
	for _, query := range []string{
		"", "?left=1", "?left=1&right=x", "?left=1&right=3", "?left=1&right=2&samples=1001", "?left=1&right=2&samples=", "?left=-1&right=2",
		"?left=1&right=99999999999999999999", "?left=1&right=4294967298", "?left=1&right=2&more=3",
	} {
		s.problem(s.get("/api/parts/members/compare"+query), 400, "bad-query")
	}
	s.problem(s.get("/api/parts/nothing/compare?left=1&right=2"), 404, "not-found")
}

// Who may switch and compare is asked like everything else.
func TestSwitchIsAuthorized(t *testing.T) {
	authorizer := &denying{err: gateway.ErrForbidden}
	s := start(t, &gateway.Options{Authorizer: authorizer})
	s.problem(s.post("/api/parts/members/switch", `{"version":2}`), 403, "forbidden")
	s.problem(s.get("/api/parts/members/compare?left=1&right=2"), 403, "forbidden")
	for i, route := range []string{"POST /api/parts/{part}/switch", "GET /api/parts/{part}/compare"} {
		if asked := authorizer.asked; len(asked) != 2 || asked[i].Part != "members" || asked[i].Route != route {
			t.Errorf("asked about %+v", asked)
		}
	}
}

// The old rows are said to be stale where nobody keeps them, and who asks for more than they have is answered by the new version.
func TestStaleRows(t *testing.T) {
	db := inMemory(t)
	old := of(t, db, nil, members, rows, teams)
	before := make(chan struct{})
	stop := old.runUntil(before)
	old.wants(old.join("1", "red"), 200)
	at := old.join("broken", "red").Header.Get("Deed-Position")
	old.wants(old.get("/api/views/members/broken", "Deed-Position", at), 200)
	close(before)
	<-stop

	opening := make(chan struct{})
	s := of(t, db, nil, members, raised(2, func(r deed.Recorded[deed.Event]) {
		<-opening
		if r.Stream == "member-broken" {
			panic("it cannot be made anew")
		}
	}), teams)
	s.run()
	all := sync.OnceFunc(func() { close(opening) })
	t.Cleanup(all)
	stale := func(path, position, text, stale string) {
		t.Helper()
		r := s.get(path, "Deed-Position", position)
		s.wants(r, 200)
		if !strings.Contains(string(r.body), text) || r.Header.Get("Deed-Stale") != stale {
			t.Errorf("%s at %s is %s, stale %q", path, position, r.body, r.Header.Get("Deed-Stale"))
		}
	}
	for _, path := range []string{"/api/views/members/1", "/api/views/members"} {
		stale(path, at, `"colour":""`, "true")
	}
	written := s.join("2", "red").Header.Get("Deed-Position")
	s.problem(s.get("/api/views/members/2", "Deed-Position", written, "Prefer", "wait=0"), 504, "behind")
	r := s.get("/api/views/members/1", "Deed-Position", written, "Prefer", "wait=0, stale")
	s.wants(r, 200)
	if !strings.Contains(string(r.body), `"colour":""`) || r.Header.Get("Deed-Stale") != "true" {
		t.Errorf("who rather takes an old row gets %s, stale %q", r.body, r.Header.Get("Deed-Stale"))
	}
	all()
	for _, path := range []string{"/api/views/members/1", "/api/views/members"} {
		stale(path, written, `"colour":"new"`, "")
		stale(path, at, `"colour":""`, "true")
	}
}

// Where a view stands in several versions, each is listed, and none that nobody reads makes the service unready.
func TestReadyWithVersions(t *testing.T) {
	opening := make(chan struct{})
	s := of(t, inMemory(t), nil, members, rows, raised(2, func(deed.Recorded[deed.Event]) { <-opening }), teams)
	s.run()
	t.Cleanup(func() { close(opening) })
	at := s.join("1", "red").Header.Get("Deed-Position")
	s.wants(s.get("/api/views/members/1", "Deed-Position", at), 200)
	r := s.eventually(200, func() reply { return s.get("/readyz") })
	var ready struct {
		Parts []struct {
			Name    string
			Version int
			Ready   bool
			Read    bool
		}
	}
	if err := json.Unmarshal(r.body, &ready); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range ready.Parts {
		text, _ := json.Marshal(p)
		got = append(got, string(text))
	}
	want := []string{
		`{"Name":"members","Version":1,"Ready":true,"Read":true}`, `{"Name":"members","Version":2,"Ready":true,"Read":false}`,
		`{"Name":"teams","Version":1,"Ready":true,"Read":true}`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("the parts are %v, want %v", got, want)
	}
}
