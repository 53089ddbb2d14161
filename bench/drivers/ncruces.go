package main

import (
	"errors"

	"github.com/ncruces/go-sqlite3"
)

// ncruces is github.com/ncruces/go-sqlite3: SQLite as WebAssembly, translated to Go.
type ncruces struct {
	*sqlite3.Conn
	put, start, end *sqlite3.Stmt
}

func openNcruces(path string) (conn, error) {
	db, err := sqlite3.Open("file:" + path)
	if err != nil {
		return nil, err
	}
	return &ncruces{Conn: db}, nil
}

func (c *ncruces) exec(sql string) error { return c.Exec(sql) }
func (c *ncruces) begin() error          { return c.step(&c.start, "begin immediate") }
func (c *ncruces) commit() error         { return c.step(&c.end, "commit") }

// step runs a statement that yields no rows, prepared once.
func (c *ncruces) step(stmt **sqlite3.Stmt, sql string) error {
	if *stmt == nil {
		var err error
		if *stmt, _, err = c.Prepare(sql); err != nil {
			return err
		}
	}
	(*stmt).Step()
	return (*stmt).Reset()
}

func (c *ncruces) insert(stream string, version int64, data, meta []byte) error {
	if c.put == nil {
		var err error
		if c.put, _, err = c.Prepare(insertEvent); err != nil {
			return err
		}
	}
	err := errors.Join(c.put.BindText(1, stream), c.put.BindInt64(2, version), c.put.BindInt64(3, 1),
		c.put.BindBlob(4, data), c.put.BindBlob(5, meta))
	if err != nil {
		return err
	}
	return c.step(&c.put, insertEvent)
}

func (c *ncruces) scan() (int, error) {
	stmt, _, err := c.Prepare(scanEvents)
	if err != nil {
		return 0, err
	}
	defer stmt.Close()
	n := 0
	for ; stmt.Step(); n++ {
		_, _, _, _ = stmt.ColumnText(1), stmt.ColumnInt64(2), stmt.ColumnRawBlob(4), stmt.ColumnRawBlob(5)
	}
	return n, stmt.Err()
}

func (c *ncruces) Close() error {
	for _, stmt := range []*sqlite3.Stmt{c.put, c.start, c.end} {
		if stmt != nil {
			if err := stmt.Close(); err != nil {
				return err
			}
		}
	}
	return c.Conn.Close()
}
