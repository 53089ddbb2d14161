package deed

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"reflect"
	"time"
)

// This file and engineviews.go are the contract between deed and its engines. Users of deed do not need it; who writes an engine does.
// Everything in them may be called by many goroutines at once. Times are in UTC to the microsecond. A limit of 0 is none.
// Values of index fields are ordered nil, false, true, numbers, texts by their bytes; rows with equal ones by key.

// Engine is what a log's engine offers a service beyond Store.
type Engine interface {
	Store
	PartStore

	// Info identifies the log. It does not change while the store is open.
	Info() LogInfo
	// Head is the last position given out; 0 in an empty log.
	Head(ctx context.Context) (Position, error)
	// Clock is what recorded times are taken from.
	Clock() Clock
	// Outcome looks up what a command with ref.ID was answered. It returns the first receipt marked Again and true,
	// ErrReused if ref.Hash is another, and false if the id is not known.
	Outcome(ctx context.Context, ref CommandRef) (Receipt, bool, error)
	// Forget removes the outcomes of commands stored before t, but for those of effects still pending, and of effects
	// finished after t.
	Forget(ctx context.Context, t time.Time) error
}

// Observed is an engine that tells an observer about the groups that it writes.
type Observed interface {
	// Observe has o told from now on, in place of whoever was told before.
	Observe(o Observer)
}

// Group is what a writer has stored in one transaction, with one flush.
type Group struct {
	Store   string        // "log" or "views"
	Batches int           // callers answered
	Events  int           // stored; 0 for views
	Write   time.Duration // for the statements
	Flush   time.Duration // for the commit: of a log, with its flush
	Err     error         // nil: stored
}

// LogInfo identifies a log. ID is made once with the log; Incarnation counts from 1 and is raised by restore, import and
// promotion; Began is the last position of the incarnation before it.
type LogInfo struct {
	ID          string
	Incarnation int64
	Began       Position
}

// Checkpoint is how far a part has come in a log.
type Checkpoint struct {
	Log         string   // LogInfo.ID
	Incarnation int64    // LogInfo.Incarnation when it was stored
	Position    Position // everything selected up to here is handled
	Last        Position // position of the last record handled (not of a mark); 0: none
	LastID      string   // its event id, by which a fork is noticed
}

// PartStore keeps what processes and reactors remember, in the log's own database and through its one writer.
type PartStore interface {
	// OpenPart registers a part, or finds it. A new one starts after spec.From, which is stored. One whose Version was
	// raised loses its states and starts anew from its first From; its Live becomes the old position (or stays, if greater);
	// pending effects and what is parked stay. A Version below the stored one is an *InvalidError, and so is another Kind.
	// With spec.Look it only looks.
	OpenPart(ctx context.Context, spec PartSpec) (PartState, error)
	// States returns the stored states of these keys of a part; keys without one are missing in the map.
	States(ctx context.Context, part string, keys []string) (map[string][]byte, error)
	// CommitPart stores c in one transaction, flushed. ErrConflict if the part's position is not c.From or its version is
	// not c.Version. ErrFenced if c.Lease was taken by another since, or given back.
	CommitPart(ctx context.Context, c PartCommit) error
	// Effects returns pending effects selected by q in the order of (Due, Position, Place, ID).
	Effects(ctx context.Context, q EffectQuery) ([]PendingEffect, error)
	// NextDue returns when the first of the parts' effects falls due after t; false if there is none.
	NextDue(ctx context.Context, parts []string, t time.Time) (time.Time, bool, error)
	// FinishEffects removes pending effects, flushed; ids that are not pending are passed over. The outcomes of their
	// commands are kept a day from now (see Engine.Forget).
	FinishEffects(ctx context.Context, ids []string) error
	// PartStates lists a part's states in the order of their keys, after a key, at most limit.
	PartStates(ctx context.Context, part, after string, limit int) ([]StateChange, error)
	// PartParked lists the parked keys of a part in their order, after a key, at most limit.
	PartParked(ctx context.Context, part, after string, limit int) ([]ParkedKey, error)
	// PartParkedRecords lists what is parked of a key in the order of positions, after a position, at most limit.
	PartParkedRecords(ctx context.Context, part, key string, after Position, limit int) ([]ParkedRecord, error)
}

// PartSpec describes a process or reactor to OpenPart.
type PartSpec struct {
	Name    string
	Kind    string // "process" or "reactor"
	Version int
	From    *Position // where a part that is not known yet starts, exclusive; nil: only if known, else ErrNotFound
	Log     LogInfo
	// Look has nothing be registered, raised or locked: a part that is not known is ErrNotFound, whatever From says, and one whose
	// Version was raised is answered as it would start anew, and goes on as it is.
	Look bool
}

// PartState is how a part stands.
type PartState struct {
	Checkpoint Checkpoint
	Live       Position // effects are made only for records after it
}

// PartCommit is one step of a part: states, effects and checkpoint commit together.
type PartCommit struct {
	Part       string
	Version    int
	Lease      Lease    // under which it is made; without a token: none
	From       Position // the position that the step was made from
	Checkpoint Checkpoint
	States     []StateChange
	Effects    []EffectChange // applied in this order
	Parked     []ParkChange   // the same
}

