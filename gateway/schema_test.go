package gateway_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/deed-es/deed/gateway"
)

type (
	colour  string
	amount  struct{ cents int64 }
	instant struct{ at time.Time }
	inner   struct {
		Depth int8 `json:"depth"`
	}
	Base struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}
	tree struct {
		Base
		Name     string           `json:"title"`
		Left     *tree            `json:"left,omitempty"`
		Colour   colour           `json:"colour"`
		Price    amount           `json:"price"`
		At       time.Time        `json:"at"`
		Since    instant          `json:"since,omitzero"`
		Raw      json.RawMessage  `json:"raw,omitempty"`
		Tags     []string         `json:"tags"`
		More     []inner          `json:"more,omitempty"`
		Counts   map[string]uint  `json:"counts,omitempty"`
		Pair     [2]float64       `json:"pair"`
		Data     []byte           `json:"data"`
		Any      any              `json:"any"`
		Maybe    *inner           `json:"maybe"`
		Number   int              `json:"number,string"`
		Took     time.Duration    `json:"took"`
		Nested   struct{ A bool } `json:"nested"`
		Hidden   string           `json:"-"`
		Untagged string
		Mail     map[string]*string `json:"mail"`
	}
)

func (colour) JSONSchema() map[string]any {
	return map[string]any{"type": "string", "enum": []any{"red", "blue"}}
}
func (a amount) MarshalJSON() ([]byte, error)      { return fmt.Appendf(nil, `"%d"`, a.cents), nil }
func (i instant) MarshalText() ([]byte, error)     { return i.at.AppendFormat(nil, time.RFC3339), nil }
func (i *instant) UnmarshalText(text []byte) error { return i.at.UnmarshalText(text) }

// Schemas are what encoding/json writes and deed reads.
func TestSchemas(t *testing.T) {
	s := open(t, nil)
	err := s.gw.Handle(gateway.Route{
		Method: http.MethodPut, Pattern: "/tree", Body: tree{}, Answers: map[int]any{200: &tree{}},
		Handle: func(c *gateway.Call) error { return c.Reply(200, tree{}) },
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := s.gw.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Components struct {
			Schemas map[string]json.RawMessage `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	const answer = `{"type":"object","properties":{"id":{"type":"string"},"name":{"type":"string"},"title":{"type":"string"},` +
		`"left":{"$ref":"#/components/schemas/gateway_test.tree-2"},"colour":{"$ref":"#/components/schemas/gateway_test.colour"},` +
		`"price":{"type":"string"},"at":{"type":"string","format":"date-time"},"since":{"type":"string"},"raw":{},` +
		`"tags":{"type":["array","null"],"items":{"type":"string"}},"more":{"type":"array","items":{"$ref":"#/components/schemas/gateway_test.inner-2"}},` +
		`"counts":{"type":"object","additionalProperties":{"type":"integer","minimum":0}},` +
		`"pair":{"type":"array","items":{"type":"number"},"minItems":2,"maxItems":2},"data":{"type":["string","null"],"contentEncoding":"base64"},"any":{},` +
		`"maybe":{"anyOf":[{"$ref":"#/components/schemas/gateway_test.inner-2"},{"type":"null"}]},"number":{"type":"string"},` +
		`"took":{"type":"integer","format":"int64","description":"nanoseconds"},` +
		`"nested":{"type":"object","properties":{"A":{"type":"boolean"}},"required":["A"]},"Untagged":{"type":"string"},` +
		`"mail":{"type":["object","null"],"additionalProperties":{"type":["string","null"]}}},` +
		`"required":["id","name","title","colour","price","at","tags","pair","data","any","maybe","number","took","nested","Untagged","mail"]}`
	if got := string(doc.Components.Schemas["gateway_test.tree-2"]); got != answer {
		t.Errorf("got  %s\nwant %s", got, answer)
	}
	body := string(doc.Components.Schemas["gateway_test.tree"])
	if !strings.HasSuffix(body, `"additionalProperties":false}`) || !strings.Contains(body, `"left":{"$ref":"#/components/schemas/gateway_test.tree"}`) {
		t.Errorf("a body lets unknown members pass: %s", body)
	}
	if got := string(doc.Components.Schemas["gateway_test.colour"]); got != `{"enum":["red","blue"],"type":"string"}` {
		t.Errorf("a type that says its own schema has %s", got)
	}
	compiler := jsonschema.NewCompiler()
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := compiler.AddResource("mem:///openapi.json", parsed); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("mem:///openapi.json#/components/schemas/gateway_test.tree-2")
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []tree{{Colour: "red"}, {Colour: "blue", Left: &tree{Colour: "red"}, Tags: []string{"a"}, Maybe: &inner{}, More: []inner{{}}, Data: []byte("x")}} {
		written, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		read, err := jsonschema.UnmarshalJSON(bytes.NewReader(written))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(read); err != nil {
			t.Errorf("%s: %v", written, err)
		}
	}
}
