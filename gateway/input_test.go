package gateway_test

import (
	"strings"
	"testing"

	"github.com/deed-es/deed/gateway"
)

// Whatever is wrong with a request, the answer is the right problem, and nothing is stored.
func TestBadInput(t *testing.T) {
	s := start(t, &gateway.Options{MaxBody: 2000})
	const path = "/api/commands/member/1/join"
	for name, c := range map[string]struct {
		path, body string
		status     int
		code       string
		field      string
	}{
		"syntax":               {path, `{"team":`, 400, "malformed", ""},
		"no JSON at all":       {path, `team=a`, 400, "malformed", ""},
		"blank":                {path, "  ", 400, "malformed", ""},
		"empty":                {path, "", 400, "malformed", ""},
		"trailing value":       {path, `{"team":"a","name":"n"}{}`, 400, "malformed", ""},
		"trailing comma":       {path, `{"team":"a","name":"n",}`, 400, "malformed", ""},
		"invalid UTF-8":        {path, "{\"team\":\"a\",\"name\":\"\xff\"}", 400, "malformed", ""},
		"half a surrogate":     {path, `{"team":"a","name":"\ud800"}`, 400, "malformed", ""},
		"an array":             {path, `[]`, 422, "invalid", "body"},
		"null":                 {path, `null`, 422, "invalid", "body"},
		"wrong type":           {path, `{"team":7,"name":"n"}`, 422, "invalid", "team"},
		"not a whole number":   {path, `{"team":"a","name":"n","age":1.5}`, 422, "invalid", "age"},
		"out of range":         {path, `{"team":"a","name":"n","age":99999999999999999999}`, 422, "invalid", "age"},
		"unknown field":        {path, `{"team":"a","name":"n","x":1}`, 422, "invalid", "x"},
		"repeated key":         {path, `{"team":"a","team":"b","name":"n"}`, 422, "invalid", "team"},
		"another case":         {path, `{"Team":"a","name":"n"}`, 422, "invalid", "Team"},
		"what the domain says": {path, `{"team":"a","name":""}`, 422, "invalid", "name"},
		"too large":            {path, `{"team":"` + strings.Repeat("a", 2000) + `","name":"n"}`, 413, "too-large", ""},
		"unknown category":     {"/api/commands/elephant/1/join", `{}`, 404, "not-found", ""},
		"unknown command":      {"/api/commands/member/1/dance", `{}`, 404, "not-found", ""},
		"category of a stream": {"/api/commands/member-1/1/join", `{}`, 404, "not-found", ""},
		"unknown parameter":    {path + "?force=1", `{}`, 400, "bad-query", "force"},
		"no query string":      {path + "?%zz", `{}`, 400, "bad-query", "query"},
		"slash in the id":      {"/api/commands/member/a%2Fb/join", `{}`, 400, "bad-path", ""},
		"NUL in the id":        {"/api/commands/member/a%00b/join", `{}`, 400, "bad-path", ""},
		"dots":                 {"/api/commands/member/../join", `{}`, 400, "bad-path", ""},
		"a dot":                {"/api/commands/member/./join", `{}`, 400, "bad-path", ""},
		"encoded dots":         {"/api/commands/member/%2e%2e/join", `{}`, 400, "bad-path", ""},
		"an empty segment":     {"/api/commands/member//join", `{}`, 400, "bad-path", ""},
		"two slashes in front": {"//api/commands/member/1/join", `{}`, 400, "bad-path", ""},
		"path not UTF-8":       {"/api/commands/member/%ff/join", `{}`, 400, "bad-path", ""},
		"id too long":          {"/api/commands/member/" + strings.Repeat("x", 256) + "/join", `{}`, 400, "bad-query", "id"},
		"no route":             {"/api/nothing", `{}`, 404, "not-found", ""},
		"trailing slash":       {"/api/commands/member/1/join/", `{}`, 404, "not-found", ""},
		"the root":             {"/", `{}`, 404, "not-found", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := *s
			s.t = t
			p := s.problem(s.raw("POST", c.path, c.body), c.status, c.code)
			if field, _ := p["field"].(string); field != c.field {
				t.Errorf("field %q, want %q", field, c.field)
			}
		})
	}
	if head := s.head(); head != 0 {
		t.Fatalf("%d events were stored", head)
	}
}

