package browser_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// What somebody could type in to make a page do something else, or look like something else.
const (
	script  = `<script>window.pwned=1</script>`
	picture = `"><img src=x onerror="window.pwned=1">`
	hebrew  = "שלום עולם, تحية"
	family  = "👩‍👩‍👧‍👦🍵"
	markup  = "{{.}} </textarea></title><b>&amp;"
)

// odd is a text with all of them.
const odd = script + picture + hebrew + family + markup

// oddOrder is of a customer with such a name, and its description is nearly as long as it may be.
func oddOrder(value string) order {
	filler := strings.Repeat("lorem ipsum dolor ", (99_999-len(odd)-len(odd))/18)
	return order{
		Email: "odd@example.org", FirstName: script + hebrew, LastName: family + "<b>", Quantity: 1, Value: value,
		Description: odd + "\n" + filler + odd,
	}
}

// Text is shown as text, wherever it stands; none of it runs, asks for something or moves the page about.
func TestTextIsText(t *testing.T) {
	t.Parallel()
	s := openShop(t, "-welcome-delay", "1h")
	live, tail := visit(t, s), visit(t, s)
	live.open("/ui/orders")
	tail.open("/console/log")
	tail.has("#tail-state", "live")

	id := s.place(oddOrder("500"))
	waiting := s.place(oddOrder("5000"))
	live.has("#table-orders [data-cell=customer]", script)
	live.has("#table-orders [data-cell=description]", script+picture)
	tail.has("#entries .preview", script)
	for _, b := range []*tab{live, tail} {
		b.harmless()
	}
	customer := s.rowOf("customers", "email", "odd@example.org")
	s.do("POST", "/api/commands/customer/"+customer+"/permit-email", `{"allowed":true}`, http.StatusOK)
	s.do("POST", "/api/commands/customer/"+customer+"/update", `{"location":`+js(odd)+`}`, http.StatusOK)
	live.open("/ui/customers")
	live.has("[data-cell=class]", "bronze")
	s.do("POST", "/v1/users", `{"firstName":`+js(script+hebrew)+`,"lastName":`+js(family)+`}`, http.StatusCreated)
	s.do("POST", "/api/commands/campaign/odd/create", `{"name":`+js(script+hebrew)+`,"classification":"bronze","subject":`+js(script+picture)+`,"body":`+js(odd+"\n"+odd)+`}`, http.StatusOK)
	s.do("POST", "/api/commands/campaign/odd/start", "{}", http.StatusOK)
	live.open("/ui/mailbox")
	live.has(".subject", script)
	s.settled()

	at := s.position("order-"+id, "order-placed")
	for _, path := range []string{
		"/ui/", "/ui/orders", "/ui/orders/" + id, "/ui/orders/" + waiting, "/ui/confirmations", "/ui/customers", "/ui/customers/" + customer,
		"/ui/users", "/ui/users/" + s.rowOf("users", "lastName", family), "/ui/campaigns", "/ui/campaigns/odd", "/ui/mailbox",
		"/console/log", "/console/log?text=script", fmt.Sprintf("/console/log/%d", at),
		"/console/streams/order-" + id, "/console/streams/order-" + id + "/rows", "/console/views/orders", "/console/views/orders/" + id,
		"/console/views/customers/" + customer, "/console/views/campaigns/odd", "/console/streams/customer-" + customer, "/console/streams/campaign-odd",
	} {
		live.open(path)
		live.has("main", script)
		live.harmless()
		live.shoot("text-" + strings.NewReplacer("/", "-", "?", "-", "=", "-", id, "id", waiting, "waiting", customer, "customer").Replace(path[1:]))
	}
	for _, path := range []string{fmt.Sprintf("/console/log/%d/causes", at), "/console/processes/classification/" + customer, "/console/streams", "/console/map"} {
		live.open(path)
		live.harmless()
	}
	live.open("/ui/orders/" + id)
	live.has("#description", hebrew)
	live.has("#description", family)
	live.click("#whole summary")
	live.await(`document.querySelector("#whole .text").textContent.length > 90000`)
	live.shoot("text-ui-orders-id-whole")
	if value[string](live, `getComputedStyle(document.querySelector("#description [dir=auto]")).unicodeBidi`) == "normal" {
		t.Error("a description from right to left can reach beyond itself")
	}
}

// harmless checks that nothing of a text has become part of the page.
func (b *tab) harmless() {
	b.t.Helper()
	if !value[bool](b, `window.pwned === undefined && !document.querySelector("main script, main img[src=x]")`) {
		b.t.Errorf("text has become part of the page %s", value[string](b, "location.href"))
	}
}
