package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/deed-es/deed"
)

// ListViews returns the views that were opened and not dropped. See deed.ViewStore.
func (s *views) ListViews(ctx context.Context) (refs []deed.ViewRef, err error) {
	err = s.glance(ctx, func(c *conn) error {
		refs = nil
		q := c.query("SELECT name, version FROM views ORDER BY name, version")
		for q.step() {
			refs = append(refs, deed.ViewRef{Name: q.s.ColumnText(0), Version: q.s.ColumnInt(1)})
		}
		return q.end()
	})
	return refs, err
}

// ViewRead returns which version of a view is read. See deed.ViewStore.
func (s *views) ViewRead(ctx context.Context, name string) (read deed.ViewVersion, err error) {
	err = s.glance(ctx, func(c *conn) (err error) {
		read, err = viewRead(c, name)
		return err
	})
	return read, err
}

func viewRead(c *conn, name string) (read deed.ViewVersion, err error) {
	q := c.query("SELECT version, partitions FROM view_read WHERE name = ?")
	q.text(name)
	if q.step() {
		read = deed.ViewVersion{Version: q.s.ColumnInt(0), Partitions: q.s.ColumnInt(1)}
	}
	return read, q.end()
}

// ReadView has another version of a view be read from now on. See deed.ViewStore.
func (s *views) ReadView(ctx context.Context, name string, from, to deed.ViewVersion) error {
	if name == "" || deed.ValidID(name) != nil {
		return &deed.InvalidError{Field: "name", Reason: "a view needs a name that is a valid id"}
	}
	return s.submitView(ctx, &readView{name: name, from: from, to: to}, 0)
}

type readView struct {
	name     string
	from, to deed.ViewVersion
}

func (t *readView) apply(c *conn) (refusal, failure error) {
	read, err := viewRead(c, t.name)
	if err != nil {
		return fail(err)
	}
	if read != t.from {
		return refuse(fmt.Errorf("version %d of view %s is read, not %d: %w", read.Version, t.name, t.from.Version, deed.ErrConflict))
	}
	q := c.query(`INSERT INTO view_read (name, version, partitions) VALUES (?, ?, ?)
		ON CONFLICT (name) DO UPDATE SET version = excluded.version, partitions = excluded.partitions`)
	q.text(t.name)
	q.int(int64(t.to.Version))
	q.int(int64(t.to.Partitions))
	return nil, q.exec()
}

// glance reads from the views' database what is about no view in particular.
func (s *views) glance(ctx context.Context, f func(*conn) error) error {
	if err := s.db.usable(ctx); err != nil {
		return err
	}
	err := s.readers.with(ctx, func(c *conn) error { return c.within(ctx, func() error { return f(c) }) })
	if s.db.options.ReadOnly && errors.Is(err, fs.ErrNotExist) { // there are no views yet
		return nil
	}
	return err
}
