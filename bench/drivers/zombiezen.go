package main

import (
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// zombiezen is zombiezen.com/go/sqlite on modernc.org/sqlite: SQLite's C, translated to Go.
type zombiezen struct {
	*sqlite.Conn
	put, start, end *sqlite.Stmt
}

func openZombiezen(path string) (conn, error) {
	db, err := sqlite.OpenConn(path)
	if err != nil {
		return nil, err
	}
	return &zombiezen{Conn: db}, nil
}

func (c *zombiezen) exec(sql string) error { return sqlitex.ExecuteTransient(c.Conn, sql, nil) }
func (c *zombiezen) begin() error          { return c.step(&c.start, "begin immediate") }
func (c *zombiezen) commit() error         { return c.step(&c.end, "commit") }

// step runs a statement that yields no rows, prepared once.
func (c *zombiezen) step(stmt **sqlite.Stmt, sql string) error {
	if *stmt == nil {
		var err error
		if *stmt, err = c.Prepare(sql); err != nil {
			return err
		}
	}
	if _, err := (*stmt).Step(); err != nil {
		return err
	}
	return (*stmt).Reset()
}

func (c *zombiezen) insert(stream string, version int64, data, meta []byte) error {
	if c.put == nil {
		var err error
		if c.put, err = c.Prepare(insertEvent); err != nil {
			return err
		}
	}
	c.put.BindText(1, stream)
	c.put.BindInt64(2, version)
	c.put.BindInt64(3, 1)
	c.put.BindBytes(4, data)
	c.put.BindBytes(5, meta)
	return c.step(&c.put, insertEvent)
}

func (c *zombiezen) scan() (int, error) {
	stmt, err := c.Prepare(scanEvents)
	if err != nil {
		return 0, err
	}
	data, meta := make([]byte, 256), make([]byte, 40)
	for n := 0; ; n++ {
		more, err := stmt.Step()
		if err != nil {
			return n, err
		}
		if !more {
			return n, stmt.Finalize()
		}
		_, _ = stmt.ColumnText(1), stmt.ColumnInt64(2)
		stmt.ColumnBytes(4, data)
		stmt.ColumnBytes(5, meta)
	}
}

func (c *zombiezen) Close() error { return c.Conn.Close() }
