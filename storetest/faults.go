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

// Faults spoils what is below one store. Its methods may be called while the store is used.
type Faults interface {
	// Spoil has the n-th call from now on, counted from 1, suffer a fault. Earlier orders are forgotten. What it returns is
	// closed when the fault comes to pass.
	Spoil(n int, f Fault) <-chan struct{}
	// Mend lets all calls succeed again.
	Mend()
}

// OpenFaulty opens the store that c names on what faults spoils; the same Dir opens the same store again, on the same
// faults. What it returns is also a deed.ViewStore and has Close() error.
type OpenFaulty func(t *testing.T, c Config) (deed.Engine, Faults, error)

// RunFaults does a short piece of work again and again, and spoils its first call, then its second, and so on to its last,
// with each of the faults. Whatever fails, nothing acknowledged is missing, nothing refused is there, what ended unknown is
// there whole or not at all, and once after a retry; the store works again when the fault has passed, without being opened
// again unless its process died; and the view is the fold of the log.
//
// Every stride-th call is spoiled; 1 is all of them.
func RunFaults(t *testing.T, open OpenFaulty, stride int) {
	for _, fault := range []Fault{FailOnce, FailThrice, Die} {
		t.Run(fault.String(), func(t *testing.T) {
			t.Parallel()
			walks, unknown, refused := 0, 0, 0
			for n := 1; ; n += stride {
				w := newFaultWalk(t, open, fault, n)
				w.run()
				walks, unknown, refused = walks+1, unknown+w.unknown, refused+w.refused
				if t.Failed() {
					t.Fatalf("call %d %s", n, fault)
				}
				if !w.spoilt {
					break
				}
			}
			t.Logf("%d calls spoilt, each in a run of its own: %d appends refused, %d unknown, 0 lost", walks-1, refused, unknown)
		})
	}
}
