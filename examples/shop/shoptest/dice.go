package shoptest

import (
	"math/rand/v2"
	"strings"
)

// Dice make choices, the same from the same seed.
type Dice struct {
	*rand.Rand
	bytes []byte
}

// Seeded are dice that a seed and a number make.
func Seeded(seed, n uint64) *Dice { return &Dice{Rand: rand.New(rand.NewPCG(seed, n))} }

// Thrown are dice that show what a fuzzer's bytes say: each two of them are the seed of one step of a history. What takes two
// bytes away, or moves them, does so with a step, and changes no other.
func Thrown(data []byte) *Dice {
	d := Seeded(0, 0)
	d.bytes = data[:min(len(data), 2*mostSteps)]
	return d
}

// mostSteps bounds a history: each command folds anew what is there.
const mostSteps = 1000

// Next begins the next step; false if there is none.
func (d *Dice) Next() bool {
	if len(d.bytes) < 2 {
		return false
	}
	d.Rand = rand.New(rand.NewPCG(uint64(d.bytes[0]), uint64(d.bytes[1])))
	d.bytes = d.bytes[2:]
	return true
}

// Made is what a fuzzer might say to make a history of so many steps, made up by the PCG of (seed, n).
func Made(seed, n uint64, steps int) []byte {
	d := Seeded(seed, n)
	data := make([]byte, 2*steps)
	for i := range data {
		data[i] = byte(d.IntN(256))
	}
	return data
}

// Chance is true in so many of a hundred cases.
func (d *Dice) Chance(percent int) bool { return d.IntN(100) < percent }

// Pick is one of these.
func Pick[V any](d *Dice, of ...V) V { return of[d.IntN(len(of))] }

// odd is text that hardly anything takes, or that is just short enough.
func (d *Dice) odd() string {
	return Pick(d, "", " ", "\t\n", "\x00", "a\u0000b", "a/b", "..", "two\nlines", "\u202e\u00a0", "ſK\u0130", "'; drop table rows; --", "<b>&\u2028",
		strings.Repeat("ü", 100), strings.Repeat("ü", 101), strings.Repeat("x", 240), strings.Repeat("x", 255), strings.Repeat("\U0001f375", 300))
}

// text is one of these, or now and then something odd.
func (d *Dice) text(of ...string) string {
	if d.Chance(3) {
		return d.odd()
	}
	return Pick(d, of...)
}
