package console

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"html/template"
	"net/http"
	"strconv"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/gateway"
)

//go:embed templates/*.html
var templateFiles embed.FS

// layouts holds, for each page, its template together with those that all share.
var layouts = parseLayouts()

var pageNames = []string{
	"overview", "log", "record", "causes", "streams", "stream", "sides", "map", "views", "rows", "row", "processes", "process", "instance",
	"parked", "store", "fleet", "compare", "confirm", "error",
}

func parseLayouts() map[string]*template.Template {
	shared := template.Must(template.New("").Funcs(functions).ParseFS(templateFiles, "templates/layout.html", "templates/shared.html"))
	all := map[string]*template.Template{}
	for _, name := range pageNames {
		all[name] = template.Must(template.Must(shared.Clone()).ParseFS(templateFiles, "templates/"+name+".html"))
	}
	return all
}

// policy lets pages have the console's own style, script and images, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'"

// sheet is what a page shows: what all pages have, and Body, which is its own.
type sheet struct {
	Title   string // of the page
	Service string
	Home    string
	Area    string // which entry of the menu it belongs to
	Theme   string // "light" or "dark"; empty: what the browser prefers
	Style   string // address
	Script  string
	Head    deed.Position
	Alerts  string // how much wants to be looked at; empty: nothing does
	Fleet   bool   // the service is one of several that share its log
	Now     time.Time
	Body    any
}

// content is what a page's own function returns.
type content struct {
	title string
	area  string
	body  any
	to    string // where to go instead; empty: it is shown
}

// page is the handler of a page.
func (c *console) page(name string, show func(*gateway.Call) (content, error)) func(*gateway.Call) error {
	return func(call *gateway.Call) error {
		own, err := show(call)
		if err != nil {
			return c.failed(call, err)
		}
		if own.to != "" {
			return redirect(call, own.to)
		}
		return c.show(call, http.StatusOK, name, own)
	}
}

// show answers with a page.
func (c *console) show(call *gateway.Call, status int, name string, own content) error {
	s := sheet{
		Title: own.title, Service: c.title, Home: c.home, Area: own.area, Style: styleAddress, Script: scriptAddress,
		Now: time.Now().UTC(), Body: own.body,
	}
	if cookie, err := call.Request.Cookie(themeCookie); err == nil && (cookie.Value == "light" || cookie.Value == "dark") {
		s.Theme = cookie.Value
	}
	if parts, err := c.meter.status(call.Context(), c.service); err == nil {
		s.Head, s.Alerts = parts.Head, alertsText(alerts(parts, c.meter.inFleet()))
	}
	s.Fleet = c.meter.inFleet()
	var page bytes.Buffer
	if err := layouts[name].ExecuteTemplate(&page, "layout", s); err != nil {
		return err
	}
	h := call.Writer.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(page.Len()))
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "same-origin") // with no-referrer, browsers send forms with "Origin: null" where there is no TLS
	h.Set("Cache-Control", "no-store")
	call.Writer.WriteHeader(status)
	_, _ = call.Writer.Write(page.Bytes()) // who does not get it has gone
	return nil
}

const themeCookie = "deed-console-theme"

// failure is what the page of an error says.
type failure struct {
	Status      int
	What        string // in a sentence
	Detail      string
	Do          string // what to do about it
	Correlation string
	To          []place
}

// place is somewhere to go on from a page that has nothing to show.
type place struct{ Name, Address string }

// failed answers with a page that says what went wrong.
func (c *console) failed(call *gateway.Call, err error) error {
	f := failureOf(err)
	f.Correlation = call.Correlation()
	if f.Status >= http.StatusInternalServerError && call.Request.Context().Err() == nil {
		c.logger.Error("a page of the console failed", "path", call.Request.URL.Path, "correlation", f.Correlation, "error", err)
	}
	return c.show(call, f.Status, "error", content{title: f.What, body: f})
}

// missing is an error about something that is not there, and what to do.
type missing struct {
	what, do string
	to       []place
}

func (m *missing) Error() string { return m.what }

// Is makes errors.Is(err, deed.ErrNotFound) true.
func (m *missing) Is(target error) bool { return target == deed.ErrNotFound } //nolint:errorlint // this is what Is is for

// Error makes a page that says what went wrong an error.
func (f *failure) Error() string { return f.What }

func failureOf(err error) failure {
	var own *failure
	var gone *missing
	var invalid *deed.InvalidError
	switch {
	case errors.As(err, &own):
		return *own
	case errors.As(err, &gone):
		return failure{Status: http.StatusNotFound, What: gone.what, Do: gone.do, To: gone.to}
	case errors.As(err, &invalid):
		return failure{Status: http.StatusUnprocessableEntity, What: "This cannot be done", Detail: invalid.Error(), Do: "Go back and change what was asked for."}
	case errors.Is(err, deed.ErrNotFound):
		return failure{Status: http.StatusNotFound, What: "There is nothing here", Detail: err.Error(), Do: "It may be gone by now. Go back to the list, or look for it in the log."}
	case errors.Is(err, deed.ErrCursor):
		return failure{Status: http.StatusBadRequest, What: "This page of the list is no more", Do: "The view was made anew, or the list is another. Begin with its first page."}
	case errors.Is(err, deed.ErrReused):
		return failure{Status: http.StatusConflict, What: "This was said before", Detail: err.Error(), Do: "Go back, reload the page, and say it once more if it still is to be done."}
	case errors.Is(err, deed.ErrConflict):
		return failure{Status: http.StatusConflict, What: "Somebody else was first", Detail: err.Error(), Do: "Go back, look at what was done meanwhile, and say it once more if it still is to be done."}
	case errors.Is(err, deed.ErrElsewhere):
		return failure{Status: http.StatusServiceUnavailable, What: "This node does not do this", Detail: err.Error(), Do: "Ask the console of a node that has the role."}
	case errors.Is(err, deed.ErrUnknown):
		return failure{Status: http.StatusServiceUnavailable, What: "Whether this was stored is not known", Detail: err.Error(), Do: "Reload the page in a moment: what was said is done once, however often it is sent."}
	case errors.Is(err, deed.ErrUnavailable), errors.Is(err, deed.ErrClosed), errors.Is(err, deed.ErrBusy), errors.Is(err, deed.ErrLocked),
		errors.Is(err, deed.ErrReadOnly), errors.Is(err, context.DeadlineExceeded):
		return failure{Status: http.StatusServiceUnavailable, What: "The store does not answer this now", Detail: err.Error(), Do: "Reload the page in a moment."}
	}
	return failure{Status: http.StatusInternalServerError, What: "This page could not be made", Detail: err.Error(), Do: "Reload the page. If it stays, the service's log has more under the correlation below."}
}
