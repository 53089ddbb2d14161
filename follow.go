package deed

import (
	"context"
	"errors"
	"fmt"
)

const (
	stepRecords = 500
	stepBytes   = 4 << 20
)

// follow reads a log after a position for ever and hands over what is there in steps: at most so many records, and the
// position up to which nothing selected is missing.
func follow(ctx context.Context, log Reader, match []Match, after Position, step func(records []Record, to Position) error) error {
	var records []Record
	size := 0
	for r, err := range log.Read(ctx, Query{Match: match, After: after, Follow: true, Marks: true}) {
		if err != nil {
			return err
		}
		if !r.IsMark() {
			records = append(records, r)
			size += r.Size()
			if len(records) < stepRecords && size < stepBytes {
				continue
			}
		}
		if err := step(records, r.Position); err != nil {
			return err
		}
		records, size = records[:0], 0
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.New("following the log ended, which it must not")
}

// unstorable is a row or state that cannot be encoded.
type unstorable struct{ err error }

func (e *unstorable) Error() string { return e.err.Error() }
func (e *unstorable) Unwrap() error { return e.err }

// oneByOne steps over records each alone, to find the one after which a row or state is unstorable.
func oneByOne(records []Record, to Position, step func(records []Record, to Position) error) error {
	for i, r := range records {
		err := step(records[i:i+1], r.Position)
		if errors.As(err, new(*unstorable)) {
			return &recordError{r, err}
		}
		if err != nil {
			return err
		}
	}
	return step(nil, to)
}

// after is c moved on over records, up to a position.
func (c Checkpoint) after(info LogInfo, records []Record, to Position) Checkpoint {
	c.Log, c.Incarnation, c.Position = info.ID, info.Incarnation, to
	if len(records) > 0 {
		last := records[len(records)-1]
		c.Last, c.LastID = last.Position, last.ID
	}
	return c
}

// verify returns ErrForeignPosition or ErrForked if c is not a checkpoint of this log as it is now.
func (c Checkpoint) verify(ctx context.Context, log Engine) error {
	if c.Position == 0 {
		return nil
	}
	info := log.Info()
	if c.Log != info.ID {
		return fmt.Errorf("%w: the checkpoint is of log %s, this is log %s; remove the views' store to make the views anew", ErrForeignPosition, c.Log, info.ID)
	}
	head, err := log.Head(ctx)
	if err != nil {
		return err
	}
	if c.Position > head || c.Incarnation < info.Incarnation && c.Position > info.Began {
		return fmt.Errorf("%w: the checkpoint is at %d of incarnation %d, the log at %d of incarnation %d, which began after %d",
			ErrForked, c.Position, c.Incarnation, head, info.Incarnation, info.Began)
	}
	if c.Last == 0 {
		return nil
	}
	for r, err := range log.Read(ctx, Query{After: c.Last - 1, Before: c.Last + 1}) {
		if err != nil {
			return err
		}
		if r.ID == c.LastID {
			return nil
		}
	}
	return fmt.Errorf("%w: the event at position %d is not %s, which was handled", ErrForked, c.Last, c.LastID)
}
