//go:build !race

package deed_test

// raceScale divides the sizes of tests under the race detector; this build has none.
const raceScale = 1
