package postgres

import (
	"context"
	"math"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/internal/engine"
)

// fill reads the next page from the database, and where the log ends if that is not known yet: before the page, in the same round
// trip. What the page has beyond that was stored in between, and is left out.
func (r *reading) fill(ctx context.Context, c *pgxpool.Conn) error {
	var got scanned
	if !r.fresh {
		if err := r.pageSQL(ctx, c, r.Page.Until, &got); err != nil {
			return err
		}
		return r.collect(ctx, c, &got)
	}
	var ends endsOfLog
	until := deed.Position(math.MaxInt64)
	if r.Query.Backward {
		until = r.Page.Until
	}
	sql, args := r.statement(until)
	known := deed.Position(r.db.head.Load()) // before the page is read
	b := &pgx.Batch{}
	b.Queue(r.db.tables.sql(headSQL), r.db.log).QueryRow(ends.scan)
	b.Queue(r.db.tables.fill(sql), args...).Query(func(rows pgx.Rows) error { return got.scan(rows, r.db.kinds.Load()) })
	if err := c.SendBatch(ctx, b).Close(); err != nil {
		return err
	}
	r.db.saw(ends)
	if ends.parallel && !r.db.options.ReadOnly { // a crash may have taken the last moves of the head
		ends.head = max(ends.head, known)
	}
	hidden, err := r.hides(ctx, c, ends, &got)
	if err != nil || hidden {
		return err
	}
	r.fresh, r.head = false, ends.head
	if r.Query.Backward {
		return r.collect(ctx, c, &got)
	}
	r.UpTo(ends.head)
	if r.Page.Passed >= r.Page.Until {
		return nil
	}
	return r.collect(ctx, c, &got)
}

// hides tells whether something that is selected, and was acknowledged before the read began, may not be read yet. Then the page is read
// again once it may.
func (r *reading) hides(ctx context.Context, c *pgxpool.Conn, ends endsOfLog, got *scanned) (bool, error) {
	if r.Query.Follow || r.awaits > 0 || !r.db.isHidden(ends) {
		return false, nil
	}
	if err := got.named(ctx, r.db, c); err != nil {
		return false, err
	}
	n := len(got.records)
	hides := n >= r.Page.Limit || got.bytes >= engine.PageBytes // or further on
	if r.Query.Backward && n > 0 {
		hides = hides && got.records[n-1].Position > ends.head
	}
	for i := range got.records {
		record := &got.records[i]
		hides = hides || record.Position > ends.head && record.Position <= ends.stored && r.Query.Selects(*record)
	}
	if hides {
		r.awaits = ends.stored
	}
	return hides, nil
}

func (r *reading) pageSQL(ctx context.Context, c *pgxpool.Conn, until deed.Position, got *scanned) error {
	sql, args := r.statement(until)
	rows, err := c.Query(ctx, r.db.tables.fill(sql), args...)
	if err != nil {
		return err
	}
	return got.scan(rows, r.db.kinds.Load())
}

// scanned is what a page's statement has returned.
type scanned struct {
	records []deed.Record
	bytes   int
	unknown map[int]int32 // kinds that are not known yet, by place in records
}

func (s *scanned) scan(rows pgx.Rows, kinds *engine.Kinds) error {
	defer rows.Close()
	s.records, s.bytes, s.unknown = s.records[:0], 0, nil
	for rows.Next() {
		r, unknown, err := scanRecord(rows, kinds)
		if err != nil {
			return err
		}
		if unknown != 0 {
			if s.unknown == nil {
				s.unknown = map[int]int32{}
			}
			s.unknown[len(s.records)] = unknown
		}
		s.bytes += len(r.Data) + len(r.Metadata)
		s.records = append(s.records, r)
	}
	return rows.Err()
}

// named gives the records the kinds that were not known.
func (s *scanned) named(ctx context.Context, db *DB, q querier) error {
	if len(s.unknown) == 0 {
		return nil
	}
	kinds, err := db.moreKinds(ctx, q)
	if err != nil {
		return err
	}
	for i, number := range s.unknown {
		if kind := kinds.Get(int(number)); kind != nil {
			kind.Name(&s.records[i])
		}
	}
	s.unknown = nil
	return nil
}

// collect takes what q selects of what was read. If there is no more, all is passed.
func (r *reading) collect(ctx context.Context, c *pgxpool.Conn, got *scanned) error {
	if err := got.named(ctx, r.db, c); err != nil {
		return err
	}
	p := &r.Page
	more := len(got.records) >= p.Limit || got.bytes >= engine.PageBytes
	for i := range got.records {
		record := &got.records[i]
		if record.Position > p.Until && !r.Query.Backward {
			more = false
			break
		}
		p.Passed, p.Version = record.Position, record.Version
		if record.Position > r.head && r.Query.Backward {
			continue
		}
		if r.Query.Selects(*record) {
			p.Take(*record)
		}
	}
	if !more {
		p.Passed = p.Until
	}
	return nil
}

