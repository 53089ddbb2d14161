package main

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ncruces/go-sqlite3/vfs"
)

// The file that every log is in, so that a disk tells its WAL from others.
const logFile = "bench.db"

// disk is the machine's disk, with a longer wait for each flush, and a count of the flushes of the log's WAL: one for each
// group that is stored.
type disk struct {
	vfs.VFSFilename
	wait    time.Duration
	flushes atomic.Int64
}

// newDisk registers a disk with the driver, under its name.
func newDisk(wait time.Duration) (*disk, error) {
	system, ok := vfs.Find("").(vfs.VFSFilename)
	if !ok {
		return nil, fmt.Errorf("the driver's own VFS is a %T, which opens no files by their names", vfs.Find(""))
	}
	d := &disk{VFSFilename: system, wait: wait}
	vfs.Register(d.name(), d)
	return d, nil
}

func (d *disk) name() string { return "bench-" + d.wait.String() }

func (d *disk) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	f, flags, err := d.VFSFilename.OpenFilename(name, flags)
	if err != nil {
		return nil, flags, err
	}
	system, ok := f.(systemFile)
	if !ok {
		_ = f.Close()
		return nil, flags, fmt.Errorf("a %T cannot be what SQLite does without this program", f)
	}
	return &diskFile{system, d, strings.HasSuffix(name.String(), logFile+"-wal")}, flags, nil
}

// systemFile is all that SQLite makes use of in a file of the operating system, so that it finds the same here.
type systemFile interface {
	vfs.FileSharedMemory
	vfs.FileMemoryMapper
	vfs.FileLockState
	vfs.FileHasMoved
	vfs.FileSizeHint
	vfs.FilePersistWAL
	vfs.FilePowersafeOverwrite
}

type diskFile struct {
	systemFile
	disk   *disk
	logWAL bool
}

func (f *diskFile) Sync(flags vfs.SyncFlag) error {
	if f.logWAL {
		f.disk.flushes.Add(1)
	}
	if f.disk.wait > 0 {
		<-time.NewTimer(f.disk.wait).C
	}
	return f.systemFile.Sync(flags)
}

// flush measures writes of a page, each flushed.
func (d *disk) flush(times int) (sample, error) {
	f, _, err := d.OpenFilename(nil, vfs.OPEN_READWRITE|vfs.OPEN_CREATE|vfs.OPEN_EXCLUSIVE|vfs.OPEN_DELETEONCLOSE)
	if err != nil {
		return sample{}, err
	}
	defer f.Close()
	page := make([]byte, 4096)
	var took []time.Duration
	begin := time.Now()
	for i := range times {
		if _, err := f.WriteAt(page, int64(i*len(page))); err != nil {
			return sample{}, err
		}
		start := time.Now()
		if err := f.Sync(vfs.SYNC_NORMAL | vfs.SYNC_DATAONLY); err != nil {
			return sample{}, err
		}
		took = append(took, time.Since(start))
	}
	s := sample{rate: float64(times) / time.Since(begin).Seconds()}
	s.p50, s.p99 = percentiles(took)
	return s, nil
}

// percentiles returns how long half of them took at most, and 99 of 100.
func percentiles(took []time.Duration) (p50, p99 time.Duration) {
	if len(took) == 0 {
		return 0, 0
	}
	slices.Sort(took)
	return took[len(took)/2], took[len(took)*99/100]
}
