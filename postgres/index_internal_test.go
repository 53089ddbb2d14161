package postgres

import (
	"bytes"
	"cmp"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
)

// compareValues is the order of the contract: nil, false, true, numbers, texts by their bytes.
func compareValues(a, b any) int {
	rank := func(v any) int {
		switch v := v.(type) {
		case nil:
			return 0
		case bool:
			if v {
				return 2
			}
			return 1
		case string:
			return 4
		}
		return 3
	}
	if c := cmp.Compare(rank(a), rank(b)); c != 0 || rank(a) < 3 {
		return c
	}
	if text, ok := a.(string); ok {
		return strings.Compare(text, b.(string))
	}
	exact := func(v any) *big.Float {
		if i, ok := v.(int64); ok {
			return new(big.Float).SetInt64(i)
		}
		return big.NewFloat(v.(float64))
	}
	return exact(a).Cmp(exact(b))
}

func TestIndexValuesAreOrderedAsTheyAre(t *testing.T) {
	t.Parallel()
	values := []any{
		nil, false, true, "", "\x00", "a", "a\x00", "b", "ü", "\xff", strings.Repeat("x", 3000), 0.0, math.Copysign(0, -1), 0.5, -0.5, 1.0, -1.0,
		1e300, -1e300, math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, float64(1 << 53), float64(1 << 62), float64(1 << 63), -float64(1 << 63),
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for shift := range 63 {
		for near := int64(-2); near <= 2; near++ {
			n := int64(1)<<shift + near
			values = append(values, n, -n, float64(n), -float64(n))
		}
		n := rng.Int64() >> shift
		values = append(values, n, -n, float64(n), math.Nextafter(float64(n), 0))
	}
	values = append(values, int64(math.MaxInt64), int64(math.MinInt64), int64(math.MaxInt64)-1, int64(math.MinInt64)+1)
	for _, a := range values {
		for _, b := range values {
			if got, want := bytes.Compare(indexValue(a), indexValue(b)), compareValues(a, b); got != want {
				t.Fatalf("%v and %v (%T, %T) compare as %d, want %d", a, b, a, b, got, want)
			}
		}
	}
}
