package sqlite

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// below is what tests put under the engine in place of what stands there. Everybody else has the zero below, or a
// VFS of their own under both databases.
type below struct {
	vfs         string // as registered with the driver; empty: the operating system's
	viewsToo    bool   // the views' database is opened through vfs, too
	files       files  // nil: the system's
	synchronous string // of the log; empty: FULL
	walPages    int    // from which a WAL is moved into the database; 0: checkpointPages
}

// views is what stands under the views' database.
func (b below) views() below {
	if !b.viewsToo {
		return below{}
	}
	b.synchronous = ""
	return b
}

func (b below) pages() int { return cmp.Or(b.walPages, checkpointPages) }

func (b below) disk() files {
	if b.files == nil {
		return system{}
	}
	return b.files
}

// files is what the engine does to files past SQLite.
type files interface {
	// Size returns how long a file is, and fs.ErrNotExist if there is none.
	Size(path string) (int64, error)
	// OpenWAL opens a file that is there.
	OpenWAL(path string) (rewritable, error)
	// Remove removes a file; one that is not there is none to remove.
	Remove(path string) error
	// Rename gives a file another name, and takes that from the one that has it.
	Rename(from, to string) error
	// FlushDir makes sure that what was done to the names in a directory outlives a power cut.
	FlushDir(dir string) error
}

// rewritable is a file that can be written anew and flushed.
type rewritable interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Sync() error
}

type system struct{}

func (system) Size(path string) (int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (system) OpenWAL(path string) (rewritable, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (system) Remove(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (system) Rename(from, to string) error { return os.Rename(from, to) }

func (system) FlushDir(path string) error {
	if runtime.GOOS == "windows" { // where directories cannot be flushed and need not be
		return nil
	}
	dir, err := os.Open(filepath.Clean(path))
	if err != nil {
		return err
	}
	err = dir.Sync()
	if end := dir.Close(); err == nil {
		err = end
	}
	return err
}
