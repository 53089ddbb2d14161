package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/deed-es/deed"
)

// How often a log that other processes write is looked at while somebody waits: where the server tells of news, and where it
// cannot.
const (
	watchEvery = 250 * time.Millisecond
	pollEvery  = 25 * time.Millisecond
)

// watch knows whether somebody waits for what other processes do.
type watch struct {
	waiting   atomic.Int64
	listening atomic.Bool
	kicked    chan struct{} // there may be news
}

// start counts one who waits in, and returns how to count it out.
func (w *watch) start() (stop func()) {
	if w.waiting.Add(1) == 1 {
		w.kick()
	}
	return func() { w.waiting.Add(-1) }
}

func (w *watch) kick() {
	select {
	case w.kicked <- struct{}{}:
	default:
	}
}

// wait returns when there is news, or with the reason why there will be none.
func (db *DB) wait(ctx context.Context, news <-chan struct{}) error {
	defer db.watch.start()()
	select {
	case <-news:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-db.closed:
		return deed.ErrClosed
	case <-db.past.gone:
		return db.past.err()
	}
}

// look looks for what other processes have done: when the server tells, and every now and then, as long as somebody waits.
func (db *DB) look() {
	every := pollEvery
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for failed := false; ; {
		select {
		case <-db.closed:
			return
		case <-db.watch.kicked:
		case <-ticker.C:
		}
		if db.watch.waiting.Load() == 0 {
			continue
		}
		err := db.refresh()
		if err != nil && !failed && db.usable(context.Background()) == nil {
			db.logger.Warn("could not look for news", "log", db.options.Log, "error", err)
		}
		failed = err != nil
		wanted := pollEvery
		if failed || db.watch.listening.Load() {
			wanted = watchEvery
		}
		if wanted != every {
			every = wanted
			ticker.Reset(every)
		}
	}
}

// refresh reads how far log and views are, and wakes who waits for that.
func (db *DB) refresh() error {
	ctx, cancel := context.WithTimeout(db.stopped, connectTimeout)
	defer cancel()
	return db.read(ctx, func(c *pgxpool.Conn) error {
		b := &pgx.Batch{}
		var ends endsOfLog
		b.Queue(db.tables.sql(headSQL), db.log).QueryRow(ends.scan)
		var marks []storedView
		since := map[bool]uint64{false: db.waiting.Since(), true: db.inline.waiting.Since()}
		if db.waiting.Some() || db.inline.waiting.Some() {
			b.Queue(db.tables.sql("SELECT "+viewColumns+" FROM @views WHERE log = $1"), db.log).Query(func(rows pgx.Rows) error {
				for rows.Next() {
					var v storedView
					if err := v.scan(rows); err != nil {
						return err
					}
					marks = append(marks, v)
				}
				return rows.Err()
			})
		}
		if err := c.SendBatch(ctx, b).Close(); err != nil {
			return err
		}
		db.saw(ends)
		for i := range marks {
			m := &marks[i]
			db.place(m.inline).waiting.Found(m.ref, m.position, since[m.inline])
		}
		return nil
	})
}

// reach notes how far the log is, and tells whether that was news.
func (db *DB) reach(head deed.Position) bool {
	for {
		known := db.head.Load()
		if int64(head) <= known {
			return false
		}
		if db.head.CompareAndSwap(known, int64(head)) {
			return true
		}
	}
}

// advance notes how far others have brought the log.
func (db *DB) advance(head deed.Position) {
	if db.reach(head) {
		db.news.TellEverybody()
	}
}

// channel is where processes tell each other of news.
func (db *DB) channel() string {
	sum := sha256.Sum256([]byte(db.options.Schema + "\x00" + db.options.Log))
	return "deed_" + hex.EncodeToString(sum[:10])
}

// listen waits for the server's notifications on a connection of its own. Where it cannot, the log is polled.
func (db *DB) listen() {
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		began := time.Now()
		err := db.listenOnce()
		db.watch.listening.Store(false)
		if db.usable(context.Background()) != nil {
			return
		}
		if time.Since(began) > time.Minute {
			pause = 100 * time.Millisecond
		}
		db.logger.Warn("cannot listen for news, and polls instead", "log", db.options.Log, "error", err)
		select {
		case <-db.closed:
			return
		case <-time.After(pause):
		}
	}
}

func (db *DB) listenOnce() error {
	c, err := pgx.ConnectConfig(db.stopped, db.config.ConnConfig.Copy())
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = c.Close(ctx)
	}()
	if _, err := c.Exec(db.stopped, "LISTEN "+db.channel()); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	db.watch.listening.Store(true)
	for {
		db.watch.kick()
		for news := false; !news; {
			n, err := c.WaitForNotification(db.stopped)
			if err != nil {
				return err
			}
			news = db.heard(n.Payload)
		}
	}
}

// Between two notifications of a process lies so much time at least.
const tellEvery = 5 * time.Millisecond

// teller tells other processes that there is news, or asks them to make what is stored readable, past the transactions that made it: a
// NOTIFY takes a lock of the whole server until its transaction ends.
type teller struct {
	name        string // of this process, which need not be told
	due         chan struct{}
	news, hides atomic.Bool
}

func (t *teller) tell() { t.wake(&t.news) }
func (t *teller) ask()  { t.wake(&t.hides) }

func (t *teller) wake(what *atomic.Bool) {
	what.Store(true)
	select {
	case t.due <- struct{}{}:
	default:
	}
}

// asking stands behind the name of who asks.
const asking = "+"

// words are what is to be said.
func (t *teller) words() (words []string) {
	if t.news.Swap(false) {
		words = append(words, t.name)
	}
	if t.hides.Swap(false) {
		words = append(words, t.name+asking)
	}
	return words
}

// heard takes in what a process has said, and tells whether it is news.
func (db *DB) heard(word string) bool {
	name, asks := strings.CutSuffix(word, asking)
	switch {
	case name == db.teller.name:
		return false
	case asks && db.marker.mine.Load():
		db.marker.kick()
	}
	return !asks
}

// tell sends the notifications.
func (db *DB) tell() {
	ticker := time.NewTicker(tellEvery)
	defer ticker.Stop()
	for {
		select {
		case <-db.closed:
			return
		case <-db.teller.due:
		}
		ctx, cancel := context.WithTimeout(db.stopped, connectTimeout)
		_ = db.pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error { // who is not told will look
			_, err := c.Exec(ctx, "SELECT pg_notify($1, word) FROM unnest($2::text[]) word", db.channel(), db.teller.words())
			return err
		})
		cancel()
		select {
		case <-db.closed:
			return
		case <-ticker.C:
		}
	}
}
