package console_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/console"
	"github.com/deed-es/deed/deedtest"
	"github.com/deed-es/deed/examples/cart"
	"github.com/deed-es/deed/gateway"
	"github.com/deed-es/deed/sqlite"
)

// picky is a store that, as databases do, takes no text that is not UTF-8 or has control characters, and may be away or slow.
type picky struct {
	*sqlite.DB
	fault  atomic.Pointer[error] // what it says to everything; nil: it is there
	listed time.Duration         // how long a page of rows takes
}

func (p *picky) takes(texts ...string) error {
	for _, text := range texts {
		if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
			return fmt.Errorf("invalid byte sequence in %q", text)
		}
	}
	return nil
}

func (p *picky) Head(ctx context.Context) (deed.Position, error) {
	if fault := p.fault.Load(); fault != nil {
		return 0, *fault
	}
	return p.DB.Head(ctx)
}

func (p *picky) PartStates(ctx context.Context, part, after string, limit int) ([]deed.StateChange, error) {
	if err := p.takes(part, after); err != nil {
		return nil, err
	}
	return p.DB.PartStates(ctx, part, after, limit)
}

func (p *picky) PartParked(ctx context.Context, part, after string, limit int) ([]deed.ParkedKey, error) {
	if err := p.takes(part, after); err != nil {
		return nil, err
	}
	return p.DB.PartParked(ctx, part, after, limit)
}

func (p *picky) Streams(ctx context.Context, category string, after deed.StreamID, limit int) ([]deed.StreamSummary, error) {
	if err := p.takes(category, string(after)); err != nil {
		return nil, err
	}
	return p.DB.Streams(ctx, category, after, limit)
}

func (p *picky) ListRows(ctx context.Context, view deed.ViewRef, q deed.RowQuery) ([]deed.Row, deed.Position, error) {
	select {
	case <-time.After(p.listed):
	case <-ctx.Done():
	}
	return p.DB.ListRows(ctx, view, q)
}

// on makes a site of parts over a picky store, which runs.
func on(t *testing.T, cfg deed.Config, parts ...deed.Part) (*site, *picky) {
	t.Helper()
	db, err := sqlite.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	store := &picky{DB: db}
	cfg.Store, cfg.Views = store, store
	service, err := deed.NewService(cfg, parts...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- service.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-stopped
	})
	return over(t, service, nil), store
}

// An instance's key may end in any character, and what stands in an address is looked at before a store is asked for it.
func TestAStoreThatTakesCleanTextOnly(t *testing.T) {
	s, _ := on(t, deed.Config{}, cart.Decider, cart.Summaries, cart.Reminders, upsell)
	for _, id := range []string{"é", "茶", "🫖", "x"} {
		s.send(cart.Decider.Send(id, cart.Open{Owner: "ann"}))
		s.send(cart.Decider.Send(id, cart.AddItem{SKU: "tea"}))
		s.send(cart.Decider.Send(id, cart.CheckOut{}))
	}
	s.settle()
	for _, id := range []string{"%C3%A9", "%E8%8C%B6", "%F0%9F%AB%96", "x"} {
		p := s.get(200, "/console/processes/upsell/"+id)
		p.has(t, `id="state"`)
	}
	for _, bad := range []string{"%00", "%ff", "a%0Ab", "a%7F"} {
		for _, path := range []string{
			"/streams?find=" + bad + "x", "/streams?find=cart-" + bad + "x", "/streams?after=" + bad, "/processes/upsell?after=" + bad, "/parked?part=upsell&after=" + bad,
		} {
			s.get(422, "/console"+path)
		}
	}
	for _, bad := range []string{"%00", "a%2Fb", ".."} {
		s.get(422, "/console/views/cart-summaries?key="+bad)
		s.get(200, "/console/processes/upsell?find=x"+bad+"/").has(t, `id="no-key"`, "is the key of no instance", `id="find" name="find" value="x`)
	}
}

// A store that is away, or does not say, is nobody's fault: the page says so, and when to come again.
func TestPagesWhileTheStoreIsAway(t *testing.T) {
	db, err := sqlite.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	store := &picky{DB: db}
	service, err := deed.NewService(deed.Config{Store: store, Views: store}, cart.Decider)
	if err != nil {
		t.Fatal(err)
	}
	s := over(t, service, nil)
	for _, c := range []struct {
		err    error
		status int
		says   string
	}{
		{deed.ErrUnavailable, 503, "does not answer this now"},
		{deed.ErrClosed, 503, "does not answer this now"},
		{deed.ErrUnknown, 503, "is not known"},
		{context.DeadlineExceeded, 503, "in a moment"},
		{errors.New("broken"), 500, "could not be made"},
	} {
		fault := fmt.Errorf("read the head: %w", c.err)
		store.fault.Store(&fault)
		s.get(c.status, "/console/log").has(t, c.says)
	}
}

// The page of a comparison comes however long that takes, where a server gives less time to others.
func TestLongComparison(t *testing.T) {
	const bound = 20 * time.Millisecond
	next := cart.Summaries
	next.Version = 2
	s, store := on(t, deed.Config{}, cart.Decider, cart.Summaries, next)
	s.settle()
	store.listed = 10 * bound
	gw, err := gateway.New(s.Service.Service, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := gw.Handle(console.Routes(s.Service.Service, nil)...); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(gw)
	server.Config.WriteTimeout = bound
	server.Start()
	t.Cleanup(server.Close)
	t.Cleanup(gw.Stop)
	slow := &site{Service: &deedtest.Service{Service: s.Service.Service}, t: t, gateway: gw, url: server.URL}
	slow.get(200, "/console/parts/cart-summaries/compare?left=1&right=2").has(t, `id="counts"`)
}
