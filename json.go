package deed

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// encodeJSON is the one encoding of data and metadata: encoding/json without HTML escaping. Text that is not UTF-8 is an
// error; encoding/json alone would store U+FFFD in its place.
func encodeJSON(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	out := bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
	if replacedUTF8(out) || !utf8.Valid(out) { // a MarshalJSON of its own can let anything through
		return nil, invalid(fmt.Sprintf("%T", v), "holds text that is not valid UTF-8")
	}
	return out, nil
}

// replacedUTF8 tells whether the encoder wrote `\ufffd`, which it does for invalid bytes only: a U+FFFD that was there is
// written as itself.
func replacedUTF8(out []byte) bool {
	for rest := out; ; {
		i := bytes.Index(rest, []byte(`\ufffd`))
		if i < 0 {
			return false
		}
		backslashes := 0
		for j := i - 1; j >= 0 && rest[j] == '\\'; j-- {
			backslashes++
		}
		if backslashes%2 == 0 {
			return true
		}
		rest = rest[i+1:]
	}
}

// decodeStrict decodes one JSON object into a new value of type t. It refuses what encoding/json lets pass: invalid UTF-8
// and lone surrogates, unknown, repeated and differently cased keys, and anything behind the value. Errors are
// *MalformedError or *InvalidError.
func decodeStrict(data []byte, t reflect.Type) (reflect.Value, error) {
	if !utf8.Valid(data) {
		return reflect.Value{}, &MalformedError{"not valid UTF-8"}
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return reflect.Value{}, &MalformedError{"empty"}
	}
	if !json.Valid(data) {
		return reflect.Value{}, malformed(data)
	}
	if loneSurrogate(data) {
		return reflect.Value{}, &MalformedError{`a \u escape is half of a surrogate pair`}
	}
	if first := bytes.TrimSpace(data)[0]; first != '{' {
		return reflect.Value{}, invalid("body", "must be a JSON object")
	}
	if err := checkKeys(json.NewDecoder(bytes.NewReader(data)), t, ""); err != nil {
		return reflect.Value{}, err
	}
	v := reflect.New(t)
	if err := json.Unmarshal(data, v.Interface()); err != nil {
		return reflect.Value{}, wrongType(err)
	}
	return v.Elem(), nil
}

func malformed(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	var v any
	if err := dec.Decode(&v); err != nil {
		return &MalformedError{strings.TrimPrefix(err.Error(), "json: ")}
	}
	return &MalformedError{"something stands behind the value"}
}

func wrongType(err error) error {
	var field *InvalidError
	var typ *json.UnmarshalTypeError
	switch {
	case errors.As(err, &field):
		return field
	case errors.As(err, &typ):
		name := typ.Field
		if name == "" {
			name = "body"
		}
		return invalid(name, fmt.Sprintf("must be %s, not %s", jsonKind(typ.Type), typ.Value))
	}
	return invalid("body", strings.TrimPrefix(err.Error(), "json: "))
}

func jsonKind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number in range"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number in range, not negative"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice, reflect.Array:
		return "an array"
	}
	return "an object"
}

// loneSurrogate tells whether a \uD800 to \uDFFF escape stands without its other half. data is valid JSON.
func loneSurrogate(data []byte) bool {
	for i := 0; i < len(data); i++ {
		if data[i] != '\\' {
			continue
		}
		if data[i+1] != 'u' {
			i++
			continue
		}
		switch surrogate(data[i:]) {
		case 'h':
			if surrogate(data[i+6:]) != 'l' {
				return true
			}
			i += 11
		case 'l':
			return true
		default:
			i += 5
		}
	}
	return false
}

// surrogate tells whether text begins with the escape of a high ('h') or low ('l') surrogate.
func surrogate(text []byte) byte {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' || text[2]|0x20 != 'd' {
		return 0
	}
	switch c := text[3] | 0x20; {
	case c == '8' || c == '9' || c == 'a' || c == 'b':
		return 'h'
	case c >= 'c' && c <= 'f':
		return 'l'
	}
	return 0
}

