// Package postgres is deed's server engine: a log in a PostgreSQL database (14.1 or later), with the views beside it, for services
// that run in many processes. Each process writes, in the order that the log has: one group at a time, or side by side; see Order.
//
// An append that is acknowledged is flushed: synchronous_commit is set in every transaction that stores events. Appends of all
// goroutines of a process are stored in groups by one writer, which takes the log's advisory lock, looks up what the group asks, and
// stores it, in two round trips; in one, where nothing has to be looked up, and in three, where other processes append too. Who reads
// sees positions in order, and what is acknowledged before.
package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/internal/engine"
)

// Options are how a log is opened. The zero Options are right for most.
type Options struct {
	// Schema is where the tables are; empty is "deed". It is made where it is missing, if the role may do that; see Schema.
	Schema string
	// Log names the log in the schema; empty is "main". Logs share the tables and nothing else: each has its own lock,
	// positions, parts and views. It is made where it is missing.
	Log string
	// Clock is what recorded times are taken from; nil is deed.SystemClock().
	Clock deed.Clock
	// MaxEvent is the size of an event's data in bytes; 0 is 1 MiB, and at most 16 MiB.
	MaxEvent int
	// ReadOnly opens a log that is there for reading, with a role that may do no more, or on a standby. What would write gets
	// deed.ErrReadOnly.
	ReadOnly bool
	// Logger gets what an operator should know; nil is silence.
	Logger *slog.Logger
}

func (o *Options) withDefaults() Options {
	var full Options
	if o != nil {
		full = *o
	}
	if full.Schema == "" {
		full.Schema = "deed"
	}
	if full.Log == "" {
		full.Log = "main"
	}
	if full.Clock == nil {
		full.Clock = deed.SystemClock()
	}
	if full.Logger == nil {
		full.Logger = slog.New(slog.DiscardHandler)
	}
	return full
}

func (o Options) validate() error {
	var errs []error
	if !validSchema(o.Schema) {
		errs = append(errs, &deed.InvalidError{Field: "Schema", Reason: "must be [a-z_][a-z0-9_]*, at most 63 bytes, and not begin with pg_"})
	}
	if deed.ValidID(o.Log) != nil {
		errs = append(errs, &deed.InvalidError{Field: "Log", Reason: "must be a valid id"})
	}
	return errors.Join(append(errs, o.limits().Validate())...)
}

func (o Options) limits() deed.Limits { return deed.Limits{MaxEvent: o.MaxEvent} }

// lockKey is the log's advisory lock, or with an empty name the schema's.
func lockKey(schema, log string) int64 {
	sum := sha256.Sum256([]byte("deed\x00" + schema + "\x00" + log))
	return int64(binary.BigEndian.Uint64(sum[:]))
}

// DB is a log and its views. It is a deed.Engine and a deed.ViewStore. All methods may be called by many goroutines at
// once; after Close they answer deed.ErrClosed.
type DB struct {
	options Options
	limits  deed.Limits
	logger  *slog.Logger
	clock   deed.Clock
	tables  tables
	config  *pgxpool.Config
	// It is as the log's row was when somebody here has seen it last: groups look again, under the lock.
	parallel atomic.Bool
	pooled   bool // another transaction may run on another of the server's connections
	standby  bool // the server is one
	info     deed.LogInfo
	log      int32 // the log's number in the schema
	lock     int64
	blocks   int64 // the lock under which positions are given out, in the order Parallel

	closed  chan struct{}
	stopped context.Context // ends with Close
	stop    context.CancelFunc
	close   sync.Once
	behind  sync.WaitGroup // who looks for news, and who tells them

	past   past
	head   atomic.Int64 // the last position that is known to be readable
	kinds  atomic.Pointer[engine.Kinds]
	marker *marker
	tail   engine.Tail
	news   engine.News
	watch  watch
	teller teller
	pool   *pgxpool.Pool
	guests guests
	folds  *folds
	writer *writer
	ledger *ledger

	views        // beside the log
	inline views // folded with it

	observing engine.Observing
}

var (
	_ deed.Engine    = (*DB)(nil)
	_ deed.ViewStore = (*DB)(nil)
	_ deed.Observed  = (*DB)(nil)
)

// The bounds of what is waited for.
const (
	connectTimeout = 10 * time.Second    // unless the URL says otherwise
	writeTimeout   = time.Minute         // a transaction that writes, whoever waits for it
	lockTimeout    = 10 * time.Second    // for the log's lock
	idleTimeout    = 3 * time.Second / 2 // between two statements of a transaction that has the lock
)

