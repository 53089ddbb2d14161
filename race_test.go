//go:build race

package deed_test

// raceScale divides the sizes of tests under the race detector, where a database in pure Go is some twenty times slower.
const raceScale = 20
