package ui

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/gateway"
)

// visit is one request for a page, or of a form.
type visit struct {
	*gateway.Call
	site     *site
	request  *http.Request // the call's, with the path values of the page
	query    url.Values    // of the page that is shown
	want     deed.Position // what the page must know of
	refused  *form         // the form that was sent, where it is shown again
	shown    bool          // the refused form is on the page
	stands   string        // the page that a fragment is for
	late     bool          // a view was waited for in vain: no other is
	status   int           // 0: 200
	receipts []deed.Receipt
	err      error
}

type visitKey struct{}

// takePosition reads what the visitor knows of: the header Deed-Position, or the cookie that commands set. What is of no use
// here is passed over, as the gateway passes over such a cookie.
func (v *visit) takePosition() error {
	given := v.Request.Header.Get("Deed-Position")
	if cookie, err := v.Request.Cookie("Deed-Position"); given == "" && err == nil {
		given = cookie.Value
	}
	if given == "" {
		return nil
	}
	head, err := v.site.Service.Head(v.Context())
	if err != nil {
		return err
	}
	if want := v.ownPosition(given); want <= head {
		v.want = want
	}
	return nil
}

func (v *visit) ownPosition(given string) deed.Position {
	if n, err := strconv.ParseInt(given, 10, 64); err == nil {
		return deed.Position(n)
	}
	own := v.site.Service.Info()
	for text := range strings.SplitSeq(given, ",") {
		t, err := gateway.ParseToken(strings.TrimSpace(text))
		if err == nil && t.Log == own.ID && t.Incarnation == own.Incarnation {
			return t.Position
		}
	}
	return 0
}

const (
	patience = 2 * time.Second        // for what the visitor wrote
	glance   = 200 * time.Millisecond // for what others wrote a moment ago
)

// lag is how far behind the log a page is.
type lag struct {
	View   string
	Events deed.Position
	State  string // of the view, where it is behind
}

// reach waits until a view has what the visitor knows of, and for a moment until it has all that there is. It returns how far
// behind the view is still: an old page is better than none, as long as it says so.
func (v *visit) reach(view string) (lag, error) {
	head, err := v.site.Service.Head(v.Context())
	if err != nil {
		return lag{}, err
	}
	behind := lag{View: view}
	for _, step := range []struct {
		position deed.Position
		within   time.Duration
	}{{v.want, patience}, {head, glance}} {
		at, err := v.position(view, step.position, step.within)
		if err != nil {
			return lag{}, err
		}
		behind.Events = max(0, head-at)
	}
	if behind.Events == 0 {
		return behind, nil
	}
	behind.State, err = v.stateOf(view)
	return behind, err
}

// position returns how far a view has come, once it has reached a position or the time is over.
func (v *visit) position(view string, reach deed.Position, within time.Duration) (deed.Position, error) {
	views := v.site.Service.Views()
	at, err := views.Position(v.Context(), view, 0)
	if err != nil || at >= reach || v.late {
		return at, err
	}
	ctx, cancel := context.WithTimeout(v.Context(), within)
	defer cancel()
	at, err = views.Position(ctx, view, reach)
	if errors.Is(err, deed.ErrBehind) && v.Context().Err() == nil {
		v.late = within == patience
		err = nil
	}
	return at, err
}

func (v *visit) stateOf(view string) (string, error) {
	status, err := v.site.Service.Status(v.Context())
	if err != nil {
		return "", err
	}
	state := ""
	for _, part := range status.Parts {
		if part.Name == view && (state == "" || part.Read) { // of several versions the one that is read
			state = part.State
		}
	}
	return state, nil
}

// pathID is the id in the page's path.
func (v *visit) pathID() (string, error) {
	id := v.request.PathValue("id")
	if deed.ValidID(id) != nil {
		return "", missing("there is no such thing")
	}
	return id, nil
}

// only refuses a query string with parameters that the page does not know.
func (v *visit) only(names ...string) error {
	known := map[string]bool{"done": true, "of": true}
	for _, name := range names {
		known[name] = true
	}
	for name := range v.query {
		if !known[name] {
			return &gateway.Problem{Status: http.StatusBadRequest, Code: "bad-query", Detail: fmt.Sprintf("%.80q is nothing that this page can be asked for", name)}
		}
	}
	return nil
}

// show answers with a page, or with one that holds a form which was refused.
func (v *visit) show(p page) error {
	status := v.status
	if status == 0 {
		status = http.StatusOK
	}
	p.Theme, p.Here, p.Sections, p.Edition = v.theme(), v.here(), sections, edition
	if p.Notice == nil {
		p.Notice = v.notice()
	}
	var main, whole bytes.Buffer
	if err := v.site.pages.render(&main, p.Content, p.Data); err != nil {
		return err
	}
	p.Main = trusted(main.String())
	if v.refused != nil && !v.shown {
		p.Notice = &notice{Bad: true, Text: v.refused.whole()}
	}
	if err := v.site.pages.render(&whole, "layout", p); err != nil {
		return err
	}
	return v.write(status, contentType, whole.Bytes())
}

// fragment answers with a part of a page.
func (v *visit) fragment(name string, data any) error {
	var part bytes.Buffer
	if err := v.site.pages.render(&part, name, data); err != nil {
		return err
	}
	return v.write(http.StatusOK, contentType, part.Bytes())
}

func (v *visit) write(status int, kind string, body []byte) error {
	h := v.Writer.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "private, no-cache") // and not no-store: a browser that goes back then still has what was typed
	}
	if err := v.Reply(status, nil, v.receipts...); err != nil {
		return err
	}
	_, _ = v.Writer.Write(body) // who does not get it has gone
	return nil
}

func (v *visit) redirect(to string) error {
	v.Writer.Header().Set("Location", to)
	return v.Reply(http.StatusSeeOther, nil, v.receipts...)
}

// fault turns an error into a page for people; programs get the gateway's problem.
func (v *visit) fault(err error) error {
	if err == nil || !WantsPage(v.Request) {
		return err
	}
	r := refusalOf(err)
	if r.Status >= http.StatusInternalServerError {
		v.site.Logger.Error("a page failed", "path", v.Request.URL.Path, "correlation", v.Correlation(), "error", err)
	}
	if v.request.Method != http.MethodPost && r.Page != "" {
		r.Detail = r.Page
	}
	v.status, v.refused = r.Status, nil
	return v.show(page{
		Title: faultTitle(r.Status), Content: "fault", Notice: &notice{},
		Data: map[string]any{"Status": r.Status, "Title": faultTitle(r.Status), "Detail": sentence(r.Detail), "Correlation": v.Correlation(), "Here": v.Request.URL.Path},
	})
}

func faultTitle(status int) string {
	switch {
	case status == http.StatusNotFound:
		return "Not found"
	case status < http.StatusInternalServerError:
		return "That did not work"
	}
	return "Something went wrong here"
}
