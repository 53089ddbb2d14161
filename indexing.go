package deed

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"time"
)

// indexing knows a view's index fields: how to take their values from a row, and how to read one that a query names.
type indexing struct {
	row    reflect.Type
	names  []string
	fields map[string]indexField
}

type indexField struct {
	path []int
	kind indexKind
}

type indexKind int

const (
	indexText  indexKind = iota
	indexInt             // int64
	indexFloat           // float64
	indexBool
	indexTime // text of one width in UTC, so that it sorts
	indexJSON // whatever scalar its JSON form is
)

var (
	jsonMarshaler = reflect.TypeFor[json.Marshaler]()
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
)

func newIndexing(row reflect.Type, names []string) (indexing, error) {
	x := indexing{row: row, names: names, fields: map[string]indexField{}}
	if len(names) == 0 {
		return x, nil
	}
	if row.Kind() != reflect.Struct {
		return x, fmt.Errorf("Index: %s is no struct, it has no fields to index", row)
	}
	var errs []error
	for _, name := range names {
		f, ok := jsonFields(row)[name]
		if !ok {
			errs = append(errs, fmt.Errorf("Index: %s has no JSON field %q", row, name))
			continue
		}
		if _, twice := x.fields[name]; twice {
			errs = append(errs, fmt.Errorf("Index: %q is listed twice", name))
		}
		kind, ok := kindOf(f.Type)
		if !ok {
			errs = append(errs, fmt.Errorf("Index: %q is a %s, which is no single value", name, f.Type))
		}
		x.fields[name] = indexField{path: f.Index, kind: kind}
	}
	return x, errors.Join(errs...)
}

func kindOf(t reflect.Type) (indexKind, bool) {
	if t == reflect.TypeFor[time.Time]() || t == reflect.TypeFor[*time.Time]() {
		return indexTime, true
	}
	if t.Implements(jsonMarshaler) || t.Implements(textMarshaler) {
		return indexJSON, true
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Implements(jsonMarshaler) || t.Implements(textMarshaler) {
		return indexJSON, true
	}
	switch t.Kind() {
	case reflect.String:
		return indexText, true
	case reflect.Bool:
		return indexBool, true
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return indexInt, true
	case reflect.Float32, reflect.Float64:
		return indexFloat, true
	}
	return 0, false
}

// values returns what the index holds for a row.
func (x indexing) values(row reflect.Value) ([]any, error) {
	if len(x.names) == 0 {
		return nil, nil
	}
	values := make([]any, len(x.names))
	for i, name := range x.names {
		v, err := x.fields[name].of(row)
		if err != nil {
			return nil, fmt.Errorf("index field %q: %w", name, err)
		}
		values[i] = v
	}
	return values, nil
}

func (f indexField) of(row reflect.Value) (any, error) {
	v, err := row.FieldByIndexErr(f.path)
	if err != nil { // an embedded pointer is nil
		return nil, nil
	}
	if f.kind == indexJSON {
		return jsonScalar(v)
	}
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil, nil
		}
		v = v.Elem()
	}
	switch {
	case f.kind == indexText:
		return v.String(), nil
	case f.kind == indexBool:
		return v.Bool(), nil
	case f.kind == indexFloat:
		return v.Float(), nil
	case f.kind == indexTime:
		return timeText(v.Interface().(time.Time)), nil
	case v.CanUint():
		return signed(v.Uint())
	}
	return v.Int(), nil
}

// timeText is t in the form in which an index holds times: equal instants are equal text, and later ones are greater.
func timeText(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000000Z") }

func signed(n uint64) (any, error) {
	if n > math.MaxInt64 {
		return nil, fmt.Errorf("%d is more than an index holds", n)
	}
	return int64(n), nil
}

// jsonScalar is the value that v's JSON form is.
func jsonScalar(v reflect.Value) (any, error) {
	data, err := encodeJSON(v.Interface())
	if err != nil {
		return nil, err
	}
	var value any
	if err := json.Unmarshal(data, &value); err != nil {
		return nil, err
	}
	switch value.(type) {
	case nil, string, bool, float64:
		return value, nil
	}
	return nil, fmt.Errorf("its JSON form %.40s is no single value", data)
}

// value turns what a caller gave for a field into what the index holds. Text is read as the field's kind, so that URLs can
// name numbers.
func (x indexing) value(name string, given any) (any, error) {
	f, ok := x.fields[name]
	if !ok {
		return nil, invalid(name, "is not an index field of this view")
	}
	if given == nil {
		return nil, nil
	}
	v := reflect.ValueOf(given)
	if t, ok := given.(time.Time); ok && f.kind == indexTime {
		return timeText(t), nil
	}
	if f.kind == indexJSON && v.Kind() != reflect.String {
		value, err := jsonScalar(v)
		if err != nil {
			return nil, invalid(name, fmt.Sprintf("cannot be compared with a %T: %v", given, err))
		}
		return value, nil
	}
	if v.Kind() == reflect.String {
		return f.parse(name, v.String())
	}
	switch {
	case f.kind == indexBool && v.Kind() == reflect.Bool:
		return v.Bool(), nil
	case f.kind == indexInt && v.CanInt():
		return v.Int(), nil
	case f.kind == indexInt && v.CanUint():
		n, err := signed(v.Uint())
		if err != nil {
			return nil, invalid(name, err.Error())
		}
		return n, nil
	case f.kind == indexFloat && v.CanFloat():
		return v.Float(), nil
	case f.kind == indexFloat && v.CanInt():
		return float64(v.Int()), nil
	}
	return nil, invalid(name, fmt.Sprintf("cannot be compared with a %T", given))
}

func (f indexField) parse(name, text string) (any, error) {
	var value any = text
	var err error
	switch f.kind {
	case indexInt:
		value, err = strconv.ParseInt(text, 10, 64)
	case indexFloat:
		value, err = strconv.ParseFloat(text, 64)
	case indexBool:
		value, err = strconv.ParseBool(text)
	case indexTime:
		var t time.Time
		t, err = time.Parse(time.RFC3339Nano, text)
		value = timeText(t)
	case indexText, indexJSON:
	}
	if err != nil {
		return nil, invalid(name, fmt.Sprintf("%.40q is not a value of this field", text))
	}
	return value, nil
}

// stored returns, as JSON, what the index holds of a field for a stored row.
func (x indexing) stored(name string, row Row) (json.RawMessage, error) {
	value, err := x.valueIn(name, row)
	if err != nil {
		return nil, err
	}
	return json.Marshal(value)
}

// valueIn returns what the index holds of a field for a stored row.
func (x indexing) valueIn(name string, row Row) (any, error) {
	v := reflect.New(x.row)
	if err := json.Unmarshal(row.Data, v.Interface()); err != nil {
		return nil, err
	}
	return x.fields[name].of(v.Elem())
}

// fromJSON turns back what stored returned.
func (f indexField) fromJSON(data json.RawMessage) (any, error) {
	if f.kind == indexInt {
		var n *int64
		if err := json.Unmarshal(data, &n); err != nil || n == nil {
			return nil, err
		}
		return *n, nil
	}
	var value any
	err := json.Unmarshal(data, &value)
	return value, err
}
