package main

import (
	"sync/atomic"

	"github.com/deed-es/deed"
)

// counter counts what is put somewhere.
type counter struct {
	to func(deed.StreamID, []byte) error
	n  atomic.Int64
}

func newCounter(to func(deed.StreamID, []byte) error) *counter { return &counter{to: to} }

func (c *counter) put(stream deed.StreamID, data []byte) error {
	err := c.to(stream, data)
	if err == nil {
		c.n.Add(1)
	}
	return err
}

func (c *counter) count() (int64, error) { return c.n.Load(), nil }
