package sqlite

import (
	"strings"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/internal/engine"
)

const insertEventSQL = `INSERT INTO events (position, stream, version, kind, time, id, tags, metadata, data)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (stream, version) DO NOTHING`

const eventColumns = "position, stream, version, kind, time, id, tags, metadata, data"

// insertEvent stores a record that has its place, and its tags; it is not inserted if its stream has that version.
func (l *logLedger) insertEvent(c *conn, r *deed.Record) (inserted bool, err error) {
	number, err := l.kindNumber(c, engine.KindOf(r))
	if err != nil {
		return false, err
	}
	q := c.query(insertEventSQL)
	q.int(int64(r.Position))
	q.text(string(r.Stream))
	q.int(int64(r.Version))
	q.int(number)
	q.int(l.now)
	q.text(r.ID)
	if len(r.Tags) == 0 {
		q.null()
	} else {
		q.text(strings.Join(r.Tags, "\n"))
	}
	q.orNull(r.Metadata)
	q.blob(r.Data)
	if err := q.exec(); err != nil || c.Changes() == 0 {
		return false, err
	}
	for _, tag := range r.Tags {
		q := c.query("INSERT INTO tags (tag, position) VALUES (?, ?)")
		q.text(tag)
		q.int(int64(r.Position))
		if err := q.exec(); err != nil {
			return false, err
		}
	}
	return true, nil
}

// scanRecord reads the row that q stands on, of eventColumns. What it returns owns its bytes.
func scanRecord(q *query, kinds *engine.Kinds) deed.Record {
	var r deed.Record
	s := q.s
	r.Position = deed.Position(s.ColumnInt64(0))
	r.Version = deed.Version(s.ColumnInt64(2))
	r.Time = timeOf(s.ColumnInt64(4))
	if k := kinds.Get(s.ColumnInt(3)); k != nil {
		k.Name(&r)
	}
	// The words of a record share one string, its data and metadata one array.
	stream, id, tags := s.ColumnRawText(1), s.ColumnRawText(5), s.ColumnRawText(6)
	var words strings.Builder
	words.Grow(len(stream) + len(id) + len(tags))
	words.Write(stream)
	words.Write(id)
	words.Write(tags)
	all := words.String()
	r.Stream = deed.StreamID(all[:len(stream)])
	r.ID = all[len(stream) : len(stream)+len(id)]
	if len(tags) > 0 {
		r.Tags = strings.Split(all[len(stream)+len(id):], "\n")
	}
	metadata, data := s.ColumnRawBlob(7), s.ColumnRawBlob(8)
	r.Metadata, r.Data = join(metadata, data)
	return r
}

// join copies both into one array.
func join(a, b []byte) (ownA, ownB []byte) {
	if len(a)+len(b) == 0 {
		return nil, nil
	}
	all := make([]byte, 0, len(a)+len(b))
	all = append(append(all, a...), b...)
	if len(a) > 0 {
		ownA = all[:len(a):len(a)]
	}
	if len(b) > 0 {
		ownB = all[len(a):]
	}
	return ownA, ownB
}
