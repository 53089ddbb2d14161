package deed

import (
	"context"
	"time"
)

// LeaseStore is a store that many processes share. What one of them at a time is to run stands under a lease, and who stores something
// for it says under which: a node that was stopped past its time and goes on is told so. Leases belong to a log. Their times
// are the store's, and none of it has to be flushed.
type LeaseStore interface {
	// Beat says that a node is there. It gives back the node's leases in b.Give, renews its others, and takes those in b.Take that
	// nobody has; a lease gets a greater token each time that it is taken. It returns the fleet as it is then. Nodes that were
	// not heard of within their time are gone, and so are their leases.
	Beat(ctx context.Context, b Beat) (Fleet, error)
}

// Beat is what a node says of itself, again and again.
type Beat struct {
	Node  string        // its id, made anew at each start
	Name  string        // what people know it by
	For   time.Duration // how long it and its leases last without another beat, to the millisecond; 0: it leaves, and gives back all
	Wants []string      // the leases that it could have
	Give  []string      // of its own; others are passed over
	Take  []string
}

// Fleet is who is there, and who has what.
type Fleet struct {
	Nodes  []Node      // in the order of their ids
	Leases []HeldLease // in the order of their parts
}

// Node is a process of a fleet.
type Node struct {
	ID    string
	Name  string
	Wants []string
}

// HeldLease is a lease with the id of the node that has it.
type HeldLease struct {
	Lease
	Node string
}
