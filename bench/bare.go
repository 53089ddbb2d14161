package main

import (
	"errors"
	"net/url"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

// bareLoop is what is left when everything but the batching is taken away: one goroutine takes all that wait, up to 256,
// inserts them into the engine's own table, commits, and answers. It checks nothing.
type bareLoop struct {
	conn                  *sqlite3.Conn
	begin, insert, commit *sqlite3.Stmt
	queue                 chan bareEvent
	ended                 chan struct{}
}

// bareEvent waits in the bare loop's queue.
type bareEvent struct {
	stream deed.StreamID
	id     string
	data   []byte
	done   chan error
}

// withBare runs f with a bare loop over a new log on a disk.
func withBare(d *disk, f func(l *bareLoop) (sample, error)) (sample, error) {
	return inFolder(func(path string) (sample, error) {
		db, err := sqlite.Open(path, nil) // makes the tables
		if err != nil {
			return sample{}, err
		}
		if err := db.Close(); err != nil {
			return sample{}, err
		}
		l, err := openBare(d, path)
		if err != nil {
			return sample{}, err
		}
		s, err := f(l)
		if end := l.close(); err == nil {
			err = end
		}
		return s, err
	})
}

func openBare(d *disk, path string) (*bareLoop, error) {
	u := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: url.Values{"vfs": {d.name()}}.Encode()}
	conn, err := sqlite3.Open(u.String())
	if err != nil {
		return nil, err
	}
	l := &bareLoop{conn: conn, queue: make(chan bareEvent, 4096), ended: make(chan struct{})}
	if err := l.prepare(); err != nil {
		_ = conn.Close()
		return nil, err
	}
	go l.run()
	return l, nil
}

func (l *bareLoop) prepare() error {
	for _, sql := range []string{
		"PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL",
		"INSERT INTO kinds VALUES (1, 'bench', 'written', 1, 'application/json')",
	} {
		if err := l.conn.Exec(sql); err != nil {
			return err
		}
	}
	for sql, stmt := range map[string]**sqlite3.Stmt{
		"BEGIN IMMEDIATE": &l.begin, "COMMIT": &l.commit,
		"INSERT INTO events (position, stream, version, kind, time, id, metadata, data) VALUES (?, ?, 1, 1, ?, ?, ?, ?)": &l.insert,
	} {
		var err error
		if *stmt, _, err = l.conn.Prepare(sql); err != nil {
			return err
		}
	}
	return nil
}

// put stores an event and returns once it is on the disk.
func (l *bareLoop) put(stream deed.StreamID, data []byte) error {
	e := bareEvent{stream: stream, id: deed.NewID(), data: data, done: make(chan error, 1)}
	l.queue <- e
	return <-e.done
}

func (l *bareLoop) run() {
	defer close(l.ended)
	position := int64(0)
	var group []bareEvent
	for e := range l.queue {
		group = append(group[:0], e)
	taking:
		for len(group) < 256 {
			select {
			case e, open := <-l.queue:
				if !open {
					break taking
				}
				group = append(group, e)
			default:
				break taking
			}
		}
		err := l.store(group, &position)
		for _, e := range group {
			e.done <- err
		}
	}
}

func (l *bareLoop) store(group []bareEvent, position *int64) error {
	if err := step(l.begin); err != nil {
		return err
	}
	now := time.Now().UnixMicro()
	for _, e := range group {
		*position++
		for _, err := range []error{
			l.insert.BindInt64(1, *position), l.insert.BindText(2, string(e.stream)), l.insert.BindInt64(3, now),
			l.insert.BindText(4, e.id), l.insert.BindBlob(5, []byte("{}")), l.insert.BindBlob(6, e.data), step(l.insert),
		} {
			if err != nil {
				return err
			}
		}
	}
	return step(l.commit)
}

func step(s *sqlite3.Stmt) error {
	s.Step()
	return s.Reset()
}

func (l *bareLoop) close() error {
	close(l.queue)
	<-l.ended
	return errors.Join(l.begin.Close(), l.insert.Close(), l.commit.Close(), l.conn.Close())
}
