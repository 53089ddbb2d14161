package sqlite

import (
	"context"
	"errors"
	"runtime"
)

// Below is what a test puts under the engine.
type Below = below

// WithVFS opens the log's database through a VFS that a test has registered.
func (o Options) WithVFS(name string) *Options { return o.WithBelow(below{vfs: name}) }

// WithBelow opens both databases on what a test puts under them.
func (o Options) WithBelow(b Below) *Options {
	o.below = b
	return &o
}

// Files is what the engine does to files past SQLite, and Rewritable a file so opened.
type (
	Files      = files
	Rewritable = rewritable
)

// BelowOn is a VFS for log and views, and the files beside it.
func BelowOn(vfs string, f Files) Below { return below{vfs: vfs, viewsToo: true, files: f} }

// WithFiles changes the files beside the VFS.
func (b below) WithFiles(change func(Files) Files) Below {
	b.files = change(b.files)
	return b
}

// WithSynchronous lowers what the log's commits wait for.
func (b below) WithSynchronous(level string) Below {
	b.synchronous = level
	return b
}

// WithWALPages has a WAL of so many pages moved into the database.
func (b below) WithWALPages(pages int) Below {
	b.walPages = pages
	return b
}

// CheckIntegrity has SQLite look through both databases, all pages and indexes.
func (db *DB) CheckIntegrity(ctx context.Context) error {
	check := func(c *conn) error {
		found, err := c.pragma("integrity_check(1)")
		if err == nil && found != "ok" {
			err = errors.New(found)
		}
		return err
	}
	return errors.Join(db.readers.with(ctx, check), db.views.readers.with(ctx, check))
}

// AwaitQueue returns once so many batches wait for the log's writer.
func (db *DB) AwaitQueue(n int) {
	for {
		if db.writer.Waiting() >= n {
			return
		}
		runtime.Gosched()
	}
}
