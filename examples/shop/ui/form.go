package ui

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"os"
	pathpkg "path"
	"slices"
	"strconv"
	"strings"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/gateway"
)

// form is a form as it is shown. Its Key makes a form that is sent twice one command.
type form struct {
	ID     string
	Action string
	Back   string // the page that it stands on
	Key    string
	Submit string
	Title  string // on what unfolds the form; empty: Submit
	About  string // what it is about, for who does not see where it stands; empty: the page
	Fields []field
	Error  string // that is about no field
	Bad    bool   // it was refused
	Kind   string // "" or "danger" or "quiet"
}

// field is an input with its label.
type field struct {
	Name         string
	Label        string
	Hint         string
	Kind         string // text, email, area, select or hidden
	Value        string
	Was          string // what it holds when nobody types
	Tracks       bool   // only what was changed is sent on: Was goes with the form
	Error        string
	Options      []option
	Optional     bool
	InputMode    string
	Autocomplete string

	form *form
}

type option struct {
	Value, Label string
	URL          string
	Current      bool
}

// ID is the field's element.
func (f *field) ID() string { return f.form.ID + "-" + f.Name }

// Described names what says more about the field.
func (f *field) Described() string {
	var ids []string
	if f.Hint != "" {
		ids = append(ids, f.ID()+"-hint")
	}
	if f.Error != "" {
		ids = append(ids, f.ID()+"-error")
	}
	return strings.Join(ids, " ")
}

// Inputs are the fields that somebody sees.
func (f *form) Inputs() []*field {
	var all []*field
	for i := range f.Fields {
		f.Fields[i].form = f
		all = append(all, &f.Fields[i])
	}
	return all
}

// Heading is what the form is called before it is looked at.
func (f *form) Heading() string { return cmp.Or(f.Title, f.Submit) }

// Open tells whether somebody has to look at the form again.
func (f *form) Open() bool { return f.Bad }

// whole is all that is wrong, for where the form itself is not shown.
func (f *form) whole() string {
	if f.Error != "" {
		return f.Error
	}
	for _, field := range f.Fields {
		if field.Error != "" {
			return field.Error
		}
	}
	return "That did not work."
}

// value is what a field holds.
func (f *form) value(name string) string {
	for _, field := range f.Fields {
		if field.Name == name {
			return field.Value
		}
	}
	return ""
}

// changed is what a field holds, if somebody has changed it.
func (f *form) changed(name string) *string {
	for _, field := range f.Fields {
		if field.Name == name && field.Value != field.Was {
			return &field.Value
		}
	}
	return nil
}

// refuse says on the form why it was refused: beside the field at fault, where it has that.
func (f *form) refuse(r refusal) {
	f.Bad = true
	for i := range f.Fields {
		if field := &f.Fields[i]; field.Name == r.Field && field.Kind != "hidden" {
			if r.About {
				r.Detail = field.Label + " " + r.Detail
			}
			field.Error = sentence(r.Detail)
			return
		}
	}
	if r.About && r.Field != "" {
		r.Detail = r.Field + " " + r.Detail
	}
	f.Error = sentence(r.Detail)
}

// form returns f for the page: the one that was sent, where it is this.
func (v *visit) form(f form) *form {
	if v.refused != nil && v.refused.ID == f.ID {
		v.shown = true
		return v.refused
	}
	f.Key, f.Back = deed.NewID(), v.here()
	return &f
}

// here is the page that is shown, without what was just done.
func (v *visit) here() string {
	if v.stands != "" {
		return v.stands
	}
	query := url.Values{}
	for name, values := range v.query {
		if name != "done" && name != "of" {
			query[name] = values
		}
	}
	return withQuery(v.request.URL.EscapedPath(), query)
}

func withQuery(path string, query url.Values) string {
	if len(query) == 0 {
		return path
	}
	return path + "?" + query.Encode()
}

// maxForm is how many bytes a form may have: a description of 100,000 bytes is three times as long in a form.
const maxForm = 1 << 20

// fill reads what was sent of a form.
func (v *visit) fill(f form) (form, error) {
	if v.Request.PostForm == nil {
		if err := v.parseForm(); err != nil {
			return f, err
		}
	}
	sent := v.Request.PostForm
	f.Key, f.Back = sent.Get("key"), back(sent.Get("back"), v.Request.URL.EscapedPath())
	v.stands = f.Back
	if target, err := url.Parse(f.Back); err == nil {
		v.query = target.Query()
	}
	f.Fields = slices.Clone(f.Fields)
	for i := range f.Fields {
		field := &f.Fields[i]
		field.Value = strings.ReplaceAll(sent.Get(field.Name), "\r\n", "\n") // as it was typed, and not as forms are sent
		if field.Tracks {
			field.Was = strings.ReplaceAll(sent.Get("was."+field.Name), "\r\n", "\n")
		}
	}
	return f, nil
}

