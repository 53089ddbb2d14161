package ui

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	pathpkg "path"
	"strings"

	"github.com/deed-es/deed"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed assets
var assetFiles embed.FS

// page is what every page has, and what it shows.
type page struct {
	Title   string
	Section string // that it belongs to, by its path
	Content string // the template of what it shows
	Data    any
	Notice  *notice
	View    string // of the thing that the page is about; empty: it is about no thing
	Key     string

	Theme    string
	Here     string // the page itself
	Edition  string
	Sections []section
	Main     template.HTML
}

// section is an entry of the navigation.
type section struct{ Path, Label string }

var sections = []section{
	{"orders", "Orders"},
	{"confirmations", "Confirmations"},
	{"customers", "Customers"},
	{"users", "Users"},
	{"campaigns", "Campaigns"},
	{"mailbox", "Mailbox"},
	{"about", "About"},
}

// notice says what became of the last form.
type notice struct {
	Bad       bool
	Text      string
	URL, Link string
}

// notices are what a page can say was done.
var notices = map[string]notice{
	"placed":     {Text: "The order is placed.", URL: "orders", Link: "Look at it"},
	"priced":     {Text: "The order has its value.", URL: "orders", Link: "Look at it"},
	"confirmed":  {Text: "The order is confirmed.", URL: "orders", Link: "Look at it"},
	"cancelled":  {Text: "The order is cancelled.", URL: "orders", Link: "Look at it"},
	"renamed":    {Text: "The customer is changed.", URL: "customers", Link: "Look at it"},
	"permission": {Text: "What the customer says about mail is noted.", URL: "customers", Link: "Look at it"},
	"user":       {Text: "The user is created.", URL: "users", Link: "Look at it"},
	"updated":    {Text: "The user is changed.", URL: "users", Link: "Look at it"},
	"deleted":    {Text: "The user is deleted.", URL: "users", Link: "Look at it"},
	"campaign":   {Text: "The campaign is created. Nothing is sent before it is started.", URL: "campaigns", Link: "Look at it"},
	"started":    {Text: "The campaign is started.", URL: "campaigns", Link: "Look at it"},
}

// fits tells whether the notice is about something that is done on a page: anybody can make an address that says otherwise.
func (n notice) fits(page string) bool {
	section, _, _ := strings.Cut(strings.TrimPrefix(page, Home), "/")
	if section == "" || section == "confirmations" { // where orders are placed and decided about too
		section = "orders"
	}
	return section == n.URL
}

func (v *visit) notice() *notice {
	of := v.query.Get("of")
	n, ok := notices[v.query.Get("done")]
	if !ok || deed.ValidID(of) != nil || !n.fits(v.request.URL.Path) {
		return &notice{}
	}
	if path(n.URL, of) != v.request.URL.EscapedPath() {
		n.URL = path(n.URL, of)
	} else {
		n.URL = "" // it is this page, or there is none
	}
	return &n
}

// path is where a page stands.
func path(words ...string) string {
	escaped := make([]string, len(words))
	for i, word := range words {
		escaped[i] = url.PathEscape(word)
	}
	return Home + strings.Join(escaped, "/")
}

// pages are the templates.
type pages struct{ all *template.Template }

func newPages() *pages {
	p := &pages{}
	functions := template.FuncMap{
		"path": path, "element": element, "when": when, "euros": euros, "dollars": dollars, "count": count, "address": address, "unknown": func() string { return unknown }, "many": many, "short": short, "isLong": isLong, "raw": raw,
		"row": func(list string, r row) (template.HTML, error) { return p.part(list+"-row", r) },
	}
	p.all = template.Must(template.New("ui").Funcs(functions).ParseFS(templateFiles, "templates/*.html"))
	return p
}

func (p *pages) render(w io.Writer, name string, data any) error {
	return p.all.ExecuteTemplate(w, name, data)
}

// part is a template as part of another.
func (p *pages) part(name string, data any) (template.HTML, error) {
	var text strings.Builder
	err := p.render(&text, name, data)
	return trusted(text.String()), err
}

// trusted is what a template of ours has made, where all that people typed is escaped already.
func trusted(html string) template.HTML {
	return template.HTML(html) //nolint:gosec // see above
}

// edition names the assets' content: a browser keeps them until it changes.
var edition = func() string {
	sum := sha256.New()
	err := fs.WalkDir(assetFiles, "assets", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := assetFiles.ReadFile(path)
		sum.Write(data)
		return err
	})
	if err != nil {
		panic(err) // embedded files can be read
	}
	return hex.EncodeToString(sum.Sum(nil))[:16]
}()

// asset answers with a style sheet, a script or a picture.
func (s *site) asset(v *visit) error {
	file := v.request.PathValue("file")
	data, err := assetFiles.ReadFile("assets/" + file)
	if err != nil {
		return nowhere(v)
	}
	if v.request.PathValue("edition") == edition {
		v.Writer.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	kind := mime.TypeByExtension(pathpkg.Ext(file))
	switch pathpkg.Ext(file) { // what the machine says may differ
	case ".js":
		kind = "text/javascript; charset=utf-8"
	case ".css":
		kind = "text/css; charset=utf-8"
	case ".svg":
		kind = "image/svg+xml"
	}
	return v.write(http.StatusOK, kind, data)
}

// themes are how pages can look; the first is as the system says.
var themes = []string{"auto", "light", "dark"}

func (v *visit) theme() string {
	cookie, err := v.Request.Cookie("theme")
	for _, theme := range themes {
		if err == nil && cookie.Value == theme {
			return theme
		}
	}
	return themes[0]
}

// setTheme keeps how pages are to look, where no script does.
func (s *site) setTheme(v *visit) error {
	if err := v.parseForm(); err != nil {
		return err
	}
	sent := v.Request.PostForm
	for _, theme := range themes {
		if sent.Get("theme") == theme {
			http.SetCookie(v.Writer, &http.Cookie{Name: "theme", Value: theme, Path: Home, MaxAge: 365 * 24 * 60 * 60, SameSite: http.SameSiteLaxMode})
		}
	}
	return v.redirect(back(sent.Get("back"), Home))
}
