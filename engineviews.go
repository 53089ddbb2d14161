package deed

import (
	"context"
	"time"
)

// ViewStore keeps the rows of projections together with their checkpoints. An engine's log and views may be one value.
type ViewStore interface {
	// OpenView makes what spec needs where it is missing, and returns the view's checkpoint, zero for a new one. A view with
	// another version or another Index is made anew, empty.
	OpenView(ctx context.Context, spec ViewSpec) (Checkpoint, error)
	// CommitView stores rows and checkpoint in one transaction and then wakes who waits. ErrConflict if the view's position
	// is not c.From, ErrFenced if c.Lease was taken by another since, or given back.
	CommitView(ctx context.Context, c ViewCommit) error
	// DropView removes the view's rows and checkpoint, so that OpenView starts it anew.
	DropView(ctx context.Context, view ViewRef) error
	// WaitView returns the view's position as soon as it is at or after reach. If ctx ends before, it returns the position
	// reached and a *BehindError. A view that was never opened is at 0 and is waited for.
	WaitView(ctx context.Context, view ViewRef, reach Position) (Position, error)
	// Row returns a row and the view's position, read together. A missing row is ErrNotFound, with the position and Row.Parked.
	Row(ctx context.Context, view ViewRef, key string) (Row, Position, error)
	// Rows returns the rows of these keys that exist.
	Rows(ctx context.Context, view ViewRef, keys []string) (map[string]Row, error)
	// ListRows returns the rows that q selects and the view's position, read together.
	ListRows(ctx context.Context, view ViewRef, q RowQuery) ([]Row, Position, error)
	// Changes returns changed rows after a cursor in the order of (Position, Key), removed ones with nil Data, at most limit,
	// and the view's position, read together. ErrCursor if tombstones after the cursor are gone already; not for the zero
	// cursor, whose holder knows of no rows.
	Changes(ctx context.Context, view ViewRef, after ChangeCursor, limit int) ([]Row, Position, error)
	// DropTombstones removes the tombstones of rows that were removed before t.
	DropTombstones(ctx context.Context, t time.Time) error
	// ViewParked lists the parked keys of a view in their order, after a key, at most limit.
	ViewParked(ctx context.Context, view ViewRef, after string, limit int) ([]ParkedKey, error)
	// ViewParkedRecords lists what is parked of a key in the order of positions, after a position, at most limit.
	ViewParkedRecords(ctx context.Context, view ViewRef, key string, after Position, limit int) ([]ParkedRecord, error)
	// ListViews returns the views that were opened and not dropped, by name and version.
	ListViews(ctx context.Context) ([]ViewRef, error)
	// ViewRead returns which version of a view is read, whether it is there or not; the zero ViewVersion if nobody has said.
	ViewRead(ctx context.Context, name string) (ViewVersion, error)
	// ReadView has another version of a view be read from now on, in one step for all who share the store. ErrConflict if what was
	// read until now is not from.
	ReadView(ctx context.Context, name string, from, to ViewVersion) error
}

// ViewVersion is a version of a view, and into how many partitions that is cut, each a view of its own.
type ViewVersion struct {
	Version    int
	Partitions int
}

// InlineStore is an engine that can keep views in the log's own database, and fold events into them in the transaction that
// stores the events.
type InlineStore interface {
	// InlineViews is where the log's own database keeps views.
	InlineViews() ViewStore
	// ListInline returns the views in the log's own database. While fold of one of them is not known, appends are refused.
	ListInline(ctx context.Context) ([]ViewRef, error)
	// FoldInline has fold called, until the store is closed, with the records of every group of appends, in its transaction,
	// while the view is where the log was before the group. A view that lags is left to whoever commits to it; one that lags
	// little may be given what it lacks together with the group.
	FoldInline(ctx context.Context, view ViewRef, fold InlineFold) error
}

// InlineFold folds the records after a view's checkpoint, up to a position, and commits to tx. An error fails the appends.
// Where it stops the view instead, it has committed what came before, and is not called again until somebody else has
// committed to the view.
type InlineFold func(ctx context.Context, tx ViewTx, from Checkpoint, records []Record, to Position) (stopped bool, err error)

