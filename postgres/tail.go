package postgres

import (
	"sync"

	"github.com/deed-es/deed"
)

// The bounds of the tail.
const (
	tailRecords = 8192
	tailBytes   = 8 << 20
	tailLooked  = 1024 // records looked at while the writer may wait
)

// tail is the most recent records of this process in memory, without a gap, so that followers near the head are served and
// filter without SQL. Where another process has appended in between, it begins anew. Its records are never changed; readers
// hand out copies.
type tail struct {
	mu    sync.RWMutex
	ring  []deed.Record // record p is at p % len
	first deed.Position // of the oldest record kept
	next  deed.Position // after the newest one
	bytes int
}

// add takes records over, which have no gap between them.
func (t *tail) add(records []deed.Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ring == nil {
		t.ring = make([]deed.Record, tailRecords)
	}
	if from := records[0].Position; t.next != from {
		clear(t.ring)
		t.first, t.next, t.bytes = from, from, 0
	}
	for i := range records {
		if t.next-t.first == tailRecords {
			t.drop()
		}
		t.ring[t.next%tailRecords] = records[i]
		t.bytes += records[i].Size()
		t.next++
	}
	for t.bytes > tailBytes && t.first < t.next {
		t.drop()
	}
}

func (t *tail) drop() {
	oldest := &t.ring[t.first%tailRecords]
	t.bytes -= oldest.Size()
	*oldest = deed.Record{}
	t.first++
}

// read appends to p.records what q selects after p.passed and up to p.until, and moves p on, until the page is full. It
// returns false if the tail does not reach back so far.
func (t *tail) read(q *deed.Query, p *page) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.first == 0 || p.passed+1 < t.first || p.until >= t.next {
		return false
	}
	for looked := 0; p.passed < p.until && !p.full() && looked < tailLooked; looked++ {
		p.passed++
		if r := &t.ring[p.passed%tailRecords]; q.Selects(*r) {
			p.take(*r)
			p.version = r.Version
		}
	}
	return true
}
