package sqlite

import "sync"

// news wakes who waits for something to happen, all at once and without polling.
type news struct {
	mu sync.Mutex
	ch chan struct{}
}

// next returns a channel that is closed when there is news after this call.
func (n *news) next() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ch == nil {
		n.ch = make(chan struct{})
	}
	return n.ch
}

// tell wakes all who wait.
func (n *news) tell() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ch != nil {
		close(n.ch)
		n.ch = nil
	}
}
