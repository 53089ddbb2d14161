package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// The shop against its own OpenAPI document: whatever it answers, to good requests and bad ones, is in there, with the
// status, the media type, the headers and the schema that it has.

// contract is what the document says, and what was answered so far.
type contract struct {
	*client
	compiler   *jsonschema.Compiler
	compiled   map[string]*jsonschema.Schema
	schemas    map[string]any
	operations []*operation
	requests   int
}

// operation is something that can be asked, in the document.
type operation struct {
	ID          string `json:"operationId"`
	Route       string `json:"x-deed-route"`
	Parameters  []parameter
	RequestBody *struct {
		Content map[string]struct{ Schema map[string]any }
	}
	Responses    map[string]response
	method, path string
	seen         map[int]int // answers by their status
}

type (
	parameter struct {
		Ref      string `json:"$ref"`
		Name, In string
		Required bool
		Schema   map[string]any
	}
	response struct {
		Ref     string `json:"$ref"`
		shared  string // its name among those of all operations
		Headers map[string]any
		Content map[string]map[string]any
	}
)

// streams tells whether an answer goes on for as long as somebody listens.
func (o *operation) streams() bool {
	_, ok := o.Responses["200"].Content["text/event-stream"]
	return ok
}

func readContract(c *client) *contract {
	c.t.Helper()
	text := c.expect(c.do("GET", "/openapi.json", ""), 200, "").body
	var doc struct {
		Paths      map[string]map[string]*operation
		Components struct {
			Schemas    map[string]any
			Parameters map[string]parameter
			Responses  map[string]response
		}
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		c.t.Fatal(err)
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		c.t.Fatal(err)
	}
	// Who reads should let members pass that are new; here none may be that the document does not name.
	components, _ := parsed.(map[string]any)["components"].(map[string]any)
	schemas, _ := components["schemas"].(map[string]any)
	for name, schema := range schemas {
		if name != "Problem" {
			closeObjects(schema)
		}
	}
	k := &contract{client: c, compiler: jsonschema.NewCompiler(), compiled: map[string]*jsonschema.Schema{}, schemas: doc.Components.Schemas}
	if err := k.compiler.AddResource(documentURL, parsed); err != nil {
		c.t.Fatal(err)
	}
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(doc.Paths[path])) {
			o := doc.Paths[path][method]
			o.method, o.path, o.seen = strings.ToUpper(method), path, map[int]int{}
			for i, p := range o.Parameters {
				if p.Ref != "" {
					o.Parameters[i] = doc.Components.Parameters[strings.TrimPrefix(p.Ref, "#/components/parameters/")]
				}
			}
			for status, r := range o.Responses {
				if name, ok := strings.CutPrefix(r.Ref, "#/components/responses/"); ok {
					r = doc.Components.Responses[name]
					r.shared = name
					o.Responses[status] = r
				}
			}
			k.operations = append(k.operations, o)
		}
	}
	return k
}

const documentURL = "mem:///openapi.json"

func closeObjects(schema any) {
	switch s := schema.(type) {
	case map[string]any:
		if _, open := s["additionalProperties"]; !open && s["properties"] != nil {
			s["additionalProperties"] = false
		}
		for _, inner := range s {
			closeObjects(inner)
		}
	case []any:
		for _, inner := range s {
			closeObjects(inner)
		}
	}
}

// holds validates a JSON text against what stands in the document at a place.
func (k *contract) holds(what string, text []byte, place ...string) {
	k.t.Helper()
	pointer := "#"
	for _, name := range place {
		name = strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
		pointer += "/" + url.PathEscape(name)
	}
	schema, ok := k.compiled[pointer]
	if !ok {
		var err error
		if schema, err = k.compiler.Compile(documentURL + pointer); err != nil {
			k.t.Fatalf("%s: %v", what, err)
		}
		k.compiled[pointer] = schema
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		k.t.Errorf("%s: %v in %.300s", what, err, text)
	} else if err := schema.Validate(value); err != nil {
		k.t.Errorf("%s: %v\nin %.300s", what, err, text)
	}
}

