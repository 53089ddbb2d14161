package main

import (
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
)

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
