package postgres

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/deed-es/deed"
)

// past is the last record of the log that this process has seen. A database that is restored, or a standby that is promoted before it
// had everything, cuts the log off and goes on in another way; all connections are lost then. So who connects looks whether the record is
// still there. Where it is not, this log is done with: what is remembered of it, here and by those who read it, is of a past that it does
// not have.
type past struct {
	mu       sync.Mutex
	position deed.Position
	id       string
	lost     error
	gone     chan struct{} // closed when lost is set
}

// sees notes a record that is stored.
func (p *past) sees(r *deed.Record) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.Position > p.position {
		p.position, p.id = r.Position, r.ID
	}
}

func (p *past) seen() (deed.Position, string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.position, p.id
}

// err is deed.ErrForked once the log is another than it was.
func (p *past) err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lost
}

func (p *past) lose(position deed.Position, id string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lost == nil {
		p.lost = fmt.Errorf("%w: the event at position %d is not %s, which was seen there; the log was restored under this process, which has to start anew",
			deed.ErrForked, position, id)
		close(p.gone)
	}
	return p.lost
}

// connected looks whether the log is still the one that it was.
func (db *DB) connected(ctx context.Context, c *pgconn.PgConn) error {
	if err := db.past.err(); err != nil {
		return err
	}
	position, id := db.past.seen()
	if position == 0 {
		return nil
	}
	sql := db.tables.sql(`SELECT 1 FROM @logs l WHERE l.log = $1 AND l.id = $2 AND (EXISTS (SELECT FROM @events WHERE log = $1 AND position = $3 AND id = $4)
		OR pg_is_in_recovery() AND NOT EXISTS (SELECT FROM @events WHERE log = $1 AND position >= $3))`) // a standby that is behind
	args := [][]byte{[]byte(strconv.Itoa(int(db.log))), []byte(db.info.ID), []byte(strconv.FormatInt(int64(position), 10)), []byte(id)}
	found := c.ExecParams(ctx, sql, args, nil, nil, nil).Read()
	switch {
	case found.Err != nil:
		return found.Err
	case len(found.Rows) == 0:
		return db.past.lose(position, id)
	}
	return nil
}