// ask sends a request and holds the answer against what the document says of the operation.
func (k *contract) ask(o *operation, path, body string, header ...string) answer {
	k.t.Helper()
	a := k.do(o.method, path, body, header...)
	k.answered(o, fmt.Sprintf("%s %.200s %.200q %q", o.method, path, body, header), a)
	return a
}

func (k *contract) answered(o *operation, what string, a answer) {
	k.t.Helper()
	k.requests++
	o.seen[a.status]++
	status := strconv.Itoa(a.status)
	what += ": " + status
	said, ok := o.Responses[status]
	if !ok || a.status == http.StatusInternalServerError {
		k.t.Errorf("%s %.300s: the document does not name it", what, a.body)
		return
	}
	k.headersAre(what, a, said.Headers)
	kind := a.header.Get("Content-Type")
	if len(a.body) == 0 {
		if len(said.Content) > 0 && kind == "" {
			k.t.Errorf("%s: no body, and the document says that there is one", what)
		}
		return
	}
	if _, ok := said.Content[kind]; !ok {
		k.t.Errorf("%s: the document does not name the media type %q", what, kind)
		return
	}
	place := []string{"paths", o.path, strings.ToLower(o.method), "responses", status, "content", kind}
	if said.shared != "" {
		place = []string{"components", "responses", said.shared, "content", kind}
	}
	switch kind {
	case "application/x-ndjson":
		for line := range bytes.Lines(a.body) {
			k.holds(what, line, append(place, "x-deed-item")...)
		}
	case "text/event-stream":
		for _, e := range events(bufio.NewScanner(bytes.NewReader(a.body)), 0) {
			k.holds(what, []byte(e.data), append(place, "x-deed-events", e.name)...)
		}
	case "application/json", "application/problem+json":
		k.holds(what, a.body, append(place, "schema")...)
	}
	if kind == "application/problem+json" && !strings.Contains(string(a.body), `"status":`+status) {
		k.t.Errorf("%s: the problem says another status: %s", what, a.body)
	}
}

// headersAre fails for headers with a meaning of ours that the document does not name.
func (k *contract) headersAre(what string, a answer, said map[string]any) {
	k.t.Helper()
	named := map[string]bool{}
	for name := range said {
		named[http.CanonicalHeaderKey(name)] = true
	}
	for name := range a.header {
		ours := strings.HasPrefix(name, "Deed-") || slices.Contains([]string{"Etag", "Location", "Set-Cookie", "Retry-After", "Www-Authenticate"}, name)
		if ours && !named[name] {
			k.t.Errorf("%s: the document does not name the header %s", what, name)
		}
	}
	if a.header.Get("Deed-Correlation-Id") == "" {
		k.t.Errorf("%s: no correlation", what)
	}
}

type event struct{ name, data string }

// events reads server-sent events, to the end or so many.
func events(lines *bufio.Scanner, most int) []event {
	var all []event
	var e event
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch {
		case name == "event":
			e.name = value
		case name == "data":
			e.data = value
		case lines.Text() == "" && e.data != "":
			all, e = append(all, e), event{}
			if len(all) == most {
				return all
			}
		}
	}
	return all
}

// operation returns the operation with an id.
func (k *contract) operation(id string) *operation {
	k.t.Helper()
	for _, o := range k.operations {
		if o.ID == id {
			return o
		}
	}
	k.t.Fatalf("the document has no operation %s", id)
	return nil
}

// filled is the operation's path with ids in it; those that are not given are nobody's.
func (o *operation) filled(ids map[string]string) string {
	var path strings.Builder
	for i, segment := range strings.Split(o.path, "/") {
		if i > 0 {
			path.WriteByte('/')
		}
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			id, known := ids[strings.TrimSuffix(name, "}")]
			if !known {
				id = "nobody"
			}
			segment = url.PathEscape(id)
		}
		path.WriteString(segment)
	}
	return path.String()
}

