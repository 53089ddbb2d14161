package browser_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// tab is a tab of somebody's browser. Whatever goes wrong in it that nobody has foreseen fails the test.
type tab struct {
	t     *testing.T
	ctx   context.Context
	shop  *shop
	plain bool // without JavaScript

	mu      sync.Mutex
	faults  []string
	allowed []string
	urls    map[network.RequestID]string
}

// visit opens a browser of its own: it has no cookies, and shares nothing with the browsers of others.
func visit(t *testing.T, s *shop) *tab {
	t.Helper()
	return openTab(t, s, chromium, chromedp.WithNewBrowserContext())
}

// another opens one more tab of the same browser.
func (b *tab) another() *tab {
	b.t.Helper()
	return openTab(b.t, b.shop, b.ctx, chromedp.WithNewWindow(false))
}

func openTab(t *testing.T, s *shop, parent context.Context, options ...chromedp.ContextOption) *tab {
	t.Helper()
	b := &tab{t: t, shop: s, urls: map[network.RequestID]string{}}
	ctx, cancel := chromedp.NewContext(parent, append(options, chromedp.WithListener(b.hear))...)
	b.ctx = ctx
	t.Cleanup(func() {
		b.close(cancel)
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *tab) close(cancel context.CancelFunc) {
	_, _ = run(b, chromedp.Evaluate[int]("1")) // what happened before has been heard then
	b.mu.Lock()
	faults := b.faults
	b.mu.Unlock()
	cancel()
	for _, fault := range faults {
		b.t.Errorf("the browser tells of a fault: %s", fault)
	}
}

// allow says that a fault with this in it is foreseen.
func (b *tab) allow(parts ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.allowed = append(b.allowed, parts...)
}

// hear collects what a browser's console and its list of requests show in red.
func (b *tab) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.fault("exception: %s %s", e.ExceptionDetails.Text, described(e.ExceptionDetails.Exception))
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeAssert {
			b.fault("console.error: %s", described(e.Args...))
		}
	case *log.EventEntryAdded:
		// That a request failed is told by the network's events too, with more about it.
		if e.Entry.Level == log.EntryLevelError && !strings.HasPrefix(e.Entry.Text, "Failed to load resource") && !strings.Contains(e.Entry.Text, "net::ERR_") {
			b.fault("log: %s (%s)", e.Entry.Text, e.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		b.urls[e.RequestID] = e.Request.Method + " " + e.Request.URL
	case *network.EventResponseReceived:
		if e.Response.Status >= 400 {
			b.fault("answer: %d to %s", e.Response.Status, b.urls[e.RequestID])
		}
	case *network.EventLoadingFailed:
		if !e.Canceled {
			b.fault("network: %s of %s", e.ErrorText, b.urls[e.RequestID])
		}
	}
}

func (b *tab) fault(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	for _, part := range b.allowed {
		if strings.Contains(text, part) {
			return
		}
	}
	b.faults = append(b.faults, text)
}

func described(objects ...*runtime.RemoteObject) string {
	var all []string
	for _, o := range objects {
		switch {
		case o == nil:
		case o.Description != "":
			all = append(all, o.Description)
		default:
			all = append(all, string(o.Value))
		}
	}
	return strings.Join(all, " ")
}

// run has the tab do something, within patience.
func run[T any](b *tab, action chromedp.Action[T]) (T, error) {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	return chromedp.Run(ctx, action)
}

// must is run, where it must not fail.
func must[T any](b *tab, action chromedp.Action[T]) T {
	b.t.Helper()
	v, err := run(b, action)
	if err != nil {
		b.t.Fatalf("%v; %s", err, b.screen())
	}
	return v
}

// tell sends the browser a command that has no answer.
func tell[P any](b *tab, c cdp.Command[P, cdp.Empty], params P) {
	b.t.Helper()
	must(b, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, c, params)
		return err
	}))
}

// value is what an expression comes to on the page.
func value[T any](b *tab, expression string) T {
	b.t.Helper()
	return must(b, chromedp.Evaluate[T](expression))
}

// js is a value as an expression.
func js(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(data)
}

