package gateway

import (
	"net/url"

	"github.com/deed-es/deed"
)

// What tests look at beyond what is exported.

// Cursors reads an event's id and writes it again.
func Cursors(id string) (string, bool) {
	c, ok := parseCursor(id)
	return string(c.append(nil)), ok
}

// CleanPath tells whether a path may come to a route.
func CleanPath(u *url.URL) bool { return checkPath(u) == nil }

// TraceID reads a traceparent.
func TraceID(s string) (string, bool) { return traceID(s) }

// HostOf is the name in a Host header.
func HostOf(s string) string { return hostOf(s) }

// AppendRecord writes a record.
func AppendRecord(r deed.Record) []byte { return appendRecord(nil, r) }

// The shapes that answers have.
type (
	CommandAnswer = commandAnswer
	StateAnswer   = stateAnswer
	RowsAnswer    = rowsAnswer
	RecordAnswer  = recordAnswer
	StreamAnswer  = streamAnswer
	ReadyAnswer   = readyAnswer
)
