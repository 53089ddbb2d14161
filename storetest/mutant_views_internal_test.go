package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/deed-es/deed"
)

// A viewMutant is a view store that breaks one promise.
type viewMutant struct {
	*memoryViews
	opens   func(spec deed.ViewSpec) deed.ViewSpec
	commit  func(ctx context.Context, c deed.ViewCommit) error
	list    func(q deed.RowQuery) deed.RowQuery
	changes func(rows []deed.Row) []deed.Row
	after   func(after deed.ChangeCursor) deed.ChangeCursor
	wait    func(ctx context.Context, view deed.ViewRef, reach deed.Position) (deed.Position, error)
	row     func(view deed.ViewRef)
	drop    func(t time.Time) error
}

func (m *viewMutant) OpenView(ctx context.Context, spec deed.ViewSpec) (deed.Checkpoint, error) {
	if m.opens != nil {
		spec = m.opens(spec)
	}
	return m.memoryViews.OpenView(ctx, spec)
}

func (m *viewMutant) CommitView(ctx context.Context, c deed.ViewCommit) error {
	if m.commit != nil {
		return m.commit(ctx, c)
	}
	return m.memoryViews.CommitView(ctx, c)
}

func (m *viewMutant) Row(ctx context.Context, view deed.ViewRef, key string) (deed.Row, deed.Position, error) {
	r, at, err := m.memoryViews.Row(ctx, view, key)
	if m.row != nil {
		m.row(view)
		at, _ = m.reached(view)
	}
	return r, at, err
}

func (m *viewMutant) ListRows(ctx context.Context, view deed.ViewRef, q deed.RowQuery) ([]deed.Row, deed.Position, error) {
	if m.list != nil {
		q = m.list(q)
	}
	return m.memoryViews.ListRows(ctx, view, q)
}

func (m *viewMutant) Changes(ctx context.Context, view deed.ViewRef, after deed.ChangeCursor, limit int) ([]deed.Row, deed.Position, error) {
	if m.after != nil {
		after = m.after(after)
	}
	rows, at, err := m.memoryViews.Changes(ctx, view, after, limit)
	if m.changes != nil {
		rows = m.changes(rows)
	}
	return rows, at, err
}

func (m *viewMutant) WaitView(ctx context.Context, view deed.ViewRef, reach deed.Position) (deed.Position, error) {
	if m.wait != nil {
		return m.wait(ctx, view, reach)
	}
	return m.memoryViews.WaitView(ctx, view, reach)
}

func (m *viewMutant) DropTombstones(ctx context.Context, t time.Time) error {
	if m.drop != nil {
		return m.drop(t)
	}
	return m.memoryViews.DropTombstones(ctx, t)
}

// removing drops rows for good instead of leaving tombstones.
func removing(m *viewMutant) {
	m.commit = func(ctx context.Context, c deed.ViewCommit) error {
		err := m.memoryViews.CommitView(ctx, c)
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, r := range c.Rows {
			if r.Data == nil && err == nil {
				delete(m.views[c.View].rows, r.Key)
			}
		}
		return err
	}
}

// sleepless looks every now and then instead of being woken.
func sleepless(m *viewMutant) {
	m.wait = func(ctx context.Context, view deed.ViewRef, reach deed.Position) (deed.Position, error) {
		for {
			if at, _ := m.reached(view); at >= reach {
				return at, nil
			}
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
				at, _ := m.reached(view)
				return at, &deed.BehindError{View: view.Name, Want: reach, Reached: at}
			}
		}
	}
}

