package console_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/console"
	"github.com/deed-es/deed/deedtest"
	"github.com/deed-es/deed/examples/cart"
	"github.com/deed-es/deed/gateway"
)

// site is a service with its console, in front of which a browser could stand.
type site struct {
	*deedtest.Service
	t       *testing.T
	url     string
	gateway *gateway.Gateway
}

const patience = 2 * time.Minute

func open(t *testing.T, o *gateway.Options, parts ...deed.Part) *site {
	t.Helper()
	s := &site{Service: deedtest.Serve(t, parts...), t: t}
	s.Settle() // all parts run
	s.mount(o)
	return s
}

// over makes a site of a service that somebody else runs, or nobody.
func over(t *testing.T, service *deed.Service, o *gateway.Options) *site {
	t.Helper()
	s := &site{Service: &deedtest.Service{Service: service}, t: t}
	s.mount(o)
	return s
}

// mount has the site answer.
func (s *site) mount(o *gateway.Options) {
	t := s.t
	t.Helper()
	gw, err := gateway.New(s.Service.Service, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := gw.Handle(console.Routes(s.Service.Service, &console.Options{Title: "Carts & Co"})...); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gw)
	t.Cleanup(server.Close)
	t.Cleanup(gw.Stop)
	s.url, s.gateway = server.URL, gw
}

// Context is the test's, bounded so that nothing hangs.
func (s *site) Context() context.Context {
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	s.t.Cleanup(cancel)
	return ctx
}

// send sends a command, and fails the test if it is not handled.
func (s *site) send(command deed.Effect) deed.Receipt {
	s.t.Helper()
	receipt, err := s.Dispatch(s.Context(), command.Stream(), command.Command().CommandType(), encode(s.t, command.Command()))
	if err != nil {
		s.t.Fatal(err)
	}
	return receipt
}

// page is what was answered.
type page struct {
	*http.Response
	text string
}

func (s *site) ask(method, path string, header ...string) page {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return page{answer, string(text)}
}

// get asks for a page, which must be answered with a status, and be a page as all have to be.
func (s *site) get(status int, path string) page {
	s.t.Helper()
	p := s.ask("GET", path)
	if p.StatusCode != status {
		s.t.Errorf("GET %s: %d, want %d: %.400s", path, p.StatusCode, status, p.text)
	}
	if strings.HasPrefix(p.Header.Get("Content-Type"), "text/html") {
		for _, fault := range faultsOf(p.text) {
			s.t.Errorf("GET %s: %s", path, fault)
		}
	}
	if referrer := p.Header.Get("Referrer-Policy"); referrer != "" && referrer != "same-origin" {
		s.t.Errorf("GET %s: with the policy %q for referrers, browsers would not say where a form comes from", path, referrer)
	}
	if policy := p.Header.Get("Content-Security-Policy"); policy != wantPolicy {
		s.t.Errorf("GET %s: the policy is %q", path, policy)
	}
	return p
}

const wantPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'"

func (p page) has(t *testing.T, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(p.text, w) {
			t.Errorf("%s does not have %q:\n%s", p.Request.URL, w, body(p.text))
		}
	}
}

func (p page) hasNot(t *testing.T, words ...string) {
	t.Helper()
	for _, w := range words {
		if strings.Contains(p.text, w) {
			t.Errorf("%s has %q", p.Request.URL, w)
		}
	}
}

// body is a page without what all pages have.
func body(text string) string {
	if _, main, ok := strings.Cut(text, "<main"); ok {
		return main[:min(len(main), 1500)]
	}
	return text[:min(len(text), 1500)]
}

// The parts of these tests beside the cart's.

// gift puts something into every cart that is opened.
var gift = deed.Reactor[cart.Event]{
	Name: "gift", Events: []cart.Event{cart.Opened{}},
	React: func(_ context.Context, r deed.Recorded[cart.Event], _ string) ([]deed.Effect, error) {
		return []deed.Effect{cart.Decider.Send(r.Stream.ID(), cart.AddItem{SKU: "gift"})}, nil
	},
}

// upsell asks for something of a cart that is not there, and is refused.
var upsell = deed.Process[int, cart.Event]{
	Name: "upsell", Events: []cart.Event{cart.CheckedOut{}},
	Key:    func(r deed.Recorded[cart.Event]) string { return r.Stream.ID() },
	Evolve: func(n int, _ deed.Recorded[cart.Event]) int { return n + 1 },
	React: func(int, deed.Recorded[cart.Event]) []deed.Effect {
		return []deed.Effect{cart.Decider.Send("nowhere", cart.AddItem{SKU: "more"})}
	},
}

// sums is a view of sums by owner that breaks on what it is told to break on.
func sums(broken *atomic.Bool) deed.Projection[sum, cart.Event] {
	return deed.Projection[sum, cart.Event]{
		Name: "sums", Events: cart.Events, Index: []string{"cart", "items"},
		Key: func(r deed.Recorded[cart.Event]) string { return "sum:" + r.Stream.ID() },
		Evolve: func(s sum, r deed.Recorded[cart.Event]) sum {
			s.Cart = r.Stream.ID()
			if item, ok := r.Event.(cart.ItemAdded); ok {
				if item.SKU == "broken" && broken.Load() {
					panic(errors.New("cannot add <b>this</b>"))
				}
				s.Items++
			}
			return s
		},
	}
}

type sum struct {
	Cart  string `json:"cart"`
	Items int    `json:"items"`
}

// carts is a service with carts that have seen everything.
func carts(t *testing.T, o *gateway.Options) (*site, *atomic.Bool) {
	t.Helper()
	broken := new(atomic.Bool)
	broken.Store(true)
	s := open(t, o, cart.Decider, cart.Summaries, sums(broken), cart.Reminders, gift, upsell)
	ctx := deed.WithMeta(s.Context(), deed.Meta{Actor: "ann <admin>", Correlation: "corr-1"})
	for _, command := range []deed.Effect{
		cart.Decider.Send("1", cart.Open{Owner: script}), cart.Decider.Send("2", cart.Open{Owner: "bob"}), cart.Decider.Send("1", cart.AddItem{SKU: "broken"}),
		cart.Decider.Send("2", cart.AddItem{SKU: odd}), cart.Decider.Send("2", cart.CheckOut{}),
	} {
		if _, err := s.Dispatch(ctx, command.Stream(), command.Command().CommandType(), encode(t, command.Command())); err != nil {
			t.Fatal(err)
		}
		s.settle() // so that the gift is in the cart before anything else
	}
	return s, broken
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	text, err := deed.EncodeJSON(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// settle is Settle where something may be parked.
// comesToHave waits until a page has a text.
func (s *site) comesToHave(path, text string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	defer cancel()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for !strings.Contains(s.get(200, path).text, text) {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			s.t.Fatalf("%s does not come to have %s", path, text)
		}
	}
}

func (s *site) settle() {
	s.t.Helper()
	if err := s.Service.Service.Settle(s.Context()); err != nil {
		s.t.Fatal(err)
	}
}

const (
	script = `<script>alert("x")</script>`
	odd    = "مرحبا \u202e 🫖 'quoted' & \"said\" </td>"
)