// statement is the SQL of the next page: rows in order, at most so many, and no more once they are large.
func (r *reading) statement(until deed.Position) (string, []any) {
	p, q := &r.Page, &r.Query
	order := ""
	if q.Backward {
		order = " DESC"
	}
	if q.Stream != "" {
		from := "@events e WHERE e.log = $1 AND e.stream = $2 AND e.version > $3 AND e.version < $4 AND e.position > $5"
		args := []any{r.db.log, string(q.Stream), int64(p.Version), int64(math.MaxInt64), int64(q.After), p.Limit}
		if q.Backward {
			args[2], args[3] = int64(q.AfterVersion), int64(p.Version)
		}
		return bounded(from, "e.version"+order, "$6"), args
	}
	low, high := p.Passed, until // exclusive, inclusive
	if q.Backward {
		low, high = until-1, p.Passed-1
	}
	s := selection{statement{args: []any{r.db.log, int64(low), int64(high), p.Limit}}}
	positions, found := s.positions(q.Category, q.Match, q.Backward)
	if !found {
		return bounded("@events e WHERE e.log = $1 AND e.position > $2 AND e.position <= $3", "e.position"+order, "$4"), s.args
	}
	from := "(" + positions + ") p CROSS JOIN LATERAL (SELECT * FROM @events e WHERE e.log = $1 AND e.position = p.position OFFSET 0) e"
	return bounded(from, "p.position"+order, "$4"), s.args
}

// bounded selects events until there are engine.PageBytes of them.
func bounded(from, order, limit string) string {
	return "SELECT " + eventColumns + " FROM (SELECT *, coalesce(sum(octet_length(data) + coalesce(octet_length(metadata), 0)) OVER" +
		" (ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before FROM (SELECT e.* FROM " + from +
		" ORDER BY " + order + " LIMIT " + limit + ") e) e WHERE e.before < 1048576"
}

// What is looked up one by one in this package is joined LATERAL with an OFFSET 0, which keeps the planner from doing it another
// way: of a table that was not analysed since it was empty it believes that reading all of a log is cheap.

// selection is a query by category and match as SQL. Parameters 1 to 4 are the log, the positions between which it looks (the
// lower one excluded), and how many it wants at most.
type selection struct{ statement }

// positions is a statement for the first positions that a category (empty: any) and any of the items select; found is false if
// everything is selected. Which kinds there are is looked up in the statement itself, so that it sees those that others have
// just stored.
func (s *selection) positions(category string, match []deed.Match, backward bool) (sql string, found bool) {
	if len(match) == 0 {
		match = []deed.Match{{}}
	}
	order := ""
	if backward {
		order = " DESC"
	}
	for i := range match {
		m := &match[i]
		if category == "" && len(m.Types) == 0 && len(m.Tags) == 0 {
			return "", false
		}
	}
	for i := range match {
		if i > 0 {
			sql += " UNION "
		}
		sql += "(" + s.item(category, &match[i], order) + ")"
	}
	return "SELECT position FROM (" + sql + ") items ORDER BY position" + order + " LIMIT $4", true
}

func (s *selection) item(category string, m *deed.Match, order string) string {
	kinds := s.kinds(category, m.Types)
	if len(m.Tags) == 0 {
		return "SELECT p.position FROM unnest(" + kinds + ") AS k (kind) CROSS JOIN LATERAL (SELECT position FROM @events x WHERE x.log = $1" +
			" AND x.kind = k.kind AND x.position > $2 AND x.position <= $3 ORDER BY x.position" + order + " LIMIT $4) p ORDER BY p.position" + order + " LIMIT $4"
	}
	rarest, first := "", ""
	sql := "SELECT t.position FROM @tags t"
	if len(m.Tags) == 1 {
		first = s.arg(m.Tags[0])
	} else {
		rarest, first = "WITH tags AS MATERIALIZED ("+rarestSQL(s.arg(slices.Clone(m.Tags)))+") ", "(SELECT byrarity[1] FROM tags)"
	}
	for i := range m.Tags[1:] {
		tag := "(SELECT byrarity[" + strconv.Itoa(i+2) + "] FROM tags)"
		sql += " CROSS JOIN LATERAL (SELECT FROM @tags o WHERE o.log = $1 AND o.tag = " + tag + " AND o.position = t.position OFFSET 0) o" + strconv.Itoa(i)
	}
	where := " WHERE t.log = $1 AND t.tag = " + first + " AND t.position > $2 AND t.position <= $3"
	if kinds != "" {
		sql += " CROSS JOIN LATERAL (SELECT kind FROM @events x WHERE x.log = $1 AND x.position = t.position OFFSET 0) x"
		where += " AND x.kind = ANY (" + kinds + ")"
	}
	return rarest + sql + where + " ORDER BY t.position" + order + " LIMIT $4"
}

// rarestSQL orders tags by how often they stand between the positions, for the rarest one to be walked and the others to be looked
// up: a tag that every event of a tenant has would lead through all of them. Above a thousand it makes no difference how many.
func rarestSQL(tags string) string {
	return "SELECT array_agg(u.tag ORDER BY n.found, u.place) AS byrarity FROM unnest(" + tags + "::text[]) WITH ORDINALITY AS u (tag, place)" +
		" CROSS JOIN LATERAL (SELECT count(*) AS found FROM (SELECT FROM @tags c WHERE c.log = $1 AND c.tag = u.tag" +
		" AND c.position > $2 AND c.position <= $3 LIMIT 1000) c OFFSET 0) n"
}

// kinds is the array of the kinds of a category with one of the types; empty where any will do.
func (s *selection) kinds(category string, types []string) string {
	where := ""
	if category != "" {
		where += " AND category = " + s.arg(category)
	}
	if len(types) > 0 {
		where += " AND type = ANY (" + s.arg(slices.Clone(types)) + "::text[])"
	}
	if where == "" {
		return ""
	}
	return "ARRAY (SELECT id FROM @kinds WHERE log = $1" + where + ")"
}
