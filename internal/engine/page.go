package engine

import (
	"sync"

	"github.com/deed-es/deed"
)

// The bounds of a page: contract.md, "Read". The first page is smaller, since many readers want a few records only.
const (
	PageBytes   = 1 << 20
	pageRecords = 1000
	pageFirst   = 128
)

// Page is the next records of a read, taken in one short use of a connection or of the tail.
type Page struct {
	Records []deed.Record
	Limit   int // of records

	// Everything selected from the read's start up to Passed is delivered or in Records; Passed moves towards Until, which
	// is the last position to look at. Backward, Passed is the lowest position looked at, and Until the lowest to look at.
	Passed, Until deed.Position
	Version       deed.Version // of a stream: the last one looked at

	bytes int
}

// Full tells whether nothing more is to be taken.
func (p *Page) Full() bool { return len(p.Records) >= p.Limit || p.bytes >= PageBytes }

// Take adds a record.
func (p *Page) Take(r deed.Record) {
	p.Records = append(p.Records, r)
	p.bytes += r.Size()
}

func (p *Page) reset(limit int) {
	clear(p.Records)
	p.Records = p.Records[:0]
	p.bytes = 0
	p.Limit = limit
}

// The bounds of the tail.
const (
	tailRecords = 8192
	tailBytes   = 8 << 20
	tailLooked  = 1024 // records looked at while the writer may wait
)

// Tail is the most recent records in memory, without a gap, so that followers near the head are served and filter without SQL. Its
// records are never changed; readers hand out copies.
type Tail struct {
	mu    sync.RWMutex
	ring  []deed.Record // record p is at p % len
	first deed.Position // of the oldest record kept; 0: it has never had any
	next  deed.Position // after the newest one
	bytes int
}

// Reset empties the tail: the next record will be the one after head.
func (t *Tail) Reset(head deed.Position) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.begin(head + 1)
}

func (t *Tail) begin(first deed.Position) {
	clear(t.ring)
	t.first, t.next, t.bytes = first, first, 0
}

// Add takes records over, which have no gap between them. Where there is one before them, the tail begins anew.
func (t *Tail) Add(records []deed.Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ring == nil {
		t.ring = make([]deed.Record, tailRecords)
	}
	if from := records[0].Position; t.next != from {
		t.begin(from)
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

func (t *Tail) drop() {
	oldest := &t.ring[t.first%tailRecords]
	t.bytes -= oldest.Size()
	*oldest = deed.Record{}
	t.first++
}

// Read appends to the page what q selects after p.Passed and up to p.Until, and moves p on, until the page is full. It returns
// false if the tail does not reach back so far. The records are shared: Hand makes copies of them.
func (t *Tail) Read(q *deed.Query, p *Page) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.first == 0 || p.Passed+1 < t.first || p.Until >= t.next {
		return false
	}
	for looked := 0; p.Passed < p.Until && !p.Full() && looked < tailLooked; looked++ {
		p.Passed++
		if r := &t.ring[p.Passed%tailRecords]; q.Selects(*r) {
			p.Take(*r)
			p.Version = r.Version
		}
	}
	return true
}
