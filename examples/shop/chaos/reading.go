package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/drive"
)

// reading is what a client knows of its own reading: it carries the greatest position that it was told, and never reads what is older.
type reading struct {
	token     deed.Position
	reads     int // that were answered
	elsewhere int // those of them by another node than what was read was written by
	late      int // the view had not come so far in time
	backwards []string
}

// row is what a client looks at in an answer.
type row struct{ Description, FirstName, LastName, Name, CustomerID string }

// pathOf is where what a request has done is read; empty: nowhere.
func pathOf(r *request) string {
	switch r.Event {
	case "user-created", "user-updated":
		return "/v1/users/" + r.ID
	case "customer-updated":
		return "/api/views/customers/" + r.ID
	case "order-placed":
		return "/orders/" + r.ID
	case "campaign-created":
		return "/campaigns/" + r.ID
	}
	return ""
}

// readOwn reads what a request has done, through another node than the one that did it where there is one: it has to be there.
func (c *client) readOwn(ctx context.Context, r *request) {
	path := pathOf(r)
	if path == "" {
		return
	}
	n := c.somewhere(r.by)
	if n == nil {
		n = r.by
	}
	if n.where() == "" {
		return
	}
	got, ok := c.read(ctx, n, path)
	if !ok {
		return
	}
	if n != r.by {
		c.elsewhere++
	}
	backwards := ""
	switch r.Event {
	case "order-placed":
		if backwards = differs(got.Description, r.Marker); backwards == "" {
			c.meet(r, got.CustomerID)
		}
	case "user-created":
		backwards = differs(got.FirstName+" "+got.LastName, r.Marker+" Chaos")
	case "user-updated", "customer-updated":
		backwards = differs(got.LastName, r.Marker)
	case "campaign-created":
		backwards = differs(got.Name, r.Marker)
	}
	if backwards != "" {
		c.backward("%s at %s, written at position %d: %s", path, n.name, r.Position, backwards)
	}
}

func differs(got, want string) string {
	if got == want {
		return ""
	}
	return fmt.Sprintf("%q, and not %q", got, want)
}

func (c *client) backward(format string, args ...any) {
	c.backwards = append(c.backwards, fmt.Sprintf("backwards: client %d read ", c.n)+fmt.Sprintf(format, args...))
}

// meet takes note of a customer that only this client orders for.
func (c *client) meet(r *request, customer string) {
	if r.Address != "" && !slices.Contains(c.customers, customer) {
		c.customers = append(c.customers, customer)
	}
}

// read reads a row, not older than anything that this client has been told. It returns false where there was no answer in time.
func (c *client) read(ctx context.Context, n *node, path string) (got row, ok bool) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, n.where()+path, http.NoBody)
	if err != nil {
		return got, false // the node went down just now
	}
	request.Header.Set("Deed-Position", strconv.FormatInt(int64(c.token), 10))
	request.Header.Set("Prefer", "wait=2")
	response, err := c.web.Do(request)
	if err != nil {
		return got, false
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || drive.Transient(response.StatusCode, "") {
		return got, false
	}
	if response.StatusCode == http.StatusInternalServerError {
		c.fail("get %s at %s: %s %s", path, n.name, response.Status, body)
		return got, false
	}
	if response.StatusCode == http.StatusGatewayTimeout && drive.Problem(body) == "behind" {
		c.late++
		return got, false
	}
	c.reads++
	if response.StatusCode != http.StatusOK || response.Header.Get("Deed-Stale") != "" {
		c.backward("%s at %s after position %d: %s %s", path, n.name, c.token, response.Status, body)
		return got, false
	}
	if err := json.Unmarshal(body, &got); err != nil {
		c.fail("get %s at %s: %w in %s", path, n.name, err, body)
		return got, false
	}
	return got, c.forward(n, path, response)
}

// forward checks that neither the view nor the row is older than when it was read last.
func (c *client) forward(n *node, path string, response *http.Response) bool {
	at, err := drive.PositionOf(response)
	tag := response.Header.Get("Etag")
	of, err2 := strconv.ParseInt(strings.Trim(tag, `"p`), 10, 64)
	if err != nil || err2 != nil {
		c.fail("get %s at %s: position %q, tag %q", path, n.name, response.Header.Get("Deed-Position"), tag)
		return false
	}
	if at < c.token {
		c.backward("%s at %s, as of position %d after %d", path, n.name, at, c.token)
	}
	if last := c.seen[path]; deed.Position(of) < last {
		c.backward("%s at %s, changed at position %d, after it was read as changed at %d", path, n.name, of, last)
	}
	c.token, c.seen[path] = max(c.token, at), deed.Position(of)
	return true
}
