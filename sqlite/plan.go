package sqlite

import (
	"slices"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/internal/engine"
)

// With more kinds than this, a category's or type's positions are not gathered from the index of kinds.
const planKinds = 64

func contains(words []string, word string) bool { return slices.Contains(words, word) }

// plan says which indexes give the positions that a query may select: the union over its items of what all sources of an
// item have in common. What they give may be too much and is looked at again; it is never too little.
type plan struct {
	scan  bool // no index narrows it down
	items [][]source
}

// source is an index that gives positions: of one tag, or of any of these kinds.
type source struct {
	tag   string
	kinds []int64
}

func planOf(category string, match []deed.Match, kinds *engine.Kinds) plan {
	if len(match) == 0 {
		match = []deed.Match{{}}
	}
	var p plan
	for i := range match {
		sources, possible := sourcesOf(category, &match[i], kinds)
		if !possible {
			continue
		}
		if len(sources) == 0 {
			return plan{scan: true}
		}
		p.items = append(p.items, sources)
	}
	return p
}

func sourcesOf(category string, m *deed.Match, kinds *engine.Kinds) (sources []source, possible bool) {
	numbers, all := kindsOf(kinds, category, m.Types)
	if !all && len(numbers) == 0 {
		return nil, false
	}
	for _, tag := range m.Tags {
		sources = append(sources, source{tag: tag})
	}
	if !all && len(numbers) <= planKinds {
		sources = append(sources, source{kinds: numbers})
	}
	return sources, true
}

// walk starts to give the plan's positions after passed up to until; backward, below passed down to until.
func (p plan) walk(c *conn, passed, until deed.Position, backward bool) *union {
	u := &union{backward: backward, at: int64(passed) + 1}
	if backward {
		u.at = int64(passed) - 1
	}
	for _, sources := range p.items {
		var all common
		for _, s := range sources {
			all.seekers = append(all.seekers, seekersOf(c, s, int64(until), backward)...)
			all.groups = append(all.groups, len(all.seekers))
		}
		all.backward = backward
		u.items = append(u.items, &all)
	}
	return u
}

// union gives the positions of any item, in order, each once.
type union struct {
	items    []*common
	at       int64 // the next position wanted
	backward bool
}

func (u *union) next() (int64, bool, error) {
	best, found := int64(0), false
	for _, item := range u.items {
		p, ok, err := item.seek(u.at)
		if err != nil {
			return 0, false, err
		}
		if ok && (!found || before(p, best, u.backward)) {
			best, found = p, true
		}
	}
	if found {
		u.at = best + 1
		if u.backward {
			u.at = best - 1
		}
	}
	return best, found, nil
}

func before(a, b int64, backward bool) bool {
	if backward {
		return a > b
	}
	return a < b
}

// common gives the positions that all groups of seekers have; within a group any seeker will do.
type common struct {
	seekers  []*seeker
	groups   []int // where each group ends
	backward bool
	ended    bool
	at       int64
	found    bool // at is a position that all have
}

// seek returns the first position at or behind p that all groups have, by letting each in turn leap to where the others
// are: it costs no more than the rarest of them has positions.
func (c *common) seek(p int64) (int64, bool, error) {
	if c.ended {
		return 0, false, nil
	}
	if c.found && !before(c.at, p, c.backward) {
		return c.at, true, nil
	}
	for agreed := 0; agreed < len(c.groups); {
		agreed = 0
		from := 0
		for _, to := range c.groups {
			at, ok, err := first(c.seekers[from:to], p, c.backward)
			if err != nil {
				return 0, false, err
			}
			if !ok {
				c.ended = true
				return 0, false, nil
			}
			from = to
			if at != p {
				p = at
				agreed = 0
			}
			agreed++
		}
	}
	c.at, c.found = p, true
	return p, true, nil
}

func first(seekers []*seeker, p int64, backward bool) (int64, bool, error) {
	best, found := int64(0), false
	for _, s := range seekers {
		at, ok, err := s.seek(p)
		if err != nil {
			return 0, false, err
		}
		if ok && (!found || before(at, best, backward)) {
			best, found = at, true
		}
	}
	return best, found, nil
}

// seeker walks one entry of an index. It reads ahead, the further the more it is asked in order.
type seeker struct {
	c        *conn
	sql      string
	tag      string
	kind     int64 // 0: a tag
	until    int64
	backward bool

	ahead []int64
	chunk int
	used  int  // of chunk
	ended bool // nothing behind ahead
}

const (
	tagForward   = "SELECT position FROM tags WHERE tag = ? AND position >= ? AND position <= ? ORDER BY position LIMIT ?"
	tagBackward  = "SELECT position FROM tags WHERE tag = ? AND position <= ? AND position >= ? ORDER BY position DESC LIMIT ?"
	kindForward  = "SELECT position FROM events INDEXED BY events_kind WHERE kind = ? AND position >= ? AND position <= ? ORDER BY position LIMIT ?"
	kindBackward = "SELECT position FROM events INDEXED BY events_kind WHERE kind = ? AND position <= ? AND position >= ? ORDER BY position DESC LIMIT ?"
)

func seekersOf(c *conn, s source, until int64, backward bool) []*seeker {
	if s.tag != "" {
		sql := tagForward
		if backward {
			sql = tagBackward
		}
		return []*seeker{{c: c, sql: sql, tag: s.tag, until: until, backward: backward}}
	}
	sql := kindForward
	if backward {
		sql = kindBackward
	}
	seekers := make([]*seeker, len(s.kinds))
	for i, kind := range s.kinds {
		seekers[i] = &seeker{c: c, sql: sql, kind: kind, until: until, backward: backward}
	}
	return seekers
}

// seek returns the entry's first position at or behind p.
func (s *seeker) seek(p int64) (int64, bool, error) {
	i := 0
	for i < len(s.ahead) && before(s.ahead[i], p, s.backward) {
		i++
	}
	if i > 0 {
		s.used++
	}
	s.ahead = s.ahead[i:]
	if len(s.ahead) > 0 {
		return s.ahead[0], true, nil
	}
	if s.ended {
		return 0, false, nil
	}
	if s.chunk > 0 && 2*s.used >= s.chunk {
		s.chunk = min(4*s.chunk, 256)
	} else {
		s.chunk = 2
	}
	s.used = 0
	q := s.c.query(s.sql)
	if s.kind != 0 {
		q.int(s.kind)
	} else {
		q.text(s.tag)
	}
	q.int(p)
	q.int(s.until)
	q.int(int64(s.chunk))
	if cap(s.ahead) < s.chunk {
		s.ahead = make([]int64, 0, s.chunk)
	}
	s.ahead = s.ahead[:0]
	for q.step() {
		s.ahead = append(s.ahead, q.s.ColumnInt64(0))
	}
	if err := q.end(); err != nil {
		return 0, false, err
	}
	s.ended = len(s.ahead) < s.chunk
	if len(s.ahead) == 0 {
		return 0, false, nil
	}
	return s.ahead[0], true, nil
}