func (v *visit) parseForm() error {
	kind, _, err := mime.ParseMediaType(v.Request.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return &gateway.Problem{Status: http.StatusUnsupportedMediaType, Code: "unsupported-media-type", Detail: "a form must be application/x-www-form-urlencoded"}
	}
	v.Request.Body = http.MaxBytesReader(v.Writer, v.Request.Body, maxForm)
	err = v.Request.ParseForm()
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return &gateway.Problem{Status: http.StatusRequestEntityTooLarge, Code: "too-large", Detail: fmt.Sprintf("the form has more than %d bytes; go back, and make it shorter", maxForm)}
	case errors.Is(err, os.ErrDeadlineExceeded):
		v.Writer.Header().Set("Connection", "close")
		return &gateway.Problem{Status: http.StatusRequestTimeout, Code: "timeout", Detail: "the form did not come in time; go back, and send it again"}
	case err != nil:
		return &deed.MalformedError{Reason: "the form cannot be read"}
	}
	return nil
}

// back is the page that a form stood on, if it is one of ours; else other.
func back(given, other string) string {
	target, err := url.Parse(given)
	if err != nil || target.Scheme != "" || target.Host != "" || target.User != nil || !ours(target.Path) {
		return other
	}
	return withQuery(target.EscapedPath(), target.Query())
}

func ours(path string) bool {
	clean := pathpkg.Clean(path)
	return path == Home || path == clean && strings.HasPrefix(path, Home)
}

// done is what a form has brought about, for the page behind it to say so.
type done struct {
	what    string // a key of notices
	of      string // the thing that it was about
	to      string // a page other than the form's own; empty: that
	receipt deed.Receipt
}

// submit has a form's command handled, and leads to the page that shows the result; a form that is refused is shown again, on
// a page, with all that was typed and why.
func (v *visit) submit(f form, again func(*visit) error, do func(c Caller) (done, error)) error {
	d, err := do(&posting{visit: v, key: f.Key})
	if err != nil {
		return v.again(f, err, again)
	}
	v.receipts = append(v.receipts, d.receipt)
	v.want = max(v.want, d.receipt.Position)
	to := d.to
	if to == "" {
		to = f.Back
	}
	target, err := url.Parse(to)
	if err != nil {
		return err
	}
	query := target.Query()
	query.Set("done", d.what)
	query.Set("of", d.of)
	target.RawQuery = query.Encode()
	if slices.Contains(v.Request.Header.Values("Prefer"), "return=representation") {
		return v.visitInPlace(target)
	}
	return v.redirect(target.String())
}

// visitInPlace answers with the page that a browser would be led to.
func (v *visit) visitInPlace(target *url.URL) error {
	request, err := http.NewRequestWithContext(v.request.Context(), http.MethodGet, target.String(), http.NoBody)
	if err != nil {
		return err
	}
	v.query, v.stands = target.Query(), ""
	v.site.mux.ServeHTTP(v.Writer, request)
	return v.err
}

// again shows a form that was refused; where its page cannot be shown, what became of the form is said alone.
func (v *visit) again(f form, err error, page func(*visit) error) error {
	r := refusalOf(err)
	if r.Status >= http.StatusInternalServerError {
		v.site.Logger.Error("a form failed", "path", v.Request.URL.Path, "correlation", v.Correlation(), "error", err)
	}
	if !r.Again || f.Key == "" {
		f.Key = deed.NewID()
	}
	f.refuse(r)
	v.refused, v.status = &f, r.Status
	if fault := page(v); fault != nil {
		v.site.Logger.Warn("the page of a form failed", "path", v.Request.URL.Path, "correlation", v.Correlation(), "error", fault)
		return err
	}
	return nil
}

// posting is the caller of a form's commands.
type posting struct {
	*visit
	key string // of the form; empty: none
	ids int
}

// Command is the context of one of the form's commands.
func (p *posting) Command(name string) context.Context {
	ctx := p.Call.Command(name)
	meta := deed.MetaFrom(ctx)
	if p.key == "" || meta.CommandID != "" {
		return ctx
	}
	meta.CommandID = p.hash("command", name)
	return deed.WithMeta(ctx, meta)
}

// NewID makes an id for a thing that the form creates.
func (p *posting) NewID() string {
	if p.key == "" {
		return p.Call.NewID()
	}
	p.ids++
	return p.hash("id", strconv.Itoa(p.ids))
}

func (p *posting) hash(kind, name string) string {
	return deed.HashID("ui", kind, p.Actor(), p.Request.URL.Path, p.key, name)
}

// send sends a command as everybody else does: by its name and its JSON form.
func (s *site) send(ctx context.Context, command deed.Effect) (deed.Receipt, error) {
	body, err := deed.EncodeJSON(command.Command())
	if err != nil {
		return deed.Receipt{}, err
	}
	return s.Service.Dispatch(ctx, command.Stream(), command.Command().CommandType(), body)
}