// What only reads refuses bad input as well.
func TestBadQuestions(t *testing.T) {
	s := start(t, nil)
	position := s.join("1", "red").Header.Get("Deed-Position")
	for path, want := range map[string]struct {
		status int
		code   string
	}{
		"/api/views/elephants":                         {404, "not-found"},
		"/api/views/elephants/1":                       {404, "not-found"},
		"/api/views/members/nobody":                    {404, "not-found"},
		"/api/views/members?limit=0":                   {400, "bad-query"},
		"/api/views/members?limit=1001":                {400, "bad-query"},
		"/api/views/members?limit=1&limit=2":           {400, "bad-query"},
		"/api/views/members?limit=x":                   {400, "bad-query"},
		"/api/views/members?where.colour=red":          {400, "bad-query"},
		"/api/views/members?order=colour":              {400, "bad-query"},
		"/api/views/members?cursor=!":                  {400, "bad-query"},
		"/api/views/members?where.team=%ff":            {400, "bad-query"},
		"/api/views/members?colour=red":                {400, "bad-query"},
		"/api/state/elephant/1":                        {404, "not-found"},
		"/api/state/member/2":                          {404, "not-found"},
		"/api/streams/member-2":                        {404, "not-found"},
		"/api/streams/member":                          {400, "bad-query"},
		"/api/streams/Member-1":                        {400, "bad-query"},
		"/api/streams/member-1?backward=perhaps":       {400, "bad-query"},
		"/api/streams/member-1?after=x":                {400, "bad-query"},
		"/api/streams/member-1?after=-1":               {400, "bad-query"},
		"/api/streams/member-1?before=0":               {400, "bad-query"},
		"/api/log?category=Member":                     {400, "bad-query"},
		"/api/log?type=Member":                         {400, "bad-query"},
		"/api/log?limit=0":                             {400, "bad-query"},
		"/api/log?after=2":                             {409, "foreign-position"},
		"/api/changes":                                 {400, "bad-query"},
		"/api/changes?view=elephants":                  {404, "not-found"},
		"/api/changes?view=members&view=members":       {400, "bad-query"},
		"/api/changes?view=members&last-event-id=&x=1": {400, "bad-query"},
	} {
		s.problem(s.get(path, "Deed-Position", position), want.status, want.code)
	}
}

// A method that a route does not take is told which it takes.
func TestMethods(t *testing.T) {
	s := start(t, nil)
	for path, allow := range map[string]string{
		"/api/commands/member/1/join": "POST",
		"/api/views/members":          "GET, HEAD",
		"/healthz":                    "GET, HEAD",
	} {
		r := s.do("DELETE", path, "")
		s.problem(r, 405, "method-not-allowed")
		if got := strings.Join(r.Header.Values("Allow"), ", "); got != allow {
			t.Errorf("%s: Allow %q, want %q", path, got, allow)
		}
	}
	if r := s.do("HEAD", "/healthz", ""); r.StatusCode != 200 || len(r.body) > 0 {
		t.Errorf("HEAD: %s %q", r.Status, r.body)
	}
}

// A body that is not application/json is refused before it is read.
func TestContentType(t *testing.T) {
	s := start(t, nil)
	const path, body = "/api/commands/member/1/join", `{"team":"a","name":"n"}`
	for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1", "application/jsonx", ";"} {
		s.problem(s.post(path, body, "Content-Type", kind), 415, "unsupported-media-type")
	}
	s.problem(s.post(path, body, "Content-Encoding", "gzip"), 415, "unsupported-media-type")
	s.wants(s.post(path, body, "Content-Type", "Application/JSON; charset=UTF-8"), 200)
}
