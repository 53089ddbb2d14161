package sqlite

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"syscall"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/util/vfsutil"
	"github.com/ncruces/go-sqlite3/vfs"
)

// spaceVFS is the operating system's VFS, but that SQLite is told when there is no room. The driver means to, but does not look
// into the error that it gets: what comes of it is a "disk I/O error", of which nobody knows the cause.
const spaceVFS = "deed-os"

var registerSpace = sync.OnceFunc(func() {
	vfs.Register(spaceVFS, spaceAware{vfs.Find("")})
})

type spaceAware struct{ vfs.VFS }

func (s spaceAware) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	f, flags, err := vfsutil.WrapOpenFilename(s.VFS, name, flags)
	if err != nil {
		return f, flags, err
	}
	// A file that can do more than is handed on here is left as it is.
	if whole, ok := f.(systemFile); ok && f.DeviceCharacteristics()&vfs.IOCAP_BATCH_ATOMIC == 0 {
		return spaceFile{whole}, flags, nil
	}
	return f, flags, nil
}

// systemFile is all that SQLite asks of the system's files.
type systemFile interface {
	vfs.FileLockState
	vfs.FileHasMoved
	vfs.FileSizeHint
	vfs.FilePersistWAL
	vfs.FilePowersafeOverwrite
	vfs.FileSharedMemory
	vfs.FileMemoryMapper
}

type spaceFile struct{ systemFile }

func (f spaceFile) WriteAt(p []byte, at int64) (int, error) {
	n, err := f.systemFile.WriteAt(p, at)
	if isFull(err) {
		err = vfs.SystemError(err, sqlite3.FULL)
	}
	return n, err
}

// isFull tells whether the system had no room, or allows none to who asked.
func isFull(err error) bool {
	var errno syscall.Errno
	if runtime.GOOS == "windows" && errors.As(err, &errno) {
		return errno == 39 || errno == 112 // ERROR_HANDLE_DISK_FULL, ERROR_DISK_FULL
	}
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// explained is err, with what an operator has to know of it.
func explained(err error) error {
	if errors.Is(err, sqlite3.FULL) && !errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("%w: %w", syscall.ENOSPC, err)
	}
	return err
}
