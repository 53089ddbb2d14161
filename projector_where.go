package deed

import (
	"context"
	"reflect"
)

// where returns the keys of the rows whose field has the value now: of the stored ones and of those of the step under way.
func (p *projector[V, E]) where(ctx context.Context, t Target) ([]string, error) {
	value, err := p.view.index.value(t.field, t.value)
	if err != nil {
		return nil, err
	}
	var keys, missing []string
	q := RowQuery{Where: []RowWhere{{Field: t.field, Value: value}}, Limit: maxPage}
	for more := p.checkpoint.Position > 0; more; {
		rows, _, err := p.tx.ListRows(ctx, p.view.ref, q)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			held := p.rows[row.Key]
			if held == nil {
				missing = append(missing, row.Key)
			}
			if held == nil || !held.dirty {
				keys = append(keys, row.Key)
			}
			q.After = &RowCursor{Key: row.Key}
		}
		more = len(rows) == maxPage
	}
	if err := p.hold(ctx, missing); err != nil {
		return nil, err
	}
	for _, key := range p.dirty {
		has, err := p.has(p.rows[key], t.field, value)
		if err != nil {
			return nil, &unstorable{err}
		}
		if has {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// has tells whether a row's field has a value.
func (p *projector[V, E]) has(row *heldRow[V], field string, value any) (bool, error) {
	if !row.exists {
		return false, nil
	}
	now, err := p.view.index.fields[field].of(reflect.ValueOf(&row.value).Elem())
	return now == value, err
}