func (o *operation) wildcards() []string {
	var names []string
	for _, p := range o.Parameters {
		if p.In == "path" {
			names = append(names, p.Name)
		}
	}
	return names
}

func TestTheShopAnswersAsDocumented(t *testing.T) {
	c, _ := start(t, "-data", t.TempDir())
	k := readContract(c)
	k.everyRouteIsDocumented()
	k.goodRequests()
	for _, o := range k.operations {
		k.badRequests(o)
	}
	k.outside()
	k.report()
}

func (k *contract) everyRouteIsDocumented() {
	k.t.Helper()
	documented := map[string]bool{}
	for _, o := range k.operations {
		documented[o.Route] = true
	}
	index := decode[indexAnswer](k.t, k.do("GET", "/", ""))
	if len(index.Routes) < 20 {
		k.t.Errorf("%d routes", len(index.Routes))
	}
	for _, r := range index.Routes {
		if !documented[r.Method+" "+r.Path] {
			k.t.Errorf("the route %s %s is not in the document", r.Method, r.Path)
		}
	}
}

// goodRequests asks every route for something that it has.
func (k *contract) goodRequests() {
	k.t.Helper()
	var last answer
	for _, step := range []struct{ operation, id, body string }{
		{"command.user.create", "u1", `{"firstName":"Ann","lastName":"Lee"}`},
		{"command.user.update", "u1", `{"lastName":"Li"}`},
		{"put.v1.users.userId", "u1", `{"id":7,"firstName":"Anna"}`},
		{"command.user.delete", "u1", `{}`},
		{"post.v1.users", "", `{"firstName":"Bob","lastName":"Ray"}`},
		{"command.customer.register", "c1", `{"email":"ann@example.org","firstName":"Ann","lastName":"Lee"}`},
		{"command.customer.permit-email", "c1", `{"allowed":true}`},
		{"command.customer.classify", "c1", `{"classification":"gold","totalValue":"1.5","basedOn":"a test"}`},
		{"command.order.place", "o1", `{"customerId":"c1","customerName":"Ann Lee","description":"tea","quantity":2,"value":"12.5"}`},
		{"command.order.place", "o2", `{"customerId":"c1","customerName":"Ann Lee","description":"a ship","quantity":1,"value":"0"}`},
		{"command.order.add-usd-rate", "o1", `{"rate":"1.1","rateDate":"2026-11-20","usdValue":"13.75"}`},
		{"post.orders", "", `{"description":"tea","quantity":1,"email":"new@example.org","firstName":"New","lastName":"One","value":"3"}`},
		{"command.customer.update", "c1", `{"location":"Rome"}`},
		{"command.campaign.create", "p1", `{"name":"Spring","classification":"gold","subject":"Tea","body":"Dear {firstName}"}`},
		{"command.campaign.start", "p1", `{}`},
		{"post.campaigns", "", `{"name":"Autumn","classification":"silver","subject":"Tea","body":"Dear you"}`},
	} {
		o := k.operation(step.operation)
		path := o.filled(map[string]string{"id": step.id, "userId": step.id})
		last = k.ask(o, path, step.body, "Idempotency-Key", "k-1")
		if last.status/100 != 2 {
			k.t.Errorf("%s: %s", step.operation, last)
		}
		if again := k.ask(o, path, step.body, "Idempotency-Key", "k-1"); again.header.Get("Deed-Again") != "true" {
			k.t.Errorf("%s: the same again is %s", step.operation, again)
		}
		if other := k.ask(o, path, strings.Replace(step.body, ":", `: `, 1), "Idempotency-Key", "k-1"); other.status/100 != 2 {
			k.t.Errorf("%s: the same again, laid out otherwise, is %s", step.operation, other)
		}
		if other := k.ask(o, path, strings.Replace(step.body, `":`, `x":`, 1), "Idempotency-Key", "k-1"); step.body != "{}" && other.status != 422 {
			k.t.Errorf("%s: another body is %s", step.operation, other)
		}
	}
	waiting := k.expect(k.do("GET", "/api/log?type=order-confirmation-required&follow=true&limit=1", ""), 200, "")
	if !strings.Contains(string(waiting.body), "order-o2") {
		k.t.Errorf("who waits for confirmation: %s", waiting)
	}
	row := k.operation("view.confirmation-requests.row")
	k.expect(k.ask(row, "/api/views/confirmation-requests/o2", "", "Deed-Position", last.position(), "Prefer", "wait=30"), 200, "")
	for _, step := range []struct{ operation, id, body string }{
		{"command.order.price", "o2", `{"value":"99"}`},
		{"command.order.confirm", "o2", `{}`},
		{"command.order.cancel", "o2", `{"reason":"too late"}`},
		{"post.campaigns.id.start", "p1", ""},
	} {
		last = k.ask(k.operation(step.operation), k.operation(step.operation).filled(map[string]string{"id": step.id}), step.body)
	}
	campaign := k.ask(k.operation("post.campaigns"), "/campaigns", `{"name":"Winter","classification":"gold","subject":"Tea","body":"Dear you"}`)
	last = k.ask(k.operation("post.campaigns.id.start"), campaign.header.Get("Location")+"/start", "")
	k.questions(last)
	for _, end := range []struct{ operation, id, body string }{
		{"command.customer.change-email", "c1", `{"email":"lee@example.org"}`},
		{"command.customer.forget", "c1", `{}`},
		{"delete.v1.users.userId", "u2", ""},
	} {
		o := k.operation(end.operation)
		if end.id == "u2" {
			k.ask(k.operation("command.user.create"), "/api/commands/user/u2/create", `{"firstName":"Cay","lastName":"Ott"}`)
		}
		if a := k.ask(o, o.filled(map[string]string{"id": end.id, "userId": end.id}), end.body); a.status/100 != 2 {
			k.t.Errorf("%s: %s", end.operation, a)
		}
	}
}

