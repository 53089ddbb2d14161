package sqlite

import (
	"github.com/deed-es/deed"
)

// The bounds of a page: contract.md, "Read". The first page is smaller, since many readers want a few records only.
const (
	pageRecords = 1000
	pageFirst   = 128
	pageBytes   = 1 << 20
	pageScanned = 20_000 // rows looked at for one page
)

// page is the next records of a read, taken in one short use of a connection or of the tail.
type page struct {
	records []deed.Record
	bytes   int
	limit   int // of records

	// Everything selected from the read's start up to passed is delivered or in records; passed moves towards until, which
	// is the last position to look at. Backward, passed is the lowest position looked at, and until the lowest to look at.
	passed, until deed.Position
	version       deed.Version // of a stream: the last one looked at
}

func (p *page) full() bool { return len(p.records) >= p.limit || p.bytes >= pageBytes }

func (p *page) take(r deed.Record) {
	p.records = append(p.records, r)
	p.bytes += r.Size()
}

func (p *page) reset(limit int) {
	clear(p.records)
	p.records = p.records[:0]
	p.bytes = 0
	p.limit = limit
}

// fill reads the next page of q from the database.
func (p *page) fill(c *conn, q *deed.Query, kinds *kindSet) error {
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
func (p *page) fillStream(c *conn, q *deed.Query, kinds *kindSet) error {
	var s query
	if q.Backward {
		s = c.query("SELECT " + eventColumns + " FROM events WHERE stream = ? AND version > ? AND version < ? ORDER BY version DESC")
		s.text(string(q.Stream))
		s.int(int64(q.AfterVersion))
		s.int(int64(p.version))
	} else {
		s = c.query("SELECT " + eventColumns + " FROM events WHERE stream = ? AND version > ? ORDER BY version")
		s.text(string(q.Stream))
		s.int(int64(p.version))
	}
	return p.collect(&s, q, kinds)
}

// fillScan reads on in the whole log.
func (p *page) fillScan(c *conn, q *deed.Query, kinds *kindSet) error {
	var s query
	if q.Backward {
		s = c.query("SELECT " + eventColumns + " FROM events WHERE position < ? AND position >= ? ORDER BY position DESC")
	} else {
		s = c.query("SELECT " + eventColumns + " FROM events WHERE position > ? AND position <= ? ORDER BY position")
	}
	s.int(int64(p.passed))
	s.int(int64(p.until))
	return p.collect(&s, q, kinds)
}

// collect takes the rows that q selects until the page is full. If there are no more, all is passed.
func (p *page) collect(s *query, q *deed.Query, kinds *kindSet) error {
	narrow := len(q.Match) > 0 || q.Category != ""
	scanned := 0
	for s.step() {
		position := deed.Position(s.s.ColumnInt64(0))
		if p.beyond(position, q.Backward) {
			break
		}
		if p.full() || scanned >= pageScanned {
			return s.end()
		}
		scanned++
		p.passed = position
		p.version = deed.Version(s.s.ColumnInt64(2))
		if narrow && !mayMatch(s, q, kinds) {
			continue
		}
		if r := scanRecord(s, kinds); q.Selects(r) {
			p.take(r)
		}
	}
	p.passed = p.until
	return s.end()
}

func (p *page) beyond(position deed.Position, backward bool) bool {
	if backward {
		return position < p.until
	}
	return position > p.until
}

// mayMatch looks at the row's kind alone, which spares making records that are not selected.
func mayMatch(s *query, q *deed.Query, kinds *kindSet) bool {
	number := s.s.ColumnInt64(3)
	if !kinds.has(number) {
		return true
	}
	k := &kinds.list[number-1]
	if q.Category != "" && k.category != q.Category {
		return false
	}
	if len(q.Match) == 0 {
		return true
	}
	for i := range q.Match {
		if types := q.Match[i].Types; len(types) == 0 || contains(types, k.name) {
			return true
		}
	}
	return false
}

// fillIndexed walks the positions that the plan's indexes give. Where these lie close together the rows between them are
// read through, which is cheaper than looking each up.
func (p *page) fillIndexed(c *conn, q *deed.Query, kinds *kindSet, plan plan) error {
	walk := plan.walk(c, p.passed, p.until, q.Backward)
	batch := make([]int64, 0, 256)
	size := 8
	for looked := 0; !p.full() && looked < pageScanned; looked += len(batch) {
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
		if len(batch) < size && !p.full() {
			p.passed = p.until
			return nil
		}
		size = min(2*size, cap(batch))
	}
	return nil
}

// look takes the records at these positions until the page is full.
func (p *page) look(c *conn, q *deed.Query, kinds *kindSet, batch []int64) error {
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
		if p.full() {
			return nil
		}
	}
	return nil
}

func (p *page) lookThrough(c *conn, q *deed.Query, kinds *kindSet, batch []int64, low, high int64) error {
	sql := "SELECT " + eventColumns + " FROM events WHERE position >= ? AND position <= ? ORDER BY position"
	if q.Backward {
		sql += " DESC"
	}
	s := c.query(sql)
	s.int(low)
	s.int(high)
	for len(batch) > 0 && !p.full() && s.step() {
		if s.s.ColumnInt64(0) == batch[0] {
			p.takeSelected(&s, q, kinds)
			batch = batch[1:]
		}
	}
	return s.end()
}

func (p *page) takeSelected(s *query, q *deed.Query, kinds *kindSet) {
	r := scanRecord(s, kinds)
	p.passed = r.Position
	if q.Selects(r) {
		p.take(r)
	}
}
