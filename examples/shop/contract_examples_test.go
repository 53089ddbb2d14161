package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	asyncapi "github.com/asyncapi/spec-json-schemas/v6"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/deed-es/deed/deedtest"
	"github.com/deed-es/deed/gateway"
	"github.com/deed-es/deed/sqlite"
)

// The examples that the shop's documents show: taken from what the walk asks, held against what it is answered the next time.

var update = flag.Bool("update", false, "write what is answered now to examples.json, as the examples of the documentation")

const examplesFile = "examples.json"

// rehearsal is a shop whose clock is moved by hand, and which stops doing things by itself when it is told.
type rehearsal struct {
	*client
	store    *sqlite.DB
	clock    *deedtest.Clock
	recorder *gateway.Recorder
	settle   func()
	stop     func()
}

func rehearse(t *testing.T) *rehearsal {
	t.Helper()
	clock := deedtest.NewClock(deedtest.Start)
	store, err := sqlite.OpenMemory(&sqlite.Options{Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	o, err := parse(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	s, err := newShop(stores{store, store}, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s.gateway)
	t.Cleanup(server.Close)
	t.Cleanup(s.gateway.Stop)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.service.Run(ctx) }()
	stopped := false
	r := &rehearsal{store: store, clock: clock, recorder: gateway.NewRecorder(s.gateway, server.Client().Transport)}
	r.client = &client{t: t, url: server.URL, http: &http.Client{Transport: r.recorder, Timeout: patience}}
	r.settle = func() {
		t.Helper()
		bounded, done := context.WithTimeout(t.Context(), patience)
		defer done()
		if err := s.service.Settle(bounded); err != nil && !stopped {
			t.Fatal(err)
		}
	}
	r.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(r.stop)
	return r
}

// document is a document of the shop's.
func (k *contract) document(path string) map[string]any {
	k.t.Helper()
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(k.expect(k.do("GET", path, ""), 200, "").body))
	if err != nil {
		k.t.Fatal(err)
	}
	doc, _ := parsed.(map[string]any)
	return doc
}

// everyReferenceLeadsSomewhere holds both documents against what they refer to, and the AsyncAPI document against the schema
// that the AsyncAPI project has for such.
func (k *contract) everyReferenceLeadsSomewhere() {
	k.t.Helper()
	for _, path := range []string{"/openapi.json", "/asyncapi.json"} {
		doc, n := k.document(path), 0
		eachReference(doc, func(ref string) {
			n++
			if !leads(doc, ref) {
				k.t.Errorf("%s: %s leads nowhere", path, ref)
			}
		})
		if n < 100 {
			k.t.Errorf("%s: %d references", path, n)
		}
	}
	text, err := asyncapi.Get("3.0.0")
	if err != nil {
		k.t.Fatal(err)
	}
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		k.t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("mem:///asyncapi-3.0.0.json", schema); err != nil {
		k.t.Fatal(err)
	}
	if err := compiler.MustCompile("mem:///asyncapi-3.0.0.json").Validate(k.document("/asyncapi.json")); err != nil {
		k.t.Errorf("/asyncapi.json is no AsyncAPI document: %v", err)
	}
}

func eachReference(v any, f func(string)) {
	switch v := v.(type) {
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok {
			f(ref)
		}
		for _, value := range v {
			eachReference(value, f)
		}
	case []any:
		for _, value := range v {
			eachReference(value, f)
		}
	}
}

func leads(doc any, ref string) bool {
	for _, name := range strings.Split(ref, "/")[1:] {
		members, _ := doc.(map[string]any)
		if doc = members[name]; doc == nil {
			return false
		}
	}
	return strings.HasPrefix(ref, "#/")
}

// everyEventIsDocumented holds every record of the log against its message in the AsyncAPI document, and every example there.
func (k *contract) everyEventIsDocumented() {
	k.t.Helper()
	doc := k.document("/asyncapi.json")
	components, _ := doc["components"].(map[string]any)
	closeObjects(components["schemas"])
	if err := k.compiler.AddResource(asyncURL, doc); err != nil {
		k.t.Fatal(err)
	}
	messages, _ := components["messages"].(map[string]any)
	records := map[string]int{}
	for line := range bytes.Lines(k.expect(k.do("GET", "/api/log", ""), 200, "").body) {
		var r struct {
			Type, Stream string
			Schema       json.Number
		}
		if err := json.Unmarshal(line, &r); err != nil {
			k.t.Fatal(err)
		}
		if strings.HasPrefix(r.Stream, "process-") || r.Stream == broken {
			continue
		}
		name := r.Type + ".v" + r.Schema.String()
		if messages[name] == nil {
			k.t.Errorf("the AsyncAPI document does not name %s", name)
			continue
		}
		records[name]++
		k.validates(asyncURL, "the record "+name, line, "components", "messages", name, "payload")
	}
	for _, name := range slices.Sorted(maps.Keys(messages)) {
		change := strings.HasPrefix(name, "change.")
		if records[name] == 0 && !change {
			k.t.Errorf("%s never happened", name)
		}
		message, _ := messages[name].(map[string]any)
		shown, _ := message["examples"].([]any)
		if len(shown) == 0 && name != "change.reset" && !*update { // that takes a client that was away for a day
			k.t.Errorf("%s has no example", name)
		}
		for _, example := range shown {
			payload, _ := example.(map[string]any)["payload"]
			k.validates(asyncURL, "the example of "+name, encode(k.t, payload), "components", "messages", name, "payload")
		}
	}
	k.t.Logf("%d events, %d messages", len(records), len(messages))
}

const asyncURL = "mem:///asyncapi.json"

func encode(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// examplesAreTrue fails for examples that are not what was answered now, that are none by their own schema, or missing.
func (k *contract) examplesAreTrue(r *gateway.Recorder) {
	k.t.Helper()
	now, err := r.Examples(k.t.Context(), examples)
	if err != nil {
		k.t.Fatal(err)
	}
	for _, key := range now.Missing {
		k.t.Errorf("there is no example: %s", key)
	}
	if *update {
		if err := os.WriteFile(examplesFile, now.Examples, 0o644); err != nil {
			k.t.Fatal(err)
		}
		k.t.Logf("%s: %d bytes, new or changed are %q", examplesFile, len(now.Examples), now.Changed)
		return
	}
	for _, key := range now.Changed {
		k.t.Errorf("%s: %s is not what is answered now; look at it with -update", examplesFile, key)
	}
	shown := 0
	for _, o := range k.operations {
		shown += k.examplesOf(o)
	}
	if shown < len(k.operations) {
		k.t.Errorf("%d operations show %d examples", len(k.operations), shown)
	}
	k.t.Logf("%d examples of operations", shown)
}

// examplesOf holds the examples of an operation against its schemas, and counts them.
func (k *contract) examplesOf(o *operation) (shown int) {
	k.t.Helper()
	holds := func(kind string, example any, place ...string) {
		shown++
		text, isText := example.(string)
		switch kind {
		case "application/x-ndjson":
			for line := range strings.Lines(text) {
				k.holds(o.ID+": the example", []byte(line), append(place, "x-deed-item")...)
			}
		case "text/event-stream":
			for _, e := range events(bufio.NewScanner(strings.NewReader(text)), 0) {
				k.holds(o.ID+": the example", []byte(e.data), append(place, "x-deed-events", e.name)...)
			}
		default:
			k.holds(o.ID+": the example", encode(k.t, example), append(place, "schema")...)
			isText = false
		}
		if isText && text == "" {
			k.t.Errorf("%s: the example is empty", o.ID)
		}
	}
	at := []string{"paths", o.path, strings.ToLower(o.method)}
	if o.RequestBody != nil {
		body := o.RequestBody.Content["application/json"]
		if body.Example == nil {
			k.t.Errorf("%s: the body has no example", o.ID)
		}
		holds("", body.Example, append(at, "requestBody", "content", "application/json")...)
	}
	for status, said := range o.Responses {
		place := append(slices.Clone(at), "responses", status)
		if said.shared != "" {
			place = []string{"components", "responses", said.shared}
		}
		for kind, media := range said.Content {
			here := append(slices.Clone(place), "content", kind)
			if example := media["example"]; example != nil {
				holds(kind, example, here...)
			} else if status[0] == '2' && !slices.Contains([]string{"get.openapi.json", "get.asyncapi.json", "get.docs", "get.metrics"}, o.ID) {
				k.t.Errorf("%s: %s %s has no example", o.ID, status, kind) // but the documents, which are their own, and metrics, which are never the same
			}
			problems, _ := media["examples"].(map[string]any)
			for _, problem := range problems {
				holds(kind, problem.(map[string]any)["value"], here...)
			}
		}
	}
	return shown
}
