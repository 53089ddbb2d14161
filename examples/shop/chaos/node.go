package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/deed-es/deed/examples/shop/drive"
)

// node is one of the shop's processes, again and again: under one name, with views of its own or with those in the database.
type node struct {
	name    string
	program string
	store   string
	views   string // empty: in the database
	lease   time.Duration
	logs    string // directory for what it says; empty: its end is kept

	mu   sync.Mutex
	base string // where it answers; empty: nowhere
	shop *drive.Shop
}

// start starts a process and returns when it says where it answers.
func (n *node) start(ctx context.Context) error {
	args := []string{"-store", n.store, "-node", n.name, "-lease", n.lease.String(), "-addr", "127.0.0.1:0", "-welcome-delay", "300ms"}
	if n.views != "" {
		args = append(args, "-views", n.views)
	}
	var log *os.File
	if n.logs != "" {
		var err error
		if log, err = os.OpenFile(filepath.Join(n.logs, n.name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644); err != nil {
			return err
		}
		defer log.Close()
	}
	shop, err := drive.Launch(n.program, log, args...)
	if err != nil {
		return err
	}
	n.shop = shop
	base, err := shop.Answers(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", n.name, err)
	}
	n.at(base)
	return nil
}

func (n *node) at(base string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.base = base
}

// where is where the node answers; empty while it is down.
func (n *node) where() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.base
}

// kill ends the process at once.
func (n *node) kill() {
	n.at("")
	if n.shop != nil {
		n.shop.Kill(os.Kill)
	}
}

// term asks the process to end, which it has to do well.
func (n *node) term() error {
	if err := n.shop.Stop(); err != nil {
		return fmt.Errorf("%s: %w", n.name, err)
	}
	n.at("")
	return nil
}

// fault is that the process has ended, though nobody wanted that.
func (n *node) fault() error {
	if n.where() == "" || !n.shop.HasEnded() {
		return nil
	}
	return fmt.Errorf("%s has ended by itself: %w\n%s", n.name, n.shop.Result, n.shop.Said())
}
