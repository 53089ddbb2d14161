// Package sqlite is deed's embedded engine, the default: a log in one SQLite file and, in a disposable file beside it, the
// rows of views. One process writes, under a lock of the operating system; others may read.
//
// An append that is acknowledged is on the disk: the log runs in WAL mode with synchronous=FULL, set and read back when it
// is opened. Appends of all goroutines are stored in groups by one writer, a transaction and a flush for each group.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/ncruces/go-sqlite3/vfs"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/internal/engine"
)

// Options are how a log is opened. The zero Options are right for most.
type Options struct {
	// Clock is what recorded times are taken from; nil is deed.SystemClock().
	Clock deed.Clock
	// MaxEvent is the size of an event's data in bytes; 0 is 1 MiB, and at most 16 MiB.
	MaxEvent int
	// ReadOnly opens a log for reading beside the process that writes it, without the lock. Appends get deed.ErrReadOnly,
	// and followers look for news every 25 ms.
	ReadOnly bool
	// VFS names the SQLite VFS that the files are opened with, as registered with the driver: one that encrypts, for instance;
	// empty is the operating system's. An append is then as durable as this VFS flushes.
	//
	// Some work goes past it, to the operating system's files: the lock, a new database renamed once it is whole, and a WAL
	// that is written over with its own bytes before it is read. So a VFS must keep each file under the name that it is given,
	// and what is in it must not depend on that name.
	VFS string
	// Logger gets what an operator should know; nil is silence.
	Logger *slog.Logger

	below below
}

func (o *Options) withDefaults() Options {
	var full Options
	if o != nil {
		full = *o
	}
	if full.Clock == nil {
		full.Clock = deed.SystemClock()
	}
	if full.Logger == nil {
		full.Logger = slog.New(slog.DiscardHandler)
	}
	if full.VFS != "" {
		full.below.vfs, full.below.viewsToo = full.VFS, true
	}
	return full
}

func (o Options) validate(path string, memory bool) error {
	var errs []error
	if path == "" && !memory {
		errs = append(errs, &deed.InvalidError{Field: "path", Reason: "must name a file; OpenMemory needs none"})
	}
	if strings.ContainsRune(path, 0) {
		errs = append(errs, &deed.InvalidError{Field: "path", Reason: "has a NUL in it"})
	}
	if o.ReadOnly && memory {
		errs = append(errs, &deed.InvalidError{Field: "ReadOnly", Reason: "nobody else can write to a log in memory"})
	}
	if o.VFS != "" && memory {
		errs = append(errs, &deed.InvalidError{Field: "VFS", Reason: "a log in memory has no files"})
	}
	if o.VFS != "" && vfs.Find(o.VFS) == nil {
		errs = append(errs, &deed.InvalidError{Field: "VFS", Reason: fmt.Sprintf("%q is not registered; register it with the driver first", o.VFS)})
	}
	return errors.Join(append(errs, o.limits().Validate())...)
}

func (o Options) limits() deed.Limits { return deed.Limits{MaxEvent: o.MaxEvent} }

// DB is a log and its views. It is a deed.Engine and a deed.ViewStore. All methods may be called by many goroutines at
// once; after Close they answer deed.ErrClosed.
type DB struct {
	options Options
	limits  deed.Limits
	logger  *slog.Logger
	clock   deed.Clock
	info    deed.LogInfo
	path    string // empty: in memory

	lock   *fileLock
	closed chan struct{}
	close  sync.Once

	head    atomic.Int64 // the last position that is stored
	kinds   atomic.Pointer[engine.Kinds]
	tail    engine.Tail
	news    engine.News
	watch   watch // ReadOnly: who looks for news
	readers *pool
	writer  *writer // nil: ReadOnly
	ledger  *logLedger

	views        // in their own file
	inline views // in the log's

	observing engine.Observing
}

var (
	_ deed.Engine    = (*DB)(nil)
	_ deed.ViewStore = (*DB)(nil)
	_ deed.Observed  = (*DB)(nil)

	_ deed.InlineStore = (*DB)(nil)
)

// Open opens the log at path and makes it where it is missing. Its views are kept in a file beside it, shop-views.db for
// shop.db; that file may be deleted while the log is closed. Only one process has a log open for writing: a second one
// gets an error at once that wraps deed.ErrLocked and names the holder.
//
// A file that is not a deed log, or was made by a newer program, is refused and left as it is.
func Open(path string, o *Options) (*DB, error) {
	options := o.withDefaults()
	if err := options.validate(path, false); err != nil {
		return nil, err
	}
	full, err := resolve(path)
	if err != nil {
		return nil, err
	}
	db, err := open(full, options)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return db, nil
}

// OpenMemory opens a new, empty log in memory, for tests. It is gone after Close.
func OpenMemory(o *Options) (*DB, error) {
	options := o.withDefaults()
	if err := options.validate("", true); err != nil {
		return nil, err
	}
	return open("", options)
}

// resolve returns the one name of a file, so that it has one lock however it is named.
func resolve(path string) (string, error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return filepath.Abs(path)
}

// beside returns the name of a file beside the log's: shop.db, "-views" is shop-views.db.
func beside(path, suffix string) string {
	ext := filepath.Ext(path)
	return strings.TrimSuffix(path, ext) + suffix + ext
}

