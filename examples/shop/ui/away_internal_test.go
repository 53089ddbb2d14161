package ui

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/users"
	"github.com/deed-es/deed/gateway"
	"github.com/deed-es/deed/sqlite"
)

// away is a store that is there until it is told not to be.
type away struct {
	*sqlite.DB
	appends, reads atomic.Pointer[error] // what it says; nil: it is there
}

func (a *away) Append(ctx context.Context, b deed.Batch) (deed.Receipt, error) {
	if fault := a.appends.Load(); fault != nil {
		return deed.Receipt{}, *fault
	}
	return a.DB.Append(ctx, b)
}

func (a *away) ListRows(ctx context.Context, view deed.ViewRef, q deed.RowQuery) ([]deed.Row, deed.Position, error) {
	if fault := a.reads.Load(); fault != nil {
		return nil, 0, *fault
	}
	return a.DB.ListRows(ctx, view, q)
}

// open serves the pages of a shop that has users only.
func open(t *testing.T, o *gateway.Options) (store *away, address string) {
	t.Helper()
	db, err := sqlite.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	store = &away{DB: db}
	service, err := deed.NewService(deed.Config{Store: store, Views: store}, users.Decider, users.View)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	gw, err := gateway.New(service, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := gw.Handle(Routes(Shop{Service: service})...); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gw)
	t.Cleanup(server.Close)
	t.Cleanup(gw.Stop)
	return store, server.URL
}

func ask(t *testing.T, method, address, form string) (status int, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	if form != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// While the store is away pages say so, and not that something of them is lost; a form says what became of it.
func TestPagesWhileTheStoreIsAway(t *testing.T) {
	store, address := open(t, nil)
	for _, c := range []struct {
		err    error
		status int
		says   string
	}{
		{deed.ErrUnavailable, 503, "store is away"},
		{deed.ErrReadOnly, 503, "only shows things"},
		{deed.ErrLocked, 503, "another process"},
		{deed.ErrElsewhere, 503, "does not do this"},
		{deed.ErrClosed, 503, "is closing"},
		{deed.ErrBusy, 503, "too much to do"},
		{context.DeadlineExceeded, 503, "took too long"},
		{errors.New("broken"), 500, "went wrong here"},
	} {
		fault := fmt.Errorf("list: %w", c.err)
		store.reads.Store(&fault)
		status, text := ask(t, "GET", address+"/ui/users", "")
		if status != c.status || !strings.Contains(strings.ToLower(text), c.says) {
			t.Errorf("%v: %d %s", c.err, status, text)
		}
		for _, wrong := range []string{"typed", "sent", "stored", "send it"} {
			if strings.Contains(text, wrong) {
				t.Errorf("%v: somebody who only looks is told of what was %s: %s", c.err, wrong, text)
			}
		}
		store.reads.Store(nil)
		store.appends.Store(&fault)
		if status, text = ask(t, "POST", address+"/ui/users", "firstName=Ann&lastName=Lee&key=k"); status != c.status || !strings.Contains(text, `value="Lee"`) {
			t.Errorf("%v: the form is answered with %d %s", c.err, status, text)
		}
		store.appends.Store(nil)
	}
}

// A form of which it is not known whether it is stored is not said to be stored nowhere, because its page cannot be shown either.
func TestAFormsOwnFaultIsTold(t *testing.T) {
	store, address := open(t, nil)
	unknown, gone := error(deed.ErrUnknown), error(deed.ErrUnavailable)
	store.appends.Store(&unknown)
	store.reads.Store(&gone)
	status, text := ask(t, "POST", address+"/ui/users", "firstName=Ann&lastName=Lee&key=k")
	if status != 503 || !strings.Contains(text, "it is not known whether that was stored") || strings.Contains(text, "nothing was stored") {
		t.Errorf("%d %s", status, text)
	}
}

// A form that does not come to its end holds nobody up.
func TestAFormThatComesSlowly(t *testing.T) {
	_, address := open(t, &gateway.Options{BodyTimeout: 20 * time.Millisecond})
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(address, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, _ = fmt.Fprint(conn, "POST /ui/theme HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 20\r\n\r\nth")
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("the form is still waited for: %v", err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusRequestTimeout || !answer.Close {
		t.Errorf("%s, and the connection is kept: %t", answer.Status, !answer.Close)
	}
}
