package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/deed-es/deed/examples/shop/drive"
)

// A read that is older than what the client was told is found.
func TestReadsThatGoBackwardsAreFound(t *testing.T) {
	for name, c := range map[string]struct {
		status    int
		at, of    int // of the view, and of the row
		stale     bool
		name      string
		backwards string
	}{
		"all is well":                     {status: 200, at: 9, of: 7, name: "m1"},
		"the view is older":               {status: 200, at: 6, of: 6, name: "m1", backwards: "as of position 6 after 7"},
		"the row is older":                {status: 200, at: 9, of: 3, name: "m1", backwards: "changed at position 3, after it was read as changed at 5"},
		"it has what was there before":    {status: 200, at: 9, of: 7, name: "m0", backwards: `"m0 Chaos", and not "m1 Chaos"`},
		"it is not there":                 {status: 404, at: 9, of: 7, backwards: "404 Not Found"},
		"the position is said to be none": {status: 409, at: 9, of: 7, backwards: "409 Conflict"},
		"it is said to be stale":          {status: 200, at: 9, of: 7, stale: true, name: "m1", backwards: "200 OK"},
		"the view is late, and says so":   {status: 504, at: 6, of: 6},
		"the node is away":                {status: 503, at: 6, of: 6},
	} {
		t.Run(name, func(t *testing.T) {
			shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Deed-Position") != "7" {
					t.Errorf("the client says that it has seen %s", r.Header.Get("Deed-Position"))
				}
				w.Header().Set("Deed-Position", fmt.Sprintf("log.1.%d", c.at))
				w.Header().Set("Etag", fmt.Sprintf(`"p%d"`, c.of))
				if c.stale {
					w.Header().Set("Deed-Stale", "true")
				}
				w.WriteHeader(c.status)
				if c.status == http.StatusGatewayTimeout {
					fmt.Fprint(w, `{"type":"urn:deed:problem:behind"}`)
					return
				}
				fmt.Fprintf(w, `{"firstName":%q,"lastName":"Chaos"}`, c.name)
			}))
			defer shop.Close()
			by, other := &node{name: "by", base: shop.URL}, &node{name: "other", base: shop.URL}
			cl := newClient(1, 1, []*node{by, other}, new(atomic.Int64), time.Millisecond)
			cl.token, cl.seen["/v1/users/1"] = 7, 5
			cl.readOwn(t.Context(), &request{Request: drive.Request{Event: "user-created", ID: "1", Marker: "m1", Position: 7}, by: by})
			found := strings.Join(cl.backwards, "\n")
			if c.backwards == "" && found != "" || !strings.Contains(found, c.backwards) {
				t.Errorf("got %q, want %q", found, c.backwards)
			}
			if cl.fault != nil {
				t.Error(cl.fault)
			}
		})
	}
}
