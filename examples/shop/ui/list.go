package ui

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/gateway"
)

// list is a page with the rows of a view.
type list struct {
	name    string // of the page, and of the templates of its head and rows
	view    string
	title   string
	order   string // as deed.Page has it
	filters []filter
	decode  func(json.RawMessage) (decoded, error)
	forms   func(v *visit) []*form         // above the list; nil: none
	rowForm func(v *visit, r *row) []*form // in a row; nil: none
}

// filter narrows a list to the rows whose index field has a value.
type filter struct {
	param, field, label string
	options             []option // nil: any value
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
	First    string // the first page, where this is another
	All      string // the page without filters
	Next     string
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
	if err := v.only(append(l.params(), "from")...); err != nil {
		return nil, err
	}
	behind, err := v.reach(l.view)
	if err != nil {
		return nil, err
	}
	chosen := l.chosen(v.query)
	from := v.query.Get("from")
	rows, err := s.Service.Views().List(v.Context(), l.view, l.where(chosen), deed.Page{Order: l.order, Limit: limit, Cursor: from}, 0)
	if invalid := (*deed.InvalidError)(nil); errors.As(err, &invalid) {
		return nil, &gateway.Problem{Status: http.StatusBadRequest, Code: "bad-query", Detail: invalid.Error()}
	}
	if err != nil {
		return nil, err
	}
	here := path(l.name)
	shown := &listing{
		Name: l.name, Title: l.title, View: l.view, Position: rows.Position, Lag: behind, Filters: l.choices(chosen), Filtered: len(chosen) > 0,
		All: here, RowsURL: withQuery(path("rows", l.name), chosen), Limit: limit,
	}
	if from != "" {
		shown.First = withQuery(here, chosen)
	}
	if rows.Next != "" {
		shown.Next = withQuery(here, with(chosen, "from", rows.Next))
	}
	for _, r := range rows.Rows {
		one, _, err := l.row(v, r)
		if err != nil {
			return nil, err
		}
		shown.Rows = append(shown.Rows, one)
	}
	if l.forms != nil {
		shown.Forms = l.forms(v)
	}
	return shown, nil
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

func (l *list) choices(chosen url.Values) []filterChoice {
	var all []filterChoice
	here := path(l.name)
	for _, f := range l.filters {
		value := chosen.Get(f.param)
		choice := filterChoice{Param: f.param, Label: f.label, Value: value, Clear: withQuery(here, with(chosen, f.param, ""))}
		if f.options == nil && value == "" {
			continue
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
	if err := v.only(append(l.params(), "key", "back")...); err != nil {
		return err
	}
	keys := v.query["key"]
	if len(keys) > mostKeys {
		return &gateway.Problem{Status: http.StatusBadRequest, Code: "bad-query", Detail: "too many rows at once; load the page anew"}
	}
	behind, err := v.reach(l.view)
	if err != nil {
		return err
	}
	chosen, shown := l.chosen(v.query), listing{Name: l.name, View: l.view, Lag: behind}
	v.stands = withQuery(path(l.name), chosen)
	for _, key := range keys {
		r, at, err := s.Service.Views().Get(v.Context(), l.view, key, 0)
		shown.Position = max(shown.Position, at)
		if errors.Is(err, deed.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		one, fields, err := l.row(v, r)
		if err != nil {
			return err
		}
		if l.shows(fields, chosen) {
			shown.Rows = append(shown.Rows, one)
		}
	}
	return v.fragment("rows", shown)
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
	if _, err := s.Service.Views().Version(view); err != nil {
		return nowhere(v)
	}
	behind, err := v.reach(view)
	if err != nil {
		return err
	}
	return v.fragment("behind", behind)
}