var (
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// checkKeys reads one value and checks that the keys of its objects are exactly those that t has.
func checkKeys(dec *json.Decoder, t reflect.Type, path string) error {
	nullable := slices.Contains([]reflect.Kind{reflect.Pointer, reflect.Interface, reflect.Map, reflect.Slice}, t.Kind())
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if ptr := reflect.PointerTo(t); ptr.Implements(jsonUnmarshaler) || ptr.Implements(textUnmarshaler) {
		return checkOwn(dec, t, path)
	}
	token, err := dec.Token()
	if err != nil {
		return &MalformedError{err.Error()}
	}
	switch token {
	case json.Delim('{'):
		return checkObject(dec, t, path)
	case json.Delim('['):
		return checkArray(dec, t, path)
	case nil:
		if !nullable {
			return invalid(path, fmt.Sprintf("must be %s, not null", jsonKind(t)))
		}
	}
	return nil
}

func checkObject(dec *json.Decoder, t reflect.Type, path string) error {
	seen := map[string]bool{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return &MalformedError{err.Error()}
		}
		key, _ := token.(string)
		if path != "" {
			key = path + "." + key
		}
		if seen[key] {
			return invalid(key, "stands twice")
		}
		seen[key] = true
		value := reflect.TypeFor[any]()
		switch t.Kind() {
		case reflect.Struct:
			field, known := jsonFields(t)[token.(string)]
			if !known {
				return invalid(key, "unknown field")
			}
			value = field.Type
		case reflect.Map:
			value = t.Elem()
		default: // json.Unmarshal will say what is wrong
		}
		if err := checkKeys(dec, value, key); err != nil {
			return err
		}
	}
	_, err := dec.Token()
	return err
}

func checkArray(dec *json.Decoder, t reflect.Type, path string) error {
	elem := reflect.TypeFor[any]()
	if t.Kind() == reflect.Slice || t.Kind() == reflect.Array {
		elem = t.Elem()
	}
	n := 0
	for ; dec.More(); n++ {
		if err := checkKeys(dec, elem, path); err != nil {
			return err
		}
	}
	if t.Kind() == reflect.Array && n != t.Len() {
		return invalid(path, fmt.Sprintf("must be an array of %d, not of %d", t.Len(), n))
	}
	_, err := dec.Token()
	return err
}

// checkOwn reads a value of a type that decodes itself. What it says is said of the field at path: the type does not know
// where it stands.
func checkOwn(dec *json.Decoder, t reflect.Type, path string) error {
	var raw json.RawMessage
	if err := dec.Decode(&raw); err != nil {
		return &MalformedError{err.Error()}
	}
	err := json.Unmarshal(raw, reflect.New(t).Interface())
	if err == nil || path == "" {
		return nil
	}
	var fault *InvalidError
	if errors.As(err, &fault) {
		return invalid(path, fault.Reason)
	}
	return invalid(path, strings.TrimPrefix(err.Error(), "json: "))
}

var fieldCache sync.Map // reflect.Type → map[string]reflect.StructField

// jsonFields returns the fields of struct type t by the names that they have in JSON; Index is a path from t.
func jsonFields(t reflect.Type) map[string]reflect.StructField {
	if cached, ok := fieldCache.Load(t); ok {
		return cached.(map[string]reflect.StructField)
	}
	fields := map[string]reflect.StructField{}
	for _, f := range reflect.VisibleFields(t) {
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Tag.Get("json") == "-" || !f.IsExported() || f.Anonymous && tag == "" && baseKind(f.Type) == reflect.Struct {
			continue
		}
		if len(f.Index) > 1 && underName(t, f.Index) {
			continue
		}
		name := f.Name
		if tag != "" {
			name = tag
		}
		if old, taken := fields[name]; taken && len(old.Index) <= len(f.Index) {
			continue
		}
		fields[name] = f
	}
	fieldCache.Store(t, fields)
	return fields
}

// underName tells whether one of the embedded structs on the way to a field has a name of its own in JSON, or none at all.
func underName(t reflect.Type, path []int) bool {
	for i := 1; i < len(path); i++ {
		tag, _, _ := strings.Cut(t.FieldByIndex(path[:i]).Tag.Get("json"), ",")
		if tag != "" {
			return true
		}
	}
	return false
}

func baseKind(t reflect.Type) reflect.Kind {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind()
}
