package sqlite_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

// disk is a file system whose flushes of the log's WAL a test can fail or hold up.
type disk struct {
	vfs.VFSFilename
	mu      sync.Mutex
	failing error
	syncs   int
	hold    chan struct{} // flushes wait until it is closed
	held    chan struct{} // gets one for each flush that waits
}

func newDisk(t *testing.T) (*disk, *sqlite.Options) {
	t.Helper()
	d := &disk{VFSFilename: vfs.Find("").(vfs.VFSFilename), held: make(chan struct{}, 1)}
	name := strings.NewReplacer("/", "-", "#", "-").Replace(t.Name())
	vfs.Register(name, d)
	t.Cleanup(func() { vfs.Unregister(name) })
	return d, sqlite.Options{}.WithVFS(name)
}

func (d *disk) Open(name string, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	return nil, 0, sqlite3.CANTOPEN
}

func (d *disk) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	f, flags, err := d.VFSFilename.OpenFilename(name, flags)
	if err != nil {
		return nil, flags, err
	}
	return &diskFile{f, d, flags&vfs.OPEN_WAL != 0}, flags, nil
}

func (d *disk) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failing = err
}

// stop holds up flushes until the returned function is called.
func (d *disk) stop() (release func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hold = make(chan struct{})
	return sync.OnceFunc(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		close(d.hold)
		d.hold = nil
	})
}

// awaitHeld returns once a flush is held up, and fails the test if none comes.
func (d *disk) awaitHeld(t *testing.T) {
	t.Helper()
	select {
	case <-d.held:
	case <-within(t).Done():
		t.Fatal("nothing was flushed")
	}
}

type diskFile struct {
	vfs.File
	disk *disk
	wal  bool
}

func (f *diskFile) SharedMemory() vfs.SharedMemory {
	if shared, ok := f.File.(vfs.FileSharedMemory); ok {
		return shared.SharedMemory()
	}
	return nil
}

func (f *diskFile) Sync(flags vfs.SyncFlag) error {
	if f.wal {
		f.disk.mu.Lock()
		failing, hold := f.disk.failing, f.disk.hold
		f.disk.syncs++
		f.disk.mu.Unlock()
		if hold != nil {
			select {
			case f.disk.held <- struct{}{}:
			default:
			}
			<-hold
		}
		if failing != nil {
			return failing
		}
	}
	return f.File.Sync(flags)
}

func TestAFailedFlushIsUnknownAndTheWriterRecovers(t *testing.T) {
	t.Parallel()
	d, o := newDisk(t)
	db := opened(t, filepath.Join(t.TempDir(), "log.db"), o)
	appended(t, db, write("a-1", 0, "1"))

	d.fail(sqlite3.IOERR_FSYNC)
	b := write("a-1", 1, "2")
	_, err := db.Append(within(t), b)
	wantErr(t, err, deed.ErrUnknown)
	if head, err := db.Head(t.Context()); head != 1 || err != nil {
		t.Errorf("head %d, %v after an unknown outcome", head, err)
	}
	d.fail(nil)

	r := appended(t, db, b) // the retry tells
	if r.Position != 2 || r.Version() != 2 {
		t.Errorf("the retry got %+v", r)
	}
	if r = appended(t, db, b); !r.Again || r.Position != 2 {
		t.Errorf("another retry got %+v", r)
	}
	appended(t, db, write("a-2", 0, "3"))
	if got := strings.Join(ids(t, db, deed.Query{}), " "); got != "1 2 3" {
		t.Errorf("the log has %s", got)
	}
	if got := strings.Join(ids(t, db, deed.Query{Follow: true, Limit: 3}), " "); got != "1 2 3" {
		t.Errorf("a follower gets %s", got)
	}
}

func TestAcknowledgedIsFlushed(t *testing.T) {
	t.Parallel()
	d, o := newDisk(t)
	db := opened(t, filepath.Join(t.TempDir(), "log.db"), o)
	for i := range 5 {
		before := d.flushes()
		appended(t, db, write("a-1", deed.Version(i), number("e", i)))
		if d.flushes() == before {
			t.Fatal("an append was acknowledged without a flush")
		}
	}
}

func (d *disk) flushes() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.syncs
}