// questions asks every operation that only reads, from views that have what seen knows of.
func (k *contract) questions(seen answer) {
	k.t.Helper()
	fresh := []string{"Deed-Position", seen.position(), "Prefer", "wait=30"}
	ids := map[string]map[string]string{
		"customer": {"id": "c1"}, "order": {"id": "o1"}, "user": {"id": "u1"}, "campaign": {"id": "p1"},
		"email": {"email": "ann@example.org"}, "stream": {"stream": "customer-c1"},
	}
	for _, o := range k.operations {
		if o.method != "GET" || o.streams() {
			continue
		}
		path := o.path
		switch category, ok := strings.CutPrefix(o.ID, "state."); {
		case ok:
			path = o.filled(ids[category])
		case strings.HasSuffix(o.ID, ".row"):
			path = strings.Replace(path, "{key}", url.PathEscape(k.firstKey(strings.TrimSuffix(o.path, "/{key}"), fresh)), 1)
		case len(o.wildcards()) == 1 && ids[o.wildcards()[0]] != nil:
			path = o.filled(ids[o.wildcards()[0]])
		case len(o.wildcards()) == 1:
			path = o.path[:strings.Index(o.path, "/{")] + "/" + url.PathEscape(k.firstKey(o.path[:strings.Index(o.path, "/{")], fresh))
		}
		a := k.ask(o, path, "", fresh...)
		if tag := a.header.Get("Etag"); tag != "" {
			if same := k.ask(o, path, "", append(fresh, "If-None-Match", tag)...); same.status != http.StatusNotModified {
				k.t.Errorf("%s with its ETag: %s", path, same)
			}
		}
		k.pages(o, path, fresh)
	}
	lines := k.operation("get.api.log")
	k.ask(lines, "/api/log", "")
	k.ask(lines, "/api/log?follow=false&limit=5&category=order", "", "Accept", "text/event-stream")
	k.ask(k.operation("get.api.streams.stream"), "/api/streams/customer-c1?backward&limit=1&after=1&before=9", "")
	k.follow()
}

