package sqlite

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ncruces/go-sqlite3"
)

// openReader opens a connection that only reads.
func (f file) openReader() (*conn, error) {
	c, err := f.open()
	if err != nil {
		return nil, err
	}
	if err := c.Exec("PRAGMA query_only=ON; PRAGMA cache_size=-4000"); err != nil {
		c.close()
		if errors.Is(err, sqlite3.NOTADB) {
			err = fmt.Errorf("not a deed %s: %w", f.what, err)
		}
		return nil, err
	}
	return c, nil
}

// mustBeThere refuses to read what is not a database of this kind and version.
func (k kept) mustBeThere(c *conn) error {
	version, err := k.check(c)
	switch {
	case err != nil:
		return err
	case version == 0:
		return fmt.Errorf("not a deed %s: it is empty", k.what)
	case version < k.schema:
		return fmt.Errorf("this deed %s has schema version %d, older than %d; open it once for writing", k.what, version, k.schema)
	}
	return nil
}

// syncDir makes sure that files made in the directory of f are found after a power cut: the WAL is one of them, and a
// flush of its content, which is all that the driver does, does not say where it is.
func (f file) syncDir() error {
	if f.path == "" {
		return nil
	}
	return f.below.disk().FlushDir(filepath.Dir(f.path))
}

// settle makes sure that all the WAL holds is on the disk, before anything is read from it and built on it. A process that
// was killed leaves commits that it had not flushed yet, which look like any other; and a flush that failed leaves some that
// no later flush will store, because the system takes them for stored (Linux does). So everything is written once more.
func (f file) settle() error {
	if f.path == "" {
		return nil
	}
	wal, err := f.below.disk().OpenWAL(f.path + "-wal")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	err = rewrite(wal)
	if end := wal.Close(); err == nil {
		err = end
	}
	return err
}

// make makes the database where there is none, under another name until it is whole: the power may fail at any moment, and
// what SQLite would put it right with, a journal beside it, may not be found then (see syncDir).
func (f file) make(keep kept) (err error) {
	defer func() { err = explained(err) }()
	disk := f.below.disk()
	if f.path == "" {
		return nil
	}
	if size, err := disk.Size(f.path); err == nil && size > 0 || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	unborn := f
	unborn.path += "-new"
	for _, path := range []string{unborn.path, f.path} { // an old WAL would be taken for the new database's
		for _, suffix := range []string{"", "-wal", "-journal", "-shm"} {
			if err := disk.Remove(path + suffix); err != nil {
				return err
			}
		}
	}
	if err := f.syncDir(); err != nil {
		return err
	}
	c, err := unborn.open()
	if err != nil {
		return err
	}
	defer c.close()
	if err := keep.prepareWriter(c, false); err != nil {
		return err
	}
	if err := keep.make(c); err != nil {
		return err
	}
	if _, _, err := c.WALCheckpoint("main", sqlite3.CHECKPOINT_TRUNCATE); err != nil {
		return err
	}
	c.forget()
	if err := c.Close(); err != nil {
		return err
	}
	if err := disk.Rename(unborn.path, f.path); err != nil {
		return err
	}
	return f.syncDir()
}

// rewrite writes a file over with what it has, and flushes it.
func rewrite(f rewritable) error {
	piece := make([]byte, 256<<10)
	for at := int64(0); ; {
		n, end := f.ReadAt(piece, at)
		if _, err := f.WriteAt(piece[:n], at); err != nil {
			return err
		}
		at += int64(n)
		if errors.Is(end, io.EOF) {
			return f.Sync()
		}
		if end != nil {
			return end
		}
	}
}

// identity returns how to tell whether the database's files are still those that are there now. Who removes or replaces them
// takes them from everybody but the process that has them open, which would go on writing to what nobody will find.
func (f file) identity() (func() error, error) {
	if f.path == "" {
		return func() error { return nil }, nil
	}
	names := []string{f.path, f.path + "-wal"}
	var opened []os.FileInfo
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		opened = append(opened, info)
	}
	return func() error {
		for i, name := range names {
			info, err := os.Stat(name)
			if err != nil {
				return fmt.Errorf("the file was removed while it was open: %w", err)
			}
			if !os.SameFile(info, opened[i]) {
				return fmt.Errorf("%s was replaced by another file while it was open", name)
			}
		}
		return nil
	}, nil
}
