package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/deed-es/deed"
)

// Row answers with a row of a view, as GET /api/views/{view}/{key} does: bare JSON with the row's ETag, from a view that has
// what the client wants to be in it.
func (c *Call) Row(view, key string) error {
	if err := pathID("key", key); err != nil {
		return err
	}
	w, err := c.reach(view)
	if err != nil {
		return err
	}
	var row deed.KeyedRow[json.RawMessage]
	var at deed.Position
	err = c.from(view, w, func(ctx context.Context, after deed.Position) (deed.Position, error) {
		row, at, err = c.gateway.service.Views().Get(ctx, view, key, after)
		return at, err
	})
	if err != nil && !errors.Is(err, deed.ErrNotFound) {
		return err
	}
	c.viewAt(at, w)
	c.parkedAt(row.Parked)
	if err != nil {
		return missing("row")
	}
	if c.unchanged(entityTag("p", int64(row.Position))) {
		return nil
	}
	c.write(http.StatusOK, jsonType, row.Row)
	return nil
}

// List answers with a page of a view, as GET /api/views/{view} does. The request's query says which; where holds besides.
func (c *Call) List(view string, where ...deed.Where) error {
	where, page, err := c.listQuery(where)
	if err != nil {
		return err
	}
	w, err := c.reach(view)
	if err != nil {
		return err
	}
	var rows deed.Rows[json.RawMessage]
	err = c.from(view, w, func(ctx context.Context, after deed.Position) (deed.Position, error) {
		rows, err = c.gateway.service.Views().List(ctx, view, where, page, after)
		return rows.Position, err
	})
	var fault *deed.InvalidError
	if errors.As(err, &fault) {
		field := fault.Field
		if c.query.Has("where." + field) {
			field = "where." + field
		}
		return badQuery(field, fault.Reason)
	}
	if err != nil {
		return err
	}
	c.viewAt(rows.Position, w)
	var parked deed.Position
	for _, r := range rows.Rows {
		if r.Parked > 0 && (parked == 0 || r.Parked < parked) {
			parked = r.Parked
		}
	}
	c.parkedAt(parked)
	size := 64 + len(rows.Next)
	for _, r := range rows.Rows {
		size += len(r.Row) + len(r.Key) + 64
	}
	c.Writer.Header()["Cache-Control"] = noCache
	c.write(http.StatusOK, jsonType, appendRows(make([]byte, 0, size), rows))
	return nil
}

// parkedAt says that the answer lacks an event at a position, which is parked; 0: it lacks none.
func (c *Call) parkedAt(position deed.Position) {
	if position > 0 {
		c.Writer.Header()[parkedName] = []string{strconv.FormatInt(int64(position), 10)}
	}
}

func appendRows(b []byte, rows deed.Rows[json.RawMessage]) []byte {
	b = append(b, `{"rows":[`...)
	for i, r := range rows.Rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(append(b, `{"key":`...), r.Key)
		b = appendInt(append(b, `,"position":`...), r.Position)
		if r.Parked > 0 {
			b = appendInt(append(b, `,"parked":`...), r.Parked)
		}
		b = append(append(append(b, `,"row":`...), r.Row...), '}')
	}
	b = append(b, ']')
	if rows.Next != "" {
		b = appendString(append(b, `,"next":`...), rows.Next)
	}
	return append(appendInt(append(b, `,"position":`...), rows.Position), '}')
}

// listQuery reads which rows are wanted: where.FIELD=, order=, limit=, cursor=.
func (c *Call) listQuery(where []deed.Where) ([]deed.Where, deed.Page, error) {
	limit, err := c.pageLimit()
	if err != nil {
		return nil, deed.Page{}, err
	}
	page := deed.Page{Order: c.query.Get("order"), Cursor: c.query.Get("cursor"), Limit: limit}
	for _, name := range slices.Sorted(maps.Keys(c.query)) {
		field, ok := strings.CutPrefix(name, "where.")
		if !ok {
			continue
		}
		for _, value := range c.query[name] {
			where = append(where, deed.Where{Field: field, Value: value})
		}
	}
	return where, page, nil
}

// pageLimit reads how many rows or records a page is to have.
func (c *Call) pageLimit() (int, error) {
	most := c.gateway.options.MaxPage
	if !c.query.Has("limit") {
		return min(defaultPage, most), nil
	}
	n, ok := parseNumber(c.query.Get("limit"))
	if !ok || n < 1 || n > int64(most) {
		return 0, badQuery("limit", "must be 1 to "+strconv.Itoa(most))
	}
	return int(n), nil
}