// firstKey is the key of a row of a list; of an empty one it is nobody's.
func (k *contract) firstKey(list string, fresh []string) string {
	k.t.Helper()
	rows := decode[struct{ Rows []struct{ Key string } }](k.t, k.do("GET", list, "", fresh...)).Rows
	if len(rows) == 0 {
		return "nobody"
	}
	return rows[0].Key
}

// pages asks a list in every order that it has, for what it can be asked for, and page by page.
func (k *contract) pages(o *operation, path string, fresh []string) {
	k.t.Helper()
	for _, p := range o.Parameters {
		switch {
		case p.In != "query":
		case strings.HasPrefix(p.Name, "where."):
			k.ask(o, path+"?"+p.Name+"=true", "", fresh...)
		case p.Name == "order":
			for _, order := range p.Schema["enum"].([]any) {
				k.ask(o, path+"?order="+url.QueryEscape(fmt.Sprint(order)), "", fresh...)
			}
		case p.Name == "cursor":
			if next := decode[struct{ Next string }](k.t, k.ask(o, path+"?limit=1", "", fresh...)).Next; next != "" {
				k.ask(o, path+"?limit=1&cursor="+next, "", fresh...)
				k.expect(k.ask(o, path+"?limit=1&cursor="+next+"&order=-"+o.orderField(), "", fresh...), 400, "")
			}
		}
	}
}

func (o *operation) orderField() string {
	for _, p := range o.Parameters {
		if p.Name == "order" && p.In == "query" {
			values, _ := p.Schema["enum"].([]any)
			return fmt.Sprint(values[0])
		}
	}
	return "none"
}

