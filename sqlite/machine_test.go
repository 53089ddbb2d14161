package sqlite_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"

	"github.com/deed-es/deed/sqlite"
)

// machine is what stands below SQLite in a test: the system's files, but every call that changes or reads them can be made
// to fail, and what is done to them can be noted down, in order. It does not flush; who wants to know what a flush is worth
// plays the notes back on a medium.
type machine struct {
	vfs.VFSFilename
	name string

	mu     sync.Mutex
	noting bool
	notes  []note
	inodes map[string]int // by path, of files that exist
	made   int
	fault  func(call) error // nil: all goes well
	dead   bool             // the process is no more: nothing it does reaches the files
}

// errDies is what a fault answers for the call at which the process dies.
var errDies = errors.New("dies")

// call is what a fault may spoil.
type call struct {
	kind callKind
	file string // its base name
	grow bool   // a write that makes the file longer
}

type callKind int

const (
	callOpen callKind = iota
	callRead
	callWrite
	callTruncate
	callFlush
	callDelete
)

// note is one thing done to the files.
type note struct {
	kind  noteKind
	inode int
	name  string // noteCreate, noteRemove, noteRename
	to    string // noteRename
	at    int64  // noteWrite; the size: noteTruncate
	data  []byte // noteWrite
}

type noteKind int

const (
	noteCreate noteKind = iota
	noteRemove
	noteRename // of name, to to
	noteWrite
	noteTruncate
	noteFlush
	noteFailedFlush // what was written before may be there or not, whatever is flushed later
	noteFlushDir
)

func newMachine(t testing.TB) *machine {
	t.Helper()
	m := &machine{
		VFSFilename: vfs.Find("").(vfs.VFSFilename), inodes: map[string]int{},
		name: "machine-" + strings.NewReplacer("/", "-", "#", "-").Replace(t.Name()+t.TempDir()),
	}
	vfs.Register(m.name, m)
	t.Cleanup(func() { vfs.Unregister(m.name) })
	return m
}

// below is what has log and views stand on the machine.
func (m *machine) below() sqlite.Below { return sqlite.BelowOn(m.name, m) }

// spoil has fault asked about every call from now on; nil: all goes well, and who died may be started again.
func (m *machine) spoil(fault func(call) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fault, m.dead = fault, false
}

// moment counts what has been noted so far.
func (m *machine) moment() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.notes)
}

// do asks whether a call fails. It must be called with m.mu held, which keeps the notes in the order of the calls.
func (m *machine) do(kind callKind, file string) error { return m.doCall(call{kind: kind, file: file}) }

func (m *machine) doCall(c call) error {
	if m.dead {
		return sqlite3.IOERR
	}
	if m.fault == nil {
		return nil
	}
	c.file = filepath.Base(c.file)
	err := m.fault(c)
	if errors.Is(err, errDies) {
		m.dead = true
		return sqlite3.IOERR
	}
	return err
}

func (m *machine) note(n note) {
	if m.noting {
		m.notes = append(m.notes, n)
	}
}

func (m *machine) Open(string, vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	return nil, 0, sqlite3.CANTOPEN
}

func (m *machine) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	path := name.String()
	if err := m.do(callOpen, path); err != nil {
		return nil, flags, err
	}
	_, missing := os.Lstat(path)
	f, flags, err := m.VFSFilename.OpenFilename(name, flags)
	if err != nil || path == "" {
		return f, flags, err
	}
	if errors.Is(missing, os.ErrNotExist) {
		m.made++
		m.inodes[path] = m.made
		m.note(note{kind: noteCreate, inode: m.made, name: filepath.Base(path)})
	}
	return &machineFile{File: f, m: m, path: path, inode: m.inodes[path]}, flags, nil
}

func (m *machine) Access(name string, flags vfs.AccessFlag) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.do(callRead, name); err != nil {
		return false, err
	}
	return m.VFSFilename.Access(name, flags)
}

func (m *machine) Delete(name string, syncDir bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.do(callDelete, name); err != nil {
		return err
	}
	if err := m.VFSFilename.Delete(name, false); err != nil {
		return err
	}
	delete(m.inodes, name)
	m.note(note{kind: noteRemove, name: filepath.Base(name)})
	if syncDir {
		m.note(note{kind: noteFlushDir})
	}
	return nil
}

type machineFile struct {
	vfs.File
	m     *machine
	path  string
	inode int
}

func (f *machineFile) SharedMemory() vfs.SharedMemory {
	if shared, ok := f.File.(vfs.FileSharedMemory); ok {
		return shared.SharedMemory()
	}
	return nil
}

func (f *machineFile) ReadAt(p []byte, at int64) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.m.do(callRead, f.path); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, at)
}

// WriteAt writes, or, when it fails, half of it.
func (f *machineFile) WriteAt(p []byte, at int64) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if f.m.dead {
		return 0, sqlite3.IOERR_WRITE
	}
	size, err := f.Size()
	if err != nil {
		return 0, err
	}
	failed := f.m.doCall(call{kind: callWrite, file: f.path, grow: at+int64(len(p)) > size})
	if failed != nil {
		p = p[:len(p)/2]
	}
	n, err := f.File.WriteAt(p, at)
	f.m.note(note{kind: noteWrite, inode: f.inode, at: at, data: append([]byte(nil), p[:n]...)})
	if failed != nil {
		err = failed
	}
	return n, err
}

func (f *machineFile) Truncate(size int64) error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.m.do(callTruncate, f.path); err != nil {
		return err
	}
	f.m.note(note{kind: noteTruncate, inode: f.inode, at: size})
	return f.File.Truncate(size)
}

func (f *machineFile) Sync(vfs.SyncFlag) error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.m.do(callFlush, f.path); err != nil {
		if !f.m.dead {
			f.m.note(note{kind: noteFailedFlush, inode: f.inode})
		}
		return err
	}
	f.m.note(note{kind: noteFlush, inode: f.inode})
	return nil
}
