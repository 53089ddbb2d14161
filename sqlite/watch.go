package sqlite

import (
	"context"
	"sync"
	"time"

	"github.com/deed-es/deed"
)

// wait returns when there is news, or with the reason why there will be none.
func (db *DB) wait(ctx context.Context, news <-chan struct{}) error {
	if db.writer == nil {
		defer db.watch.start(db)()
	}
	select {
	case <-news:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-db.closed:
		return deed.ErrClosed
	}
}

// refresh reads the head and the kinds of a log that another process writes. Kinds are read after the head, so that all
// that records up to the head need are known.
func (db *DB) refresh(c *conn) error {
	head, err := c.number("SELECT max(position) FROM events")
	if err != nil {
		return err
	}
	head = max(head, int64(db.info.Began))
	if head <= db.head.Load() {
		return nil
	}
	old := db.kinds.Load()
	kinds, err := moreKinds(c, old)
	if err != nil {
		return err
	}
	db.watch.mu.Lock()
	defer db.watch.mu.Unlock()
	if kinds.Len() > db.kinds.Load().Len() {
		db.kinds.Store(kinds)
	}
	if head > db.head.Load() {
		db.head.Store(head)
		db.news.TellEverybody()
	}
	return nil
}

// How often a log that another process writes is looked at, while somebody waits.
const watchEvery = 25 * time.Millisecond

// watch looks for news in a log that another process writes, one goroutine for all who wait.
type watch struct {
	mu      sync.Mutex
	waiting int
	running bool
}

// start counts one who waits in, and returns how to count it out.
func (w *watch) start(db *DB) (stop func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting++
	if !w.running {
		w.running = true
		go w.run(db)
	}
	return func() {
		w.mu.Lock()
		w.waiting--
		w.mu.Unlock()
	}
}

func (w *watch) run(db *DB) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		select {
		case <-db.closed:
			return
		case <-ticker.C:
		}
		w.mu.Lock()
		if w.waiting == 0 {
			w.running = false
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
		if err := db.readers.with(context.Background(), db.refresh); err != nil {
			db.logger.Warn("could not look for news", "error", err)
		}
	}
}