func open(path string, o Options) (_ *DB, err error) {
	db := &DB{path: path, options: o, limits: o.limits(), logger: o.Logger, clock: o.Clock, closed: make(chan struct{})}
	db.kinds.Store(&engine.Kinds{})
	startViews(&db.views, db)
	startViews(&db.inline, db)
	defer func() {
		if err != nil {
			_ = db.Close()
		}
	}()
	if o.ReadOnly {
		if _, err := os.Stat(path); err != nil {
			return nil, err
		}
	} else if path != "" {
		if db.lock, err = lockFile(path + ".lock"); err != nil {
			return nil, err
		}
	}
	if err := db.openLog(file{what: "log", path: path, readOnly: o.ReadOnly, below: o.below}); err != nil {
		return nil, err
	}
	views := path
	if path != "" {
		views = beside(path, "-views")
	}
	if err := db.openViews(file{what: "views file", path: views, readOnly: o.ReadOnly, tables: true, below: o.below.views()}); err != nil {
		return nil, fmt.Errorf("views: %w", err)
	}
	return db, nil
}

// openLog opens the log's database and starts its writer.
func (db *DB) openLog(f file) error {
	keep := keptLog(db.clock.Now())
	if f.below.synchronous != "" {
		keep.synchronous = f.below.synchronous
	}
	w, readers, err := openSide(f, keep)
	if err != nil {
		return err
	}
	db.readers = readers
	db.inline.readers = readers
	if w == nil {
		return db.readers.with(context.Background(), func(c *conn) error {
			if err := keep.mustBeThere(c); err != nil {
				return err
			}
			if db.info, err = readInfo(c); err != nil {
				return err
			}
			return db.refresh(c)
		})
	}
	db.ledger = &logLedger{db: db, inline: db.inline.ledger, folds: map[deed.ViewRef]deed.InlineFold{}}
	if db.info, err = readInfo(w.conn); err == nil {
		err = db.ledger.reload(w.conn)
	}
	if err != nil {
		w.conn.close()
		return err
	}
	db.writer, db.inline.writer = w, w
	w.ledger, w.log, w.observing, w.store = db.ledger, db.logger, &db.observing, "log"
	go w.run()
	return nil
}

// openSide opens one of the two databases: its writer, nil if it is only read, and its pool of readers.
func openSide(f file, keep kept) (*writer, *pool, error) {
	readers := newPool(max(4, runtime.GOMAXPROCS(0)), func() (*conn, error) { return f.openReader() })
	if f.readOnly {
		return nil, readers, nil
	}
	memory := f.path == ""
	w := newWriter(nil, nil)
	open := func() (*conn, error) {
		err := f.make(keep)
		if err == nil {
			err = f.settle()
		}
		if err != nil {
			return nil, err
		}
		c, err := f.open()
		if err != nil {
			return nil, err
		}
		if _, err = keep.check(c); err == nil { // before anything is changed
			err = keep.prepareWriter(c, memory)
		}
		if err == nil {
			err = keep.make(c)
		}
		if err == nil {
			err = f.syncDir()
		}
		if err == nil {
			w.there, err = f.identity()
		}
		c.wal.every = f.below.pages()
		if err != nil {
			c.close()
			return nil, err
		}
		return c, nil
	}
	c, err := open()
	if err != nil {
		return nil, nil, err
	}
	w.conn, w.open, w.readers = c, open, readers
	if memory { // one connection is the database; it is borrowed by writer and readers in turn
		readers = newPool(1, func() (*conn, error) { return nil, errors.New("the database in memory is lost") })
		readers.idle = append(readers.idle, c)
		w.open, w.shared = nil, readers
	}
	return w, readers, nil
}

// Close ends the store: groups under way are stored, who waits gets deed.ErrClosed, followers end with it, and the lock is
// given back. A second Close does nothing.
func (db *DB) Close() error {
	db.close.Do(func() {
		close(db.closed)
		for _, w := range []*writer{db.writer, db.views.writer} {
			if w != nil {
				w.close()
			}
		}
		for _, p := range []*pool{db.readers, db.views.readers} {
			if p != nil {
				p.close()
			}
		}
		db.lock.unlock()
	})
	return nil
}

// Observe has o told about every group that is written, in place of whoever was told before.
func (db *DB) Observe(o deed.Observer) { db.observing.Observe(o) }

// Info identifies the log.
func (db *DB) Info() deed.LogInfo { return db.info }

// Clock is what recorded times are taken from.
func (db *DB) Clock() deed.Clock { return db.clock }

// Head is the last position given out; 0 in an empty log.
func (db *DB) Head(ctx context.Context) (deed.Position, error) {
	if err := db.usable(ctx); err != nil {
		return 0, err
	}
	return db.current(ctx)
}

// usable returns why nothing can be done any more: closed, or the caller's context has ended.
func (db *DB) usable(ctx context.Context) error {
	select {
	case <-db.closed:
		return deed.ErrClosed
	default:
		return ctx.Err()
	}
}

// current is the head: known here in the process that writes, read from the file in others.
func (db *DB) current(ctx context.Context) (deed.Position, error) {
	if db.writer != nil {
		return deed.Position(db.head.Load()), nil
	}
	err := db.readers.with(ctx, db.refresh)
	return deed.Position(db.head.Load()), err
}

// submit queues a task for the log's writer.
func (db *DB) submit(ctx context.Context, t task, size int) error {
	if db.writer == nil {
		if err := db.usable(ctx); err != nil {
			return err
		}
		return deed.ErrReadOnly
	}
	return db.writer.Do(ctx, t, size)
}
