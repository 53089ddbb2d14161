package storetest

import (
	"testing"

	"github.com/deed-es/deed"
)

// Fault is what happens to a call of the engine to what it stands on: the files, or a connection.
type Fault int

const (
	// FailOnce: one call fails, those after it succeed.
	FailOnce Fault = iota
	// FailThrice: the call and the two after it fail.
	FailThrice
	// Die: the process dies there. Nothing that it does afterwards has an effect, until Faults.Mend.
	Die
)

func (f Fault) String() string {
	return [...]string{"fails once", "fails thrice", "kills the process"}[f]
}

// Faults spoils what is below one store. Its methods may be called while the store is used, and before it is opened.
type Faults interface {
	// Spoil has the n-th call from now on, counted from 1, suffer a fault. Earlier orders are forgotten. What it returns is
	// closed when the fault comes to pass.
	Spoil(n int, f Fault) <-chan struct{}
	// Mend lets all calls succeed again.
	Mend()
}

// OpenFaulty prepares the store that c names: it returns what spoils it, and how to open it, which may be done again after a
// Close, after an error, and after its process died. What open returns is also a deed.ViewStore and has Close() error.
type OpenFaulty func(t *testing.T, c Config) (faults Faults, open func() (deed.Engine, error))

// RunFaults does short pieces of work again and again, and spoils a piece's first call, then its second, and so on to its
// last, with each of the faults. Whatever fails, nothing acknowledged is missing, nothing refused is there, what ended
// unknown is there whole or not at all, and once after a retry: the events of an append; the states, effects, parked records
// and checkpoint of a part's step; the effects that are finished together. The store works again when the fault has passed,
// without being opened again unless its process died, and the view is the fold of the log. An opening that fails makes no
// difference to the next one.
//
// Every stride-th call is spoiled; 1 is all of them.
func RunFaults(t *testing.T, open OpenFaulty, stride int) {
	for _, piece := range faultPieces() {
		t.Run(piece.name, func(t *testing.T) {
			for _, fault := range []Fault{FailOnce, FailThrice, Die} {
				t.Run(fault.String(), func(t *testing.T) {
					t.Parallel()
					piece.spoilEach(t, open, fault, stride)
				})
			}
		})
	}
}

func (p faultPiece) spoilEach(t *testing.T, open OpenFaulty, fault Fault, stride int) {
	walks, refused, unknown := 0, 0, 0
	for n := 1; ; n += stride {
		w := newFaultWalk(t, func(c Config) (Faults, func() (deed.Engine, error)) { return open(t, c) }, fault, n)
		p.walk(w)
		walks, refused, unknown = walks+1, refused+w.refused, unknown+w.unknown
		if t.Failed() {
			t.Fatalf("call %d %s", n, fault)
		}
		if !w.spoilt {
			break
		}
	}
	t.Logf("%d calls spoilt, each in a run of its own: %d changes refused, %d unknown, 0 lost", walks-1, refused, unknown)
}

// A faultPiece is a piece of work and what is found after it.
type faultPiece struct {
	name string
	walk func(w *faultWalk)
}

func faultPieces() []faultPiece {
	return []faultPiece{
		{"appends and views", func(w *faultWalk) { w.using(w.appendAndProject) }},
		{"parts and effects", func(w *faultWalk) { w.using(w.stepAndFinish) }},
		{"opened for the first time", func(w *faultWalk) { w.opening() }},
		{"opened again", func(w *faultWalk) {
			w.fill()
			w.close()
			w.opening()
		}},
		{"opened after its process died", func(w *faultWalk) {
			w.fill()
			w.die()
			w.opening()
		}},
	}
}
