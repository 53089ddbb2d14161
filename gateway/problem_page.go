package gateway

import (
	"bytes"
	"cmp"
	_ "embed" // the page's template
	"fmt"
	"html/template"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

var (
	//go:embed problem.html
	problemText string
	problemPage = template.Must(template.New("problem").Parse(problemText))
	htmlAnswer  = []string{htmlType}
)

// ofPage tells whether the call is about a page: its route is one, or, where no route was come to, its path is one's or below.
func (c *Call) ofPage() bool {
	if c.route != nil {
		return c.route.shows()
	}
	g := c.gateway
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.ContainsFunc(g.routes, func(r *Route) bool { return r.shows() && r.above(c.Request.URL.Path) })
}

// shows tells whether the route is something to look at: a Page, or documented to answer with one, as /docs is.
func (r *Route) shows() bool { return r.Page || r.Answers[http.StatusOK] == any(Content(htmlType)) }

// above tells whether a path is at or below what stands in the route's pattern before its first wildcard.
func (r *Route) above(path string) bool {
	fixed, _, _ := strings.Cut(r.Pattern, "{")
	fixed = strings.TrimSuffix(fixed, "/")
	rest, ok := strings.CutPrefix(path, fixed)
	if fixed == "" {
		return path == "/" // a page at the root does not make everything one
	}
	return ok && (rest == "" || rest[0] == '/')
}

// prefersPage tells whether who asks wants a page to look at, as browsers do, at least as much as JSON.
func prefersPage(r *http.Request) bool {
	var page, program float64
	for part := range strings.SplitSeq(strings.Join(r.Header["Accept"], ","), ",") {
		kind, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		weight, err := strconv.ParseFloat(cmp.Or(params["q"], "1"), 64)
		if err != nil {
			continue
		}
		switch kind {
		case "text/html":
			page = max(page, weight)
		case "application/json", problemType[0]:
			program = max(program, weight)
		}
	}
	return page > 0 && page >= program
}

// advice is what a page says of a problem besides its detail: what has happened, and what to do.
type advice struct{ What, Do string }

var adviceOf = map[string]advice{
	"foreign-origin": {"This came from another site", "Open the page here, and do it from there."},
}

var adviceFor = map[int]advice{
	http.StatusBadRequest:            {"This cannot be asked for", "Check the address, or go back."},
	http.StatusUnauthorized:          {"You are not signed in", "Sign in, and load this page again."},
	http.StatusForbidden:             {"You may not do this", "Ask who runs this service to allow it, or sign in as somebody who may."},
	http.StatusNotFound:              {"There is no such page", "Check the address, or go back."},
	http.StatusMethodNotAllowed:      {"This cannot be done here", "Go back, and do it from the page that it belongs to."},
	http.StatusRequestEntityTooLarge: {"This is too much at once", "Go back, and send less."},
	http.StatusMisdirectedRequest:    {"This server does not go by this name", "Open it by a name that it is known by, or tell who runs it."},
	http.StatusTooManyRequests:       {"This was asked too often", "Do it again a little later."},
	http.StatusServiceUnavailable:    {"This cannot be done now", "Do it again a little later."},
	http.StatusGatewayTimeout:        {"This takes longer than it should", "Do it again a little later."},
}

// advised is what to do about a problem.
func advised(p *Problem) advice {
	a, ok := adviceOf[p.Code]
	if !ok {
		a, ok = adviceFor[p.Status]
	}
	switch {
	case ok:
	case p.Status < http.StatusInternalServerError:
		a = advice{"This did not work", "Go back, and change what was asked for."}
	default:
		a = advice{"Something went wrong here", "Do it again a little later; if it stays, tell who runs this service the correlation below."}
	}
	if p.retryAfter > 1 {
		a.Do += fmt.Sprintf(" That is in %d seconds.", p.retryAfter)
	}
	return a
}

// problemData is what the page of a problem shows.
type problemData struct {
	advice
	Service, Detail, Code, Correlation string
	Status                             int
	Again                              bool // it may be loaded again
	Style                              template.CSS
}

// page renders the problem for people.
func (p *Problem) page(c *Call) ([]byte, error) {
	var b bytes.Buffer
	read := c.Request.Method == http.MethodGet || c.Request.Method == http.MethodHead
	passes := p.Status >= http.StatusInternalServerError || p.Status == http.StatusUnauthorized || p.Status == http.StatusTooManyRequests
	err := problemPage.Execute(&b, problemData{
		advice: advised(p), Service: c.gateway.options.Title, Detail: sentence(p.Detail), Code: p.Code, Correlation: c.correlation,
		Status: p.Status, Again: read && passes, Style: template.CSS(docsStyle),
	})
	return b.Bytes(), err
}

// sentence makes a sentence of a detail.
func sentence(detail string) string {
	first, size := utf8.DecodeRuneInString(detail)
	if size == 0 {
		return ""
	}
	text := string(unicode.ToUpper(first)) + detail[size:]
	if !strings.ContainsAny(text[len(text)-1:], ".!?") {
		text += "."
	}
	return text
}
