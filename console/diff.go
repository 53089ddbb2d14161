package console

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// How a place in a JSON value has changed.
const (
	diffAdded   = "added"
	diffRemoved = "removed"
	diffChanged = "changed"
)

// step is a member's name or, in an array, an index.
type step struct {
	name  string
	index int // -1: it is a name
}

// difference is one place where two JSON values differ. Indexes of what is removed, or changed, are those before; of what is
// added, those after.
type difference struct {
	path          []step
	kind          string
	before, after any
}

// diff tells what turns before into after. Values are as encoding/json decodes them, with numbers as json.Number.
func diff(before, after any) []difference { return diffAt(nil, before, after, nil) }

func diffAt(path []step, before, after any, all []difference) []difference {
	if reflect.DeepEqual(before, after) {
		return all
	}
	if len(path) >= shownDepth { // nobody reads further down
		return append(all, difference{path: slices.Clone(path), kind: diffChanged, before: before, after: after})
	}
	switch b := before.(type) {
	case map[string]any:
		if a, ok := after.(map[string]any); ok {
			return diffObjects(path, b, a, all)
		}
	case []any:
		if a, ok := after.([]any); ok {
			return diffArrays(path, b, a, all)
		}
	}
	return append(all, difference{path: slices.Clone(path), kind: diffChanged, before: before, after: after})
}

func diffObjects(path []step, before, after map[string]any, all []difference) []difference {
	names := slices.Collect(maps.Keys(before))
	for name := range after {
		if _, both := before[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		here := append(slices.Clone(path), step{name, -1})
		b, was := before[name]
		a, is := after[name]
		switch {
		case was && is:
			all = diffAt(here, b, a, all)
		case was:
			all = append(all, difference{path: here, kind: diffRemoved, before: b})
		default:
			all = append(all, difference{path: here, kind: diffAdded, after: a})
		}
	}
	return all
}

// diffArrays leaves out what both begin and end with, compares what is between element by element, and takes the rest as
// removed or added.
func diffArrays(path []step, before, after []any, all []difference) []difference {
	first, shorter := 0, min(len(before), len(after))
	for first < shorter && reflect.DeepEqual(before[first], after[first]) {
		first++
	}
	same := 0
	for same < shorter-first && reflect.DeepEqual(before[len(before)-1-same], after[len(after)-1-same]) {
		same++
	}
	both := shorter - same
	for i := first; i < both; i++ {
		all = diffAt(append(slices.Clone(path), step{"", i}), before[i], after[i], all)
	}
	for i := both; i < len(before)-same; i++ {
		all = append(all, difference{path: append(slices.Clone(path), step{"", i}), kind: diffRemoved, before: before[i]})
	}
	for i := both; i < len(after)-same; i++ {
		all = append(all, difference{path: append(slices.Clone(path), step{"", i}), kind: diffAdded, after: after[i]})
	}
	return all
}

// pathText is a path for people: customer.lines[2].value; a name that does not look like one is quoted.
func pathText(path []step) string {
	var b strings.Builder
	for _, s := range path {
		switch {
		case s.index >= 0:
			b.WriteString("[" + strconv.Itoa(s.index) + "]")
		case plainName(s.name):
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(s.name)
		default:
			b.WriteString("[" + strconv.Quote(s.name) + "]")
		}
	}
	if b.Len() == 0 {
		return "the whole"
	}
	return b.String()
}

func plainName(name string) bool {
	for i, r := range name {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || (r < '0' || r > '9') && r != '-') {
			return false
		}
	}
	return name != ""
}

// decoded is a JSON value as diff takes it; nil if it is none.
func decoded(data []byte) any {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil
	}
	return v
}

// change is a difference as it is shown.
type change struct {
	Path, Kind    string
	Before, After *node
}

const shownChanges = 200

// changesOf are the first differences of two JSON texts as they are shown, and how many there are. Nothing is before a first
// version.
func changesOf(before, after []byte) ([]change, int) {
	old, now := decoded(before), decoded(after)
	all := []difference{{kind: diffAdded, after: now}}
	if _, isObject := now.(map[string]any); old == nil && isObject {
		old = map[string]any{}
	}
	if old != nil {
		all = diff(old, now)
	}
	var shown []change
	for _, d := range all[:min(len(all), shownChanges)] {
		c := change{Path: cut(shownValue, pathText(d.path)), Kind: d.kind}
		if d.kind != diffAdded {
			c.Before = nodeOfValue(d.before)
		}
		if d.kind != diffRemoved {
			c.After = nodeOfValue(d.after)
		}
		shown = append(shown, c)
	}
	return shown, len(all)
}

func nodeOfValue(v any) *node {
	text, err := json.Marshal(v)
	if err != nil {
		return &node{Kind: "null", Cut: true}
	}
	return nodeOf(text)
}
