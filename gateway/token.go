package gateway

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/deed-es/deed"
)

// Token is a position as it travels outside the process: with the log and the incarnation that it is of. Clients hand it
// back and do not look into it.
type Token struct {
	Log         string
	Incarnation int64
	Position    deed.Position
}

// String is LOG.INCARNATION.POSITION.
func (t Token) String() string { return string(t.append(nil)) }

func (t Token) append(b []byte) []byte {
	b = append(append(b, t.Log...), '.')
	b = append(strconv.AppendInt(b, t.Incarnation, 10), '.')
	return strconv.AppendInt(b, int64(t.Position), 10)
}

// ParseToken reads what Token.String wrote; anything else is a *deed.InvalidError.
func ParseToken(s string) (Token, error) {
	rest, position, ok := cutLast(s, '.')
	log, incarnation, ok2 := cutLast(rest, '.')
	p, ok3 := parseNumber(position)
	i, ok4 := parseNumber(incarnation)
	if !ok || !ok2 || !ok3 || !ok4 || i == 0 || !validLog(log) {
		return Token{}, &deed.InvalidError{Field: "position", Reason: fmt.Sprintf("%.80q is no token that a server gave", s)}
	}
	return Token{Log: log, Incarnation: i, Position: deed.Position(p)}, nil
}

// maxTokens is how many logs' tokens may stand in a row.
const maxTokens = 16

// parseTokens reads tokens with commas between them.
func parseTokens(s string) ([]Token, error) {
	words := strings.Split(s, ",")
	if len(words) > maxTokens {
		return nil, &deed.InvalidError{Field: "position", Reason: fmt.Sprintf("more than %d tokens", maxTokens)}
	}
	tokens := make([]Token, len(words))
	for i, word := range words {
		var err error
		if tokens[i], err = ParseToken(strings.Trim(word, " \t")); err != nil {
			return nil, err
		}
	}
	return tokens, nil
}

func cutLast(s string, sep byte) (before, after string, found bool) {
	if i := strings.LastIndexByte(s, sep); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

// parseNumber reads a number as it is written here: digits only, no zero in front.
func parseNumber(s string) (int64, bool) {
	if len(s) == 0 || s[0] == '0' && len(s) > 1 || s[0] < '0' || s[0] > '9' {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// validLog tells whether s can be a log's id in a token: visible ASCII that stands in a header, a cookie and a URL.
func validLog(s string) bool {
	if len(s) == 0 || len(s) > 128 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`",;\`, c) >= 0 {
			return false
		}
	}
	return true
}
