package storetest

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/deed-es/deed"
)

// A versionMutant is a view store that breaks one promise about versions.
type versionMutant struct {
	*memoryViews
	closed func() // when the suite closes it
	list   func([]deed.ViewRef) []deed.ViewRef
	read   func(name string) (deed.ViewVersion, error)
	change func(name string, from, to deed.ViewVersion) error
	drop   func(view deed.ViewRef)
}

func (m *versionMutant) ListViews(ctx context.Context) ([]deed.ViewRef, error) {
	refs, err := m.memoryViews.ListViews(ctx)
	if m.list != nil {
		refs = m.list(refs)
	}
	return refs, err
}

func (m *versionMutant) ViewRead(ctx context.Context, name string) (deed.ViewVersion, error) {
	if m.read != nil {
		return m.read(name)
	}
	return m.memoryViews.ViewRead(ctx, name)
}

func (m *versionMutant) ReadView(ctx context.Context, name string, from, to deed.ViewVersion) error {
	if m.change != nil {
		return m.change(name, from, to)
	}
	return m.memoryViews.ReadView(ctx, name, from, to)
}

func (m *versionMutant) DropView(ctx context.Context, view deed.ViewRef) error {
	if m.drop != nil {
		m.drop(view)
	}
	return m.memoryViews.DropView(ctx, view)
}

func (m *versionMutant) Close() error {
	if m.closed != nil {
		m.closed()
	}
	return nil
}

// stored changes what is read past all that is promised.
func (m *versionMutant) stored(change func(read map[string]deed.ViewVersion)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(m.memoryViews.read)
}

func versionMutants() []struct {
	name   string
	flaw   func(m *versionMutant)
	caught []string
} {
	ctx := context.Background()
	return []struct {
		name   string
		flaw   func(m *versionMutant)
		caught []string
	}{
		{"lists in the order of a language", func(m *versionMutant) {
			m.list = func(refs []deed.ViewRef) []deed.ViewRef {
				slices.SortStableFunc(refs, func(a, b deed.ViewRef) int {
					return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
				})
				return refs
			}
		}, []string{"views are listed by name and version, from the opening until they are dropped"}},
		{"lists only what has rows", func(m *versionMutant) {
			m.list = func(refs []deed.ViewRef) []deed.ViewRef {
				return slices.DeleteFunc(refs, func(r deed.ViewRef) bool { at, _ := m.reached(r); return at == 0 })
			}
		}, []string{"views are listed by name and version, from the opening until they are dropped"}},
		{"takes what there is for what is read", func(m *versionMutant) {
			m.read = func(name string) (deed.ViewVersion, error) {
				read, _ := m.memoryViews.ViewRead(ctx, name)
				refs, _ := m.memoryViews.ListViews(ctx)
				if read.Version == 0 && len(refs) > 0 {
					read = deed.ViewVersion{Version: refs[0].Version, Partitions: 1}
				}
				return read, nil
			}
		}, []string{"nobody has said at first which version of a view is read"}},
		{"knows one view", func(m *versionMutant) {
			m.read = func(string) (deed.ViewVersion, error) { return m.memoryViews.ViewRead(ctx, "") }
			m.change = func(name string, from, to deed.ViewVersion) error {
				if name == "" {
					return &deed.InvalidError{}
				}
				return m.memoryViews.ReadView(ctx, "", from, to)
			}
		}, []string{"the version that is read is what was said last, with its partitions, of each view"}},
		{"forgets partitions", func(m *versionMutant) {
			m.change = func(name string, from, to deed.ViewVersion) error {
				from.Partitions, to.Partitions = min(from.Partitions, 1), min(to.Partitions, 1)
				return m.memoryViews.ReadView(ctx, name, from, to)
			}
		}, []string{
			"the version that is read is what was said last, with its partitions, of each view",
			"the same number with other partitions is another version",
		}},
		{"does not look at what was read", func(m *versionMutant) {
			m.change = func(name string, _, to deed.ViewVersion) error {
				m.stored(func(read map[string]deed.ViewVersion) { read[name] = to })
				return nil
			}
		}, []string{
			"who is wrong about the version that is read gets a conflict and changes nothing",
			"of those who change at once what is read exactly one does",
		}},
		{"looks first and changes then", func(m *versionMutant) {
			m.change = func(name string, from, to deed.ViewVersion) error {
				if read, _ := m.memoryViews.ViewRead(ctx, name); read != from {
					return deed.ErrConflict
				}
				giveWay()
				m.stored(func(read map[string]deed.ViewVersion) { read[name] = to })
				return nil
			}
		}, []string{"of those who change at once what is read exactly one does"}},
		{"changes what it refuses", func(m *versionMutant) {
			m.change = func(name string, from, to deed.ViewVersion) error {
				err := m.memoryViews.ReadView(ctx, name, from, to)
				m.stored(func(read map[string]deed.ViewVersion) { read[name] = to })
				return err
			}
		}, []string{"who is wrong about the version that is read gets a conflict and changes nothing"}},
		{"takes an upgrade only", func(m *versionMutant) {
			m.change = func(name string, from, to deed.ViewVersion) error {
				if to.Version < from.Version {
					return deed.ErrConflict
				}
				return m.memoryViews.ReadView(ctx, name, from, to)
			}
		}, []string{"the version that is read is what was said last, with its partitions, of each view"}},
		{"forgets what is read with the rows", func(m *versionMutant) {
			m.drop = func(view deed.ViewRef) {
				m.stored(func(read map[string]deed.ViewVersion) { delete(read, view.Name) })
			}
		}, []string{"a version is read whether it is there or not, and still when it is dropped"}},
		{"forgets what is read when it is closed", func(m *versionMutant) {
			m.closed = func() { m.stored(func(read map[string]deed.ViewVersion) { clear(read) }) }
		}, []string{"what is read and which views there are outlives the opening again"}},
		{"tells what was read a moment ago", func(m *versionMutant) {
			var before deed.ViewVersion
			m.read = func(name string) (read deed.ViewVersion, err error) {
				read, err = m.memoryViews.ViewRead(ctx, name)
				m.stored(func(map[string]deed.ViewVersion) { before, read = read, before })
				return read, err
			}
		}, []string{"who was told that a version is read is never told of the one before"}},
		{"takes any name", func(m *versionMutant) {
			m.change = func(name string, _, to deed.ViewVersion) error {
				m.stored(func(read map[string]deed.ViewVersion) { read[name] = to })
				return nil
			}
		}, []string{"a view without a valid name is not read"}},
	}
}

func TestVersionSuiteBites(t *testing.T) {
	for _, m := range versionMutants() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			for _, sentence := range m.caught {
				c := viewCaseOf(t, sentence)
				found := map[string]deed.ViewStore{}
				open := func(dir string) deed.ViewStore {
					if found[dir] == nil {
						mutant := &versionMutant{memoryViews: newMemoryViews()}
						m.flaw(mutant)
						found[dir] = mutant
					}
					return found[dir]
				}
				if !bites(t, func(r tester) { c.run(newViewBed(r, open)) }) {
					t.Errorf("not caught by %q", sentence)
				}
			}
		})
	}
}
