package cluster

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// relay stands between a standby and its primary. It knows nothing of the protocol: what the standby says reaches the primary so much
// later, and what the primary says reaches the standby at once.
type relay struct {
	listener net.Listener
	to       string // the primary's socket
	late     atomic.Int64
	work     sync.WaitGroup

	mu    sync.Mutex
	cut   bool
	lines map[*line]bool
}

// line is one connection through the relay.
type line struct {
	relay            *relay
	standby, primary net.Conn
	once             sync.Once
	gone             chan struct{}
}

func socketIn(dir string) string { return filepath.Join(dir, ".s.PGSQL.5432") }

// newRelay listens in a directory, for whoever may enter it.
func newRelay(dir, to string) (*relay, error) {
	l, err := net.Listen("unix", socketIn(dir))
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(socketIn(dir), 0o777); err != nil { // the standby is run by another account
		return nil, errors.Join(err, l.Close())
	}
	r := &relay{listener: l, to: to, lines: map[*line]bool{}}
	r.work.Go(r.accept)
	return r, nil
}

func (r *relay) accept() {
	for {
		standby, err := r.listener.Accept()
		if err != nil {
			return
		}
		primary, err := net.Dial("unix", r.to)
		if err != nil {
			_ = standby.Close()
			continue
		}
		l := &line{relay: r, standby: standby, primary: primary, gone: make(chan struct{})}
		if r.mu.Lock(); r.cut {
			l.end()
		} else {
			r.lines[l] = true
			r.work.Go(l.forward)
			r.work.Go(l.backward)
		}
		r.mu.Unlock()
	}
}

// set cuts all lines and lets none in, or lets them in again.
func (r *relay) set(cut bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cut = cut; !cut {
		return
	}
	for l := range r.lines {
		l.end()
	}
	clear(r.lines)
}

func (r *relay) close() error {
	err := r.listener.Close()
	r.set(true)
	r.work.Wait()
	return err
}

// end ends the connection at both ends. What was to be passed on later is lost.
func (l *line) end() {
	l.once.Do(func() {
		close(l.gone)
		_ = l.standby.Close()
		_ = l.primary.Close()
	})
}

// backward passes on what the primary says.
func (l *line) backward() {
	defer l.end()
	_, _ = io.Copy(l.standby, l.primary)
}

// said is what came in one piece, and when it is to be passed on.
type said struct {
	bytes []byte
	due   time.Time
}

// forward passes on what the standby says, so much later as is set when it says it.
func (l *line) forward() {
	defer l.end()
	pieces := make(chan said, 1024)
	l.relay.work.Go(func() { l.pass(pieces) })
	for {
		piece := make([]byte, 4096)
		n, err := l.standby.Read(piece)
		if err != nil {
			return
		}
		select {
		case pieces <- said{piece[:n], time.Now().Add(time.Duration(l.relay.late.Load()))}:
		case <-l.gone:
			return
		}
	}
}

func (l *line) pass(pieces <-chan said) {
	defer l.end()
	for {
		select {
		case p := <-pieces:
			select {
			case <-time.After(time.Until(p.due)):
			case <-l.gone:
				return
			}
			if _, err := l.primary.Write(p.bytes); err != nil {
				return
			}
		case <-l.gone:
			return
		}
	}
}
