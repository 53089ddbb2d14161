package engine

import (
	"sync"

	"github.com/deed-es/deed"
)

// News wakes who waits for something to happen, without polling. Who waits for one stream is woken by that stream only, so
// that a thousand who follow streams where nothing happens cost an append nothing.
type News struct {
	mu      sync.Mutex
	all     *Tidings
	streams map[deed.StreamID]*Tidings
}

// Tidings is what some wait for together.
type Tidings struct {
	stream  deed.StreamID // empty: anything
	waiting int
	Come    chan struct{} // closed when there is news
}

// Next returns tidings that come when something happens after this call, in a stream or, if it is empty, anywhere. They
// must be handed back to Done.
func (n *News) Next(stream deed.StreamID) *Tidings {
	n.mu.Lock()
	defer n.mu.Unlock()
	t := n.all
	if stream != "" {
		t = n.streams[stream]
	}
	if t == nil {
		t = &Tidings{stream: stream, Come: make(chan struct{})}
		if stream == "" {
			n.all = t
		} else {
			if n.streams == nil {
				n.streams = make(map[deed.StreamID]*Tidings)
			}
			n.streams[stream] = t
		}
	}
	t.waiting++
	return t
}

// Done says that one less waits for t.
func (n *News) Done(t *Tidings) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if t.waiting--; t.waiting == 0 && t.stream != "" && n.streams[t.stream] == t {
		delete(n.streams, t.stream)
	}
}

// Tell wakes who waits for any of these records.
func (n *News) Tell(records []deed.Record) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.tellAll()
	if len(n.streams) == 0 {
		return
	}
	for i := range records {
		if t := n.streams[records[i].Stream]; t != nil {
			close(t.Come)
			delete(n.streams, t.stream)
		}
	}
}

// TellEverybody wakes all who wait.
func (n *News) TellEverybody() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.tellAll()
	for _, t := range n.streams {
		close(t.Come)
	}
	clear(n.streams)
}

func (n *News) tellAll() {
	if n.all != nil {
		close(n.all.Come)
		n.all = nil
	}
}
