package browser_test

import (
	"context"
	"fmt"
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
	to       *url.URL
	off      bool
	next     int
	most     int // that followed at once
	streams  map[int]context.CancelFunc
	followed chan struct{} // gets something whenever one follows, or does not any more
}

func openRelay(t *testing.T, s *shop) *relay {
	t.Helper()
	r := &relay{streams: map[int]context.CancelFunc{}, followed: make(chan struct{}, 1)}
	r.lead(t, s)
	proxy := &httputil.ReverseProxy{
		Rewrite:      func(p *httputil.ProxyRequest) { p.SetURL(r.target()); p.Out.Host = p.In.Host },
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

// lead has the relay lead to where a shop is now.
func (r *relay) lead(t *testing.T, s *shop) {
	t.Helper()
	to, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.to = to
}

func (r *relay) target() *url.URL {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.to
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
	r.most = max(r.most, len(r.streams))
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

// hiccup ends all streams, and waits until they have. Who comes again is let through.
func (r *relay) hiccup(t *testing.T) {
	t.Helper()
	r.mu.Lock()
	last := r.next
	r.drop()
	r.mu.Unlock()
	r.await(t, "the streams that were cut do not end", func() bool {
		for id := range r.streams {
			if id <= last {
				return false
			}
		}
		return true
	})
}

func (r *relay) drop() {
	for _, cancel := range r.streams {
		cancel()
	}
}

// mostFollowed is how many have followed the changes at once.
func (r *relay) mostFollowed() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.most
}

// awaitFollowing waits until so many follow.
func (r *relay) awaitFollowing(t *testing.T, n int) {
	t.Helper()
	r.await(t, fmt.Sprintf("not %d connections follow changes", n), func() bool { return len(r.streams) == n })
}

// await waits until something is so, which is asked whenever one follows, or does not any more.
func (r *relay) await(t *testing.T, not string, so func() bool) {
	t.Helper()
	ctx := timeout(t)
	for {
		r.mu.Lock()
		done, n := so(), len(r.streams)
		r.mu.Unlock()
		if done {
			return
		}
		select {
		case <-r.followed:
		case <-ctx.Done():
			t.Fatalf("%s; %d do", not, n)
		}
	}
}
