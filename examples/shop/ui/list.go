package ui

import (
	"cmp"
	"encoding/json"
	"errors"
	"html/template"
	"net/url"
	"slices"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/orders"
)

// list is a page with the rows of a view.
type list struct {
	name    string // of the page, and of the templates of its head and rows
	view    string
	title   string
	order   string // as deed.Page has it
	filters []filter
	// searched tells that the rows are orders, which can be looked for by their words.
	searched bool
	decode   func(json.RawMessage) (decoded, error)
	forms    func(v *visit) []*form         // above the list; nil: none
	rowForm  func(v *visit, r *row) []*form // in a row; nil: none
}

// filter narrows a list to the rows whose index field has a value.
type filter struct {
	param, field, label string
	options             []option                                     // nil: any value
	called              func(s *site, v *visit, value string) string // what people call a value; nil, or empty: label
}

// decoded is a row, with what the list wants to know of it.
type decoded struct {
	value  any
	at     string // what it is ordered by
	fields map[string]string
}

// decoder reads rows of one type.
func decoder[T any](at func(T) string, fields func(T) map[string]string) func(json.RawMessage) (decoded, error) {
	return func(text json.RawMessage) (decoded, error) {
		var value T
		err := json.Unmarshal(text, &value)
		return decoded{value: value, at: at(value), fields: fields(value)}, err
	}
}

// row is a row as it is shown.
type row struct {
	Key      string
	At       string
	Position deed.Position
	Parked   deed.Position
	Value    any
	Piece    template.HTML // of its text, with the words that were looked for; empty: all of it
	Forms    []*form
}

// allLists are the lists of which rows are asked for one by one.
func allLists() []*list { return []*list{orderList, requestList, customerList, userList, campaignList} }

// pageRows is how many rows a page has.
const pageRows = 50

// listing is a list as it is shown.
type listing struct {
	Name     string
	Title    string
	View     string
	Position deed.Position
	Lag      lag
	Filters  []filterChoice
	Filtered bool
	All      string // the page without filters
	Search   *searching
	Pager    pager
	RowsURL  string
	Rows     []row
	Limit    int
	Forms    []*form
}

// filterChoice is a filter as it is shown.
type filterChoice struct {
	Param, Label string
	Value        string
	Options      []option
	Clear        string // the page without it
}

// listPage shows a page of a list.
func (s *site) listPage(v *visit, l *list) error {
	shown, err := s.listing(v, l, pageRows)
	if err != nil {
		return err
	}
	return v.show(page{Title: l.title, Section: l.name, Content: "list", Data: shown})
}

func (s *site) listing(v *visit, l *list, limit int) (*listing, error) {
	behind, c, err := s.choose(v, l, "from", "back")
	if err != nil {
		return nil, err
	}
	here := path(l.name)
	shown := &listing{
		Name: l.name, Title: l.title, View: l.view, Lag: behind, Filters: s.choices(v, l, c), Filtered: len(c.filters) > 0,
		All: here, Search: s.searching(l, c), RowsURL: withQuery(path("rows", l.name), c.query()), Limit: limit,
	}
	next, err := s.fill(v, l, c, shown)
	if err != nil {
		return nil, err
	}
	shown.Pager = v.pages(here, c.query(), next)
	if l.forms != nil {
		shown.Forms = l.forms(v)
	}
	return shown, nil
}

// choose reads what is wanted of a list, which may be asked for these parameters besides its own, and waits for its views.
func (s *site) choose(v *visit, l *list, params ...string) (lag, choice, error) {
	if l.searched {
		params = append(params, "q")
	}
	if err := v.only(append(l.params(), params...)...); err != nil {
		return lag{}, choice{}, err
	}
	words, err := s.wanted(v, l)
	c := choice{filters: l.chosen(v.query), words: words}
	if err != nil {
		return lag{}, c, err
	}
	behind, err := v.reach(l.view)
	if err == nil && words != "" {
		var other lag
		if other, err = v.reach(orders.Text.Name); other.Events > behind.Events {
			behind.Events, behind.State = other.Events, other.State
		}
	}
	return behind, c, err
}

// fill reads the rows of a part of a list, and returns where the next begins.
func (s *site) fill(v *visit, l *list, c choice, shown *listing) (next string, err error) {
	from := v.query.Get("from")
	if c.words != "" {
		if shown.Position, err = v.position(l.view, 0, 0); err != nil {
			return "", err
		}
		shown.Rows, next, err = s.search(v, l, c, from, shown.Limit)
		return next, err
	}
	rows, err := s.Service.Views().List(v.Context(), l.view, l.where(c.filters), deed.Page{Order: l.order, Limit: shown.Limit, Cursor: from}, 0)
	if invalid := (*deed.InvalidError)(nil); errors.As(err, &invalid) {
		return "", badQuery(invalid.Error())
	}
	if err != nil {
		return "", err
	}
	shown.Position = rows.Position
	for _, r := range rows.Rows {
		one, _, err := l.row(v, r)
		if err != nil {
			return "", err
		}
		shown.Rows = append(shown.Rows, one)
	}
	return rows.Next, nil
}

