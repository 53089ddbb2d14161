package orders_test

import (
	"slices"
	"strings"
	"testing"

	. "github.com/deed-es/deed/examples/shop/orders"
)

func TestWords(t *testing.T) {
	for typed, want := range map[string][]string{
		"":                        nil,
		" \t\x00\u0085\u2003\xff": nil,
		"tea":                     {"tea"},
		" cast  iron\npot ":       {"cast", "iron", "pot"},
		"a\x00b\xffc":             {"a", "b", "c"},
		`"x*`:                     {`"x*`},
	} {
		if got := Words(typed); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", typed, got, want)
		}
	}
}

// The excerpt of a long text is where most of what was looked for stands, and no longer than it has to be.
func TestExcerpts(t *testing.T) {
	few, many := strings.Repeat("a ", 30), strings.Repeat("b ", 30)
	for _, c := range []struct{ text, typed, want string }{
		{"Green TEA, two teapots!", "tea", "Green [TEA], two [teapots]!"},
		{"green tea", "nothing", "green tea"},
		{"", "tea", ""},
		{"cast iron, cast-iron, iron cast", "cast-iron cast", "[cast iron], [cast-iron], iron [cast]"},
		{"Crème\x00brûlée", "creme", "[Crème]\ufffdbrûlée"},
		{few + "tea " + many, "tea", "…a a a a [tea] " + strings.TrimSpace(strings.Repeat("b ", 19)) + "…"},
		{"tea " + few + "tea for two " + many, "two tea", "…a a a a [tea] for [two] " + strings.TrimSpace(strings.Repeat("b ", 17)) + "…"},
		{few + "tea!", "tea", "…" + strings.Repeat("a ", 23) + "[tea]!"},
		{few, "nothing", strings.TrimSpace(strings.Repeat("a ", 24)) + "…"},
	} {
		got := ""
		for _, piece := range Text.Rows([][]any{{"1", int64(1), "Ann", c.text}}, Words(c.typed))[0].Excerpt {
			if piece.Marked {
				piece.Text = "[" + piece.Text + "]"
			}
			got += piece.Text
		}
		if got != c.want {
			t.Errorf("%q in %.40q:\n got %q\nwant %q", c.typed, c.text, got, c.want)
		}
	}
}
