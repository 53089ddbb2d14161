package deedtest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"sort"
	"strings"
	"testing"

	"github.com/deed-es/deed"
)

// pure calls f with s and fails the test if f changed what s points to.
func pure[S any](t testing.TB, name string, s S, f func(S) S) S {
	t.Helper()
	before := digest(s)
	next := f(s)
	if digest(s) != before {
		t.Fatalf("%s changed its argument %T; it must return a changed copy", name, s)
	}
	return next
}

// digest is a hash over everything that v holds, unexported fields and what pointers lead to included.
func digest(v any) string {
	h := sha256.New()
	walk(h, reflect.ValueOf(&v).Elem(), 0)
	return hex.EncodeToString(h.Sum(nil))
}

const maxDepth = 64 // deeper is taken for a cycle

func walk(w io.Writer, v reflect.Value, depth int) {
	if !v.IsValid() || depth > maxDepth {
		fmt.Fprint(w, "-")
		return
	}
	fmt.Fprint(w, v.Kind(), ":")
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			fmt.Fprint(w, "nil;")
			return
		}
		fmt.Fprint(w, v.Elem().Type(), ";")
		walk(w, v.Elem(), depth+1)
	case reflect.Struct:
		for i := range v.NumField() {
			walk(w, v.Field(i), depth+1)
		}
	case reflect.Slice, reflect.Array:
		fmt.Fprint(w, v.Len(), ";")
		for i := range v.Len() {
			walk(w, v.Index(i), depth+1)
		}
	case reflect.Map:
		fmt.Fprint(w, v.Len(), ";")
		walkMap(w, v, depth)
	case reflect.Func, reflect.Chan, reflect.UnsafePointer:
		fmt.Fprint(w, v.IsNil(), ";")
	case reflect.String:
		fmt.Fprintf(w, "%q;", v.String())
	case reflect.Float32, reflect.Float64:
		fmt.Fprint(w, v.Float(), ";")
	case reflect.Complex64, reflect.Complex128:
		fmt.Fprint(w, v.Complex(), ";")
	case reflect.Bool:
		fmt.Fprint(w, v.Bool(), ";")
	default:
		if v.CanInt() {
			fmt.Fprint(w, v.Int(), ";")
		} else {
			fmt.Fprint(w, v.Uint(), ";")
		}
	}
}

// walkMap goes through a map in the order of its entries' text.
func walkMap(w io.Writer, v reflect.Value, depth int) {
	entries := make([]string, 0, v.Len())
	for it := v.MapRange(); it.Next(); {
		var entry strings.Builder
		walk(&entry, it.Key(), depth+1)
		walk(&entry, it.Value(), depth+1)
		entries = append(entries, entry.String())
	}
	sort.Strings(entries)
	for _, entry := range entries {
		fmt.Fprint(w, entry)
	}
}

// sameInJSON fails the test if v is not the same after it was stored: an unexported field, a wrong tag.
func sameInJSON(t testing.TB, v any) {
	t.Helper()
	if v == nil {
		t.Fatal("a nil event, command or state")
	}
	data, err := deed.EncodeJSON(v)
	if err != nil {
		t.Fatalf("%T cannot be stored: %v", v, err)
	}
	stored := reflect.New(reflect.TypeOf(v))
	if err := json.Unmarshal(data, stored.Interface()); err != nil {
		t.Fatalf("%T cannot be read back from %s: %v", v, data, err)
	}
	again, err := deed.EncodeJSON(stored.Elem().Interface())
	if err != nil || string(again) != string(data) || digestJSON(v) != digestJSON(stored.Elem().Interface()) {
		t.Fatalf("%T loses something when it is stored: %+v becomes %+v by way of %s", v, v, stored.Elem().Interface(), data)
	}
}

// digestJSON tells what a value holds in exported and unexported fields, but takes nil and empty slices and maps, and equal
// values of types with a JSON form of their own, for the same.
func digestJSON(v any) string {
	var text strings.Builder
	plain(&text, reflect.ValueOf(v), 0)
	return text.String()
}

func plain(w *strings.Builder, v reflect.Value, depth int) {
	if !v.IsValid() || depth > maxDepth {
		return
	}
	if v.CanInterface() {
		if m, ok := v.Interface().(json.Marshaler); ok && (v.Kind() != reflect.Pointer || !v.IsNil()) {
			data, _ := m.MarshalJSON()
			w.Write(data)
			return
		}
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			plain(w, v.Elem(), depth+1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			w.WriteByte('|')
			plain(w, v.Field(i), depth+1)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			w.WriteByte(',')
			plain(w, v.Index(i), depth+1)
		}
	case reflect.Map:
		walkMap(w, v, depth)
	default:
		walk(w, v, depth)
	}
}

func describe[T any](list []T) string {
	if len(list) == 0 {
		return "nothing"
	}
	lines := make([]string, len(list))
	for i, v := range list {
		lines[i] = fmt.Sprintf("%T%+v", v, v)
		if s, ok := any(v).(fmt.Stringer); ok {
			lines[i] = s.String()
		}
	}
	return strings.Join(lines, "\n     ")
}
