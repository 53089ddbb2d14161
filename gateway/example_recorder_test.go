package gateway_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/deed-es/deed/gateway"
)

// recording is a site that runs, and a client of it with a recorder.
type recording struct {
	*site
	recorder *gateway.Recorder
	client   *http.Client
}

func record(t *testing.T) *recording {
	t.Helper()
	s := start(t, nil)
	s.face()
	r := &recording{site: s, recorder: gateway.NewRecorder(s.gw, nil)}
	r.client = &http.Client{Transport: r.recorder}
	return r
}

// asks sends requests, each "METHOD PATH BODY"; that for /api/log?events asks for server-sent events.
func (r *recording) asks(requests ...string) {
	r.t.Helper()
	for _, line := range requests {
		parts := append(strings.SplitN(line, " ", 3), "")
		request, err := http.NewRequestWithContext(r.t.Context(), parts[0], r.url+parts[1], strings.NewReader(parts[2]))
		if err != nil {
			r.t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		if strings.HasPrefix(parts[1], "/api/log?events") {
			request.Header.Set("Accept", "text/event-stream")
			request.URL.RawQuery = "follow=false"
		}
		response, err := r.client.Do(request)
		if err != nil {
			r.t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			r.t.Fatal(err)
		}
		if err := response.Body.Close(); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *recording) examples(before []byte) gateway.Recorded {
	r.t.Helper()
	recorded, err := r.recorder.Examples(r.t.Context(), before)
	if err != nil {
		r.t.Fatal(err)
	}
	return recorded
}

var asked = []string{
	`POST /api/commands/member/1/join {"team":"red","name":"Ann <1>"}`,
	`POST /api/commands/member/2/join {"team":"red","name":"Bob"}`,
	`POST /api/commands/member/1/join {"team":"red","name":"Ann"}`,
	`POST /api/commands/member/3/join {"team":"red","name":""}`,
	`POST /api/commands/member/1/paint {"colour":"blue"}`,
	`POST /api/commands/member/1/leave {}`,
	`GET /api/state/member/2`,
	`GET /api/streams/member-1`,
	`GET /api/log`,
	`GET /api/log?events`,
	`GET /healthz`,
	`HEAD /readyz`,
	`GET /nonsense`,
}

// What a test asks becomes the examples of the documents, which are valid with them.
func TestARecorderMakesExamples(t *testing.T) {
	recorded := record(t)
	recorded.asks(asked...)
	made := recorded.examples(nil)
	var file map[string]json.RawMessage
	if err := json.Unmarshal(made.Examples, &file); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"command.member.join path":                 `"/api/commands/member/1/join"`,
		"command.member.join request":              `{"team":"red","name":"Ann <1>"}`,
		"command.member.join 200 application/json": `{"stream":"member-1","version":1,"position":1}`,
		"command.member.join 409 member-exists":    `"code":"member-exists"`,
		"422 invalid":                              `"field":"name"`,
		"404 not-found":                            `"there is no such route"`,
		"event member-joined.v1":                   `"data":{"team":"red","name":"Ann <1>"}}`,
		"get.api.log 200 text/event-stream":        `event: record`,
		"get.api.log 200 application/x-ndjson":     `member-joined`,
	} {
		if !strings.Contains(string(file[key]), want) {
			t.Errorf("%s: got %s, want %s", key, file[key], want)
		}
	}
	if strings.Count(string(made.Examples), "\n") != len(file)+2 || !bytes.Contains(made.Examples, []byte("<1>")) {
		t.Errorf("not one line for each example, as it was: %s", made.Examples)
	}
	for _, missing := range []string{"command.member.explode request", "get.readyz 200 application/json", "view.teams.list path"} {
		if !slices.Contains(made.Missing, missing) {
			t.Errorf("%s is not said to be missing", missing)
		}
	}
	if slices.ContainsFunc(made.Missing, func(key string) bool { _, known := file[key]; return known || strings.HasPrefix(key, "event") }) {
		t.Errorf("said to be missing, though there: %v", made.Missing)
	}

	s := open(t, &gateway.Options{Examples: made.Examples})
	s.face()
	doc, err := openapi3.NewLoader().LoadFromData(s.get("/openapi.json").body)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context(), openapi3.EnableExamplesValidation()); err != nil {
		t.Error(err)
	}
	join := doc.Paths.Value("/api/commands/member/{id}/join").Post
	if example, _ := join.RequestBody.Value.Content["application/json"].Example.(map[string]any); example["team"] != "red" {
		t.Errorf("the body shows %v", join.RequestBody.Value.Content["application/json"].Example)
	}
	if id := join.Parameters.GetByInAndName("path", "id"); id.Example != "1" {
		t.Errorf("the id shows %v", id.Example)
	}
	refusals := join.Responses.Value("409").Value.Content["application/problem+json"].Examples
	if len(refusals) != 1 || refusals["member-exists"] == nil {
		t.Errorf("the refusals shown are %v", refusals)
	}
	if r := s.get("/asyncapi.json"); !strings.Contains(string(r.body), `"examples":[{"payload":{"id":`) {
		t.Error("/asyncapi.json shows no event")
	}
	if html := string(s.get("/docs").body); !strings.Contains(html, "/api/commands/member/1/join") || !strings.Contains(html, "Ann &lt;1&gt;") || !strings.Contains(html, "member-exists") {
		t.Error("/docs shows no example")
	}
}

