package sqlite

import (
	"github.com/deed-es/deed"
	"github.com/deed-es/deed/internal/engine"
)

// So many rows are looked at for one page.
const pageScanned = 20_000

// page is the next records of a read, to be filled from the database.
type page struct{ *engine.Page }

// fill reads the next page of q from the database.
func (p page) fill(c *conn, q *deed.Query, kinds *engine.Kinds) error {
	if q.Stream != "" {
		return p.fillStream(c, q, kinds)
	}
	plan := planOf(q.Category, q.Match, kinds)
	if plan.scan {
		return p.fillScan(c, q, kinds)
	}
	return p.fillIndexed(c, q, kinds, plan)
}

// fillStream reads on in one stream, in order of version, which is the order of position.
func (p page) fillStream(c *conn, q *deed.Query, kinds *engine.Kinds) error {
	var s query
	if q.Backward {
		s = c.query("SELECT " + eventColumns + " FROM events WHERE stream = ? AND version > ? AND version < ? ORDER BY version DESC")
		s.text(string(q.Stream))
		s.int(int64(q.AfterVersion))
		s.int(int64(p.Version))
	} else {
		s = c.query("SELECT " + eventColumns + " FROM events WHERE stream = ? AND version > ? ORDER BY version")
		s.text(string(q.Stream))
		s.int(int64(p.Version))
	}
	return p.collect(&s, q, kinds)
}

// fillScan reads on in the whole log.
func (p page) fillScan(c *conn, q *deed.Query, kinds *engine.Kinds) error {
	var s query
	if q.Backward {
		s = c.query("SELECT " + eventColumns + " FROM events WHERE position < ? AND position >= ? ORDER BY position DESC")
	} else {
		s = c.query("SELECT " + eventColumns + " FROM events WHERE position > ? AND position <= ? ORDER BY position")
	}
	s.int(int64(p.Passed))
	s.int(int64(p.Until))
	return p.collect(&s, q, kinds)
}

// collect takes the rows that q selects until the page is full. If there are no more, all is passed.
func (p page) collect(s *query, q *deed.Query, kinds *engine.Kinds) error {
	narrow := len(q.Match) > 0 || q.Category != ""
	scanned := 0
	for s.step() {
		position := deed.Position(s.s.ColumnInt64(0))
		if p.beyond(position, q.Backward) {
			break
		}
		if p.Full() || scanned >= pageScanned {
			return s.end()
		}
		scanned++
		p.Passed = position
		p.Version = deed.Version(s.s.ColumnInt64(2))
		if narrow && !mayMatch(s, q, kinds) {
			continue
		}
		if r := scanRecord(s, kinds); q.Selects(r) {
			p.Take(r)
		}
	}
	p.Passed = p.Until
	return s.end()
}

func (p page) beyond(position deed.Position, backward bool) bool {
	if backward {
		return position < p.Until
	}
	return position > p.Until
}

// mayMatch looks at the row's kind alone, which spares making records that are not selected.
func mayMatch(s *query, q *deed.Query, kinds *engine.Kinds) bool {
	k := kinds.Get(s.s.ColumnInt(3))
	if k == nil {
		return true
	}
	if q.Category != "" && k.Category != q.Category {
		return false
	}
	if len(q.Match) == 0 {
		return true
	}
	for i := range q.Match {
		if types := q.Match[i].Types; len(types) == 0 || contains(types, k.Type) {
			return true
		}
	}
	return false
}

// fillIndexed walks the positions that the plan's indexes give. Where these lie close together the rows between them are
// read through, which is cheaper than looking each up.
func (p page) fillIndexed(c *conn, q *deed.Query, kinds *engine.Kinds, plan plan) error {
	walk := plan.walk(c, p.Passed, p.Until, q.Backward)
	batch := make([]int64, 0, 256)
	size := 8
	for looked := 0; !p.Full() && looked < pageScanned; looked += len(batch) {
		batch = batch[:0]
		for len(batch) < size {
			position, ok, err := walk.next()
			if err != nil {
				return err
			}
			if !ok {
				break
			}
			batch = append(batch, position)
		}
		if err := p.look(c, q, kinds, batch); err != nil {
			return err
		}
		if len(batch) < size && !p.Full() {
			p.Passed = p.Until
			return nil
		}
		size = min(2*size, cap(batch))
	}
	return nil
}

// look takes the records at these positions until the page is full.
func (p page) look(c *conn, q *deed.Query, kinds *engine.Kinds, batch []int64) error {
	if len(batch) >= 32 {
		low, high := batch[0], batch[len(batch)-1]
		if q.Backward {
			low, high = high, low
		}
		if high-low < 6*int64(len(batch)) {
			return p.lookThrough(c, q, kinds, batch, low, high)
		}
	}
	for _, position := range batch {
		s := c.query("SELECT " + eventColumns + " FROM events WHERE position = ?")
		s.int(position)
		if s.step() {
			p.takeSelected(&s, q, kinds)
		}
		if err := s.end(); err != nil {
			return err
		}
		if p.Full() {
			return nil
		}
	}
	return nil
}

func (p page) lookThrough(c *conn, q *deed.Query, kinds *engine.Kinds, batch []int64, low, high int64) error {
	sql := "SELECT " + eventColumns + " FROM events WHERE position >= ? AND position <= ? ORDER BY position"
	if q.Backward {
		sql += " DESC"
	}
	s := c.query(sql)
	s.int(low)
	s.int(high)
	for len(batch) > 0 && !p.Full() && s.step() {
		if s.s.ColumnInt64(0) == batch[0] {
			p.takeSelected(&s, q, kinds)
			batch = batch[1:]
		}
	}
	return s.end()
}

func (p page) takeSelected(s *query, q *deed.Query, kinds *engine.Kinds) {
	r := scanRecord(s, kinds)
	p.Passed = r.Position
	if q.Selects(r) {
		p.Take(r)
	}
}
