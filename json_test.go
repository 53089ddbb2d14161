package deed_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/deed-es/deed"
)

// Base is embedded: its fields are those of the struct around it.
type Base struct {
	City string `json:"city"`
}

// Boxed is embedded under a name: its fields are its own.
type Boxed struct {
	Inside int
}

// body has a field of each kind that matters to decoding.
type body struct {
	Text     string           `json:"text"`
	Number   int8             `json:"number"`
	Float    float64          `json:"float"`
	Flag     bool             `json:"flag"`
	List     []inner          `json:"list"`
	Map      map[string]inner `json:"map"`
	Pointer  *inner           `json:"pointer"`
	When     time.Time        `json:"when"`
	Raw      json.RawMessage  `json:"raw"`
	Any      any              `json:"any"`
	Pair     [2]int           `json:"pair"`
	Plain    inner            `json:"plain"`
	Untagged string
	Hidden   string `json:"-"`
	private  string //nolint:unused // what JSON does not see
	Base
	Boxed `json:"boxed"`
}

type inner struct {
	A int `json:"a"`
	B int `json:"b"`
}

func TestDecodeJSON(t *testing.T) {
	for _, text := range []string{
		`{}`, ` { } `, "{\n}\t", `{"text":"x","number":-128,"float":1e3,"flag":true}`,
		`{"list":[{"a":1},{"b":2}],"map":{"x":{"a":1},"y":{"a":1}},"pointer":{"a":1}}`,
		`{"pointer":null,"list":null,"map":null,"any":null,"raw":null}`,
		`{"pair":[1,2],"any":[null,{"x":null}],"plain":{"a":1}}`,
		`{"when":"2026-01-01T00:00:00Z","raw":{"what":1,"ever":2},"any":{"x":[1,{"y":2}]}}`,
		`{"Untagged":"x","city":"rome","boxed":{"Inside":1}}`,
		`{"text":"\ud83d\ude00 \\ud800 \u00e9"}`,
	} {
		var got, expect body
		if err := deed.DecodeJSON([]byte(text), &got); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		must(t, json.Unmarshal([]byte(text), &expect))
		want(t, text, got, expect)
	}
	for _, c := range []struct{ text, field, reason string }{
		{`[]`, "body", "must be a JSON object"},
		{`null`, "body", "must be a JSON object"},
		{`"x"`, "body", "must be a JSON object"},
		{`{"shoe":1}`, "shoe", "unknown field"},
		{`{"Text":"x"}`, "Text", "unknown field"},
		{`{"TEXT":"x"}`, "TEXT", "unknown field"},
		{`{"Hidden":"x"}`, "Hidden", "unknown field"},
		{`{"private":"x"}`, "private", "unknown field"},
		{`{"-":"x"}`, "-", "unknown field"},
		{`{"Base":{}}`, "Base", "unknown field"},
		{`{"Boxed":{}}`, "Boxed", "unknown field"},
		{`{"Inside":1}`, "Inside", "unknown field"},
		{`{"text":"x","text":"x"}`, "text", "stands twice"},
		{`{"text":"x","\u0074ext":"x"}`, "text", "stands twice"},
		{`{"list":[{"a":1},{"a":1,"a":2}]}`, "list.a", "stands twice"},
		{`{"map":{"x":{},"x":{}}}`, "map.x", "stands twice"},
		{`{"map":{"x":{"c":1}}}`, "map.x.c", "unknown field"},
		{`{"pointer":{"A":1}}`, "pointer.A", "unknown field"},
		{`{"any":{"x":1,"x":2}}`, "any.x", "stands twice"},
		{`{"text":1}`, "text", "must be a string, not number"},
		{`{"number":128}`, "number", "must be a whole number in range, not number 128"},
		{`{"number":1.5}`, "number", "must be a whole number in range, not number 1.5"},
		{`{"float":"1"}`, "float", "must be a number, not string"},
		{`{"flag":1}`, "flag", "must be true or false, not number"},
		{`{"list":{}}`, "list", "must be an array, not object"},
		{`{"map":[]}`, "map", "must be an object, not array"},
		{`{"pointer":"x"}`, "pointer", "must be an object, not string"},
		{`{"when":"yesterday"}`, "when", `parsing time`},
		{`{"text":null}`, "text", "must be a string, not null"},
		{`{"number":null}`, "number", "must be a whole number in range, not null"},
		{`{"float":null}`, "float", "must be a number, not null"},
		{`{"flag":null}`, "flag", "must be true or false, not null"},
		{`{"plain":null}`, "plain", "must be an object, not null"},
		{`{"boxed":null}`, "boxed", "must be an object, not null"},
		{`{"pair":null}`, "pair", "must be an array, not null"},
		{`{"city":null}`, "city", "must be a string, not null"},
		{`{"plain":{"b":null}}`, "plain.b", "not null"},
		{`{"pointer":{"a":null}}`, "pointer.a", "not null"},
		{`{"list":[{"a":1},null]}`, "list", "must be an object, not null"},
		{`{"list":[{"a":null}]}`, "list.a", "not null"},
		{`{"map":{"x":null}}`, "map.x", "must be an object, not null"},
		{`{"pair":[1,null]}`, "pair", "must be a whole number in range, not null"},
		{`{"pair":[]}`, "pair", "must be an array of 2, not of 0"},
		{`{"pair":[1]}`, "pair", "must be an array of 2, not of 1"},
		{`{"pair":[1,2,3]}`, "pair", "must be an array of 2, not of 3"},
	} {
		var got body
		err := deed.DecodeJSON([]byte(c.text), &got)
		var invalid *deed.InvalidError
		if !errors.As(err, &invalid) || invalid.Field != c.field || !strings.Contains(invalid.Reason, c.reason) {
			t.Errorf("%s: got %v, want %s: %s", c.text, err, c.field, c.reason)
		}
		want(t, c.text+" leaves the value alone", got, body{})
	}
	for text, reason := range map[string]string{
		``: "empty", " \n": "empty", `{`: "unexpected EOF", `{"text":}`: "invalid character", `{"a":1,}`: "invalid character",
		`{} {}`: "behind the value", `{}x`: "invalid character", "{\"text\":\"\xff\"}": "UTF-8", `{"text":"\ud800"}`: "surrogate",
		`{"text":"\udc00\ud800"}`: "surrogate", `{"text":"\uD83Dx"}`: "surrogate", `{"any":{"\ud800":1}}`: "surrogate",
		"\ufeff{}": "invalid character", "{\"text\":\"\x01\"}": "invalid character", strings.Repeat(`{"any":`, 20_000): "",
	} {
		err := deed.DecodeJSON([]byte(text), &body{})
		if !errors.As(err, new(*deed.MalformedError)) || !strings.Contains(err.Error(), reason) && text[0:min(1, len(text))] != "{" {
			t.Errorf("%.40q: got %v, want *MalformedError: %s", text, err, reason)
		}
	}
	if err := deed.DecodeJSON([]byte(`{}`), body{}); err == nil {
		t.Error("decoded into what is no pointer")
	}
}

