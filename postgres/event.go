package postgres

import (
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/internal/engine"
)

const eventColumns = "e.position, e.kind, e.version, e.time, e.stream, e.id, e.tags, e.metadata, e.data"

// queue has the statement that stores the group. It returns a row if all was as it was taken to be; if not, it stores nothing,
// and fails where there is something else that would be stored then.
func (g *group) queue(b *pgx.Batch) error {
	if g.how == shared { // two who store the same streams wait for each other in one order
		slices.SortStableFunc(g.records, func(a, b deed.Record) int { return strings.Compare(string(a.Stream), string(b.Stream)) })
		slices.SortFunc(g.commands, func(a, b stored) int { return strings.Compare(a.ref.ID, b.ref.ID) })
	}
	events := g.asColumns()
	fresh := g.l.kinds.Len() - g.known.Len()
	switch {
	case g.guess && fresh > 0:
		return errGuess
	case g.how == shared && fresh > 0: // two would give them the same numbers
		return errAlone
	}
	db := g.l.db
	guard, ending, args := g.guard()
	s := statement{args: args}
	if g.guess {
		guard += " AND NOT EXISTS (SELECT FROM @views v WHERE v.log = $1 AND v.inline)"
	}
	if len(g.absent) > 0 {
		guard += " AND NOT EXISTS (SELECT FROM unnest(" + s.arg(g.absent) + "::text[]) AS a (stream), LATERAL (SELECT FROM @events x WHERE x.log = $1 AND x.stream = a.stream AND x.version = 1 OFFSET 0) x)"
	}
	sql := ""
	if fresh > 0 {
		sql += "k AS (INSERT INTO @kinds (log, id, category, type, schema, content_type) SELECT $1, u.* FROM g, unnest(" + g.freshKinds(&s) + ") u), "
	}
	if events != nil {
		sql += "e AS (INSERT INTO @events (log, time, position, kind, version, stream, id, tags, metadata, data) SELECT $1, $3, u.* FROM g, unnest(" +
			s.list("bigint", events.positions, "int", events.kinds, "bigint", events.versions, "text", events.streams, "text", events.ids,
				"text", events.tags, "bytea", events.metadata, "bytea", events.data) + ") u), "
		if len(events.tag) > 0 {
			sql += "t AS (INSERT INTO @tags (log, position, tag) SELECT $1, u.* FROM g, unnest(" + s.list("bigint", events.tagged, "text", events.tag) + ") u), "
		}
	}
	if n := len(g.commands); n > 0 {
		ids, hashes, positions, streams := make([]string, n), make([][]byte, n), make([]int64, n), make([]string, n)
		for i, s := range g.commands {
			ids[i], hashes[i], positions[i], streams[i] = s.ref.ID, []byte(s.ref.Hash), int64(s.receipt.Position), engine.FormatStreams(s.receipt.Streams)
		}
		list := s.list("text", ids, "bytea", hashes, "bigint", positions, "text", streams)
		if first, _, _ := strings.Cut(list, ","); g.guess {
			guard += " AND NOT EXISTS (SELECT FROM unnest(" + first + ") AS a (id), LATERAL (SELECT FROM @commands x WHERE x.log = $1 AND x.id = a.id OFFSET 0) x)"
		}
		sql += "c AS (INSERT INTO @commands (log, time, id, hash, position, streams) SELECT $1, $3, u.* FROM g, unnest(" + list + ") u), "
	}
	last := " SELECT FROM g"
	if g.within {
		last = " SELECT 1 / count(*) FROM g"
	}
	b.Queue(db.tables.sql("WITH g AS ("+guard+ending+"), "+strings.TrimSuffix(sql, ", ")+last), s.args...)
	return nil
}

// statement collects the parameters of SQL that is put together.
type statement struct{ args []any }

func (s *statement) arg(value any) string {
	s.args = append(s.args, value)
	return "$" + strconv.Itoa(len(s.args))
}

// list adds arrays, each behind the type of what it has.
func (s *statement) list(typed ...any) string {
	words := make([]string, 0, len(typed)/2)
	for i := 0; i < len(typed); i += 2 {
		words = append(words, s.arg(typed[i+1])+"::"+typed[i].(string)+"[]")
	}
	return strings.Join(words, ", ")
}

// columns are a group's events, column by column.
type columns struct {
	positions, versions []int64
	kinds               []int32
	streams, ids        []string
	tags                []*string
	metadata, data      [][]byte
	tagged              []int64 // positions, one for each of tag
	tag                 []string
}

func (g *group) asColumns() *columns {
	n := len(g.records)
	if n == 0 {
		return nil
	}
	c := &columns{
		positions: make([]int64, n), versions: make([]int64, n), kinds: make([]int32, n), streams: make([]string, n), ids: make([]string, n),
		tags: make([]*string, n), metadata: make([][]byte, n), data: make([][]byte, n),
	}
	for i := range g.records {
		r := &g.records[i]
		c.positions[i], c.kinds[i], c.versions[i] = int64(r.Position), g.kindNumber(r), int64(r.Version)
		c.streams[i], c.ids[i], c.metadata[i], c.data[i] = string(r.Stream), r.ID, r.Metadata, r.Data
		if r.Data == nil {
			c.data[i] = []byte{}
		}
		if len(r.Tags) == 0 {
			continue
		}
		all := strings.Join(r.Tags, "\n")
		c.tags[i] = &all
		for _, t := range r.Tags {
			c.tagged, c.tag = append(c.tagged, c.positions[i]), append(c.tag, t)
		}
	}
	return c
}

// kindNumber returns the number of a record's kind, a new one where it is new.
func (g *group) kindNumber(r *deed.Record) int32 {
	k := engine.KindOf(r)
	n := g.l.kinds.Number(k)
	if n == 0 {
		g.l.kinds = g.l.kinds.Add(k)
		n = g.l.kinds.Len()
	}
	return int32(n)
}

// freshKinds are the kinds that are new, as columns.
func (g *group) freshKinds(s *statement) string {
	known := g.known.Len()
	fresh := g.l.kinds.After(known)
	n := len(fresh)
	numbers, categories, names, schemas, types := make([]int32, n), make([]string, n), make([]string, n), make([]int32, n), make([]string, n)
	for i, k := range fresh {
		numbers[i], categories[i], names[i], schemas[i], types[i] = int32(known+i+1), k.Category, k.Type, int32(k.Schema), k.ContentType
	}
	return s.list("int", numbers, "text", categories, "text", names, "int", schemas, "text", types)
}

// scanRecord reads a row of eventColumns. Of a kind that is not known it returns the number.
func scanRecord(row pgx.Row, kinds *engine.Kinds) (r deed.Record, unknown int32, err error) {
	var number int32
	var micros int64
	var tags *string
	if err := row.Scan(&r.Position, &number, &r.Version, &micros, &r.Stream, &r.ID, &tags, &r.Metadata, &r.Data); err != nil {
		return r, 0, err
	}
	r.Time = timeOf(micros)
	if tags != nil {
		r.Tags = strings.Split(*tags, "\n")
	}
	if len(r.Data) == 0 {
		r.Data = nil
	}
	kind := kinds.Get(int(number))
	if kind == nil {
		return r, number, nil
	}
	kind.Name(&r)
	return r, 0, nil
}
