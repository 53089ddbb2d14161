package sqlite_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/ncruces/go-sqlite3"
)

// BenchmarkBare is what BenchmarkAppend is compared with: a loop over the same table that stores what waits, in one
// transaction, and checks nothing.
func BenchmarkBare(b *testing.B) {
	for _, appenders := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("appenders=%d", appenders), func(b *testing.B) {
			bare := newBareLoop(b)
			defer close(bare.queue)
			work(b, appenders, func(worker, i int) error {
				r := bareRequest{stream: fmt.Sprintf("order-%d-%d", worker, i/10), version: int64(i%10) + 1, id: fmt.Sprintf("e-%d-%d", worker, i), done: make(chan error, 1)}
				bare.queue <- r
				return <-r.done
			})
		})
	}
}

type bareRequest struct {
	stream, id string
	version    int64
	done       chan error
}

type bareLoop struct {
	queue    chan bareRequest
	conn     *sqlite3.Conn
	position int64
}

func newBareLoop(b *testing.B) *bareLoop {
	schema, err := os.ReadFile("log.sql")
	if err != nil {
		b.Fatal(err)
	}
	c, err := sqlite3.Open(filepath.Join(b.TempDir(), "bare.db"))
	if err == nil {
		err = c.Exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-16000;" + string(schema))
	}
	if err != nil {
		b.Fatal(err)
	}
	l := &bareLoop{queue: make(chan bareRequest, 4096), conn: c}
	go l.run()
	return l
}

func (l *bareLoop) run() {
	defer l.conn.Close()
	insert, _, err := l.conn.Prepare("INSERT INTO events (position, stream, version, kind, time, id, tags, metadata, data) VALUES (?, ?, ?, 1, ?, ?, NULL, NULL, ?)")
	if err != nil {
		panic(err)
	}
	begin, _, _ := l.conn.Prepare("BEGIN IMMEDIATE")
	commit, _, _ := l.conn.Prepare("COMMIT")
	var group []bareRequest
	for first := range l.queue {
		group = append(group[:0], first)
		for len(group) < 256 && len(l.queue) > 0 {
			group = append(group, <-l.queue)
		}
		err := begin.Exec()
		for i := range group {
			l.position++
			_ = insert.BindInt64(1, l.position)
			_ = insert.BindText(2, group[i].stream)
			_ = insert.BindInt64(3, group[i].version)
			_ = insert.BindInt64(4, l.position)
			_ = insert.BindText(5, group[i].id)
			_ = insert.BindBlob(6, payload)
			if e := insert.Exec(); e != nil {
				err = e
			}
		}
		if e := commit.Exec(); e != nil {
			err = e
		}
		for i := range group {
			group[i].done <- err
		}
	}
}
