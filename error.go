package deed

import (
	"errors"
	"fmt"
)

// What a caller decides by, with errors.Is.
var (
	// ErrConflict: somebody else was first. *ConflictError and *CheckError are it.
	ErrConflict = errors.New("conflict")
	// ErrNotFound: there is no such row, stream, command, view, or thing of the domain.
	ErrNotFound = errors.New("not found")
	// ErrBehind: a view had not reached the position asked for when the caller stopped waiting. *BehindError is it.
	ErrBehind = errors.New("behind")
	// ErrParked: a row lacks what a projection could not fold into it. *ParkedError is it.
	ErrParked = errors.New("parked")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("closed")
	// ErrBusy: the queue is full, or a lock was waited for too long; nothing was stored. Try again a little later.
	ErrBusy = errors.New("busy: try again a little later")
	// ErrLocked: another process writes to this store.
	ErrLocked = errors.New("locked by another process")
	// ErrUnknown: whether the append is stored is not known. A retry with the same ids is safe and tells.
	ErrUnknown = errors.New("outcome unknown")
	// ErrReused: a command id was used before with another command.
	ErrReused = errors.New("command id used before with another command")
	// ErrElsewhere: this node does not do that; another of the fleet does.
	ErrElsewhere = errors.New("not this node's work")
	// ErrFenced: the lease under which something was to be stored is another's by now; nothing was stored.
	ErrFenced = errors.New("the lease is another's by now")
	// ErrUnavailable: the store is away or cannot take more for now; what was to be stored is not. Try again a little later.
	ErrUnavailable = errors.New("the store is away")
	// ErrReadOnly: the store was opened for reading only.
	ErrReadOnly = errors.New("opened read-only")
	// ErrForeignPosition: a position or checkpoint of another log.
	ErrForeignPosition = errors.New("position of another log")
	// ErrForked: a position or checkpoint of this log from before it was restored, or beyond its end.
	ErrForked = errors.New("position of a past that this log does not have")
	// ErrCursor: a cursor is of a past version of the view, or was not made by this view and order.
	ErrCursor = errors.New("cursor expired")
)

// ConflictError tells that a stream did not have the version that an append expected.
type ConflictError struct {
	Stream StreamID
	Want   Version
	Actual Version
}

func (e *ConflictError) Error() string {
	want := fmt.Sprintf("at version %d", e.Want)
	switch e.Want {
	case 0:
		want = "not there"
	case Exists:
		want = "there"
	}
	return fmt.Sprintf("%s was expected to be %s and is at version %d", e.Stream, want, e.Actual)
}

// Is makes errors.Is(err, ErrConflict) true.
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// CheckError tells which condition of an append did not hold.
type CheckError struct {
	Check    Check
	Actual   Version  // of the checked stream
	Position Position // of an event that matches, where the check was by match
}

func (e *CheckError) Error() string {
	if e.Check.Stream != "" {
		return fmt.Sprintf("a check failed: %v", &ConflictError{Stream: e.Check.Stream, Want: e.Check.Version, Actual: e.Actual})
	}
	return fmt.Sprintf("a check failed: the event at position %d matches, and none after %d was to", e.Position, e.Check.After)
}

// Is makes errors.Is(err, ErrConflict) true.
func (e *CheckError) Is(target error) bool { return target == ErrConflict }

// RejectedError is the domain's "no": what Decide answered.
type RejectedError struct {
	Code string // stable, for programs; "rejected" where the domain gave none
	Err  error  // what Decide returned
}

func (e *RejectedError) Error() string { return e.Err.Error() }

// Unwrap returns what Decide returned.
func (e *RejectedError) Unwrap() error { return e.Err }

// Reject makes a refusal with a stable code, for Decide to return: deed.Reject("email-taken", "the address is in use").
// The code is [a-z][a-z0-9-]*. Each call makes an error of its own, comparable with errors.Is.
func Reject(code, text string) error { return &rejection{code, text} }

type rejection struct{ code, text string }

func (e *rejection) Error() string { return e.text }

// As makes a refusal a *RejectedError wherever it is returned, not only by Decide.
func (e *rejection) As(target any) bool {
	refused, ok := target.(**RejectedError)
	if ok {
		*refused = &RejectedError{Code: e.code, Err: e}
	}
	return ok
}

// rejected turns an error of Decide into a *RejectedError.
func rejected(err error) *RejectedError {
	code := "rejected"
	var r *rejection
	var field *InvalidError
	switch {
	case errors.As(err, &r):
		code = r.code
	case errors.As(err, &field):
		code = "invalid"
	case errors.Is(err, ErrNotFound):
		code = "not-found"
	}
	return &RejectedError{Code: code, Err: err}
}

// InvalidError is about one field of a command, an option or a query.
type InvalidError struct {
	Field  string
	Reason string
}

func (e *InvalidError) Error() string { return e.Field + ": " + e.Reason }

// MalformedError tells that text is not the JSON it should be: a syntax error, invalid UTF-8, or something behind the value.
type MalformedError struct{ Reason string }

func (e *MalformedError) Error() string { return "malformed JSON: " + e.Reason }

// BehindError tells how far a view was when the caller stopped waiting.
type BehindError struct {
	View    string
	Want    Position
	Reached Position
}

func (e *BehindError) Error() string {
	return fmt.Sprintf("view %s has reached position %d, not yet %d", e.View, e.Reached, e.Want)
}

// Is makes errors.Is(err, ErrBehind) true.
func (e *BehindError) Is(target error) bool { return target == ErrBehind }

// ParkedError tells that a row is as it was before an event that its projection could not fold; see Control.Retry.
type ParkedError struct {
	View     string
	Key      string
	Position Position // of the event
}

func (e *ParkedError) Error() string {
	return fmt.Sprintf("row %s of view %s stands as it was before position %d, which is parked", e.Key, e.View, e.Position)
}

// Is makes errors.Is(err, ErrParked) true.
func (e *ParkedError) Is(target error) bool { return target == ErrParked }

// UnknownEventError tells that a decider's own stream or query holds an event type that it does not list.
type UnknownEventError struct {
	Type   string
	Stream StreamID
}

func (e *UnknownEventError) Error() string {
	return fmt.Sprintf("%s holds an event of the type %q, which its decider does not list", e.Stream, e.Type)
}

// PanicError is a panic in one of the user's functions.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Permanent marks an error that retrying cannot mend, for a reactor to return. Other errors of a reactor are retried.
func Permanent(err error) error { return &permanentError{err} }

type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }
