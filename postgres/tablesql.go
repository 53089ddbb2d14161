package postgres

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// prefix stands in front of the names of the tables that the view's projection makes.
func (v *storedView) prefix() string { return fmt.Sprintf("t%d_", v.id) }

// What a statement of a projection's may do, by its first words.
var (
	readVerbs  = []string{"select", "with", "values"}
	writeVerbs = append([]string{"insert", "update", "delete", "merge"}, readVerbs...)
	makeVerbs  = append([]string{"create table", "create unlogged table", "create index", "create unique index", "create view"}, writeVerbs...)
)

// Functions that reach what no grant keeps a statement from: settings of the connection, sequences, files and large objects of the
// database, other servers, and queries that are made of a text. Those whose names begin with pg_ are among them.
var (
	beyond       = []string{"set_config", "nextval", "setval", "ts_stat", "ts_rewrite", "loread", "lowrite"}
	beyondBegin  = []string{"lo_", "dblink"}
	beyondWithin = "_to_xml"
)

// own is a statement of the view's projection as the server gets it, with the names of the view's own tables in place of those in
// braces. An error says why it may not be carried out; what a look at its words does not find, the server is asked for.
func (v *storedView) own(schema, sql string, may []string) (string, error) {
	o := ownSQL{sqlReader: sqlReader{sql: sql}, view: v, schema: schema}
	if err := o.rewrite(); err != nil {
		return "", ownError{fmt.Errorf("%w in %.200q", err, sql)}
	}
	for _, verb := range may {
		if o.verb == verb || strings.HasPrefix(o.verb, verb+" ") {
			return o.out.String(), nil
		}
	}
	if o.verb == "" {
		return "", ownError{errors.New("there is no statement in it")}
	}
	return "", ownError{fmt.Errorf("a statement may begin with %s, and not as %.200q does", strings.ToUpper(strings.Join(may, ", ")), sql)}
}

// ownSQL rewrites a statement, token by token.
type ownSQL struct {
	sqlReader

	view    *storedView
	schema  string
	out     strings.Builder
	verb    string   // its first words, as many as say what it does
	words   int      // so many
	last    sqlToken // before the one looked at, without spaces and comments
	indexed bool     // CREATE INDEX: the table's name is to come, or was there
}

func (o *ownSQL) rewrite() error {
	for {
		t, err := o.next()
		if err != nil || t.kind == endOfSQL {
			return err
		}
		text := t.text
		switch t.kind {
		case space:
			o.out.WriteString(text)
			continue
		case word, quoted:
			err = o.word(&t)
		case braced:
			text, err = o.table(&t)
		case literal:
			if o.last.kind == literal && lower(o.last.text[:1]) == "e" {
				err = errors.New("a text with escapes stands in two pieces")
			}
		case other:
			err = o.after(text)
		}
		if err != nil {
			return err
		}
		o.out.WriteString(text)
		o.last = t
	}
}

// word looks at a name or key word.
func (o *ownSQL) word(t *sqlToken) error {
	if o.words < 3 && t.kind == word {
		o.verb = strings.TrimSpace(o.verb + " " + t.name)
		o.words++
	}
	if o.words == 0 {
		o.words = 3 // it begins with something else
	}
	switch {
	case strings.HasPrefix(t.name, "pg_") || t.name == "information_schema":
		return fmt.Errorf("%q is the server's own", t.name)
	case t.kind == word && t.name == "into" && o.last.name != "insert" && o.last.name != "merge":
		return errors.New("INTO makes a table; only Create does")
	case t.kind == word && t.name == "on":
		o.indexed = true
	}
	return nil
}

// after looks at what stands behind a name.
func (o *ownSQL) after(text string) error {
	name := o.last.name
	if o.last.kind != word && o.last.kind != quoted {
		return nil
	}
	beginsWith := func(begin string) bool { return strings.HasPrefix(name, begin) }
	switch {
	case text == "." && name == o.schema:
		return fmt.Errorf("schema %s is deed's; put the view's own tables into braces", name)
	case text == "(" && (slices.Contains(beyond, name) || slices.ContainsFunc(beyondBegin, beginsWith) || strings.Contains(name, beyondWithin)):
		return fmt.Errorf("function %s reaches beyond the view's tables", name)
	}
	return nil
}

// maxName is how long a name may be; what is longer the server would cut off.
const maxName = 63

// table is the name of the view's own that stands in braces. Where a name is made, and for constraints, SQL has no schema.
func (o *ownSQL) table(t *sqlToken) (string, error) {
	o.words = max(o.words, 3)
	name := o.view.prefix() + t.name
	if len(name) > maxName {
		return "", fmt.Errorf("{%s} is longer than %d bytes", t.name, maxName-len(o.view.prefix()))
	}
	index := strings.HasPrefix(o.verb, "create index") || strings.HasPrefix(o.verb, "create unique index")
	if index && !o.indexed || o.last.kind == word && o.last.name == "constraint" {
		return pgx.Identifier{name}.Sanitize(), nil
	}
	return pgx.Identifier{o.schema, name}.Sanitize(), nil
}

