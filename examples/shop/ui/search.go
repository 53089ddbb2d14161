package ui

import (
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/orders"
	"github.com/deed-es/deed/gateway"
)

// maxWords is how many bytes of words can be looked for.
const maxWords = 400

// Text is an index of what orders say, and where it is read.
type Text struct {
	Index orders.Index
	View  *deed.TablesView
}

// match is an order that has the words.
type match struct {
	id    string
	place string        // in the index
	piece template.HTML // of the description, with the words marked
}

// matchesBefore are the orders with the words that stand before a place in the index; the newest, where place is empty.
func (s *site) matchesBefore(v *visit, words, place string, limit int) ([]match, error) {
	at := int64(1)<<62 - 1
	if place != "" {
		var err error
		if at, err = strconv.ParseInt(place, 10, 64); err != nil {
			return nil, deed.ErrCursor
		}
	}
	asked := orders.Words(words)
	return s.matches(v, asked, s.Text.Index.Newest(asked, at, limit))
}

// matchesAmong are those of some orders that have the words, by their ids.
func (s *site) matchesAmong(v *visit, words string, ids []string) (map[string]match, error) {
	found := map[string]match{}
	if len(ids) == 0 {
		return found, nil
	}
	asked := orders.Words(words)
	all, err := s.matches(v, asked, s.Text.Index.Among(asked, ids))
	for _, m := range all {
		found[m.id] = m
	}
	return found, err
}

func (s *site) matches(v *visit, words []string, q deed.Statement) ([]match, error) {
	rows, err := s.Text.View.Select(v.Context(), 0, q.SQL, q.Args...)
	if parked := (*deed.ParkedError)(nil); err != nil && !errors.As(err, &parked) {
		return nil, err
	}
	var all []match
	for _, o := range s.Text.Index.Rows(rows, words) {
		all = append(all, match{id: o.ID, place: strconv.FormatInt(o.Place, 10), piece: marked(o.Excerpt)})
	}
	return all, nil
}

// marked shows a piece of text with its marks.
func marked(excerpt []orders.Piece) template.HTML {
	var out strings.Builder
	for _, piece := range excerpt {
		text := template.HTMLEscapeString(piece.Text)
		if piece.Marked {
			text = "<mark>" + text + "</mark>"
		}
		out.WriteString(text)
	}
	return trusted(out.String())
}

// choice is what is chosen of a list.
type choice struct {
	filters url.Values
	words   string // that are looked for; empty: none
}

// query is the choice as an address has it.
func (c choice) query() url.Values { return with(c.filters, "q", c.words) }

// searching is where words are looked for, and which they are.
type searching struct {
	Action string
	Words  string
	Keeps  url.Values // filters
	Clear  string     // the page without words
	Wider  string     // the words without filters; empty: there are none
}

// searching is how a list can be searched; nil: it cannot.
func (s *site) searching(l *list, c choice) *searching {
	if !l.searched || s.Text == nil {
		return nil
	}
	here := path(l.name)
	how := &searching{Action: here, Words: c.words, Keeps: c.filters, Clear: withQuery(here, c.filters)}
	if len(c.filters) > 0 && c.words != "" {
		how.Wider = withQuery(here, with(nil, "q", c.words))
	}
	return how
}

// wanted is what a list is searched for; empty: it is not.
func (s *site) wanted(v *visit, l *list) (string, error) {
	words := strings.Join(orders.Words(v.query.Get("q")), " ")
	switch {
	case !l.searched || words == "":
		return "", nil
	case s.Text == nil:
		return "", badQuery("orders cannot be searched here: the store keeps no index of their words")
	case len(words) > maxWords:
		return "", badQuery("that is too much to look for; a few words will do")
	}
	return words, nil
}

func badQuery(detail string) error {
	return &gateway.Problem{Status: http.StatusBadRequest, Code: "bad-query", Detail: detail}
}

// search returns a part of a list with the rows that have the words and pass its filters, and where the next begins.
func (s *site) search(v *visit, l *list, c choice, from string, limit int) (rows []row, next string, err error) {
	for place := from; ; {
		found, err := s.matchesBefore(v, c.words, place, limit+1)
		if err != nil {
			return nil, "", err
		}
		for _, m := range found {
			one, fields, _, err := s.one(v, l, m.id)
			if errors.Is(err, deed.ErrNotFound) || err == nil && !l.shows(fields, c.filters) {
				place = m.place
				continue
			}
			if err != nil {
				return nil, "", err
			}
			if len(rows) == limit {
				return rows, place, nil
			}
			one.Piece, place = m.piece, m.place
			rows = append(rows, one)
		}
		if len(found) <= limit {
			return rows, "", nil
		}
	}
}
