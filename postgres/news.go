package postgres

import (
	"sync"

	"github.com/deed-es/deed"
)

// news wakes who waits for something to happen, without polling. Who waits for one stream is woken by that stream only, so
// that a thousand who follow streams where nothing happens cost an append nothing.
type news struct {
	mu      sync.Mutex
	all     *tidings
	streams map[deed.StreamID]*tidings
}

// tidings is what some wait for together.
type tidings struct {
	stream  deed.StreamID // empty: anything
	waiting int
	come    chan struct{} // closed when there is news
}

// next returns tidings that come when something happens after this call, in a stream or, if it is empty, anywhere. They
// must be handed back to done.
func (n *news) next(stream deed.StreamID) *tidings {
	n.mu.Lock()
	defer n.mu.Unlock()
	t := n.all
	if stream != "" {
		t = n.streams[stream]
	}
	if t == nil {
		t = &tidings{stream: stream, come: make(chan struct{})}
		if stream == "" {
			n.all = t
		} else {
			if n.streams == nil {
				n.streams = make(map[deed.StreamID]*tidings)
			}
			n.streams[stream] = t
		}
	}
	t.waiting++
	return t
}

// done says that one less waits for t.
func (n *news) done(t *tidings) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if t.waiting--; t.waiting == 0 && t.stream != "" && n.streams[t.stream] == t {
		delete(n.streams, t.stream)
	}
}

// tell wakes who waits for any of these records.
func (n *news) tell(records []deed.Record) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.tellAll()
	if len(n.streams) == 0 {
		return
	}
	for i := range records {
		if t := n.streams[records[i].Stream]; t != nil {
			close(t.come)
			delete(n.streams, t.stream)
		}
	}
}

// tellEverybody wakes all who wait.
func (n *news) tellEverybody() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.tellAll()
	for _, t := range n.streams {
		close(t.come)
	}
	clear(n.streams)
}

func (n *news) tellAll() {
	if n.all != nil {
		close(n.all.come)
		n.all = nil
	}
}