// Open opens a log in the database that url names ("postgres://user@host/database?…", or as libpq knows it otherwise), and makes
// it where it is missing. A schema that was made by a newer program is refused and left as it is.
func Open(ctx context.Context, url string, o *Options) (*DB, error) {
	options := o.withDefaults()
	if err := options.validate(); err != nil {
		return nil, err
	}
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	pooled := setUp(config, url)
	db := &DB{
		options: options, limits: options.limits(), logger: options.Logger, clock: options.Clock, config: config, pooled: pooled,
		tables: tables{schema: options.Schema}, lock: lockKey(options.Schema, options.Log), blocks: lockKey(options.Schema, options.Log+"\x00positions"), closed: make(chan struct{}),
	}
	db.watch.kicked, db.teller.name, db.teller.due = make(chan struct{}, 1), deed.NewID(), make(chan struct{}, 1)
	db.past.gone = make(chan struct{})
	config.ConnConfig.AfterConnect = db.connected
	db.marker, db.guests, db.folds = newMarker(db), newGuests(config.MaxConns), newFolds()
	db.stopped, db.stop = context.WithCancel(context.WithoutCancel(ctx))
	db.kinds.Store(&engine.Kinds{})
	startViews(&db.views, db, false)
	startViews(&db.inline, db, true)
	if db.pool, err = pgxpool.NewWithConfig(db.stopped, config); err != nil {
		db.stop()
		return nil, err
	}
	if err := db.start(ctx); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("open log %s in schema %s: %w", options.Log, options.Schema, explain(err))
	}
	return db, nil
}

// setUp sets what the connections need, unless the URL says it, and tells whether they lead to a pooler.
func setUp(config *pgxpool.Config, url string) (pooled bool) {
	if !strings.Contains(url, "pool_max_conns") {
		config.MaxConns = int32(max(8, 2*runtime.GOMAXPROCS(0)))
	}
	c := config.ConnConfig
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectTimeout
	}
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "deed"
	}
	c.OnNotice = noticed
	return setUpPooled(c)
}

// start makes what is missing, reads how the log stands, and begins to work.
func (db *DB) start(ctx context.Context) error {
	if err := db.make(ctx); err != nil {
		return err
	}
	if err := db.findLog(ctx); err != nil {
		return err
	}
	if !db.options.ReadOnly {
		db.ledger = newLedger(db)
		db.writer = newWriter(db)
		go db.writer.run()
		db.behind.Go(db.tell)
		db.behind.Go(db.marker.run)
	}
	if !db.pooled && !db.standby { // LISTEN is of a connection, not of a transaction, and not possible on a standby
		db.behind.Go(db.listen)
	}
	db.behind.Go(db.look)
	return nil
}

// Close ends the store: groups under way are stored, who waits gets deed.ErrClosed, and followers end with it. A second Close
// does nothing.
func (db *DB) Close() error {
	db.close.Do(func() {
		close(db.closed)
		if db.writer != nil {
			db.writer.close()
		}
		db.stop()
		db.behind.Wait()
		db.pool.Close()
	})
	return nil
}

// Observe has o told about every group that is written, in place of whoever was told before.
func (db *DB) Observe(o deed.Observer) { db.observing.Observe(o) }

// Info identifies the log.
func (db *DB) Info() deed.LogInfo { return db.info }

// Clock is what recorded times are taken from.
func (db *DB) Clock() deed.Clock { return db.clock }

// usable returns why nothing can be done any more: closed, or the caller's context has ended.
func (db *DB) usable(ctx context.Context) error {
	select {
	case <-db.closed:
		return deed.ErrClosed
	case <-db.past.gone:
		return db.past.err()
	default:
		return ctx.Err()
	}
}

// querier is a connection, or a transaction on one.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// read lends a connection for something that changes nothing. Where the connection turns out to be lost, which it may be since
// long before, it is done once more on a new one.
func (db *DB) read(ctx context.Context, f func(*pgxpool.Conn) error) error {
	for again := false; ; again = true {
		if err := db.usable(ctx); err != nil {
			return err
		}
		lost := false
		err := db.pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error {
			err := f(c)
			lost = c.Conn().IsClosed()
			return err
		})
		if err == nil || !lost || again {
			return db.said(ctx, err)
		}
		db.pool.Reset()
	}
}

// said returns why something failed, in deed's words where it has one.
func (db *DB) said(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ended := db.usable(ctx); ended != nil {
		return ended
	}
	return explain(err)
}
