//go:build race

package sqlite_test

// underRace: SQLite in pure Go is some twenty times slower under the race detector.
const underRace = true
