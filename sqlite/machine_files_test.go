package sqlite_test

import (
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ncruces/go-sqlite3/vfs"

	"github.com/deed-es/deed/sqlite"
)

// What the engine does to files past SQLite is noted and spoiled like the rest.

func (m *machine) Size(path string) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.do(callRead, path); err != nil {
		return 0, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (m *machine) FlushDir(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.do(callFlush, dir); err != nil {
		return err
	}
	m.note(note{kind: noteFlushDir})
	return nil
}

func (m *machine) Remove(path string) error {
	if _, err := os.Lstat(path); err != nil {
		return nil
	}
	return m.Delete(path, false)
}

func (m *machine) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.do(callDelete, from); err != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	m.inodes[to] = m.inodes[from]
	delete(m.inodes, from)
	m.note(note{kind: noteRename, inode: m.inodes[to], name: filepath.Base(from), to: filepath.Base(to)})
	return nil
}

func (m *machine) OpenWAL(path string) (sqlite.Rewritable, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.do(callOpen, path); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return pastSQLite{&machineFile{File: plainFile{plain: f}, m: m, path: path, inode: m.inodes[path]}}, nil
}

// pastSQLite is a machine's file for others than SQLite.
type pastSQLite struct{ *machineFile }

func (f pastSQLite) Sync() error { return f.machineFile.Sync(0) }

// plainFile is the system's file as far as it is read and written.
type plainFile struct {
	vfs.File
	plain *os.File
}

func (f plainFile) ReadAt(p []byte, at int64) (int, error)  { return f.plain.ReadAt(p, at) }
func (f plainFile) WriteAt(p []byte, at int64) (int, error) { return f.plain.WriteAt(p, at) }
func (f plainFile) Size() (int64, error) {
	info, err := f.plain.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f plainFile) Close() error { return f.plain.Close() }

// noDirFlush leaves the flush of directories out.
type noDirFlush struct{ sqlite.Files }

func (noDirFlush) FlushDir(string) error { return nil }

// noSettling takes what a WAL has for stored.
type noSettling struct{ sqlite.Files }

func (noSettling) OpenWAL(string) (sqlite.Rewritable, error) { return nil, fs.ErrNotExist }
