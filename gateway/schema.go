package gateway

import (
	"cmp"
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"
)

// object is a JSON object whose members stay in the order in which they were put.
type object []member

type member struct {
	name  string
	value any
}

// MarshalJSON writes the members in order.
func (o object) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, m := range o {
		value, err := json.Marshal(m.value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(appendString(b, m.name), ':'), value...)
	}
	return append(b, '}'), nil
}

// get returns a member's value; nil if there is none.
func (o object) get(name string) any {
	for _, m := range o {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// with returns o with a member put in its place, or at the end.
func (o object) with(name string, value any) object {
	o = slices.Clone(o)
	for i := range o {
		if o[i].name == name {
			o[i].value = value
			return o
		}
	}
	return append(o, member{name, value})
}

// ordered is v with objects, whose members are sorted, in place of maps.
func ordered(v any) any {
	switch v := v.(type) {
	case map[string]any:
		o := make(object, 0, len(v))
		for _, name := range slices.Sorted(maps.Keys(v)) {
			o = append(o, member{name, ordered(v[name])})
		}
		return o
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = ordered(v[i])
		}
		return list
	}
	return v
}

// describer is a type that says its own JSON Schema, which is asked of its zero value.
type describer interface{ JSONSchema() map[string]any }

// schemas makes JSON Schemas of Go types, as encoding/json writes and reads them. Named structs, and named types that say
// their own schema, are defined once and referred to.
type schemas struct {
	names map[schemaKey]string
	defs  object
	taken map[string]bool
}

// schemaKey is a type, and whether members that it does not have are refused: those of what is sent here are, and readers
// of what is sent from here should let them pass.
type schemaKey struct {
	of     reflect.Type
	closed bool
}

func newSchemas() *schemas {
	return &schemas{names: map[schemaKey]string{}, taken: map[string]bool{}}
}

const definitions = "#/components/schemas/"

func refer(name string) object { return object{{"$ref", definitions + name}} }

// define gives a schema a name of its own, and returns a reference to it.
func (s *schemas) define(name string, schema object) object {
	name = s.free(name)
	s.taken[name] = true
	s.defs = append(s.defs, member{name, schema})
	return refer(name)
}

// free returns name, or one like it that is not taken yet.
func (s *schemas) free(name string) string {
	tried := name
	for i := 2; s.taken[tried]; i++ {
		tried = fmt.Sprintf("%s-%d", name, i)
	}
	return tried
}

// of returns the schema of a type; closed if it is one of what is sent here.
func (s *schemas) of(t reflect.Type, closed bool) object {
	if own, ok := says(t); ok {
		return s.once(t, false, func() object { return own })
	}
	if simple, ok := special(t); ok {
		return simple
	}
	if t.Kind() == reflect.Struct {
		return s.once(t, closed, func() object { return s.structure(t, closed) })
	}
	return s.kind(t, closed)
}

// once defines the schema of a type that has a name, and returns one without a name as it is.
func (s *schemas) once(t reflect.Type, closed bool, make func() object) object {
	if t.Name() == "" {
		return make()
	}
	key := schemaKey{t, closed}
	if name, ok := s.names[key]; ok {
		return refer(name)
	}
	name := s.free(nameOf(t))
	s.names[key], s.taken[name] = name, true // before it is made: it may hold itself
	at := len(s.defs)
	s.defs = append(s.defs, member{name, nil})
	s.defs[at].value = make()
	return refer(name)
}

// nameOf is how a type is called: by its package, where that says something, and its name.
func nameOf(t reflect.Type) string {
	name := strings.TrimSuffix(t.Name(), "Answer")
	pkg := path.Base(t.PkgPath())
	if pkg == "main" || t.PkgPath() == ourPath {
		name = strings.ToUpper(name[:1]) + name[1:]
	} else if pkg != "." {
		name = pkg + "." + name
	}
	return strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) || r == '.' || r == '-' {
			return r
		}
		return '_'
	}, name)
}

var ourPath = reflect.TypeFor[Gateway]().PkgPath()

// says returns the schema that a type says of itself.
func says(t reflect.Type) (object, bool) {
	if t.Kind() == reflect.Interface || t.Kind() == reflect.Pointer {
		return nil, false
	}
	d, ok := reflect.New(t).Interface().(describer)
	if !ok {
		return nil, false
	}
	o, _ := ordered(any(d.JSONSchema())).(object)
	return o, true
}

var textual = []reflect.Type{
	reflect.TypeFor[json.Marshaler](), reflect.TypeFor[encoding.TextMarshaler](),
	reflect.TypeFor[json.Unmarshaler](), reflect.TypeFor[encoding.TextUnmarshaler](),
}

// special returns the schema of types whose JSON form does not follow from their kind.
func special(t reflect.Type) (object, bool) {
	switch t {
	case reflect.TypeFor[time.Time]():
		return object{{"type", "string"}, {"format", "date-time"}}, true
	case reflect.TypeFor[time.Duration]():
		return object{{"type", "integer"}, {"format", "int64"}, {"description", "nanoseconds"}}, true
	case reflect.TypeFor[json.RawMessage]():
		return object{}, true
	case reflect.TypeFor[json.Number]():
		return object{{"type", "number"}}, true
	}
	if t.Kind() == reflect.Interface || t.Kind() == reflect.Pointer {
		return nil, false
	}
	for _, i := range textual {
		if t.Implements(i) || reflect.PointerTo(t).Implements(i) {
			return object{{"type", "string"}}, true
		}
	}
	return nil, false
}

