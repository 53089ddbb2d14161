//go:build !race

package storetest

// raceScale divides the sizes of the suite under the race detector; this build has none.
const raceScale = 1
