package engine

import (
	"fmt"
	"math"
	"slices"

	"github.com/deed-es/deed"
)

// OwnViewSpec is spec with slices of its own, if it is valid.
func OwnViewSpec(spec deed.ViewSpec) (deed.ViewSpec, error) {
	if spec.Name == "" || deed.ValidID(spec.Name) != nil {
		return spec, &deed.InvalidError{Field: "name", Reason: "a view needs a name that is a valid id"}
	}
	for i, field := range spec.Index {
		if field == "" || slices.Contains(spec.Index[:i], field) {
			return spec, &deed.InvalidError{Field: "index", Reason: fmt.Sprintf("field %q is empty or stands twice", field)}
		}
	}
	spec.Index, spec.Tables = slices.Clone(spec.Index), slices.Clone(spec.Tables)
	return spec, nil
}

// OwnViewCommit is c with bytes of its own, and how many these are, if it is valid.
func OwnViewCommit(c deed.ViewCommit) (deed.ViewCommit, int, error) {
	if c.Checkpoint.Position < c.From {
		return c, 0, &deed.InvalidError{Field: "checkpoint", Reason: "a view does not go back"}
	}
	size := 0
	rows := make([]deed.RowChange, len(c.Rows))
	var seen map[string]bool
	if len(c.Rows) > 1 {
		seen = make(map[string]bool, len(c.Rows))
	}
	for i, row := range c.Rows {
		if err := validRow(&row, seen[row.Key]); err != nil {
			return c, 0, err
		}
		if seen != nil {
			seen[row.Key] = true
		}
		row.Data, row.Index = keep(row.Data), slices.Clone(row.Index)
		size += len(row.Data)
		rows[i] = row
	}
	c.Rows, c.Parked, c.Statements = rows, cloneParked(c.Parked), slices.Clone(c.Statements)
	for i := range c.Statements {
		s := &c.Statements[i]
		s.Args = slices.Clone(s.Args)
		size += len(s.SQL)
	}
	return c, size, nil
}

func validRow(row *deed.RowChange, twice bool) error {
	if err := deed.ValidID(row.Key); err != nil {
		return &deed.InvalidError{Field: "key", Reason: fmt.Sprintf("%.80q cannot be a row's key", row.Key)}
	}
	if twice {
		return &deed.InvalidError{Field: "rows", Reason: fmt.Sprintf("key %q stands twice", row.Key)}
	}
	for _, value := range row.Index {
		if err := ValidValue(value); err != nil {
			return err
		}
	}
	return nil
}

// ValidValue checks that a value can be indexed.
func ValidValue(value any) error {
	switch v := value.(type) {
	case nil, int64, string, bool:
		return nil
	case float64:
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			return nil
		}
	}
	return &deed.InvalidError{Field: "index", Reason: fmt.Sprintf("%v of type %T is not nil, an int64, a finite float64, a string or a bool", value, value)}
}

// FollowsView checks that a step follows where its view is, and that its rows have a value for each indexed field. A view that is
// not there has found false.
func FollowsView(c *deed.ViewCommit, found bool, position deed.Position, fields []string) error {
	switch {
	case !found:
		return fmt.Errorf("view %s/%d was never opened: %w (%w)", c.View.Name, c.View.Version, deed.ErrNotFound, deed.ErrConflict)
	case position != c.From:
		return fmt.Errorf("view %s is at position %d, not %d: %w", c.View.Name, position, c.From, deed.ErrConflict)
	}
	for i := range c.Rows {
		if row := &c.Rows[i]; row.Data != nil && len(row.Index) != len(fields) {
			return &deed.InvalidError{Field: "index", Reason: fmt.Sprintf("row %q has %d values for %d fields", row.Key, len(row.Index), len(fields))}
		}
	}
	return nil
}