// ViewTx is where a projection reads and writes what it makes: a store of views beside its log, or the transaction of a group
// that is being appended.
type ViewTx interface {
	// Rows, and the methods down to CommitView, are those of ViewStore.
	Rows(ctx context.Context, view ViewRef, keys []string) (map[string]Row, error)
	// ListRows lists rows.
	ListRows(ctx context.Context, view ViewRef, q RowQuery) ([]Row, Position, error)
	// ViewParked lists parked keys.
	ViewParked(ctx context.Context, view ViewRef, after string, limit int) ([]ParkedKey, error)
	// ViewParkedRecords lists what is parked of a key.
	ViewParkedRecords(ctx context.Context, view ViewRef, key string, after Position, limit int) ([]ParkedRecord, error)
	// CommitView stores a step.
	CommitView(ctx context.Context, c ViewCommit) error
	// RecordAt returns the record at a position.
	RecordAt(ctx context.Context, position Position) (Record, error)
}

// ViewRef names a version of a view.
type ViewRef struct {
	Name    string
	Version int
}

// ViewSpec describes a view to OpenView.
type ViewSpec struct {
	ViewRef
	Index  []string // JSON names of the fields that lists filter and order by
	Tables []string // of a TableStore: the statements that make the view's tables; it is made anew where they are others
	Log    LogInfo
}

// ViewCommit is one step of a projection.
type ViewCommit struct {
	View       ViewRef
	Lease      Lease    // under which it is made; without a token: none
	From       Position // the position that the step was made from
	Checkpoint Checkpoint
	Rows       []RowChange // each key once
	Statements []Statement // of a TableStore; a *StatementError says which of them could not be carried out, and nothing is stored
	Parked     []ParkChange
}

// TableStore is a store of views that can hold tables which projections make themselves. In a statement, {name} stands for the
// table (or index) of that name of one version of one view. A statement neither ends the transaction nor reaches other tables.
type TableStore interface {
	ViewStore
	// QueryTables returns the rows that a statement selects from a view's tables, each value nil, an int64, a float64, a string
	// or a []byte, and the view's position, read together. More than limit rows are an *InvalidError, and so is a statement that
	// does not only read.
	QueryTables(ctx context.Context, view ViewRef, s Statement, limit int) ([][]any, Position, error)
}

// StatementError is a statement that a TableStore cannot carry out, however often it is tried.
type StatementError struct {
	Index int // of the statement
	Err   error
}

func (e *StatementError) Error() string { return e.Err.Error() }

// Unwrap returns what the engine says.
func (e *StatementError) Unwrap() error { return e.Err }

// RowChange is a row as it is to be; nil Data removes it and leaves a tombstone, also where there was no row: a client of the
// view as it was before it was made anew may have one.
type RowChange struct {
	Row
	Index []any // nil, int64, float64, string or bool, one for each of ViewSpec.Index; empty when removed
}

// Row is a view's row as stored.
type Row struct {
	Key      string
	Data     []byte   // JSON
	Position Position // of the event that last changed it
	// Parked is, where rows are read, the first position that is parked of the row's key, or of a stream whose keys are not
	// known (see ParkedKey); 0: none. A missing row may be parked too. It is not stored.
	Parked Position
}

// RowQuery selects rows.
type RowQuery struct {
	Where []RowWhere // all of them
	Order string     // an index field; empty: by key
	Desc  bool
	After *RowCursor // exclusive; nil: from the first
	Limit int
}

// RowWhere holds where the index field has the value (nil, int64, float64, string or bool).
type RowWhere struct {
	Field string
	Value any
}

// RowCursor is a place in a list: the order field's value (not used when ordered by key) and the key.
type RowCursor struct {
	Value any
	Key   string
}

// ChangeCursor is a place in a view's changes; an empty Key is behind all rows of Position.
type ChangeCursor struct {
	Position Position
	Key      string
}