// take waits until an expression comes to something on the page, whatever page is there meanwhile, and returns what.
func take[T any](b *tab, expression string) (v T) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	var last error
	for {
		text, err := chromedp.Run(ctx, chromedp.Evaluate[string]("JSON.stringify(("+expression+") ?? null)"))
		if err == nil && text != "null" {
			if err := json.Unmarshal([]byte(text), &v); err != nil {
				b.t.Fatalf("%s is %s: %v", expression, text, err)
			}
			return v
		}
		if err != nil && ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			b.t.Fatalf("never came true: %s (%v); %s", expression, last, b.screen())
		case <-look.C:
		}
	}
}

// await waits until an expression is true on the page, whatever page is there meanwhile.
func (b *tab) await(expression string) {
	b.t.Helper()
	take[bool](b, "!!("+expression+") || null")
}

// screen is what somebody reads on the page, for who reads of a failure.
func (b *tab) screen() string {
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText.slice(0, 1500)`))
	if err != nil {
		return fmt.Sprintf("the page cannot be read: %v", err)
	}
	return "the page is " + strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\t' }), " | ")
}

// open goes to a page, and waits until it is all there, with what its scripts make of it.
func (b *tab) open(path string) {
	b.t.Helper()
	must(b, chromedp.Navigate(b.shop.url+path))
	b.ready(path)
}

// ready waits until a page of the shop or the console is alive.
func (b *tab) ready(path string) {
	b.t.Helper()
	b.await(`document.readyState === "complete"`)
	switch {
	case b.plain:
	case strings.HasPrefix(path, "/ui/"):
		b.await(`document.documentElement.dataset.ready === "true"`)
	case strings.HasPrefix(path, "/console"):
		b.await(`document.documentElement.classList.contains("scripted")`)
	}
}

// reloadUntil loads a page again until an expression is true: for what no script renews.
func (b *tab) reloadUntil(expression string) {
	b.t.Helper()
	until := timeout(b.t)
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for {
		b.await(`document.readyState === "complete"`)
		if seen, err := run(b, chromedp.Evaluate[bool]("!!("+expression+")")); err == nil && seen {
			return
		}
		select {
		case <-until.Done():
			b.t.Fatalf("never came true: %s; %s", expression, b.screen())
		case <-look.C:
		}
		must(b, chromedp.Reload())
	}
}

// has waits until an element is on the page whose text holds a text.
func (b *tab) has(selector, text string) {
	b.t.Helper()
	b.await(fmt.Sprintf(`[...document.querySelectorAll(%s)].some(e => e.textContent.includes(%s))`, js(selector), js(text)))
}

// none waits until no element is on the page that is to be seen.
func (b *tab) none(selector string) {
	b.t.Helper()
	b.await(fmt.Sprintf(`![...document.querySelectorAll(%s)].some(e => e.checkVisibility())`, js(selector)))
}

// count waits until there are so many of an element.
func (b *tab) count(selector string, n int) {
	b.t.Helper()
	b.await(fmt.Sprintf(`document.querySelectorAll(%s).length === %d`, js(selector), n))
}

// size is how large a window is.
type size struct {
	name          string
	width, height int
	phone         bool
}

var (
	wide  = size{name: "wide", width: 1280, height: 800}
	phone = size{name: "phone", width: 375, height: 740, phone: true}
)

// resize makes the window as large as that of a device.
func (b *tab) resize(s size) {
	b.t.Helper()
	var options []chromedp.EmulateViewportOption
	if s.phone {
		options = append(options, chromedp.EmulateMobile, chromedp.EmulateTouch)
	}
	must(b, chromedp.EmulateViewport(int64(s.width), int64(s.height), options...))
}

// fits checks that the page does not scroll sideways.
func (b *tab) fits() {
	b.t.Helper()
	type overflow struct {
		Page, Window int
		Widest       string
	}
	o := value[overflow](b, `(() => {
		const window = document.documentElement.clientWidth, page = document.documentElement.scrollWidth
		const wide = [...document.body.querySelectorAll('*')].filter(e => e.getBoundingClientRect().right > window + 1)
		const name = e => e.tagName + (e.id ? '#' + e.id : '') + (e.className ? '.' + e.className : '')
		return { page, window, widest: wide.slice(0, 5).map(name).join(' ') }
	})()`)
	if o.Page > o.Window {
		b.t.Errorf("%s scrolls sideways: it is %d wide in a window of %d: %s", value[string](b, "location.pathname"), o.Page, o.Window, o.Widest)
	}
}
