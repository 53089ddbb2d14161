package storetest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/deed-es/deed"
)

func (m *memoryViews) ListViews(context.Context) ([]deed.ViewRef, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.SortedFunc(maps.Keys(m.views), func(a, b deed.ViewRef) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version))
	}), nil
}

func (m *memoryViews) ViewRead(_ context.Context, name string) (deed.ViewVersion, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.read[name], nil
}

func (m *memoryViews) ReadView(_ context.Context, name string, from, to deed.ViewVersion) error {
	if name == "" || deed.ValidID(name) != nil {
		return &deed.InvalidError{Field: "name", Reason: "a view needs a name that is a valid id"}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.read[name] != from {
		return deed.ErrConflict
	}
	m.read[name] = to
	return nil
}