func TestOnlyTheOffenderOfAGroupGetsItsError(t *testing.T) {
	t.Parallel()
	d, o := newDisk(t)
	path := filepath.Join(t.TempDir(), "log.db")
	if err := opened(t, path, nil).Close(); err != nil {
		t.Fatal(err)
	}
	if err := sql(path, "CREATE TRIGGER t BEFORE INSERT ON events WHEN NEW.id = 'e5' BEGIN SELECT RAISE(ABORT, 'poison'); END"); err != nil {
		t.Fatal(err)
	}
	db := opened(t, path, o)
	appended(t, db, write("a-1", 0, "1"))
	release := d.stop()
	defer release()
	ctx := within(t)
	errs := make([]error, 10)
	var wg sync.WaitGroup
	put := func(i int, b deed.Batch) {
		wg.Go(func() { _, errs[i] = db.Append(ctx, b) })
	}
	put(0, write("b-0", 0, "first"))
	d.awaitHeld(t)
	for i := 1; i < len(errs); i++ {
		version := deed.Version(0)
		if i == 7 {
			version = 7 // conflicts, which is its own business
		}
		put(i, write(deed.Stream("b", number("", i)), version, number("e", i)))
	}
	db.AwaitQueue(len(errs) - 1)
	release()
	wg.Wait()
	for i, err := range errs {
		switch i {
		case 5:
			if err == nil || !strings.Contains(err.Error(), "poison") || errors.Is(err, deed.ErrUnknown) {
				t.Errorf("the offender got %v", err)
			}
		case 7:
			wantErr(t, err, deed.ErrConflict)
		default:
			if err != nil {
				t.Errorf("append %d got %v", i, err)
			}
		}
	}
	for i, r := range records(t, db) {
		if r.Position != deed.Position(i+1) || r.ID == "e5" {
			t.Errorf("record %d is %s at %d", i, r.ID, r.Position)
		}
	}
	if head, err := db.Head(ctx); head != 9 || err != nil {
		t.Errorf("head %d, %v", head, err)
	}
}

func TestWhoStopsWaiting(t *testing.T) {
	t.Parallel()
	d, o := newDisk(t)
	db := opened(t, filepath.Join(t.TempDir(), "log.db"), o)
	appended(t, db, write("a-0", 0, "0"))
	release := d.stop()
	defer release()

	underWay, stopFirst := context.WithCancel(t.Context())
	queued, stopSecond := context.WithCancel(t.Context())
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { _, err := db.Append(underWay, write("a-1", 0, "1")); first <- err }()
	d.awaitHeld(t)
	go func() { _, err := db.Append(queued, write("a-2", 0, "2")); second <- err }()
	db.AwaitQueue(1)

	stopSecond()
	err := <-second
	wantErr(t, err, context.Canceled)
	if errors.Is(err, deed.ErrUnknown) {
		t.Errorf("who waited in the queue got %v", err)
	}
	stopFirst()
	err = <-first
	wantErr(t, err, context.Canceled)
	wantErr(t, err, deed.ErrUnknown)

	release()
	r := appended(t, db, write("a-1", 0, "1"))
	if !r.Again {
		t.Errorf("the retry got %+v", r)
	}
	if got := strings.Join(ids(t, db, deed.Query{}), " "); got != "0 1" {
		t.Errorf("the log has %s", got)
	}
}

func TestAFullQueueIsBusy(t *testing.T) {
	t.Parallel()
	d, o := newDisk(t)
	db := opened(t, filepath.Join(t.TempDir(), "log.db"), o)
	appended(t, db, write("a-0", 0, "0"))
	release := d.stop()
	defer release()
	var wg sync.WaitGroup
	ctx := within(t)
	go func() { _, _ = db.Append(ctx, write("a-1", 0, "1")) }()
	d.awaitHeld(t)
	const room = 4096
	for i := range room {
		wg.Go(func() {
			if _, err := db.Append(ctx, write("b-1", deed.Any, number("e", i))); err != nil {
				t.Error(err)
			}
		})
	}
	db.AwaitQueue(room)
	_, err := db.Append(ctx, write("c-1", 0, "c"))
	wantErr(t, err, deed.ErrBusy)
	release()
	wg.Wait()
	if head, err := db.Head(ctx); head != room+2 || err != nil {
		t.Errorf("head %d, %v", head, err)
	}
}

func TestCloseAnswersWhoWaitsInTheQueue(t *testing.T) {
	t.Parallel()
	d, o := newDisk(t)
	path := filepath.Join(t.TempDir(), "log.db")
	db := opened(t, path, o)
	appended(t, db, write("a-0", 0, "0"))
	release := d.stop()
	defer release()
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { _, err := db.Append(within(t), write("a-1", 0, "1")); first <- err }()
	d.awaitHeld(t)
	go func() { _, err := db.Append(within(t), write("a-2", 0, "2")); second <- err }()
	db.AwaitQueue(1)
	closed := make(chan error)
	go func() { closed <- db.Close() }()
	wantErr(t, <-second, deed.ErrClosed)
	release()
	if err := errors.Join(<-first, <-closed); err != nil {
		t.Error(err)
	}
	db = opened(t, path, nil)
	if got := strings.Join(ids(t, db, deed.Query{}), " "); got != "0 1" {
		t.Errorf("the log has %s", got)
	}
}