// follow listens to changes of the views of orders and customers until a row was put and one was removed.
func (k *contract) follow() {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(k.t.Context(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url+"/api/changes?view=confirmation-requests", http.NoBody)
	if err != nil {
		k.t.Fatal(err)
	}
	response, err := k.http.Do(request)
	if err != nil {
		k.t.Fatal(err)
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	told := events(lines, 1)
	k.ask(k.operation("command.order.place"), "/api/commands/order/o3/place", `{"customerId":"c1","customerName":"Ann Lee","description":"a ship","quantity":1,"value":"0"}`)
	put := events(lines, 1)
	k.ask(k.operation("command.order.cancel"), "/api/commands/order/o3/cancel", `{"reason":"enough"}`)
	told = append(told, put...)
	for told[len(told)-1].name == "put" {
		told = append(told, events(lines, 1)...)
	}
	var body bytes.Buffer
	var names []string
	for _, e := range told {
		names = append(names, e.name)
		fmt.Fprintf(&body, "event: %s\ndata: %s\n\n", e.name, e.data)
	}
	if names[0] != "snapshot" || names[1] != "put" || names[len(names)-1] != "removed" {
		k.t.Errorf("told %v", names)
	}
	k.answered(k.operation("get.api.changes"), "changes", answer{response.StatusCode, response.Header, body.Bytes()})
	k.do("HEAD", "/api/changes?view=orders", "", "Last-Event-ID", "nonsense")
}

// badRequests asks an operation in ways that are wrong whatever it is about.
func (k *contract) badRequests(o *operation) {
	k.t.Helper()
	path := o.filled(map[string]string{"stream": "order-nobody"})
	refused := func(status int, path, body string, header ...string) {
		k.t.Helper()
		if a := k.ask(o, path, body, header...); a.status != status {
			k.t.Errorf("%s %s %.80q %q: got %s, want %d", o.method, path, body, header, a, status)
		}
	}
	refused(400, path+"?nonsense=1", "")
	k.answered(o, o.ID+" by another name", k.send(o.method, path, "evil.example"))
	if len(o.wildcards()) > 0 {
		a := k.ask(o, path, "{}")
		if o.RequestBody == nil && a.status != 404 {
			k.t.Errorf("%s of nobody: %s", o.ID, a)
		}
		long := map[string]string{}
		for _, name := range o.wildcards() {
			long[name] = strings.Repeat("x", 256)
		}
		if a := k.ask(o, o.filled(long), "{}"); a.status/100 != 4 {
			k.t.Errorf("%s with an id that is too long: %s", o.ID, a)
		}
		refused(400, strings.Replace(path, "nobody", "no%2Fbody", 1), "")
		refused(400, strings.Replace(path, "nobody", "%ff", 1), "")
	}
	if o.method != http.MethodGet {
		refused(403, path, "{}", "Sec-Fetch-Site", "cross-site")
		refused(400, path, "{}", "Idempotency-Key", "two words")
	}
	for _, p := range o.Parameters {
		k.badParameter(o, path, p.Name, p.In, refused)
	}
	if o.RequestBody == nil {
		return
	}
	for _, body := range []string{"{", "nonsense", "{}{}", "\xff", `{"a":"\ud800"}`} {
		refused(400, path, body)
	}
	for _, body := range []string{"[]", "7", "null", `"text"`, `{"nobody":1}`, `{"a":1,"a":2}`} {
		refused(422, path, body)
	}
	refused(415, path, "{}", "Content-Type", "text/plain")
	refused(413, path, `{"a":"`+strings.Repeat("a", 1<<20)+`"}`)
	refused(400, path, "", "Content-Type", "application/json")
	schema := k.schemaOf(o.RequestBody.Content["application/json"].Schema)
	properties, _ := schema["properties"].(map[string]any)
	for name, property := range properties {
		if property, _ := property.(map[string]any); property["type"] == "string" || property["type"] == "integer" || property["type"] == "boolean" {
			refused(422, path, fmt.Sprintf(`{%q:[1]}`, name))
		}
	}
}

func (k *contract) badParameter(o *operation, path, name, in string, refused func(int, string, string, ...string)) {
	k.t.Helper()
	switch in + " " + name {
	case "query limit":
		refused(400, path+"?limit=0", "")
		refused(400, path+"?limit=many", "")
	case "query order":
		refused(400, path+"?order=nonsense", "")
	case "query cursor":
		refused(400, path+"?cursor=!", "")
	case "query after", "query before":
		refused(400, path+"?"+name+"=x", "")
		refused(409, path+"?"+name+"="+stranger, "")
	case "query backward", "query follow":
		refused(400, path+"?"+name+"=perhaps", "")
	case "query view":
		refused(400, path, "")
		refused(404, path+"?view=nonsense", "")
	case "header Deed-Position":
		if a := k.ask(o, path, "", "Deed-Position", stranger); a.status != 409 && a.status != 404 {
			k.t.Errorf("%s at a position of another log: %s", o.ID, a)
		}
		k.ask(o, path, "", "Deed-Position", "nonsense")
	case "header If-Match":
		refused(412, path, "{}", "If-Match", `"7"`)
		refused(400, path, "{}", "If-Match", `"p7"`)
	}
}

// stranger is a position of a log that is not this one.
const stranger = "0190f8a2-7b3c-7def-8a1b-2c3d4e5f6071.1.7"

// schemaOf follows a reference.
func (k *contract) schemaOf(schema map[string]any) map[string]any {
	if ref, ok := schema["$ref"].(string); ok {
		named, _ := k.schemas[strings.TrimPrefix(ref, "#/components/schemas/")].(map[string]any)
		return named
	}
	return schema
}

// outside asks for what is in no operation: the answers are problems all the same.
func (k *contract) outside() {
	k.t.Helper()
	for _, r := range []struct {
		method, path, host string
		status             int
		code               string
	}{
		{"PATCH", "/orders", "", 405, "method-not-allowed"},
		{"POST", "/openapi.json", "", 405, "method-not-allowed"},
		{"GET", "/nonsense", "", 404, "not-found"},
		{"GET", "/api/views/nonsense", "", 404, "not-found"},
		{"POST", "/api/commands/nonsense/1/create", "", 404, "not-found"},
		{"GET", "/orders", "evil.example", 421, "foreign-host"},
	} {
		k.requests++
		a := k.expect(k.send(r.method, r.path, r.host), r.status, r.code)
		k.holds(r.method+" "+r.path, a.body, "components", "schemas", "Problem")
	}
}

// send sends a request to whoever host is.
func (k *contract) send(method, path, host string) answer {
	k.t.Helper()
	request, err := http.NewRequestWithContext(k.t.Context(), method, k.url+path, http.NoBody)
	if err != nil {
		k.t.Fatal(err)
	}
	request.Host = host
	response, err := k.http.Do(request)
	if err != nil {
		k.t.Fatal(err)
	}
	defer response.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(response.Body); err != nil {
		k.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, body.Bytes()}
}

// report fails for routes that never answered well, and says what was seen.
func (k *contract) report() {
	k.t.Helper()
	well, routes := map[string]bool{}, map[string]map[int]bool{}
	operations, named := 0, 0
	for _, o := range k.operations {
		if routes[o.Route] == nil {
			routes[o.Route] = map[int]bool{}
		}
		named += len(o.Responses)
		operations += len(o.seen)
		for status := range o.seen {
			routes[o.Route][status] = true
			well[o.Route] = well[o.Route] || status/100 == 2
			well[o.ID] = well[o.ID] || status/100 == 2
		}
	}
	pairs := 0
	for _, route := range slices.Sorted(maps.Keys(routes)) {
		pairs += len(routes[route])
		k.t.Logf("%-50s %v", route, slices.Sorted(maps.Keys(routes[route])))
		if !well[route] {
			k.t.Errorf("%s was never answered well", route)
		}
	}
	for _, o := range k.operations {
		if !well[o.ID] {
			k.t.Logf("only refused: %s", o.ID)
		}
	}
	k.t.Logf("%d requests: %d routes × statuses, %d of %d operations × statuses that the document names", k.requests, pairs, operations, named)
}

// Whatever is sent, made up along the document or against it, the answer is one that the document names, and never 500.
func TestTheShopWithstandsWhatItDocuments(t *testing.T) {
	c, _ := start(t, "-data", t.TempDir())
	k := readContract(c)
	k.t.Logf("%d operations", len(k.operations))
	f := fuzz{contract: k, Rand: rand.New(rand.NewPCG(1, 2))}
	for range rounds(150, 8) {
		for _, o := range k.operations {
			f.request(o)
		}
	}
	statuses := map[int]int{}
	for _, o := range k.operations {
		for status, count := range o.seen {
			statuses[status] += count
		}
	}
	if statuses[200] == 0 || statuses[422] == 0 || statuses[400] == 0 {
		t.Errorf("the requests are too much alike: %v", statuses)
	}
	t.Logf("%d requests: %v", k.requests, statuses)
	k.expect(k.do("GET", "/readyz", "", "Prefer", "wait=30"), 200, "")
}

// fuzz makes requests up.
type fuzz struct {
	*contract
	*rand.Rand
}

func (f fuzz) one(of ...string) string { return of[f.IntN(len(of))] }

func (f fuzz) chance(percent int) bool { return f.IntN(100) < percent }

func (f fuzz) text() string {
	return f.one("", "a", "nobody", "order-1", "12.5", "0", "-1", "999999999999999999999", "2026-11-20", "ann@example.org", "gold", "true",
		"caf\u00e9 \U0001f375", "a/b", "..", "%00", "'; drop table rows; --", "\x00", "\u202e", strings.Repeat("x", 300), strings.Repeat("\u00e4", 130))
}

// request sends one request to an operation, more or less as the document has it.
func (f fuzz) request(o *operation) {
	f.t.Helper()
	ids := map[string]string{}
	for _, name := range o.wildcards() {
		ids[name] = f.one("1", "2", f.text())
		if ids[name] == "" || ids[name] == ".." || strings.ContainsAny(ids[name], "/\x00") {
			ids[name] = "1"
		}
	}
	query, header := url.Values{}, []string{}
	for _, p := range o.Parameters {
		if p.In == "path" || p.In == "cookie" || p.In == "header" && !f.chance(8) || !f.chance(40) && !p.Required {
			continue
		}
		value := f.text()
		if f.chance(60) {
			value = fmt.Sprint(f.value(p.Schema, 0))
		}
		if list, ok := p.Schema["items"].(map[string]any); ok {
			value = fmt.Sprint(f.value(list, 0))
		}
		if p.In == "query" {
			query.Add(p.Name, value)
		} else if !strings.ContainsAny(value, "\x00\r\n") {
			header = append(header, p.Name, value)
		}
	}
	path, body := o.filled(ids), ""
	if o.RequestBody != nil {
		body = f.body(o.RequestBody.Content["application/json"].Schema)
	}
	if f.chance(3) {
		query.Add(f.text(), f.text())
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	if o.streams() { // what goes on and on is asked without a body
		what := fmt.Sprintf("HEAD %s %q", path, header)
		a := f.do(http.MethodHead, path, "", header...)
		if _, named := o.Responses[strconv.Itoa(a.status)]; !named || a.status == 500 {
			f.t.Errorf("%s: %d is not in the document", what, a.status)
		}
		f.requests++
		o.seen[a.status]++
		return
	}
	f.ask(o, path, body, header...)
}

// body is the JSON of a value of a schema, mostly; or something like it.
func (f fuzz) body(schema map[string]any) string {
	value := f.value(schema, 0)
	if members, ok := value.(map[string]any); ok && f.chance(30) {
		for name := range members {
			switch f.IntN(4) {
			case 0:
				delete(members, name)
			case 1:
				members[name] = []any{nil, -1, 1 << 60, 1.5, true, []any{}, map[string]any{"a": 1}, f.text()}[f.IntN(8)]
			}
		}
		if f.chance(30) {
			members[f.text()] = f.text()
		}
	}
	text, err := json.Marshal(value)
	if err != nil {
		f.t.Fatal(err)
	}
	if f.chance(10) && len(text) > 2 { // cut, or with a byte of another kind
		at := f.IntN(len(text))
		return f.one(string(text[:max(at, 1)]), string(text[:at])+"\xff"+string(text[at:]), string(text)+"1", strings.Replace(string(text), `"`, `'`, 1))
	}
	return string(text)
}

// value is a value of a schema.
func (f fuzz) value(schema map[string]any, depth int) any {
	schema = f.schemaOf(schema)
	if values, ok := schema["enum"].([]any); ok {
		return values[f.IntN(len(values))]
	}
	kind, _ := schema["type"].(string)
	if kinds, ok := schema["type"].([]any); ok {
		kind, _ = kinds[f.IntN(len(kinds))].(string)
	}
	switch kind {
	case "string":
		return f.text()
	case "boolean":
		return f.chance(50)
	case "integer", "number":
		return []int64{0, 1, 2, 7, -1, 1 << 31, 1 << 53, 1<<63 - 1}[f.IntN(8)]
	case "array":
		items, _ := schema["items"].(map[string]any)
		list := make([]any, f.IntN(3))
		for i := range list {
			list[i] = f.value(items, depth+1)
		}
		return list
	case "object":
		members := map[string]any{}
		properties, _ := schema["properties"].(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(properties)) {
			if property, _ := properties[name].(map[string]any); f.chance(90) && depth < 5 {
				members[name] = f.value(property, depth+1)
			}
		}
		return members
	case "null":
		return nil
	}
	return f.text()
}