// row is a row of the view as the list shows it, and what filters look at.
func (l *list) row(v *visit, r deed.KeyedRow[json.RawMessage]) (row, map[string]string, error) {
	d, err := l.decode(r.Row)
	if err != nil {
		return row{}, nil, err
	}
	one := row{Key: r.Key, At: d.at, Position: r.Position, Parked: r.Parked, Value: d.value}
	if l.rowForm != nil {
		one.Forms = l.rowForm(v, &one)
	}
	return one, d.fields, nil
}

func (l *list) params() []string {
	var names []string
	for _, f := range l.filters {
		names = append(names, f.param)
	}
	return names
}

// chosen is what a query says of the list's filters.
func (l *list) chosen(query url.Values) url.Values {
	chosen := url.Values{}
	for _, f := range l.filters {
		if value := query.Get(f.param); value != "" {
			chosen.Set(f.param, value)
		}
	}
	return chosen
}

func (l *list) where(chosen url.Values) []deed.Where {
	var where []deed.Where
	for _, f := range l.filters {
		if value := chosen.Get(f.param); value != "" {
			where = append(where, deed.Where{Field: f.field, Value: value})
		}
	}
	return where
}

func (s *site) choices(v *visit, l *list, c choice) []filterChoice {
	var all []filterChoice
	here, chosen := path(l.name), c.query()
	for _, f := range l.filters {
		value := chosen.Get(f.param)
		choice := filterChoice{Param: f.param, Label: f.label, Value: value, Clear: withQuery(here, with(chosen, f.param, ""))}
		if f.options == nil && value == "" {
			continue
		}
		if f.called != nil {
			choice.Label = cmp.Or(f.called(s, v, value), f.label)
		}
		for _, o := range f.options {
			o.URL, o.Current = withQuery(here, with(chosen, f.param, o.Value)), o.Value == value
			choice.Options = append(choice.Options, o)
		}
		all = append(all, choice)
	}
	return all
}

// with is a query with another value of one name; without the name where the value is empty.
func with(query url.Values, name, value string) url.Values {
	other := url.Values{}
	for n, values := range query {
		other[n] = values
	}
	other.Del(name)
	if value != "" {
		other.Set(name, value)
	}
	return other
}

// mostKeys is how many rows can be asked for at once.
const mostKeys = 100

// rows answers with single rows of a list, those that it still shows: what a page asks for when they have changed.
func (s *site) rows(v *visit) error {
	i := slices.IndexFunc(allLists(), func(l *list) bool { return l.name == v.request.PathValue("list") })
	if i < 0 {
		return nowhere(v)
	}
	l := allLists()[i]
	behind, c, err := s.choose(v, l, "key")
	if err != nil {
		return err
	}
	keys := v.query["key"]
	if len(keys) > mostKeys {
		return badQuery("too many rows at once; load the page anew")
	}
	shown := listing{Name: l.name, View: l.view, Lag: behind}
	v.stands = withQuery(path(l.name), c.query())
	var found map[string]match
	if c.words != "" {
		if found, err = s.matchesAmong(v, c.words, keys); err != nil {
			return err
		}
	}
	for _, key := range keys {
		one, fields, at, err := s.one(v, l, key)
		shown.Position = max(shown.Position, at)
		if errors.Is(err, deed.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		m, has := found[key]
		if l.shows(fields, c.filters) && (has || c.words == "") {
			one.Piece = m.piece
			shown.Rows = append(shown.Rows, one)
		}
	}
	return v.fragment("rows", shown)
}

// one is the row of a key as the list shows it, what filters look at, and the view's position that it was read at.
func (s *site) one(v *visit, l *list, key string) (row, map[string]string, deed.Position, error) {
	r, at, err := s.Service.Views().Get(v.Context(), l.view, key, 0)
	if err != nil {
		return row{}, nil, at, err
	}
	one, fields, err := l.row(v, r)
	return one, fields, at, err
}

// shows tells whether a row passes the filters.
func (l *list) shows(fields map[string]string, chosen url.Values) bool {
	for _, f := range l.filters {
		if want := chosen.Get(f.param); want != "" && want != fields[f.field] {
			return false
		}
	}
	return true
}

// behind answers how far behind the log a view is.
func (s *site) behind(v *visit) error {
	if err := v.only(); err != nil {
		return err
	}
	view := v.request.PathValue("view")
	if _, err := s.Service.Views().Position(v.Context(), view, 0); errors.Is(err, deed.ErrNotFound) {
		return nowhere(v)
	}
	behind, err := v.reach(view)
	if err != nil {
		return err
	}
	return v.fragment("behind", behind)
}