// A type may refuse a value itself, with a word about the field.
func TestDecodeJSONAsksTheType(t *testing.T) {
	var picky struct {
		V even `json:"v"`
	}
	err := deed.DecodeJSON([]byte(`{"v":3}`), &picky)
	var invalid *deed.InvalidError
	if !errors.As(err, &invalid) || invalid.Field != "v" || invalid.Reason != "must be even" {
		t.Errorf("got %v, want the type's own word", err)
	}
}

type even int

func (e *even) UnmarshalJSON(data []byte) error {
	if err := json.Unmarshal(data, (*int)(e)); err != nil {
		return err
	}
	if *e%2 != 0 {
		return &deed.InvalidError{Field: "v", Reason: "must be even"}
	}
	return nil
}

func TestEncodeJSON(t *testing.T) {
	data, err := deed.EncodeJSON(map[string]string{"<a>&\u2028": "\ufffd is a sign, \\ufffd is text"})
	must(t, err)
	want(t, "encoded", string(data), `{"<a>&`+`\u2028`+`":"`+"\ufffd"+` is a sign, \\ufffd is text"}`)
	for name, v := range map[string]any{
		"text":            "a\xff",
		"a key":           map[string]int{"\xc3\x28": 1},
		"half a sign":     []string{"\xed\xa0\x80"},
		"a type's own":    json.RawMessage("\"\xff\""),
		"deep inside":     struct{ X []any }{[]any{map[string]any{"x": "\xff"}}},
		"after backslash": `\` + "\xff",
	} {
		if data, err := deed.EncodeJSON(v); !errors.As(err, new(*deed.InvalidError)) {
			t.Errorf("%s: got %q, %v, want *InvalidError", name, data, err)
		}
	}
}

// Strict decoding takes nothing that encoding/json refuses, reads what it takes as encoding/json does, and does not panic.
func FuzzDecodeJSON(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"text":"x","list":[{"a":1}],"map":{"k":{"b":2}},"pointer":null,"any":[1,"x",null,true,{}]}`, `{"text":"\ud83d\ude00"}`,
		`{"text":"\ud800"}`, `{"when":"2026-01-01T00:00:00Z","raw":[1]}`, "\xff", `{"a":`, `{"boxed":{"Inside":1},"city":""}`, `{"number":1e2}`,
		`{"pair":[1,2],"plain":null}`, `{"pair":[1]}`, `{"list":[null],"map":{"x":null},"when":null,"raw":null}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var strict, loose body
		err := deed.DecodeJSON(data, &strict)
		if err != nil {
			if !errors.As(err, new(*deed.InvalidError)) && !errors.As(err, new(*deed.MalformedError)) {
				t.Fatalf("%q: got %v of type %T", data, err, err)
			}
			return
		}
		if err := json.Unmarshal(data, &loose); err != nil {
			t.Fatalf("%q was taken, and encoding/json says %v", data, err)
		}
		want(t, "decoded", strict, loose)
		again, err := deed.EncodeJSON(strict)
		if err != nil {
			return // a RawMessage can hold an escape that EncodeJSON does not tell from its own
		}
		var back body
		if err := deed.DecodeJSON(again, &back); err != nil {
			t.Fatalf("%q was taken and encoded as %q, which is refused: %v", data, again, err)
		}
	})
}
