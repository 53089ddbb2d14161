package sqlite

import "fmt"

// openReader opens a connection that only reads.
func (f file) openReader() (*conn, error) {
	c, err := f.open()
	if err != nil {
		return nil, err
	}
	if err := c.Exec("PRAGMA query_only=ON; PRAGMA cache_size=-4000"); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// mustBeThere refuses to read what is not a database of this kind.
func (k kept) mustBeThere(c *conn) error {
	there, err := k.check(c)
	if err == nil && !there {
		err = fmt.Errorf("not a deed %s: it is empty", k.what)
	}
	return err
}
