package console

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestDiff(t *testing.T) {
	for _, c := range []struct {
		name, before, after string
		want                []string
	}{
		{"equal", `{"a":1,"b":[1,{"c":null}]}`, `{"b":[1,{"c":null}],"a":1}`, nil},
		{"a member changes", `{"a":1}`, `{"a":2}`, []string{"changed a"}},
		{"members come and go", `{"a":1,"b":2}`, `{"b":2,"c":3}`, []string{"removed a", "added c"}},
		{"deep", `{"a":{"b":[{"c":1},{"c":2}]}}`, `{"a":{"b":[{"c":1},{"c":3}]}}`, []string{"changed a.b[1].c"}},
		{"an element in front", `[2,3]`, `[1,2,3]`, []string{"added [0]"}},
		{"an element in the middle goes", `[1,2,3]`, `[1,3]`, []string{"removed [1]"}},
		{"an element at the end", `{"l":[1]}`, `{"l":[1,2]}`, []string{"added l[1]"}},
		{"kinds", `{"a":[]}`, `{"a":{}}`, []string{"changed a"}},
		{"null is not nothing", `{"a":null}`, `{}`, []string{"removed a"}},
		{"odd names", `{}`, `{"a b":1,"":2,"1":3}`, []string{`added [""]`, `added ["1"]`, `added ["a b"]`}},
		{"numbers as they are written", `{"a":12345678901234567890}`, `{"a":12345678901234567891}`, []string{"changed a"}},
		{"the whole", `1`, `"1"`, []string{"changed the whole"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			before, after := decoded([]byte(c.before)), decoded([]byte(c.after))
			all := diff(before, after)
			var got []string
			for _, d := range all {
				got = append(got, d.kind+" "+pathText(d.path))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if made := applied(before, all); !reflect.DeepEqual(made, after) {
				t.Errorf("applied it is %v, want %v", made, after)
			}
		})
	}
}

// What a diff says turns the one value into the other, whatever they are, and there is none between equal ones.
func FuzzDiff(f *testing.F) {
	for _, seed := range [][2]string{
		{`{"a":1}`, `{"b":[1,2,{"c":null}]}`},
		{`[1,2,3]`, `[3,2,1]`},
		{`[[1],[2]]`, `[[2]]`},
		{`null`, `{}`},
		{`{"a":[{"b":1},{"b":2}]}`, `{"a":[{"b":2}]}`},
		{`[1,1,1,2]`, `[1,2,1,1]`},
	} {
		f.Add([]byte(seed[0]), []byte(seed[1]))
	}
	f.Fuzz(func(t *testing.T, one, other []byte) {
		if !json.Valid(one) || !json.Valid(other) {
			return
		}
		before, after := decoded(one), decoded(other)
		all := diff(before, after)
		if made := applied(before, all); !reflect.DeepEqual(made, after) {
			t.Errorf("%s to %s by %v is %v", one, other, all, made)
		}
		if equal := reflect.DeepEqual(before, after); equal != (len(all) == 0) {
			t.Errorf("%s and %s: equal is %t, and there are %d differences", one, other, equal, len(all))
		}
		if shown, n := changesOf(one, other); len(shown) > shownChanges || len(shown) > n {
			t.Errorf("%d of %d changes are shown", len(shown), n)
		}
	})
}

// applied does to a value what differences say: what is removed last of all first, by the places that it had, then what is
// added, by those that it gets.
func applied(v any, all []difference) any {
	v = copied(v)
	for _, d := range all {
		if d.kind == diffChanged {
			v = replaced(v, d.path, func(any) any { return d.after })
		}
	}
	for _, d := range slices.Backward(all) {
		if d.kind == diffRemoved {
			v = without(v, d.path)
		}
	}
	for _, d := range all {
		if d.kind == diffAdded {
			v = with(v, d.path, d.after)
		}
	}
	return v
}

func copied(v any) any {
	switch v := v.(type) {
	case map[string]any:
		c := map[string]any{}
		for name, value := range v {
			c[name] = copied(value)
		}
		return c
	case []any:
		c := make([]any, len(v))
		for i, value := range v {
			c[i] = copied(value)
		}
		return c
	}
	return v
}

func replaced(v any, path []step, f func(any) any) any {
	if len(path) == 0 {
		return f(v)
	}
	switch own := v.(type) {
	case map[string]any:
		own[path[0].name] = replaced(own[path[0].name], path[1:], f)
	case []any:
		own[path[0].index] = replaced(own[path[0].index], path[1:], f)
	}
	return v
}

func without(v any, path []step) any {
	last := path[len(path)-1]
	return replaced(v, path[:len(path)-1], func(parent any) any {
		if own, ok := parent.(map[string]any); ok {
			delete(own, last.name)
			return own
		}
		return slices.Delete(parent.([]any), last.index, last.index+1)
	})
}

func with(v any, path []step, value any) any {
	last := path[len(path)-1]
	return replaced(v, path[:len(path)-1], func(parent any) any {
		if own, ok := parent.(map[string]any); ok {
			own[last.name] = value
			return own
		}
		return slices.Insert(parent.([]any), last.index, value)
	})
}

// A first version shows every field as added, and no more changes than fit.
func TestChangesOfAFirstVersion(t *testing.T) {
	shown, n := changesOf(nil, []byte(`{"a":1,"b":{"c":2}}`))
	if n != 2 || len(shown) != 2 || shown[0].Path != "a" || shown[0].Kind != diffAdded || shown[0].Before != nil || shown[1].After.Count != 1 {
		t.Errorf("%d changes: %+v", n, shown)
	}
	if shown, n := changesOf(nil, []byte(`[1]`)); n != 1 || shown[0].Path != "the whole" || shown[0].Kind != diffAdded {
		t.Errorf("%d changes: %+v", n, shown)
	}
	many := "[" + strings.Repeat("1,", 999) + "1]"
	if shown, n := changesOf([]byte("[]"), []byte(many)); n != 1000 || len(shown) != shownChanges {
		t.Errorf("%d of %d changes", len(shown), n)
	}
}
