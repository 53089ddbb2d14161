package sqlite_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

// veil is a file system that keeps the complement of every byte it is given: what reads a file past it reads nonsense.
type veil struct{ vfs.VFSFilename }

func (v veil) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	f, flags, err := v.VFSFilename.OpenFilename(name, flags)
	if err != nil {
		return nil, flags, err
	}
	return veiled{f}, flags, nil
}

type veiled struct{ vfs.File }

func (f veiled) SharedMemory() vfs.SharedMemory { return f.File.(vfs.FileSharedMemory).SharedMemory() }

func (f veiled) ReadAt(p []byte, at int64) (int, error) {
	n, err := f.File.ReadAt(p, at)
	copy(p, complement(p[:n]))
	return n, err
}

func (f veiled) WriteAt(p []byte, at int64) (int, error) { return f.File.WriteAt(complement(p), at) }

func complement(p []byte) []byte {
	other := make([]byte, len(p))
	for i, b := range p {
		other[i] = ^b
	}
	return other
}

func TestALogThroughAVFSOfOnesOwn(t *testing.T) {
	t.Parallel()
	name := strings.ToLower(t.Name())
	vfs.Register(name, veil{vfs.Find("").(vfs.VFSFilename)})
	t.Cleanup(func() { vfs.Unregister(name) })
	dir := t.TempDir()
	path := filepath.Join(dir, "log.db")
	o := &sqlite.Options{VFS: name}
	db := opened(t, path, o)
	appended(t, db, write("a-1", 0, "first"))
	view := deed.ViewRef{Name: "lines"}
	if _, err := db.OpenView(t.Context(), deed.ViewSpec{ViewRef: view}); err != nil {
		t.Fatal(err)
	}
	row := deed.Row{Key: "k", Data: []byte(`{"id":"first"}`), Position: 1}
	err := db.CommitView(t.Context(), deed.ViewCommit{View: view, Checkpoint: deed.Checkpoint{Position: 1}, Rows: []deed.RowChange{{Row: row}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"log.db", "log.db-wal", "log-views.db", "log-views.db-wal"} {
		raw, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		if wal := strings.HasSuffix(file, "-wal"); bytes.Contains(raw, []byte("first")) || wal && !bytes.Contains(raw, complement(row.Data)) {
			t.Errorf("%s was written past the VFS", file)
		}
	}

	// What a process that was killed leaves: a WAL that is settled before it is read.
	left := t.TempDir()
	if err := os.CopyFS(left, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	found := opened(t, filepath.Join(left, "log.db"), o)
	if got := strings.Join(ids(t, found, deed.Query{}), " "); got != "first" {
		t.Errorf("the log has %q", got)
	}
	other := opened(t, path, &sqlite.Options{VFS: name, ReadOnly: true})
	if got := strings.Join(ids(t, other, deed.Query{}), " "); got != "first" {
		t.Errorf("who only reads finds %q", got)
	}
	if err := errors.Join(found.Close(), other.Close(), db.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(path, nil); !errors.Is(err, sqlite3.NOTADB) {
		t.Errorf("without the VFS the log opens with %v", err)
	}
	if got := strings.Join(ids(t, opened(t, path, o), deed.Query{}), " "); got != "first" {
		t.Errorf("the log has %q after it was opened without the VFS", got)
	}
}

func TestAVFSThatIsNotThere(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log.db")
	_, unknown := sqlite.Open(path, &sqlite.Options{VFS: "nobody's"})
	_, inMemory := sqlite.OpenMemory(&sqlite.Options{VFS: "os"})
	for _, err := range []error{unknown, inMemory} {
		var invalid *deed.InvalidError
		if !errors.As(err, &invalid) || invalid.Field != "VFS" {
			t.Errorf("got error %v", err)
		}
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the log's file: %v", err)
	}
}
