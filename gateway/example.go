package gateway

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// examples are what was really asked, answered and recorded, by what they are examples of: see the functions below. A
// Recorder makes them.
type examples map[string]json.RawMessage

// pathExample is the key of the path, with its query, that an operation was asked under.
func pathExample(operation string) string { return operation + " path" }

// bodyExample is the key of the body that an operation was sent.
func bodyExample(operation string) string { return operation + " request" }

// answerExample is the key of the body that an operation answered with. What is no JSON is kept as a string.
func answerExample(operation string, status int, kind string) string {
	return operation + " " + strconv.Itoa(status) + " " + kind
}

// problemExample is the key of a problem. One with a code of the gateway's is the same for all operations: operation is empty.
func problemExample(operation string, status int, code string) string {
	return strings.TrimSpace(operation + " " + strconv.Itoa(status) + " " + code)
}

// eventExample is the key of a record.
func eventExample(m message) string { return "event " + m.id() }

// parseExamples reads what a Recorder wrote.
func parseExamples(text []byte) (examples, error) {
	if len(text) == 0 {
		return examples{}, nil
	}
	var e examples
	err := json.Unmarshal(text, &e)
	return e, err
}

// text is the examples as a file, one a line, so that a change of one is a change of a line.
func (e examples) text() ([]byte, error) {
	b := []byte("{")
	for i, key := range slices.Sorted(maps.Keys(e)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(append(b, '\n'), key), ": "...)
		var value bytes.Buffer // as it was written: json.Marshal would escape
		if err := json.Compact(&value, e[key]); err != nil {
			return nil, err
		}
		b = append(b, value.Bytes()...)
	}
	return append(b, "\n}\n"...), nil
}

// or is an example as a value of a document; nil if there is none.
func (e examples) or(key string) any {
	if value, ok := e[key]; ok {
		return value
	}
	return nil
}

// illustrate puts examples to operations.
func (e examples) illustrate(all []operation) {
	for i := range all {
		o := &all[i]
		o.example = e.or(bodyExample(o.id))
		if json.Unmarshal(e[pathExample(o.id)], &o.asked) != nil {
			o.asked = ""
		}
		e.parameters(o)
		for j := range o.answers {
			a := &o.answers[j]
			for k := range a.media {
				m := &a.media[k]
				if len(a.codes) > 0 {
					m.examples = e.problems(o.id, a)
				} else {
					m.example = e.or(answerExample(o.id, a.status, m.kind))
				}
			}
		}
	}
}

// parameters puts the values that stand in the path that was asked to the parameters of an operation.
func (e examples) parameters(o *operation) {
	path, _, _ := strings.Cut(o.asked, "?")
	said, asked := strings.Split(o.path, "/"), strings.Split(path, "/")
	if len(said) != len(asked) {
		return
	}
	o.params = slices.Clone(o.params)
	for i := range said {
		name, ok := wildcard(said[i])
		value, err := url.PathUnescape(asked[i])
		if !ok || err != nil {
			continue
		}
		for k := range o.params {
			if p := &o.params[k]; p.in == "path" && p.name == name {
				p.example = value
			}
		}
	}
}

// problems are the examples of a problem by their codes: those that a gateway has, then those of the domain's own that this
// operation answered with.
func (e examples) problems(operation string, a *response) object {
	var all object
	add := func(code, key string) {
		if value := e.or(key); value != nil {
			all = append(all, member{code, object{{"value", value}}})
		}
	}
	for _, code := range a.codes {
		add(code, problemExample("", a.status, code))
	}
	prefix := problemExample(operation, a.status, "") + " "
	for _, key := range slices.Sorted(maps.Keys(e)) {
		if code, ok := strings.CutPrefix(key, prefix); ok && !slices.Contains(a.codes, code) {
			add(code, key)
		}
	}
	return all
}

// told are the data of the events in a stream of them, by their names; of each name the first.
func told(stream string) map[string]json.RawMessage {
	all := map[string]json.RawMessage{}
	for _, event := range sentEvents(stream) {
		name, data := "", ""
		for line := range strings.Lines(event) {
			if value, ok := strings.CutPrefix(line, "event: "); ok {
				name = strings.TrimSpace(value)
			} else if value, ok := strings.CutPrefix(line, "data: "); ok {
				data = strings.TrimSpace(value)
			}
		}
		if all[name] == nil && json.Valid([]byte(data)) {
			all[name] = json.RawMessage(data)
		}
	}
	return all
}

// sentEvents cuts a stream into its events. One that was not sent to its end is none.
func sentEvents(stream string) []string {
	all := strings.SplitAfter(stream, "\n\n")
	return slices.DeleteFunc(all, func(event string) bool {
		return !strings.HasSuffix(event, "\n\n") || !strings.Contains("\n"+event, "\ndata: ")
	})
}

// changes are what was told about views, by the names of the events.
func (e examples) changes() map[string]json.RawMessage {
	var stream string
	if json.Unmarshal(e[answerExample("get.api.changes", http.StatusOK, eventStream)], &stream) != nil {
		return nil
	}
	return told(stream)
}

// withExample is an AsyncAPI message with an example of its payload, if there is one.
func withExample(message object, payload any) object {
	if raw, ok := payload.(json.RawMessage); payload == nil || ok && raw == nil {
		return message
	}
	return append(message, member{"examples", []any{object{{"payload", payload}}}})
}
