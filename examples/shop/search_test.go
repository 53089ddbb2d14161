package main

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/deed-es/deed/examples/shop/customers"
)

// Orders are found by words of their description and of their customer's name, which is the one that the customer has now; a
// client finds what it has just placed, and the same after a restart.
func TestSearch(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { searched(t, "-data", t.TempDir()) })
	t.Run("postgres", func(t *testing.T) { searched(t, "-store", newPostgres(t)) })
	t.Run("views in sqlite", func(t *testing.T) {
		searched(t, "-store", newPostgres(t), "-views", "sqlite:"+filepath.Join(t.TempDir(), "views.db"))
	})
}

func searched(t *testing.T, stores ...string) {
	t.Helper()
	c, stop := start(t, stores...)
	place := func(description, email, first, last string) answer {
		_, placed := c.order(fmt.Sprintf(`{"description":%q,"quantity":1,"email":%q,"firstName":%q,"lastName":%q}`, description, email, first, last))
		return placed
	}
	place("green tea from Uji", "ann@example.org", "Ann", "Lee")
	place("a teapot, cast iron", "bob@example.org", "Bob", "Ray")
	placed := place("Crème brûlée \"for two\"", "ann@example.org", "", "")
	find := func(after answer, q string) string {
		t.Helper()
		found := decode[foundOrders](t, c.expect(c.get("/orders/search?q="+url.QueryEscape(q), after), 200, ""))
		var all []string
		for _, o := range found.Orders {
			all = append(all, o.Customer+": "+o.Excerpt)
		}
		return strings.Join(all, " | ")
	}
	for q, want := range map[string]string{
		"teapot":        "Bob Ray: a [teapot], cast iron",
		"tea ann":       "Ann Lee: green [tea] from Uji",
		"creme":         "Ann Lee: [Crème] brûlée \"for two\"",
		`"for`:          "Ann Lee: Crème brûlée \"[for] two\"",
		"nobody":        "",
		"tea OR teapot": "", // words, no query language
		"\x00 uji\x00":  "Ann Lee: green tea from [Uji]",
		"-":             "",
	} {
		if got := find(placed, q); got != want {
			t.Errorf("%s: got %q, want %q", q, got, want)
		}
	}
	if got := find(placed, "te"); strings.Count(got, "|") != 1 {
		t.Errorf("te: got %q, want two orders", got)
	}
	ann := decode[customers.Overview](t, c.get("/customers/ann@example.org", placed))
	renamed := c.expect(c.do("POST", "/api/commands/customer/"+ann.ID+"/update", `{"lastName":"Poe"}`), 200, "")
	if got := find(renamed, "poe"); strings.Count(got, "Ann Poe: ") != 2 || find(renamed, "lee") != "" {
		t.Errorf("renamed: got %q", got)
	}
	for path, field := range map[string]string{"/orders/search": "q", "/orders/search?q=%20": "q", "/orders/search?q=%00": "q", "/orders/search?q=%00%20%00": "q", "/orders/search?q=x&limit=0": "limit", "/orders/search?q=x&limit=1001": "limit"} {
		if got := decode[problem](t, c.expect(c.do("GET", path, ""), 400, "bad-query")).Field; got != field {
			t.Errorf("%s: the field is %q, want %q", path, got, field)
		}
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	c, _ = start(t, stores...)
	if got := find(renamed, "uji"); got != "Ann Poe: green tea from [Uji]" {
		t.Errorf("after a restart: got %q", got)
	}
}
