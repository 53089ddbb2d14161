package orders

import (
	"slices"
	"strings"
)

// Piece is a piece of a text: one of the words that were looked for, or what stands between them.
type Piece struct {
	Text   string
	Marked bool
}

// An excerpt has so many words, and so many of them before the first that was looked for.
const (
	excerptWords  = 24
	excerptBefore = 4
)

// excerpt is a text, or as much of it as has most of what was looked for.
func excerpt(text string, asked []string) []Piece {
	words := wordsOf(text)
	found := matches(words, asked)
	if len(words) <= excerptWords {
		return pieces(text, words, found, 0, len(text))
	}
	first := 0
	for i, most := 0, -1; i < len(found); i++ {
		if n := distinct(found, i); n > most {
			first, most = max(found[i].first-excerptBefore, 0), n
		}
	}
	first = min(first, len(words)-excerptWords)
	from, to := 0, len(text)
	before, after := []Piece{}, []Piece{}
	if first > 0 {
		from, before = words[first].from, []Piece{{Text: "…"}}
	}
	if last := first + excerptWords - 1; last < len(words)-1 {
		to, after = words[last].to, []Piece{{Text: "…"}}
	}
	return slices.Concat(before, pieces(text, words, found, from, to), after)
}

// run is where some words stand that were looked for as one.
type run struct{ first, last, asked int }

// matches are the places of what was looked for, in order; none lies in another.
func matches(words []word, asked []string) []run {
	var all []run
	for n, typed := range asked {
		phrase := folded(typed)
		for i := 0; len(phrase) > 0 && i+len(phrase) <= len(words); i++ {
			if begins(words[i:], phrase) {
				all = append(all, run{i, i + len(phrase) - 1, n})
			}
		}
	}
	slices.SortFunc(all, func(a, b run) int {
		if a.first != b.first {
			return a.first - b.first
		}
		return b.last - a.last
	})
	return all
}

func begins(words []word, phrase []string) bool {
	for i, part := range phrase {
		if part != words[i].folded && (i < len(phrase)-1 || !strings.HasPrefix(words[i].folded, part)) {
			return false
		}
	}
	return true
}

// distinct is how much of what was looked for stands in the excerpt that begins before one of the matches.
func distinct(found []run, i int) int {
	seen := map[int]bool{}
	for _, r := range found[i:] {
		if r.last < max(found[i].first-excerptBefore, 0)+excerptWords {
			seen[r.asked] = true
		}
	}
	return len(seen)
}

func pieces(text string, words []word, found []run, from, to int) []Piece {
	var all []Piece
	at := from
	for _, r := range found {
		begin, end := words[r.first].from, words[r.last].to
		if begin < at || end > to {
			continue
		}
		if begin > at {
			all = append(all, Piece{Text: text[at:begin]})
		}
		all = append(all, Piece{Text: text[begin:end], Marked: true})
		at = end
	}
	if at < to {
		all = append(all, Piece{Text: text[at:to]})
	}
	return all
}
