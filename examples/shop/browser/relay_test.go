package browser_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
)

// relay stands between browsers and a shop. It counts who follows changes, and can be cut.
type relay struct {
	shop *shop // as the browsers see it

	mu       sync.Mutex
	off      bool
	next     int
	streams  map[int]context.CancelFunc
	followed chan struct{} // gets something whenever one follows, or does not any more
}

func openRelay(t *testing.T, s *shop) *relay {
	t.Helper()
	to, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{streams: map[int]context.CancelFunc{}, followed: make(chan struct{}, 1)}
	proxy := &httputil.ReverseProxy{
		Rewrite:      func(p *httputil.ProxyRequest) { p.SetURL(to); p.Out.Host = p.In.Host },
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		ctx, leave := r.enter(request)
		defer leave()
		proxy.ServeHTTP(w, request.WithContext(ctx))
	}))
	t.Cleanup(func() { r.cut(); server.Close() })
	seen := *s
	seen.url = server.URL
	r.shop = &seen
	return r
}

func (r *relay) enter(request *http.Request) (context.Context, func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.off {
		panic(http.ErrAbortHandler)
	}
	ctx, cancel := context.WithCancel(request.Context())
	if request.URL.Path != "/api/changes" {
		return ctx, cancel
	}
	r.next++
	id := r.next
	r.streams[id] = cancel
	r.tell()
	return ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.streams, id)
		cancel()
		r.tell()
	}
}

func (r *relay) tell() {
	select {
	case r.followed <- struct{}{}:
	default:
	}
}

// cut ends all streams, and lets nothing through until heal.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.off = true
	r.drop()
}

func (r *relay) heal() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.off = false
}

// hiccup ends all streams. Who comes again is let through.
func (r *relay) hiccup() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop()
}

func (r *relay) drop() {
	for _, cancel := range r.streams {
		cancel()
	}
}

// following is how many follow the changes now.
func (r *relay) following() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.streams)
}

// awaitFollowing waits until so many follow.
func (r *relay) awaitFollowing(t *testing.T, n int) {
	t.Helper()
	ctx := timeout(t)
	for r.following() != n {
		select {
		case <-r.followed:
		case <-ctx.Done():
			t.Fatalf("%d connections follow changes, want %d", r.following(), n)
		}
	}
}
