package sqlite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/ext/fts5"
)

// How long a statement waits for a lock that another program's connection holds.
const busyTimeout = 5 * time.Second

// A connection keeps so many statements prepared.
const maxStatements = 512

// conn is a connection with its prepared statements. One goroutine uses it at a time.
type conn struct {
	*sqlite3.Conn
	stmts map[string]*sqlite3.Stmt
	wal   walSize
}

// file names a database and how to open it.
type file struct {
	what     string // what it is to be
	path     string // empty: in memory
	readOnly bool
	tables   bool // it may hold tables that projections make: full text is there
	below    below
}

func (f file) open() (*conn, error) {
	name, flags := ":memory:", sqlite3.OPEN_READWRITE|sqlite3.OPEN_CREATE|sqlite3.OPEN_URI
	if f.path != "" {
		registerSpace()
		u := url.URL{Scheme: "file", OmitHost: true, Path: f.path, RawQuery: url.Values{"vfs": {cmp.Or(f.below.vfs, spaceVFS)}}.Encode()}
		name = u.String()
	}
	if f.readOnly {
		flags &^= sqlite3.OPEN_CREATE
	}
	raw, err := sqlite3.OpenFlags(name, flags)
	if f.readOnly && errors.Is(err, sqlite3.CANTOPEN) { // a file that this process may not write
		raw, err = sqlite3.OpenFlags(name, flags&^sqlite3.OPEN_READWRITE|sqlite3.OPEN_READONLY)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", f.path, err)
	}
	c := &conn{Conn: raw, stmts: make(map[string]*sqlite3.Stmt)}
	err = c.BusyTimeout(busyTimeout)
	if err == nil {
		err = c.Exec("PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF")
	}
	if err == nil && f.tables {
		err = fts5.Register(c.Conn)
	}
	if err == nil && f.readOnly {
		err = c.Exec("PRAGMA query_only=ON")
	}
	if err != nil {
		c.close()
		return nil, fmt.Errorf("open %s: %w", f.path, err)
	}
	return c, nil
}

// close gives the connection up, whatever state it is in.
func (c *conn) close() {
	if c == nil {
		return
	}
	defer func() { _ = recover() }() // a connection that ran out of memory may not even close
	c.forget()
	_ = c.Close()
}

func (c *conn) forget() {
	for _, s := range c.stmts {
		_ = s.Close()
	}
	clear(c.stmts)
}

// query starts a statement, prepared once per connection. Its parameters are bound in order.
func (c *conn) query(sql string) query {
	s, ok := c.stmts[sql]
	if ok {
		return query{s: s}
	}
	if len(c.stmts) >= maxStatements {
		c.forget()
	}
	s, _, err := c.PrepareFlags(sql, sqlite3.PREPARE_PERSISTENT)
	if err != nil {
		return query{err: fmt.Errorf("%w in %q", err, sql)}
	}
	c.stmts[sql] = s
	return query{s: s}
}

// run executes a statement without rows, with integer parameters.
func (c *conn) run(sql string, args ...int64) error {
	q := c.query(sql)
	for _, a := range args {
		q.int(a)
	}
	return q.exec()
}

// number returns the first column of the first row; 0 if there is no row or it is NULL.
func (c *conn) number(sql string, args ...int64) (int64, error) {
	q := c.query(sql)
	for _, a := range args {
		q.int(a)
	}
	var n int64
	if q.step() {
		n = q.s.ColumnInt64(0)
	}
	return n, q.end()
}

// pragma returns a setting as text.
func (c *conn) pragma(name string) (string, error) {
	s, _, err := c.Prepare("PRAGMA " + name)
	if err != nil {
		return "", err
	}
	defer s.Close()
	value := ""
	if s.Step() {
		value = s.ColumnText(0)
	}
	return value, s.Err()
}

// within runs f in a read transaction: all its statements see the same state. It ends with ctx.
func (c *conn) within(ctx context.Context, f func() error) error {
	old := c.SetInterrupt(ctx)
	err := c.query("BEGIN").exec()
	if err == nil {
		err = f()
	}
	c.SetInterrupt(old)
	if !c.GetAutocommit() {
		if end := c.query("ROLLBACK").exec(); err == nil {
			err = end
		}
	}
	if ended := ctx.Err(); err != nil && ended != nil {
		return ended
	}
	return err
}

// query is a statement in use: bind, step, end; or bind, exec. The first error stays.
type query struct {
	s   *sqlite3.Stmt
	n   int
	err error
}

func (q *query) bound(err error) {
	if q.err == nil {
		q.err = err
	}
}

func (q *query) int(v int64) {
	if q.n++; q.err == nil {
		q.bound(q.s.BindInt64(q.n, v))
	}
}

func (q *query) text(v string) {
	if q.n++; q.err == nil {
		q.bound(q.s.BindText(q.n, v))
	}
}

func (q *query) blob(v []byte) {
	if q.n++; q.err == nil {
		q.bound(q.s.BindBlob(q.n, v))
	}
}

func (q *query) null() {
	if q.n++; q.err == nil {
		q.bound(q.s.BindNull(q.n))
	}
}

func (q *query) float(v float64) {
	if q.n++; q.err == nil {
		q.bound(q.s.BindFloat(q.n, v))
	}
}

func (q *query) bool(v bool) {
	if q.n++; q.err == nil {
		q.bound(q.s.BindBool(q.n, v))
	}
}

// orNull binds v, or NULL if there is none.
func (q *query) orNull(v []byte) {
	if v == nil {
		q.null()
		return
	}
	q.blob(v)
}

// step tells whether there is another row.
func (q *query) step() bool {
	if q.err != nil {
		return false
	}
	if q.s.Step() {
		return true
	}
	q.err = q.s.Err()
	return false
}

// end resets the statement and returns its error. It must be called after step.
func (q *query) end() error {
	if q.s != nil {
		if err := q.s.Reset(); q.err == nil && err != nil {
			q.err = err
		}
	}
	return q.err
}

// exec runs a statement that has no rows.
func (q query) exec() error {
	if q.err != nil {
		return q.err
	}
	return q.s.Exec()
}

// bytes copies a column; nil if it is NULL or empty.
func (q *query) bytes(col int) []byte {
	raw := q.s.ColumnRawBlob(col)
	if len(raw) == 0 {
		return nil
	}
	return append(make([]byte, 0, len(raw)), raw...)
}
