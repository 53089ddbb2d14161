// Package ui is the shop's pages for people: server-rendered, live through GET /api/changes, and of use without JavaScript.
// What a form asks for goes the way of every other command.
package ui

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/mail"
	"github.com/deed-es/deed/examples/shop/money"
	"github.com/deed-es/deed/gateway"
)

// Shop is what the pages show and act upon.
type Shop struct {
	Service *deed.Service
	// Place places an order, and registers the customer if need be.
	Place func(c Caller, o Order) (id string, receipt deed.Receipt, err error)
	// Text is the index of what orders say; nil where there is none, and orders cannot be searched.
	Text *Text
	// Mailbox is where mail is to be seen; nil where it goes to a mail server.
	Mailbox *mail.Mailbox
	// Logger gets what goes wrong behind a page; nil: nothing is logged.
	Logger *slog.Logger
}

// Caller is who a form is handled for. A form that is sent twice makes the same ids and command ids.
type Caller interface {
	Context() context.Context
	Command(name string) context.Context
	NewID() string
}

// Order is an order as somebody types it in.
type Order struct {
	Description string
	Quantity    int
	Email       string
	FirstName   string
	LastName    string
	Value       money.Amount // 0: to be priced
}

// Home is where the pages begin.
const Home = "/ui/"

// contentType is that of pages.
const contentType = "text/html; charset=utf-8"

// Routes returns the routes of the pages.
func Routes(shop Shop) []gateway.Route {
	if shop.Logger == nil {
		shop.Logger = slog.New(slog.DiscardHandler)
	}
	s := newSite(shop)
	var routes []gateway.Route
	for _, pattern := range slices.Sorted(maps.Keys(s.shows())) {
		method, path, _ := strings.Cut(pattern, " ")
		routes = append(routes, gateway.Route{Method: method, Pattern: path, Summary: "the shop's pages", Page: true, Handle: s.handle})
	}
	return routes
}

// WantsPage tells whether a request is a browser's, for something to look at.
func WantsPage(r *http.Request) bool {
	for _, accept := range r.Header.Values("Accept") {
		if strings.Contains(accept, "text/html") {
			return true
		}
	}
	return false
}

// site is the pages with what they are made of.
type site struct {
	Shop
	mux   *http.ServeMux
	pages *pages
}

func newSite(shop Shop) *site {
	s := &site{Shop: shop, mux: http.NewServeMux(), pages: newPages()}
	for pattern, show := range s.shows() {
		s.mux.HandleFunc(pattern, func(_ http.ResponseWriter, r *http.Request) {
			v, _ := r.Context().Value(visitKey{}).(*visit)
			v.request = r
			v.err = v.fault(show(v))
		})
	}
	return s
}

// shows is what is shown, or done, at each path.
func (s *site) shows() map[string]func(*visit) error {
	return map[string]func(*visit) error{
		"GET /ui/{$}":                      s.overview,
		"GET /ui/about":                    s.about,
		"GET /ui/mailbox":                  s.mailbox,
		"GET /ui/orders":                   func(v *visit) error { return s.listPage(v, orderList) },
		"GET /ui/orders/{id}":              s.order,
		"POST /ui/orders":                  s.placeOrder,
		"POST /ui/orders/{id}/price":       s.priceOrder,
		"POST /ui/orders/{id}/confirm":     s.confirmOrder,
		"POST /ui/orders/{id}/cancel":      s.cancelOrder,
		"GET /ui/confirmations":            func(v *visit) error { return s.listPage(v, requestList) },
		"GET /ui/customers":                func(v *visit) error { return s.listPage(v, customerList) },
		"GET /ui/customers/{id}":           s.customer,
		"POST /ui/customers/{id}/rename":   s.renameCustomer,
		"POST /ui/customers/{id}/permit":   s.permitMail,
		"GET /ui/users":                    func(v *visit) error { return s.listPage(v, userList) },
		"GET /ui/users/{id}":               s.user,
		"POST /ui/users":                   s.createUser,
		"POST /ui/users/{id}/update":       s.updateUser,
		"POST /ui/users/{id}/delete":       s.deleteUser,
		"GET /ui/campaigns":                func(v *visit) error { return s.listPage(v, campaignList) },
		"GET /ui/campaigns/{id}":           s.campaign,
		"POST /ui/campaigns":               s.createCampaign,
		"POST /ui/campaigns/{id}/start":    s.startCampaign,
		"POST /ui/theme":                   s.setTheme,
		"GET /ui/rows/{list}":              s.rows,
		"GET /ui/behind/{view}":            s.behind,
		"GET /ui/assets/{edition}/{file}":  s.asset,
		"GET /ui/{section}/{id}/{command}": toThing,
		"GET /ui/{path...}":                nowhere,
	}
}

// policy lets a page run and show what comes from here, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// handle answers what is below Home.
func (s *site) handle(c *gateway.Call) error {
	h := c.Writer.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	v := &visit{Call: c, site: s, query: c.Request.URL.Query()}
	if err := v.takePosition(); err != nil {
		return err
	}
	s.mux.ServeHTTP(c.Writer, c.Request.WithContext(context.WithValue(c.Request.Context(), visitKey{}, v)))
	return v.err
}

// nowhere answers for pages that there are not.
func nowhere(*visit) error {
	return missing("there is no such page")
}

// toThing leads who reloads the answer to a form to the thing that the form was about.
func toThing(v *visit) error {
	section, id := v.request.PathValue("section"), v.request.PathValue("id")
	switch section {
	case "orders", "customers", "users", "campaigns":
		return v.redirect(path(section, id))
	}
	return nowhere(v)
}

func missing(detail string) error {
	return &gateway.Problem{Status: http.StatusNotFound, Code: "not-found", Detail: detail}
}