// ParkChange changes what is parked of a key: records up to and including Until are taken out, then Records are put in, in
// place of others of the same position.
type ParkChange struct {
	Key     string
	Until   Position
	Records []ParkedRecord
}

// ParkedRecord is a record that a part could not handle, or one that waits behind such a one.
type ParkedRecord struct {
	Position Position
	Time     time.Time // when it was parked
	Error    string    // empty: it waits
	Folded   bool      // its effects were made before, by an older version of a process; it stays so when put again
}

// ParkedKey is a key that a part holds back: the first of its records that failed, and how many are parked in all. A key that
// begins with "/" is that of a stream, with the slash in front, whose records go to keys that are not known; "//" holds nothing
// back, and is where a process of a raised version keeps what the old one had parked until it has come there.
type ParkedKey struct {
	Key string
	ParkedRecord
	Records int
}

// StateChange is the state of a part's key; nil Data removes it.
type StateChange struct {
	Key      string
	Data     []byte
	Position Position
}

// EffectChange first removes the part's pending effects with this key and name, if Name is not empty, then adds Put, if it
// is not nil. A Put whose ID is pending already changes nothing.
type EffectChange struct {
	Key  string
	Name string
	Put  *PendingEffect
}

// PendingEffect is an effect that waits to be carried out.
type PendingEffect struct {
	ID          string // also the id of its command
	Part        string
	Key         string
	Name        string // empty: not named
	Position    Position
	Place       int // in React's list
	Due         time.Time
	Kind        string // "send" or "wake"
	Stream      StreamID
	CommandType string
	Command     []byte // JSON
	Correlation string
	Causation   string
	Trace       string // Meta.Trace of the event that it came of
}

// EffectQuery selects pending effects.
type EffectQuery struct {
	Parts []string      // of these parts
	Key   string        // of this key; empty: any
	Due   time.Time     // due at or before; zero: all
	After *EffectCursor // exclusive; nil: from the first
	Limit int
}

// EffectCursor is a place in the order of pending effects.
type EffectCursor struct {
	Due      time.Time
	Position Position
	Place    int
	ID       string
}

// Surveyor is an engine that can tell what its log holds.
type Surveyor interface {
	// Survey counts the log's events, by category and type, and by category on each of the last days.
	Survey(ctx context.Context, days int) (Survey, error)
	// Streams lists streams in the order of their ids, after one; of a category, unless it is empty; at most limit.
	Streams(ctx context.Context, category string, after StreamID, limit int) ([]StreamSummary, error)
}

// What engines, gateways and other packages around deed have need of.

// Codec turns data and tags at the edge between a service and its log. Reading turns back what writing turned.
type Codec interface {
	// Encode returns e as it is to be stored in stream. It leaves e.Tags alone.
	Encode(ctx context.Context, stream StreamID, e NewEvent) (NewEvent, error)
	// Decode returns r as it was before Encode.
	Decode(ctx context.Context, r Record) (Record, error)
	// Tag returns a tag as it is stored and looked for.
	Tag(tag string) string
}

// Limits are what every engine refuses beyond, before an append queues.
type Limits struct {
	// MaxEvent is the size of an event's data in bytes: 0 is 1 MiB, and at most 16 MiB.
	MaxEvent int
}

// ValidID returns an *InvalidError unless id may stand in a stream id, a view key or a process key: 1 to 255 bytes of
// UTF-8 without control characters or "/", and neither "." nor "..".
func ValidID(id string) error { return validID(id, maxWord) }

// MatchAny tells whether an event of this type with these tags matches any of the items. No items match everything.
func MatchAny(items []Match, eventType string, tags []string) bool {
	if len(items) == 0 {
		return true
	}
	for _, m := range items {
		if m.selects(eventType, tags) {
			return true
		}
	}
	return false
}

// NewID returns a new UUID of version 7 (RFC 9562): unique, and ordered by time to the millisecond.
func NewID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	ms := uint64(time.Now().UnixMilli())
	binary.BigEndian.PutUint16(id[:2], uint16(ms>>32))
	binary.BigEndian.PutUint32(id[2:6], uint32(ms))
	return formatUUID(id, 7)
}

// HashID returns a UUID of version 8 (RFC 9562) made of the SHA-256 of the words: the same words, the same id.
func HashID(words ...string) string {
	var id [16]byte
	sum := hashWords(words...)
	copy(id[:], sum[:])
	return formatUUID(id, 8)
}

// EncodeJSON encodes v as deed stores it: encoding/json without HTML escaping, and an *InvalidError for text that is not
// valid UTF-8.
func EncodeJSON(v any) ([]byte, error) { return encodeJSON(v) }

// DecodeJSON decodes one JSON object into what v points to, as commands are decoded: it refuses invalid UTF-8, unknown,
// repeated and differently cased keys, wrong types and whatever stands behind the value, with a *MalformedError or an
// *InvalidError.
func DecodeJSON(data []byte, v any) error {
	ptr := reflect.ValueOf(v)
	if ptr.Kind() != reflect.Pointer || ptr.IsNil() {
		return fmt.Errorf("decode JSON into a %T: it must be a pointer", v)
	}
	decoded, err := decodeStrict(data, ptr.Type().Elem())
	if err == nil {
		ptr.Elem().Set(decoded)
	}
	return err
}
