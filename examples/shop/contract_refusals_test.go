package main

import (
	"bytes"
	"net/http"
)

// firstRequests asks for what stands for its kind in the examples: of what is asked again, the first is kept.
func (k *contract) firstRequests() {
	k.t.Helper()
	k.sends([]step{
		{"command.customer.register", "c1", `{"email":"nobody","firstName":"Ann","lastName":"Lee"}`, "invalid"},
		{"state.customer", "c1", "", "not-found"},
	})
	k.ask(k.operation("command.user.create"), "/api/commands/user/u0/create", `{"firstName":"Eve","lastName":"Poe"}`)
	k.ask(k.operation("get.api.log"), "/api/log?limit=2", "")
}

// ownRequests sends the commands that otherwise the shop sends to itself, of which it would have sent the same at once.
func (k *contract) ownRequests() {
	k.t.Helper()
	k.sends([]step{
		{"command.user.create", "u4", `{"firstName":"Dan","lastName":"Fry"}`, ""},
		{"command.user.welcome", "u4", `{}`, ""},
		{"command.customer.register", "c3", `{"email":"dan@example.org","firstName":"Dan","lastName":"Fry"}`, ""},
		{"command.order.place", "o4", `{"customerId":"c3","customerName":"Dan Fry","description":"a kettle","quantity":1,"value":"1200"}`, ""},
		{"command.order.require-confirmation", "o4", `{}`, ""},
		{"command.order.cancel", "o4", `{"reason":"too dear"}`, ""},
		{"command.order.place", "o5", `{"customerId":"c3","customerName":"Dan Fry","description":"a kettle","quantity":1,"value":"1100"}`, ""},
		{"command.order.require-confirmation", "o5", `{}`, ""},
		{"command.campaign.request-mail", "p1", `{"customerId":"c3"}`, ""},
		{"command.campaign.record-sent", "p1", `{"customerId":"c3","messageId":"<a1@example.org>"}`, ""},
		{"command.campaign.record-reaction", "p1", `{"customerId":"c3","kind":"opened"}`, ""},
		{"command.campaign.request-mail", "p1", `{"customerId":"c4"}`, ""},
		{"command.campaign.record-failed", "p1", `{"customerId":"c4","reason":"there is no such address"}`, ""},
		{"command.campaign.request-mail", "p1", `{"customerId":"c5"}`, ""},
		{"command.campaign.record-skipped", "p1", `{"customerId":"c5","reason":"mail is not permitted any more"}`, ""},
	})
}

// refusals asks for what the domain refuses, each with its code.
func (k *contract) refusals() {
	k.t.Helper()
	k.sends([]step{
		{"command.user.create", "u4", `{"firstName":"Dan","lastName":"Fry"}`, "user-exists"},
		{"command.user.welcome", "u4", `{}`, "already-welcomed"},
		{"command.user.update", "u2", `{"firstName":"Dan"}`, "user-deleted"},
		{"put.v1.users.userId", "u2", `{"firstName":"Dan"}`, "user-deleted"},
		{"delete.v1.users.userId", "u2", "", "user-deleted"},
		{"command.customer.register", "c3", `{"email":"fry@example.org","firstName":"Dan","lastName":"Fry"}`, "customer-exists"},
		{"command.customer.register", "c6", `{"email":"dan@example.org","firstName":"Dan","lastName":"Fry"}`, "email-taken"},
		{"command.customer.change-email", "c1", `{"email":"ann@example.org"}`, "customer-forgotten"},
		{"command.customer.update", "c1", `{"firstName":"Ann"}`, "customer-forgotten"},
		{"command.order.place", "o4", `{"customerId":"c3","customerName":"Dan Fry","description":"a kettle","quantity":1,"value":"1"}`, "order-exists"},
		{"command.order.place", "o6", `{"customerId":"c9","customerName":"Dan Fry","description":"a kettle","quantity":1,"value":"1"}`, "customer-unknown"},
		{"command.order.place", "o6", `{"customerId":"c3","customerName":"Dan","description":"a kettle","quantity":1,"value":"1"}`, "customer-changed"},
		{"command.order.require-confirmation", "o5", `{}`, "confirmation-already-required"},
		{"command.order.confirm", "o4", `{}`, "order-cancelled"},
		{"command.order.cancel", "o1", `{"reason":"too late"}`, "already-confirmed"},
		{"command.order.price", "o1", `{"value":"7"}`, "already-confirmed"},
		{"post.orders", "", `{"description":"tea","quantity":1,"email":"who@example.org"}`, "customer-incomplete"},
		{"command.campaign.create", "p1", `{"name":"Spring","classification":"gold","subject":"Tea","body":"Dear you"}`, "campaign-exists"},
		{"command.campaign.start", "p1", `{}`, "already-started"},
		{"post.campaigns.id.start", "p1", ``, "already-started"},
		{"command.campaign.request-mail", "p1", `{"customerId":"c3"}`, "mail-requested"},
		{"command.campaign.record-sent", "p1", `{"customerId":"c9","messageId":"<a2@example.org>"}`, "mail-not-requested"},
		{"command.campaign.record-failed", "p1", `{"customerId":"c3","reason":"there is no such address"}`, "mail-settled"},
		{"command.campaign.record-reaction", "p1", `{"customerId":"c4","kind":"opened"}`, "mail-not-sent"},
	})
}

// step is a request to an operation about a thing; code is that of the problem which it is answered with, if it is.
type step struct{ operation, id, body, code string }

func (k *contract) sends(steps []step) {
	k.t.Helper()
	for _, s := range steps {
		o := k.operation(s.operation)
		a := k.ask(o, o.filled(map[string]string{"id": s.id, "userId": s.id}), s.body)
		code := ""
		if a.status >= http.StatusBadRequest {
			code = decode[problem](k.t, a).Code
		}
		if code != s.code {
			k.t.Errorf("%s of %s with %s: got %s, want %q", s.operation, s.id, s.body, a, s.code)
		}
	}
}

// outside asks for what is in no operation: the answers are problems all the same.
func (k *contract) outside() {
	k.t.Helper()
	for _, r := range []struct {
		method, path, host string
		status             int
		code               string
	}{
		{"PATCH", "/orders", "", 405, "method-not-allowed"},
		{"POST", "/openapi.json", "", 405, "method-not-allowed"},
		{"GET", "/nonsense", "", 404, "not-found"},
		{"GET", "/api/views/nonsense", "", 404, "not-found"},
		{"POST", "/api/commands/nonsense/1/create", "", 404, "not-found"},
		{"GET", "/orders", "evil.example", 421, "foreign-host"},
	} {
		k.requests++
		a := k.expect(k.send(r.method, r.path, r.host), r.status, r.code)
		k.holds(r.method+" "+r.path, a.body, "components", "schemas", "Problem")
	}
}

// send sends a request to whoever host is.
func (k *contract) send(method, path, host string) answer {
	k.t.Helper()
	request, err := http.NewRequestWithContext(k.t.Context(), method, k.url+path, http.NoBody)
	if err != nil {
		k.t.Fatal(err)
	}
	request.Host = host
	response, err := k.http.Do(request)
	if err != nil {
		k.t.Fatal(err)
	}
	defer response.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(response.Body); err != nil {
		k.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, body.Bytes()}
}
