package gateway

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/deed-es/deed"
)

// cursor is where a client is in the changes of some views: the id of an event. It is written
//
//	VIEW@VERSION=POSITION[/KEY],VIEW@VERSION=POSITION[/KEY],...;LOG.INCARNATION
//
// with an entry for every view that the client has a snapshot of or goes on from. /KEY (percent-encoded) stands while rows
// of the view's position are still to come, and names the last one sent; each view has its own, so that a cut between the
// events of several views loses and repeats nothing. What stands behind the semicolon tells a log that was replaced or
// restored from this one; an id without it is taken to be of this log.
type cursor struct {
	log   string
	round int64 // incarnation
	views []viewCursor
}

type viewCursor struct {
	view    string
	version int
	at      deed.ChangeCursor
}

// maxCursor is how long an id may be, in bytes.
const maxCursor = 64 << 10

func (c cursor) append(b []byte) []byte {
	for i, v := range c.views {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendInt(append(append(b, v.view...), '@'), v.version)
		b = appendInt(append(b, '='), v.at.Position)
		if v.at.Key != "" {
			b = append(append(b, '/'), url.PathEscape(v.at.Key)...)
		}
	}
	if c.log != "" {
		b = append(append(append(b, ';'), c.log...), '.')
		b = strconv.AppendInt(b, c.round, 10)
	}
	return b
}

// parseCursor reads an id; false if it is none.
func parseCursor(s string) (cursor, bool) {
	var c cursor
	if len(s) > maxCursor {
		return c, false
	}
	views, log, found := strings.Cut(s, ";")
	if found {
		id, round, ok := cutLast(log, '.')
		n, ok2 := parseNumber(round)
		if !ok || !ok2 || n == 0 || !validLog(id) {
			return cursor{}, false
		}
		c.log, c.round = id, n
	}
	if views == "" {
		return c, found
	}
	for entry := range strings.SplitSeq(views, ",") {
		v, ok := parseViewCursor(entry)
		if _, twice := c.of(v.view); !ok || twice {
			return cursor{}, false
		}
		c.views = append(c.views, v)
	}
	return c, true
}

func parseViewCursor(entry string) (viewCursor, bool) {
	view, rest, ok := strings.Cut(entry, "@")
	version, rest, ok2 := strings.Cut(rest, "=")
	position, key, keyed := strings.Cut(rest, "/")
	n, ok3 := parseNumber(version)
	p, ok4 := parseNumber(position)
	v := viewCursor{view: view, version: int(n), at: deed.ChangeCursor{Position: deed.Position(p)}}
	if !ok || !ok2 || !ok3 || !ok4 || n < 1 || n > 1<<31-1 || !validView(view) {
		return viewCursor{}, false
	}
	if keyed {
		var err error
		if v.at.Key, err = url.PathUnescape(key); err != nil || deed.ValidID(v.at.Key) != nil {
			return viewCursor{}, false
		}
	}
	return v, true
}

func validView(name string) bool {
	if name == "" || len(name) > 64 || name[0] < 'a' || name[0] > 'z' {
		return false
	}
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

func (c cursor) of(view string) (viewCursor, bool) {
	for _, v := range c.views {
		if v.view == view {
			return v, true
		}
	}
	return viewCursor{}, false
}

// set moves a view's entry, or adds it.
func (c *cursor) set(view string, version int, at deed.ChangeCursor) {
	for i := range c.views {
		if c.views[i].view == view {
			c.views[i] = viewCursor{view, version, at}
			return
		}
	}
	c.views = append(c.views, viewCursor{view, version, at})
}

// drop removes a view's entry.
func (c *cursor) drop(view string) {
	for i := range c.views {
		if c.views[i].view == view {
			c.views = append(c.views[:i], c.views[i+1:]...)
			return
		}
	}
}
