package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

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
	settle     func() // returns when the shop has nothing left to do by itself
}

// operation is something that can be asked, in the document.
type operation struct {
	ID          string `json:"operationId"`
	Route       string `json:"x-deed-route"`
	Parameters  []parameter
	RequestBody *struct {
		Content map[string]struct {
			Schema  map[string]any
			Example any
		}
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
	k.validates(documentURL, what, text, place...)
}

// validates is holds for any document that the compiler has.
func (k *contract) validates(document, what string, text []byte, place ...string) {
	k.t.Helper()
	pointer := document + "#"
	for _, name := range place {
		name = strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
		pointer += "/" + url.PathEscape(name)
	}
	schema, ok := k.compiled[pointer]
	if !ok {
		var err error
		if schema, err = k.compiler.Compile(pointer); err != nil {
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
	if _, exactly := said.Content[kind]; !exactly { // without its parameters a media type stands for any
		kind, _, _ = strings.Cut(kind, ";")
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
