//go:build race

package storetest

// raceScale divides the sizes of the suite under the race detector, where a database in pure Go is some twenty times slower.
const raceScale = 5
