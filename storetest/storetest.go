// Package storetest is the conformance suite that every engine of deed passes. Its cases are sentences of the contract;
// behind them come the races that other stores have lost, and random walks beside a model in memory.
//
// An engine's own test is a function that opens it:
//
//	func open(t *testing.T, c storetest.Config) deed.Engine {
//		db, err := engine.Open(filepath.Join(c.Dir, "log"), &engine.Options{Clock: c.Clock, MaxEvent: c.MaxEvent})
//		if err != nil {
//			t.Fatal(err)
//		}
//		return db
//	}
//
//	func TestStore(t *testing.T) { storetest.Run(t, open, storetest.Claims{Dense: true, OneClock: true}) }
//	func TestParts(t *testing.T) { storetest.RunParts(t, open) }
//	func TestInline(t *testing.T) { storetest.RunInline(t, open) } // if it is a deed.InlineStore
//	func TestLeases(t *testing.T) { storetest.RunLeases(t, open) } // if it is a deed.LeaseStore
//	func FuzzStore(f *testing.F) { storetest.Fuzz(f, open) }
//
// RunViews and RunTables are for its stores of views.
//
// Each case has a store of its own and runs in parallel with others. Nothing sleeps; what waits is bounded by a minute or
// two. With -short and under the race detector the suite does less of the same.
package storetest

import (
	"testing"

	"github.com/deed-es/deed"
)

// Config says which store a case wants opened.
type Config struct {
	// Dir is an empty directory, which also names the store: the same Dir opens the same store again.
	Dir string
	// Clock is the clock that the store stamps with; never nil.
	Clock deed.Clock
	// MaxEvent is as in deed.Limits.
	MaxEvent int
}

// Open opens the store that c names, and fails t if it cannot. What it returns also has Close() error; the suite closes
// what it has opened, each once, and opens a Dir again only after that; RunLeases has it open twice.
type Open func(t *testing.T, c Config) deed.Engine

// Claims is what an engine promises beyond the contract. The zero value claims nothing.
type Claims struct {
	// Dense: positions count from 1 without gaps.
	Dense bool
	// OneClock: recorded times never go back from a record to the next, so that "as of T" is a prefix of the log.
	OneClock bool
	// LargeEvents: MaxEvent may be raised, up to 16 MiB.
	LargeEvents bool
}

// Run checks that the stores that open opens keep the contract, and the claims.
func Run(t *testing.T, open Open, claims Claims) {
	for _, s := range storeSections() {
		t.Run(s.name, func(t *testing.T) {
			for _, c := range s.cases {
				t.Run(c.sentence, func(t *testing.T) {
					if c.claims != nil && !c.claims(claims) {
						t.Skip("not claimed")
					}
					t.Parallel()
					c.run(newBed(t, func(config Config) deed.Engine { return open(t, config) }, claims))
				})
			}
		})
	}
	t.Run("walks", func(t *testing.T) { runWalks(t, open) })
}

// RunParts checks the engine's deed.PartStore, and that Forget knows the effects.
func RunParts(t *testing.T, open Open) {
	for _, c := range partCases() {
		t.Run(c.sentence, func(t *testing.T) {
			t.Parallel()
			c.run(newBed(t, func(config Config) deed.Engine { return open(t, config) }, Claims{}))
		})
	}
}

// A storeCase is one sentence of the contract and what shows that it holds.
type storeCase struct {
	sentence string
	run      func(b *bed)
	claims   func(Claims) bool // nil: part of the contract
}

type section struct {
	name  string
	cases []storeCase
}

func storeSections() []section {
	return []section{
		{"log", logCases()},
		{"limits", limitCases()},
		{"append", appendCases()},
		{"repeat", repeatCases()},
		{"command", commandCases()},
		{"check", checkCases()},
		{"read", readCases()},
		{"loop", loopCases()},
		{"follow", followCases()},
		{"mark", markCases()},
		{"clock", clockCases()},
		{"race", raceCases()},
		{"contest", contestCases()},
	}
}

func dense(c Claims) bool       { return c.Dense }
func oneClock(c Claims) bool    { return c.OneClock }
func largeEvents(c Claims) bool { return c.LargeEvents }