func (s *schemas) kind(t reflect.Type, closed bool) object {
	switch t.Kind() {
	case reflect.Bool:
		return object{{"type", "boolean"}}
	case reflect.String:
		return object{{"type", "string"}}
	case reflect.Int, reflect.Int64:
		return object{{"type", "integer"}, {"format", "int64"}}
	case reflect.Int8, reflect.Int16, reflect.Int32:
		return object{{"type", "integer"}, {"format", "int32"}}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return object{{"type", "integer"}, {"minimum", 0}}
	case reflect.Float32, reflect.Float64:
		return object{{"type", "number"}}
	case reflect.Pointer:
		return orNull(s.of(t.Elem(), closed))
	case reflect.Map:
		return object{{"type", "object"}, {"additionalProperties", s.of(t.Elem(), closed)}}
	case reflect.Array:
		return object{{"type", "array"}, {"items", s.of(t.Elem(), closed)}, {"minItems", t.Len()}, {"maxItems", t.Len()}}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return object{{"type", "string"}, {"contentEncoding", "base64"}}
		}
		return object{{"type", "array"}, {"items", s.of(t.Elem(), closed)}}
	}
	return object{} // an interface: anything
}

// orNull is the schema of what may be null instead.
func orNull(schema object) object {
	if len(schema) == 0 {
		return schema
	}
	if kind, ok := schema.get("type").(string); ok {
		return schema.with("type", []any{kind, "null"})
	}
	if schema.get("$ref") != nil {
		return object{{"anyOf", []any{schema, object{{"type", "null"}}}}}
	}
	return schema
}

// structure returns the schema of a struct. What encoding/json always writes is required.
func (s *schemas) structure(t reflect.Type, closed bool) object {
	properties, required := object{}, []string{}
	for _, f := range jsonFields(t) {
		properties = append(properties, member{f.name, s.field(t, f, closed)})
		if !f.optional {
			required = append(required, f.name)
		}
	}
	schema := object{{"type", "object"}, {"properties", properties}}
	if len(required) > 0 {
		schema = append(schema, member{"required", required})
	}
	if closed {
		schema = append(schema, member{"additionalProperties", false})
	}
	return schema
}

func (s *schemas) field(in reflect.Type, f jsonField, closed bool) object {
	t := f.of
	if f.quoted {
		return object{{"type", "string"}}
	}
	if t.Kind() == reflect.Pointer && f.optional {
		t = t.Elem() // never written as null
	}
	schema := s.of(t, closed)
	_, own := says(t)
	_, simple := special(t)
	if k := t.Kind(); (k == reflect.Slice || k == reflect.Map) && !own && !simple && !f.optional && in.PkgPath() != ourPath {
		return orNull(schema) // what is nil is written as null; the gateway's own never are
	}
	return schema
}

// jsonField is a field as encoding/json sees it.
type jsonField struct {
	name     string
	of       reflect.Type
	optional bool // left out when it is empty
	quoted   bool // a number or bool written as a string
	depth    int  // in embedded structs
	named    bool // by its tag
}

// jsonFields returns the fields of a struct in their order. Of those with the same name the least deep counts, then the one
// that is named by its tag; where that does not decide, there is none.
func jsonFields(t reflect.Type) []jsonField {
	all := collectFields(nil, t, 0, nil)
	return slices.DeleteFunc(slices.Clone(all), func(f jsonField) bool {
		rivals := 0
		for _, other := range all {
			switch {
			case other.name != f.name || other.depth > f.depth:
			case other.depth < f.depth || other.named && !f.named:
				return true
			case other.named == f.named:
				rivals++ // itself is one
			}
		}
		return rivals > 1
	})
}

func collectFields(fields []jsonField, t reflect.Type, depth int, in []reflect.Type) []jsonField {
	if slices.Contains(in, t) {
		return fields
	}
	for f := range t.Fields() {
		tag := f.Tag.Get("json")
		name, options, _ := strings.Cut(tag, ",")
		switch {
		case tag == "-" || !f.IsExported() && (!f.Anonymous || !embeds(f.Type)):
			continue
		case f.Anonymous && name == "" && embeds(f.Type):
			fields = collectFields(fields, deref(f.Type), depth+1, append(in, t))
			continue
		}
		field := jsonField{name: cmp.Or(name, f.Name), of: f.Type, depth: depth, named: name != ""}
		for option := range strings.SplitSeq(options, ",") {
			field.optional = field.optional || option == "omitempty" && canBeEmpty(f.Type) || option == "omitzero"
			field.quoted = field.quoted || option == "string" && scalar(f.Type)
		}
		fields = append(fields, field)
	}
	return fields
}

// embeds tells whether the fields of an embedded type stand beside those around it.
func embeds(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind() == reflect.Struct
}

// canBeEmpty tells whether omitempty ever leaves a value of this type out.
func canBeEmpty(t reflect.Type) bool {
	return t.Kind() != reflect.Struct && (t.Kind() != reflect.Array || t.Len() == 0)
}

func scalar(t reflect.Type) bool {
	k := t.Kind()
	return k >= reflect.Bool && k <= reflect.Float64 || k == reflect.String
}
