package gateway_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/deed-es/deed/gateway"
)

// The OpenAPI document passes a validator, every schema in it is one, and every route is in it.
func TestOpenAPI(t *testing.T) {
	s := open(t, nil)
	s.face()
	text := s.get("/openapi.json").body
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context(), openapi3.EnableMultiError()); err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := compiler.AddResource("mem:///openapi.json", parsed); err != nil {
		t.Fatal(err)
	}
	schemas := 0
	eachSchema(parsed, "#", func(pointer string) {
		schemas++
		if _, err := compiler.Compile("mem:///openapi.json" + pointer); err != nil {
			t.Errorf("%s: %v", pointer, err)
		}
	})
	documented := map[string]int{}
	ids := map[string]bool{}
	operations := 0
	for _, item := range doc.Paths.Map() {
		for _, o := range item.Operations() {
			operations++
			documented[o.Extensions["x-deed-route"].(string)]++
			if ids[o.OperationID] {
				t.Errorf("two operations are called %s", o.OperationID)
			}
			ids[o.OperationID] = true
		}
	}
	routes := s.gw.Routes()
	for _, r := range routes {
		if documented[r.Method+" "+r.Pattern] == 0 {
			t.Errorf("%s %s is not documented", r.Method, r.Pattern)
		}
	}
	for path, want := range map[string]int{
		"POST /api/commands/{category}/{id}/{command}": 4, "GET /api/state/{category}/{id}": 1, "GET /api/views/{view}": 2, "GET /api/views/{view}/{key}": 2,
	} {
		if documented[path] != want {
			t.Errorf("%s has %d operations, want %d", path, documented[path], want)
		}
	}
	t.Logf("%d routes, %d operations, %d schemas, %d bytes", len(routes), operations, schemas, len(text))
}

// eachSchema calls f with a pointer to every member called schema, and to those of components.
func eachSchema(v any, pointer string, f func(string)) {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			at := pointer + "/" + strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(name)
			if name == "schema" || pointer == "#/components/schemas" {
				f(at)
				continue
			}
			eachSchema(value, at, f)
		}
	case []any:
		for i := range v {
			eachSchema(v[i], fmt.Sprintf("%s/%d", pointer, i), f)
		}
	}
}

// What is asked of a view is said exactly: its index fields, and the orders that it has.
func TestOpenAPIOfAView(t *testing.T) {
	s := open(t, nil)
	s.face()
	doc, err := openapi3.NewLoader().LoadFromData(s.get("/openapi.json").body)
	if err != nil {
		t.Fatal(err)
	}
	list := doc.Paths.Value("/api/views/members").Get
	var names []string
	for _, p := range list.Parameters {
		if p.Value.In == "query" {
			names = append(names, p.Value.Name)
		}
	}
	if want := []string{"where.team", "where.name", "order", "limit", "cursor"}; !slices.Equal(names, want) {
		t.Errorf("parameters %v, want %v", names, want)
	}
	if got := list.Parameters.GetByInAndName("query", "order").Schema.Value.Enum; fmt.Sprint(got) != "[team -team name -name]" {
		t.Errorf("orders %v", got)
	}
	if p := doc.Paths.Value("/api/views/teams").Get.Parameters.GetByInAndName("query", "order"); p != nil {
		t.Error("a view without an index can be ordered")
	}
	command := doc.Paths.Value("/api/commands/member/{id}/join").Post
	body := command.RequestBody.Value.Content["application/json"].Schema.Value
	if !slices.Equal(body.Required, []string{"team", "name"}) || len(body.Properties) != 3 {
		t.Errorf("join has %v, of which %v are required", body.Properties, body.Required)
	}
	for _, status := range []string{"200", "400", "401", "403", "404", "408", "409", "412", "413", "415", "421", "422", "429", "500", "503"} {
		if command.Responses.Value(status) == nil {
			t.Errorf("a command is not said to answer %s", status)
		}
	}
}

// The same service has the same documents, to the byte; a route that is added is in them.
func TestDocumentsAreStable(t *testing.T) {
	first, second := open(t, nil), open(t, nil)
	for _, path := range []string{"/openapi.json", "/asyncapi.json", "/docs"} {
		a, b := first.get(path), second.get(path)
		first.wants(a, 200)
		if !bytes.Equal(a.body, b.body) || a.Header.Get("Etag") != b.Header.Get("Etag") {
			t.Errorf("%s differs between two gateways of the same service", path)
		}
		tag := a.Header.Get("Etag")
		if r := first.get(path, "If-None-Match", tag); r.StatusCode != 304 || len(r.body) > 0 || tag == "" {
			t.Errorf("%s with its ETag %s: %s", path, tag, r.Status)
		}
		if r := first.do("HEAD", path, ""); r.StatusCode != 200 || len(r.body) > 0 {
			t.Errorf("HEAD %s: %s", path, r.Status)
		}
	}
	before, err := first.gw.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	first.face()
	after, err := first.gw.OpenAPI()
	if err != nil || bytes.Equal(before, after) || !bytes.Contains(after, []byte(`"/teams/{team}/members"`)) {
		t.Errorf("routes that were added are not documented: %v", err)
	}
}