// Examples stay as they are while they are true, whatever the run, and are told apart from what is answered otherwise.
func TestExamplesGoStale(t *testing.T) {
	first := record(t)
	first.asks(asked...)
	before := first.examples(nil).Examples

	again := record(t)
	again.asks(asked[:2]...)
	again.join("7", "green") // moves the positions
	again.asks(asked[2:]...)
	if same := again.examples(before); len(same.Changed) > 0 || !bytes.Equal(same.Examples, before) {
		t.Errorf("another run changes %v", same.Changed)
	}

	other := record(t)
	other.asks(`POST /api/commands/member/1/join {"team":"green","name":"Ann <1>"}`)
	other.asks(slices.DeleteFunc(slices.Clone(asked[1:]), func(s string) bool { return strings.Contains(s, "paint") })...)
	got := other.examples(before).Changed
	for _, key := range []string{"command.member.join request", "event member-joined.v1", "command.member.paint request", "event team-painted.v1"} {
		if !slices.Contains(got, key) {
			t.Errorf("%s is not said to have changed: %v", key, got)
		}
	}
	if slices.Contains(got, "command.member.join 200 application/json") {
		t.Errorf("an answer that is the same is said to have changed")
	}
}

func TestExamplesThatAreNone(t *testing.T) {
	s := open(t, nil)
	for _, text := range []string{"{", "[]", "7"} {
		if _, err := gateway.New(s.service, &gateway.Options{Examples: []byte(text)}); err == nil || !strings.Contains(err.Error(), "Examples") {
			t.Errorf("%s: %v", text, err)
		}
		if _, err := gateway.NewRecorder(s.gw, nil).Examples(t.Context(), []byte(text)); err == nil {
			t.Errorf("%s passes as a file of examples", text)
		}
	}
}

// A long answer is cut down to the first items of its lists, and a stream of events to the first of each name.
func TestLongExamplesAreCutDown(t *testing.T) {
	r := record(t)
	for i := range 40 {
		r.join(string(rune('a'+i%26))+strings.Repeat("x", i), "red")
	}
	if err := r.service.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.asks("GET /api/views/members", "GET /api/log", "GET /api/log?events")
	var file map[string]json.RawMessage
	if err := json.Unmarshal(r.examples(nil).Examples, &file); err != nil {
		t.Fatal(err)
	}
	var page struct{ Rows []any }
	if err := json.Unmarshal(file["view.members.list 200 application/json"], &page); err != nil || len(page.Rows) != 2 {
		t.Errorf("%v: %d rows", err, len(page.Rows))
	}
	var lines, stream string
	if err := json.Unmarshal(file["get.api.log 200 application/x-ndjson"], &lines); err != nil || strings.Count(lines, "\n") != 2 {
		t.Errorf("%v: %s", err, lines)
	}
	if err := json.Unmarshal(file["get.api.log 200 text/event-stream"], &stream); err != nil || strings.Count(stream, "event: record") != 1 {
		t.Errorf("%v: %s", err, stream)
	}
}
