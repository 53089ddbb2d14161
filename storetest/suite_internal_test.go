package storetest

import (
	"testing"

	"github.com/deed-es/deed"
)

func openMemory() Open {
	found := newDisks()
	return func(_ *testing.T, c Config) deed.Engine { return found.open(c) }
}

// TestModel runs the suite on the model: what the suite asks can be kept, and the model keeps the contract.
func TestModel(t *testing.T) {
	t.Run("store", func(t *testing.T) { Run(t, openMemory(), Claims{Dense: true, OneClock: true, LargeEvents: true}) })
	t.Run("parts", func(t *testing.T) { RunParts(t, openMemory()) })
	t.Run("leases", func(t *testing.T) {
		found := newDisks()
		RunLeases(t, func(_ *testing.T, c Config) deed.Engine { return found.openShared(c) })
	})
	t.Run("inline", func(t *testing.T) { RunInline(t, openMemory()) })
	views := map[string]*memoryViews{}
	guard := make(chan struct{}, 1)
	t.Run("views", func(t *testing.T) {
		RunViews(t, func(_ *testing.T, dir string) deed.ViewStore {
			guard <- struct{}{}
			defer func() { <-guard }()
			if views[dir] == nil {
				views[dir] = newMemoryViews()
			}
			return views[dir]
		})
	})
}

func FuzzModel(f *testing.F) { Fuzz(f, openMemory()) }
