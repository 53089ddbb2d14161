package deed

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"
)

const (
	maxSamples  = 1000
	compareWait = 5 * time.Second // altogether, for versions that are behind each other
	compareLook = 5               // times at a key that may be on its way
)

// Compare compares the rows of two versions of a view that this service keeps, by key, while both go on: equal are rows with the
// same JSON, whatever the order of its fields. They are not at the same position, so a row that differs is looked at again, and
// counts only as both have, or do not have, it as of one position; else it is Moving. Rows that come while it goes on may be left
// out. At most samples rows that differ are returned. *InvalidError for versions that are not kept; ErrNotFound if there is no such view.
func (v Views) Compare(ctx context.Context, name string, left, right, samples int) (Comparison, error) {
	view, err := v.named(name)
	if err != nil {
		return Comparison{}, err
	}
	if samples < 0 || samples > maxSamples {
		return Comparison{}, invalid("samples", fmt.Sprintf("must be 0 to %d", maxSamples))
	}
	c := comparing{Comparison: Comparison{Left: left, Right: right}, samples: samples, patience: compareWait}
	if c.left, _, err = view.version("left", left); err == nil {
		c.right, _, err = view.version("right", right)
	}
	if err == nil {
		err = c.run(ctx)
	}
	if err != nil {
		return Comparison{}, fmt.Errorf("compare versions %d and %d of view %s: %w", left, right, name, err)
	}
	return c.Comparison, nil
}

type comparing struct {
	Comparison
	left, right rawView
	samples     int
	patience    time.Duration // what is left of compareWait
}

// run goes through the keys of both.
func (c *comparing) run(ctx context.Context) error {
	left, right := walking{view: c.left}, walking{view: c.right}
	for {
		l, err := left.next(ctx)
		if err != nil {
			return err
		}
		r, err := right.next(ctx)
		if err != nil {
			return err
		}
		switch {
		case l == nil && r == nil:
			return nil
		case r == nil || l != nil && l.Key < r.Key:
			err = c.again(ctx, l.Key)
			left.rows = left.rows[1:]
		case l == nil || r.Key < l.Key:
			err = c.again(ctx, r.Key)
			right.rows = right.rows[1:]
		default:
			err = c.both(ctx, looked{*l, left.at}, looked{*r, right.at})
			left.rows, right.rows = left.rows[1:], right.rows[1:]
		}
		if err != nil {
			return err
		}
	}
}

// walking goes through the rows of a view in the order of their keys.
type walking struct {
	view  rawView
	rows  []Row
	at    Position // where the view was when they were read
	after *RowCursor
	ended bool
}

// next is the first of the rows that are left; nil: none is.
func (w *walking) next(ctx context.Context) (*Row, error) {
	if len(w.rows) == 0 && !w.ended {
		rows, at, err := w.view.store.ListRows(ctx, w.view.ref, RowQuery{After: w.after, Limit: maxPage})
		if err != nil {
			return nil, err
		}
		w.rows, w.at, w.ended = rows, at, len(rows) < maxPage
		if len(rows) > 0 {
			w.after = &RowCursor{Key: rows[len(rows)-1].Key}
		}
	}
	if len(w.rows) == 0 {
		return nil, nil
	}
	return &w.rows[0], nil
}

// both compares a row that both have.
func (c *comparing) both(ctx context.Context, left, right looked) error {
	if left.with(right) && sameJSON(left.Data, right.Data) {
		c.Same++
		return nil
	}
	return c.again(ctx, left.Key)
}

// again looks at a key by itself, until both rows are as they were at one position.
func (c *comparing) again(ctx context.Context, key string) error {
	for range compareLook {
		left, err := c.look(ctx, c.left, key)
		if err != nil {
			return err
		}
		right, err := c.look(ctx, c.right, key)
		if err != nil {
			return err
		}
		switch same := sameJSON(left.Data, right.Data); {
		case left.Data == nil && right.Data == nil: // removed meanwhile
			return nil
		case same && left.with(right):
			c.Same++
			return nil
		case left.with(right):
			c.differs(key, left.Data, right.Data)
			return nil
		case c.patience <= 0:
			c.Moving++
			return nil
		}
		if err := c.meet(ctx, max(left.at, right.at)); err != nil {
			return err
		}
	}
	c.Moving++
	return nil
}

// looked is a row, and where the view was. A missing row may have been removed just there.
type looked struct {
	Row
	at Position
}

// with tells whether there is a position at which both rows were as they are here.
func (l looked) with(other looked) bool { return l.Position <= other.at && other.Position <= l.at }

func (c *comparing) look(ctx context.Context, view rawView, key string) (looked, error) {
	row, at, err := view.store.Row(ctx, view.ref, key)
	if errors.Is(err, ErrNotFound) {
		return looked{Row{Key: key, Position: at}, at}, nil
	}
	return looked{row, at}, err
}

// meet waits until both have reached a position, as long as there is patience.
func (c *comparing) meet(ctx context.Context, reach Position) error {
	began := time.Now()
	waiting, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	for _, view := range []rawView{c.left, c.right} {
		if _, err := view.store.WaitView(waiting, view.ref, reach); err != nil && (!errors.Is(err, ErrBehind) || ctx.Err() != nil) {
			return err
		}
	}
	c.patience -= time.Since(began)
	return nil
}

func (c *comparing) differs(key string, left, right []byte) {
	switch {
	case left == nil:
		c.OnlyRight++
	case right == nil:
		c.OnlyLeft++
	default:
		c.Different++
	}
	if len(c.Samples) < c.samples {
		c.Samples = append(c.Samples, Difference{Key: key, Left: left, Right: right})
	}
}

// sameJSON compares by value: the order of fields does not count, and numbers do as they are written.
func sameJSON(a, b []byte) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	if bytes.Equal(a, b) {
		return true
	}
	left, err := valueOf(a)
	if err != nil {
		return false
	}
	right, err := valueOf(b)
	return err == nil && reflect.DeepEqual(left, right)
}

func valueOf(data []byte) (value any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	err = decoder.Decode(&value)
	return value, err
}
