package gateway_test

import (
	"bytes"
	"testing"

	asyncapi "github.com/asyncapi/spec-json-schemas/v6"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// The AsyncAPI document is what the AsyncAPI project's own JSON Schema of version 3.0.0 says that it must be.
func TestAsyncAPIIsOne(t *testing.T) {
	s := open(t, nil)
	schema, err := asyncapi.Get("3.0.0")
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("mem:///schema", parsed); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("mem:///schema")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(s.get("/asyncapi.json").body))
	if err != nil {
		t.Fatal(err)
	}
	if err := compiled.Validate(doc); err != nil {
		t.Error(err)
	}
}
