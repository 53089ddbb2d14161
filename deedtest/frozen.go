package deedtest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/deed-es/deed"
)

// Frozen fails if a decider's Evolve gives other states than it did, under the same Version, over a corpus made of its
// events. The digest is kept in testdata/frozen; a run with DEED_UPDATE=1 in the environment writes it.
func Frozen[S any, C deed.Command, E deed.Event](t testing.TB, d deed.Decider[S, C, E]) {
	t.Helper()
	got := fmt.Sprintf("version %d %s\n", max(d.Version, 1), digest(digestJSON(foldCorpus(d.Events, d.Evolve))))
	path := filepath.Join("testdata", "frozen", d.Category)
	if os.Getenv("DEED_UPDATE") != "" {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run the test with DEED_UPDATE=1 to keep the digest of Evolve", err)
	}
	want := strings.ReplaceAll(string(kept), "\r\n", "\n")
	switch {
	case want == got:
	case strings.Fields(want)[1] == strings.Fields(got)[1]:
		t.Fatalf("Evolve of %s gives other states than before under the same Version; raise Version, then run with DEED_UPDATE=1", d.Category)
	default:
		t.Fatalf("Version of %s has changed; run with DEED_UPDATE=1 to keep the new digest", d.Category)
	}
}

// foldCorpus folds sequences of made-up events, the same in every run, and returns all the states on the way.
func foldCorpus[S any, E deed.Event](events []E, evolve func(S, E) S) []S {
	random := rand.New(rand.NewPCG(1, 2))
	var states []S
	for range 50 {
		var state S
		for range 20 {
			e := reflect.New(reflect.TypeOf(events[random.IntN(len(events))])).Elem()
			fill(e, random, 0)
			state = evolve(state, e.Interface().(E))
			states = append(states, state)
		}
	}
	return states
}

// fill sets what can be set in v to made-up values.
func fill(v reflect.Value, random *rand.Rand, depth int) {
	if depth > 4 || !v.CanSet() {
		return
	}
	if v.Type() == reflect.TypeFor[time.Time]() {
		v.Set(reflect.ValueOf(Start.Add(time.Duration(random.IntN(1_000_000)) * time.Second)))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if random.IntN(3) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem(), random, depth+1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), random, depth+1)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), random.IntN(3), 3))
		for i := range v.Len() {
			fill(v.Index(i), random, depth+1)
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), random, depth+1)
		}
	case reflect.String:
		v.SetString(fmt.Sprintf("text-%d", random.IntN(10)))
	case reflect.Bool:
		v.SetBool(random.IntN(2) == 1)
	case reflect.Float32, reflect.Float64:
		v.SetFloat(float64(random.IntN(100_000)) / 100)
	default:
		if v.CanInt() {
			v.SetInt(random.Int64N(100))
		} else if v.CanUint() {
			v.SetUint(random.Uint64N(100))
		}
	}
}
