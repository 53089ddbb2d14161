package ui

import "net/url"

// pager is the ways to other parts of a list.
type pager struct {
	First string // its first part, where this is another
	Newer string // the part before this, where the address tells
	Older string // the part after this
}

// Any tells whether there are other parts.
func (p pager) Any() bool { return p.First != "" || p.Older != "" }

// Twice tells whether the part before this is the first.
func (p pager) Twice() bool { return p.Newer != "" && p.Newer == p.First }

const (
	mostBack = 8   // parts that an address remembers
	theFirst = "0" // of a list, as an address remembers it
)

// pages returns the ways from a part of a list, which begins at a cursor, to the one at next. Cursors lead onwards only, so an
// address has those of the parts that somebody came through: back, the nearest last.
func (v *visit) pages(here string, chosen url.Values, next string) pager {
	from, back := v.query.Get("from"), v.query["back"]
	var p pager
	if from != "" {
		p.First = withQuery(here, chosen)
	}
	if n := len(back); from != "" && n > 0 {
		p.Newer = p.First
		if last := back[n-1]; last != theFirst {
			p.Newer = withQuery(here, part(chosen, last, back[:n-1]))
		}
	}
	if next != "" {
		came := theFirst
		if from != "" {
			came = from
		}
		p.Older = withQuery(here, part(chosen, next, append(back[:len(back):len(back)], came)))
	}
	return p
}

// part is the query of the part of a list that begins at a cursor.
func part(chosen url.Values, from string, back []string) url.Values {
	query := with(chosen, "from", from)
	query["back"] = back[max(0, len(back)-mostBack):]
	return query
}