func viewMutants() []struct {
	name   string
	flaw   func(m *viewMutant)
	caught []string
} {
	return []struct {
		name   string
		flaw   func(m *viewMutant)
		caught []string
	}{
		{"keeps a view whose index changed", func(m *viewMutant) {
			m.opens = func(spec deed.ViewSpec) deed.ViewSpec { spec.Index = []string{"status", "total"}; return spec }
		}, []string{"a view with another index is made anew, empty"}},
		{"does not compare positions", func(m *viewMutant) {
			m.commit = func(ctx context.Context, c deed.ViewCommit) error {
				c.From, _ = m.reached(c.View)
				return m.memoryViews.CommitView(ctx, c)
			}
		}, []string{
			"a commit from another position is a conflict and stores nothing",
			"of commits from the same position exactly one is stored",
		}},
		{"leaves no tombstones", removing, []string{"removed rows are changes without data"}},
		{"does not move the checkpoint alone", func(m *viewMutant) {
			m.commit = func(ctx context.Context, c deed.ViewCommit) error {
				if len(c.Rows) == 0 {
					return nil
				}
				return m.memoryViews.CommitView(ctx, c)
			}
		}, []string{"a commit may only move the checkpoint"}},
		{
			"reads rows and position apart", func(m *viewMutant) { m.row = func(deed.ViewRef) { giveWay() } },
			[]string{"a row and the view's position are read together, whatever commits"},
		},
		{"forgets conditions", func(m *viewMutant) {
			m.list = func(q deed.RowQuery) deed.RowQuery { q.Where = q.Where[:min(1, len(q.Where))]; return q }
		}, []string{"all conditions of a list hold together, with order and direction"}},
		{
			"forgets the order", func(m *viewMutant) { m.list = func(q deed.RowQuery) deed.RowQuery { q.Order = ""; return q } },
			[]string{
				"a list comes in the order of an index field, of any type",
				"pages after a cursor are the whole list, in each order and direction, with ties and nil",
				"a field that is no index is an error",
			},
		},
		{"forgets the key of a cursor", func(m *viewMutant) {
			m.list = func(q deed.RowQuery) deed.RowQuery {
				if q.After != nil && q.Order != "" {
					q.After = &deed.RowCursor{Value: q.After.Value, Key: map[bool]string{true: "", false: "~"}[q.Desc]}
				}
				return q
			}
		}, []string{"pages after a cursor are the whole list, in each order and direction, with ties and nil"}},
		{"takes numbers for floats", func(m *viewMutant) {
			m.list = func(q deed.RowQuery) deed.RowQuery {
				if q.After != nil {
					if n, is := q.After.Value.(int64); is {
						q.After = &deed.RowCursor{Value: int64(float64(n)) + n%2, Key: q.After.Key}
					}
				}
				if len(q.Where) == 1 {
					if n, is := q.Where[0].Value.(int64); is {
						q.Where = []deed.RowWhere{{Field: q.Where[0].Field, Value: int64(float64(n))}}
					}
				}
				return q
			}
		}, []string{"large numbers are told apart"}},
		{"skips changes of one position", func(m *viewMutant) {
			m.after = func(after deed.ChangeCursor) deed.ChangeCursor { after.Key = ""; return after }
		}, []string{"changes in pages after a cursor are all changes", "a cursor without key is behind all rows of its position"}},
		{"gives data with removed rows", func(m *viewMutant) {
			m.changes = func(rows []deed.Row) []deed.Row {
				for i := range rows {
					rows[i].Data = append([]byte{}, rows[i].Data...)
				}
				return rows
			}
		}, []string{"removed rows are changes without data"}},
		{"drops all tombstones at any time", func(m *viewMutant) {
			m.drop = func(time.Time) error { return m.memoryViews.DropTombstones(context.Background(), farAway) }
		}, []string{"tombstones of rows removed before a time can be dropped, others stay"}},
		{"drops tombstones silently", func(m *viewMutant) {
			m.drop = func(t time.Time) error {
				err := m.memoryViews.DropTombstones(context.Background(), t)
				for _, v := range m.views {
					v.dropped = deed.ChangeCursor{}
				}
				return err
			}
		}, []string{"after that a cursor before a dropped tombstone is ErrCursor, and one behind is not"}},
		{"wakes at any commit", func(m *viewMutant) {
			m.wait = func(ctx context.Context, view deed.ViewRef, reach deed.Position) (deed.Position, error) {
				at, _ := m.reached(view)
				return m.memoryViews.WaitView(ctx, view, min(reach, at+1))
			}
		}, []string{"a waiter is woken by the commit that reaches its position"}},
		{"says nothing of who is behind", func(m *viewMutant) {
			m.wait = func(ctx context.Context, view deed.ViewRef, reach deed.Position) (deed.Position, error) {
				at, err := m.memoryViews.WaitView(ctx, view, reach)
				if err != nil {
					err = ctx.Err()
				}
				return at, err
			}
		}, []string{
			"a waiter that gives up gets the position reached and a BehindError",
			"a view that was never opened is at 0 and is waited for",
		}},
		{"polls", sleepless, []string{"commit by commit a waiter sees each at once"}},
	}
}

func viewCaseOf(t *testing.T, sentence string) viewCase {
	t.Helper()
	for _, c := range viewCases() {
		if c.sentence == sentence {
			return c
		}
	}
	t.Fatalf("no case has the sentence %q", sentence)
	return viewCase{}
}

func TestViewSuiteBites(t *testing.T) {
	for _, m := range viewMutants() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			for _, sentence := range m.caught {
				c := viewCaseOf(t, sentence)
				found := map[string]deed.ViewStore{}
				open := func(dir string) deed.ViewStore {
					if found[dir] == nil {
						mutant := &viewMutant{memoryViews: newMemoryViews()}
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
