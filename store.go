package deed

import (
	"context"
	"iter"
)

// Store is an append-only log of events, cut into streams. Engines pass storetest.Run. All methods may be called by many
// goroutines at once.
type Store interface {
	Reader
	// Append stores b, all of it or nothing, and returns where it went. It returns only after the flush.
	//
	// An append is refused, and never there, with an *InvalidError, *ConflictError, *CheckError, ErrReused, ErrBusy,
	// ErrUnavailable, ErrReadOnly, ErrClosed or the context's error while it waits in the queue. It is unknown with ErrUnknown: it is there whole or not
	// at all, and a retry with the same ids or CommandRef leaves it there once. A retry is known by its ids if every write
	// names the version that it expects, Any and Exists aside; by its CommandRef in any case.
	//
	// Positions are given in the order of Batch.Writes, and in a write in the order of its events. After Close everything,
	// reading too, answers ErrClosed.
	Append(ctx context.Context, b Batch) (Receipt, error)
}

// Reader reads a log: an engine's own, or one that came over a broker.
type Reader interface {
	// Read yields the records q selects, in order. Unless q follows, the sequence ends where the log ended when the loop
	// began, so that a loop may append to what it reads. An error is yielded once, with the zero Record, and ends the
	// sequence; leaving the loop releases what it holds. A sequence can be ranged over again. No lock, transaction or
	// connection is held while the loop's body runs.
	Read(ctx context.Context, q Query) iter.Seq2[Record, error]
}

// Batch is what is stored in one step.
type Batch struct {
	Writes  []Write    // events for one or more streams, each with the version that the stream must have
	Checks  []Check    // conditions on what is not written
	Command CommandRef // what it answers; makes a repetition safe
}

// Write is events for one stream.
type Write struct {
	Stream  StreamID
	Version Version // what the stream must have before: 0 not exist, n its last version, or Any, or Exists
	Events  []NewEvent
}

// Check is a condition on what is not written: either a stream's version, or "no event matches any of Match after
// After". It does not see the events of its own batch.
type Check struct {
	Stream  StreamID
	Version Version // with Stream; never Any
	Match   []Match
	After   Position // with Match; 0: no event matches at all
}

// CommandRef names the command that a batch answers. The outcome, "nothing to do" included, is stored in the append's own
// transaction and kept for a day. A later batch with the same ID gets the first receipt, marked Again, if its Hash is the
// same, and ErrReused if not. A batch without writes may carry one.
type CommandRef struct {
	ID   string // empty: none
	Hash string // digest of the command
}

// Receipt tells where an append went.
type Receipt struct {
	// Position of the last event stored. Where nothing was written: that of the last event of the checked streams, or the
	// greatest After of the checks.
	Position Position
	// Streams are the streams written, in the order of Batch.Writes; where nothing was written, the streams checked.
	Streams []StreamVersion
	// Again says that the append had been stored before and this is its first receipt.
	Again bool
}

// StreamVersion is a stream with its last version.
type StreamVersion struct {
	Stream  StreamID `json:"stream"`
	Version Version  `json:"version"`
}

// Version is the last version of the first stream written; 0 if there is none.
func (r Receipt) Version() Version {
	if len(r.Streams) == 0 {
		return 0
	}
	return r.Streams[0].Version
}
