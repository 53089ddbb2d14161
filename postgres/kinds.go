package postgres

import (
	"context"

	"github.com/deed-es/deed/internal/engine"
)

// moreKinds makes the kinds known that others have stored since.
func (db *DB) moreKinds(ctx context.Context, q querier) (*engine.Kinds, error) {
	known := db.kinds.Load()
	rows, err := q.Query(ctx, db.tables.sql("SELECT category, type, schema, content_type FROM @kinds WHERE log = $1 AND id > $2 ORDER BY id"), db.log, known.Len())
	if err != nil {
		return nil, err
	}
	var more []engine.Kind
	for rows.Next() {
		var k engine.Kind
		if err := rows.Scan(&k.Category, &k.Type, &k.Schema, &k.ContentType); err != nil {
			return nil, err
		}
		more = append(more, k)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return db.learnKinds(known.Add(more...)), nil
}

// learnKinds makes kinds known that are stored, and returns all that are. Of two sets one begins with the other.
func (db *DB) learnKinds(learnt *engine.Kinds) *engine.Kinds {
	for {
		known := db.kinds.Load()
		if known.Len() >= learnt.Len() {
			return known
		}
		if db.kinds.CompareAndSwap(known, learnt) {
			return learnt
		}
	}
}
