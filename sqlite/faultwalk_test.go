package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/ncruces/go-sqlite3"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
	"github.com/deed-es/deed/storetest"
)

func TestFaultsOfTheDisk(t *testing.T) {
	t.Parallel()
	stride := 1
	if underRace || testing.Short() {
		stride = 31
	}
	for name, spoils := range map[string]spoils{
		"writes":    {kinds: []callKind{callWrite, callTruncate, callFlush, callDelete, callOpen}, err: sqlite3.IOERR_WRITE},
		"full disk": {kinds: []callKind{callWrite}, err: sqlite3.FULL},
		"reads":     {kinds: []callKind{callRead}, err: sqlite3.IOERR_READ},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.RunFaults(t, faultyIn(spoils), stride)
		})
	}
}

// spoils is which calls are counted, and how they fail.
type spoils struct {
	kinds []callKind
	err   error
}

// faultyIn opens logs on machines, each on one of its own.
func faultyIn(s spoils) storetest.OpenFaulty {
	return func(t *testing.T, c storetest.Config) (storetest.Faults, func() (deed.Engine, error)) {
		t.Helper()
		f := &machineFaults{machine: newMachine(t), spoils: s}
		return f, func() (deed.Engine, error) {
			return sqlite.Open(filepath.Join(c.Dir, "log.db"), sqlite.Options{Clock: c.Clock}.WithBelow(f.below()))
		}
	}
}

// machineFaults spoils a machine's calls.
type machineFaults struct {
	*machine
	spoils
}

func (f *machineFaults) Mend() { f.spoil(nil) }

func (f *machineFaults) Spoil(n int, fault storetest.Fault) <-chan struct{} {
	struck := make(chan struct{})
	f.spoil(func(c call) error {
		counts := false
		for _, kind := range f.kinds {
			counts = counts || kind == c.kind
		}
		if !counts {
			return nil
		}
		if n--; n > 0 {
			return nil
		}
		if n == 0 {
			close(struck)
		}
		switch {
		case fault == storetest.Die:
			return errDies
		case n == 0, n > -3 && fault == storetest.FailThrice:
			return f.err
		}
		return nil
	})
	return struck
}
