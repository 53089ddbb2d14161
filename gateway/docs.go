package gateway

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the page's template
	"encoding/base64"
	"encoding/json"
	"html/template"
	"net/http"
	"slices"
	"strings"
)

const htmlType = "text/html; charset=utf-8"

var (
	//go:embed docs.html
	docsText string
	//go:embed docs.css
	docsStyle string

	docsPage = template.Must(template.New("docs").Parse(docsText))
	styleSum = sha256.Sum256([]byte(docsStyle))
	policy   = "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(styleSum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

// secure lets a page have its own style, and nothing else.
func secure(h http.Header) {
	h["Content-Security-Policy"] = []string{policy}
	h["Referrer-Policy"] = []string{"no-referrer"}
}

// What the page shows, made of the same operations and schemas as the documents.
type (
	docsData struct {
		Title, Version, Introduction string
		Style                        template.CSS
		Groups                       []docsGroup
		Channels                     []docsChannel
		Problems                     []docsProblem
		Schemas                      []docsSchema
	}
	docsGroup struct {
		ID, Name   string
		Operations []docsOperation
	}
	docsOperation struct {
		ID, Method, Path, Summary string
		Params                    []docsParam
		Body                      *docsType
		Asked, Example            string // a path that was asked, and the body that was sent
		Answers                   []docsAnswer
	}
	docsParam struct {
		Name, In, Summary string
		Required          bool
		Type              docsType
	}
	docsAnswer struct {
		Status  int
		About   string
		Headers string
		Media   []docsMedia
		Own     []docsExample // problems with codes of the domain's own
	}
	docsMedia struct {
		Kind    string
		Type    docsType
		Events  []docsField
		Example string
	}
	docsExample struct{ Name, Text string }
	docsChannel struct {
		ID, Name string
		Events   []docsEvent
	}
	docsEvent struct {
		Name    string
		Version int
		Data    docsType
		Example string
	}
	docsProblem struct {
		Status               int
		Code, Means, Example string
	}
	docsSchema struct {
		Name string
		Type docsType
	}
	// docsType is a type in words: Before, then a link to schema Ref if there is one, then After.
	docsType struct {
		Before, Ref, After, Note string
		Fields                   []docsField
		JSON                     string // of a schema that words do not do for
	}
	docsField struct {
		Name     string
		Required bool
		Type     docsType
	}
)

// html renders the page.
func (d *describing) html(all []operation, events []channel) ([]byte, error) {
	o := &d.gateway.options
	data := docsData{Title: o.Title, Version: o.Version, Introduction: introduction, Style: template.CSS(docsStyle)}
	for _, name := range groupsOf(all) {
		group := docsGroup{ID: anchor(name), Name: name}
		for i := range all {
			if all[i].group == name {
				group.Operations = append(group.Operations, all[i].html())
			}
		}
		data.Groups = append(data.Groups, group)
	}
	for _, c := range events {
		channel := docsChannel{ID: anchor(c.name()), Name: c.name()}
		for _, m := range c.messages {
			channel.Events = append(channel.Events, docsEvent{Name: m.name, Version: m.version, Data: typeOf(m.data), Example: shown(d.examples.or(eventExample(m)))})
		}
		data.Channels = append(data.Channels, channel)
	}
	for _, c := range codes {
		example := shown(d.examples.or(problemExample("", c.status, c.name)))
		data.Problems = append(data.Problems, docsProblem{Status: c.status, Code: c.name, Means: c.means, Example: example})
	}
	for _, m := range d.schemas.defs {
		schema, _ := m.value.(object)
		data.Schemas = append(data.Schemas, docsSchema{Name: m.name, Type: typeOf(schema)})
	}
	slices.SortFunc(data.Schemas, func(a, b docsSchema) int { return strings.Compare(a.Name, b.Name) })
	var page bytes.Buffer
	err := docsPage.Execute(&page, data)
	return page.Bytes(), err
}

// anchor is a name as a place on the page.
func anchor(name string) string { return strings.ReplaceAll(name, " ", "-") }

func (o *operation) html() docsOperation {
	said := docsOperation{ID: o.id, Method: o.method, Path: o.path, Summary: o.summary, Asked: o.asked, Example: shown(o.example)}
	for _, p := range o.params {
		said.Params = append(said.Params, docsParam{Name: p.name, In: p.in, Summary: p.summary, Required: p.required, Type: typeOf(p.schema)})
	}
	if o.body != nil {
		body := typeOf(o.body)
		said.Body = &body
	}
	for _, a := range o.answers {
		answer := docsAnswer{Status: a.status, About: a.about(), Headers: strings.Join(a.headers, ", ")}
		for _, m := range a.media {
			if m.kind != problemType[0] {
				answer.Media = append(answer.Media, m.html())
			}
			for _, e := range m.examples {
				if !slices.Contains(a.codes, e.name) {
					example, _ := e.value.(object)
					answer.Own = append(answer.Own, docsExample{e.name, shown(example.get("value"))})
				}
			}
		}
		said.Answers = append(said.Answers, answer)
	}
	return said
}

func (m media) html() docsMedia {
	said := docsMedia{Kind: m.kind, Type: typeOf(m.schema), Example: shown(m.example)}
	if m.item != nil {
		said.Type = typeOf(m.item)
		said.Type.Before = "each line " + said.Type.Before
	}
	for _, e := range m.events {
		schema, _ := e.value.(object)
		said.Type = docsType{Before: "events"}
		said.Events = append(said.Events, docsField{Name: e.name, Required: true, Type: typeOf(schema)})
	}
	return said
}

// shown is an example as people read it: what is no JSON is kept as a string.
func shown(example any) string {
	raw, ok := example.(json.RawMessage)
	if !ok {
		return ""
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var indented bytes.Buffer
	if json.Indent(&indented, raw, "", "  ") != nil {
		return string(raw)
	}
	return indented.String()
}

// typeOf says in words what a schema allows.
func typeOf(schema object) docsType {
	if ref, ok := schema.get("$ref").(string); ok {
		return docsType{Ref: strings.TrimPrefix(ref, definitions)}
	}
	note, _ := schema.get("description").(string)
	if either, ok := schema.get("anyOf").([]any); ok && len(either) == 2 {
		if ref, _ := either[0].(object); ref.get("$ref") != nil {
			t := typeOf(ref)
			t.After = " or null"
			return t
		}
	}
	kind, null := kindOf(schema)
	t := docsType{Before: kind, Note: note}
	properties, _ := schema.get("properties").(object)
	switch items, _ := schema.get("items").(object); {
	case len(schema) == 0:
		t.Before = "any"
	case kind == "":
		t.JSON = plainJSON(schema)
	case kind == "array" && items != nil:
		t = typeOf(items)
		t.Before = "array of " + t.Before
	case properties != nil:
		t.Fields = fieldsOf(schema, properties)
	default:
		t.Before += limitsOf(schema)
	}
	if values, ok := schema.get("additionalProperties").(object); ok && properties == nil {
		t = typeOf(values)
		t.Before = "map of " + t.Before
	}
	if null {
		t.After += " or null"
	}
	return t
}

func fieldsOf(schema, properties object) []docsField {
	required := texts(schema.get("required"))
	var fields []docsField
	for _, p := range properties {
		own, _ := p.value.(object)
		fields = append(fields, docsField{Name: p.name, Required: slices.Contains(required, p.name), Type: typeOf(own)})
	}
	return fields
}

func texts(list any) []string {
	if own, ok := list.([]string); ok {
		return own
	}
	var words []string
	values, _ := list.([]any)
	for _, v := range values {
		if word, ok := v.(string); ok {
			words = append(words, word)
		}
	}
	return words
}

// kindOf is a schema's type, and whether it may be null.
func kindOf(schema object) (string, bool) {
	if kind, ok := schema.get("type").(string); ok {
		return kind, false
	}
	kinds := texts(schema.get("type"))
	if len(kinds) == 2 && kinds[1] == "null" {
		return kinds[0], true
	}
	if v := schema.get("const"); v != nil {
		return plainJSON(v), false
	}
	return "", false
}

// limitsOf are what a value is bound to beyond its type.
func limitsOf(schema object) string {
	var words strings.Builder
	for _, m := range schema {
		switch m.name {
		case "type", "description", "properties", "required", "items", "additionalProperties", "const":
		case "format":
			words.WriteString(" (" + strings.Trim(plainJSON(m.value), `"`) + ")")
		default:
			words.WriteString(", " + m.name + " " + plainJSON(m.value))
		}
	}
	return words.String()
}

func plainJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(text)
}