type sqlKind int

const (
	endOfSQL sqlKind = iota
	space            // and comments
	word             // a key word, or a name that is not quoted
	quoted           // a name in double quotes
	braced           // a name in braces
	literal          // a text or number, or the place of an argument
	other
)

type sqlToken struct {
	kind sqlKind
	text string // as it stands there
	name string // of a word, as the server takes it
}

// sqlReader reads SQL as PostgreSQL does, with standard_conforming_strings on. What it is not sure of, it refuses.
type sqlReader struct {
	sql string
	at  int
}

var errOpen = errors.New("something is opened and not closed")

func (r *sqlReader) next() (sqlToken, error) {
	rest := r.sql[r.at:]
	if rest == "" {
		return sqlToken{}, nil
	}
	kind, n := other, 1
	name := ""
	switch c := rest[0]; {
	case c == 0:
		return sqlToken{}, errors.New("a byte 0 is no SQL")
	case strings.IndexByte(" \t\r\n\f\v", c) >= 0:
		kind = space
	case strings.HasPrefix(rest, "--"):
		kind, n = space, until(rest, "\n\r")
	case strings.HasPrefix(rest, "/*"):
		kind, n = space, commented(rest)
	case c == '\'':
		kind, n = literal, closed(rest, 0, false)
	case (c == 'e' || c == 'E') && strings.HasPrefix(rest[1:], "'"):
		kind, n = literal, closed(rest, 1, true)
	case (c == 'u' || c == 'U') && strings.HasPrefix(rest[1:], `&"`):
		return sqlToken{}, errors.New(`a name in U&"" is not looked into; write it out`)
	case c == '"':
		kind, n = quoted, closed(rest, 0, false)
		if n > 0 {
			name = strings.ReplaceAll(rest[1:n-1], `""`, `"`)
		}
	case c == '$':
		kind, n = dollar(rest)
	case isDigit(c) || c == '.' && len(rest) > 1 && isDigit(rest[1]):
		kind, n = literal, number(rest)
	case beginsName(c):
		kind, n = word, named(rest)
		name = lower(rest[:n])
	case c == '{':
		if end := strings.IndexByte(rest, '}'); end > 0 && isTable(rest[1:end]) {
			kind, n, name = braced, end+1, rest[1:end]
		}
	}
	if n <= 0 {
		return sqlToken{}, errOpen
	}
	if kind == literal && n < len(rest) && beginsName(rest[n]) && rest[n-1] != '\'' && rest[n-1] != '$' {
		return sqlToken{}, fmt.Errorf("%.20q is neither a number nor a name", rest)
	}
	r.at += n
	return sqlToken{kind, rest[:n], name}, nil
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func beginsName(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80
}

func goesOn(c byte) bool { return beginsName(c) || isDigit(c) || c == '$' }

func named(s string) int {
	n := 1
	for n < len(s) && goesOn(s[n]) {
		n++
	}
	return n
}

// isTable tells whether a name can stand in braces.
func isTable(name string) bool {
	for i, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (i == 0 || !isDigit(c) && c != '_') {
			return false
		}
	}
	return name != ""
}

// lower is a name as the server takes it where it is not quoted; letters beyond ASCII stay.
func lower(name string) string {
	return strings.Map(func(c rune) rune {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		return c
	}, name)
}

// until is how much stands before any of these characters.
func until(s, chars string) int {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return i
	}
	return len(s)
}

// closed is how long something is that stands in quotes, which are doubled in it; 0 if it does not end.
func closed(s string, from int, escapes bool) int {
	quote := s[from]
	for i := from + 1; i < len(s); i++ {
		switch {
		case s[i] == 0:
			return 0
		case s[i] == '\\' && escapes:
			i++
		case s[i] == quote && i+1 < len(s) && s[i+1] == quote:
			i++
		case s[i] == quote:
			return i + 1
		}
	}
	return 0
}

// commented is how long a comment is, with those in it; 0 if it does not end.
func commented(s string) int {
	depth := 0
	for i := 0; i+1 < len(s); i++ {
		switch s[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			depth--
			i++
			if depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}

// dollar reads the place of an argument, or a text between two tags.
func dollar(s string) (sqlKind, int) {
	n := 1
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	if n > 1 {
		return literal, n
	}
	for n < len(s) && s[n] != '$' && goesOn(s[n]) {
		n++
	}
	if n == len(s) || s[n] != '$' {
		return other, 1
	}
	tag := s[:n+1]
	end := strings.Index(s[n+1:], tag)
	if end < 0 {
		return literal, 0
	}
	return literal, n + 1 + end + len(tag)
}

func number(s string) int {
	n := 0
	for n < len(s) && (isDigit(s[n]) || s[n] == '.') {
		n++
	}
	if n < len(s) && (s[n] == 'e' || s[n] == 'E') {
		sign := n + 1
		if sign < len(s) && (s[sign] == '+' || s[sign] == '-') {
			sign++
		}
		for digits := sign; digits < len(s) && isDigit(s[digits]); digits++ {
			n = digits + 1
		}
	}
	return n
}