// The AsyncAPI document has every event, and what it refers to is there.
func TestAsyncAPI(t *testing.T) {
	s := open(t, nil)
	text, err := s.gw.AsyncAPI()
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	if doc["asyncapi"] != "3.0.0" {
		t.Errorf("version %v", doc["asyncapi"])
	}
	var refs []string
	eachRef(doc, func(ref string) { refs = append(refs, ref) })
	for _, ref := range refs {
		if _, ok := resolve(doc, ref); !ok {
			t.Errorf("%s leads nowhere", ref)
		}
	}
	for _, e := range events {
		if _, ok := resolve(doc, "#/channels/log.member/messages/"+e.EventType()+".v1"); !ok {
			t.Errorf("%s is in no channel", e.EventType())
		}
	}
	operations, _ := doc["operations"].(map[string]any)
	for name, o := range operations {
		o := o.(map[string]any)
		channel := o["channel"].(map[string]any)["$ref"].(string)
		if o["action"] != "send" {
			t.Errorf("%s: action %v", name, o["action"])
		}
		for _, m := range o["messages"].([]any) {
			if ref := m.(map[string]any)["$ref"].(string); !strings.HasPrefix(ref, channel+"/messages/") {
				t.Errorf("%s tells %s, which is no message of its channel", name, ref)
			}
		}
	}
	if len(refs) < 20 || len(operations) != 2 {
		t.Errorf("%d references, %d operations", len(refs), len(operations))
	}
}

func eachRef(v any, f func(string)) {
	switch v := v.(type) {
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok {
			f(ref)
		}
		for _, value := range v {
			eachRef(value, f)
		}
	case []any:
		for _, value := range v {
			eachRef(value, f)
		}
	}
}

func resolve(doc any, ref string) (any, bool) {
	for _, name := range strings.Split(ref, "/")[1:] {
		members, ok := doc.(map[string]any)
		if !ok {
			return nil, false
		}
		if doc, ok = members[name]; !ok {
			return nil, false
		}
	}
	return doc, true
}

// A record that is told is what the AsyncAPI document says of its message.
func TestRecordsAreAsDocumented(t *testing.T) {
	s := start(t, nil)
	s.join("1", "red")
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(s.get("/asyncapi.json").body))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("mem:///asyncapi.json", parsed); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("mem:///asyncapi.json#/components/messages/member-joined.v1/payload")
	if err != nil {
		t.Fatal(err)
	}
	record, err := jsonschema.UnmarshalJSON(bytes.NewReader(s.get("/api/log").body))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(record); err != nil {
		t.Error(err)
	}
	record.(map[string]any)["data"].(map[string]any)["team"] = 1
	if schema.Validate(record) == nil {
		t.Error("a team that is a number passes")
	}
}

// The page needs nothing but itself: no script, nothing from elsewhere, and a policy that would not let it.
func TestDocsPage(t *testing.T) {
	s := open(t, &gateway.Options{Title: "Teams <&>", Version: "2.1"})
	s.face()
	r := s.get("/docs")
	s.wants(r, 200)
	html := string(r.body)
	if r.Header.Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(html, "<h1>Teams &lt;&amp;&gt; <small>2.1</small></h1>") {
		t.Errorf("%s %.300s", r.Header.Get("Content-Type"), html)
	}
	for _, bad := range []string{"<script", "http://", "https://", "//cdn", "javascript:", " style=", "ZgotmplZ", "<no value>", "%!"} {
		if strings.Contains(html, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(html)
	sum := sha256.Sum256([]byte(style[1]))
	policy := r.Header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") || strings.Contains(policy, "unsafe") {
		t.Errorf("the policy %q does not fit the page", policy)
	}
	for _, want := range []string{
		"/api/commands/member/{id}/join", "/api/views/members", "where.team", "/teams/{team}/members", "Idempotency-Key", "team-painted", "key-reused",
		"a member joins, and paints the team",
	} {
		if !strings.Contains(html, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	ids := map[string]bool{}
	for _, m := range regexp.MustCompile(` id="([^"]*)"`).FindAllStringSubmatch(html, -1) {
		if ids[m[1]] || strings.ContainsAny(m[1], " \t") {
			t.Errorf("the id %q stands twice, or is none", m[1])
		}
		ids[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`href="#([^"]*)"`).FindAllStringSubmatch(html, -1) {
		if !ids[m[1]] {
			t.Errorf("a link leads to #%s, which is not there", m[1])
		}
	}
	if len(ids) < 30 {
		t.Errorf("%d places on the page", len(ids))
	}
}
