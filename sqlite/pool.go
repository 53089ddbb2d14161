package sqlite

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/deed-es/deed"
)

// pool lends connections. They are opened when they are first needed and are lent for a short while only, never across a
// caller's code.
type pool struct {
	open   func() (*conn, error)
	slots  chan struct{} // as many as may be lent
	closed chan struct{}

	mu   sync.Mutex
	idle []*conn // the last one used on top: its cache is warm
}

func newPool(size int, open func() (*conn, error)) *pool {
	return &pool{open: open, slots: make(chan struct{}, size), closed: make(chan struct{})}
}

// with lends f a connection. One that panicked (SQLite ran out of memory) is given up.
func (p *pool) with(ctx context.Context, f func(*conn) error) (err error) {
	c, err := p.get(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if r := recover(); r != nil {
			c.close()
			<-p.slots
			err = fmt.Errorf("sqlite gave up: %v", r)
			return
		}
		p.put(c)
	}()
	return f(c)
}

func (p *pool) get(ctx context.Context) (*conn, error) {
	select {
	case <-p.closed:
		return nil, deed.ErrClosed
	default:
	}
	select {
	case p.slots <- struct{}{}:
	case <-p.closed:
		return nil, deed.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return c, nil
	}
	p.mu.Unlock()
	c, err := p.open()
	if err != nil {
		<-p.slots
		return nil, err
	}
	return c, nil
}

// pause keeps all connections back, waiting at most so long for those that are lent, until resume is called.
func (p *pool) pause(patience time.Duration) (resume func()) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	kept := 0
	for over := false; kept < cap(p.slots) && !over; {
		select {
		case p.slots <- struct{}{}:
			kept++
		case <-timer.C:
			over = true
		}
	}
	return func() {
		for range kept {
			<-p.slots
		}
	}
}

func (p *pool) put(c *conn) {
	p.mu.Lock()
	p.idle = append(p.idle, c)
	p.mu.Unlock()
	<-p.slots
}

// close waits until all connections are back, and closes them.
func (p *pool) close() {
	close(p.closed)
	for range cap(p.slots) {
		p.slots <- struct{}{}
	}
	for _, c := range p.idle {
		c.close()
	}
	p.idle = nil
}
