package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

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

// mustBeThere refuses to read what is not a database of this kind.
func (k kept) mustBeThere(c *conn) error {
	there, err := k.check(c)
	if err == nil && !there {
		err = fmt.Errorf("not a deed %s: it is empty", k.what)
	}
	return err
}

// syncDir makes sure that files made in the directory of f are found after a power cut: the WAL is one of them, and a
// flush of its content, which is all that the driver does, does not say where it is.
func (f file) syncDir() error {
	if f.path == "" || runtime.GOOS == "windows" { // where directories cannot be flushed and need not be
		return nil
	}
	dir, err := os.Open(filepath.Dir(f.path))
	if err != nil {
		return err
	}
	err = dir.Sync()
	if end := dir.Close(); err == nil {
		err = end
	}
	return err
}
