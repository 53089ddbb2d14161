package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTheShopAnswersAsDocumented(t *testing.T) {
	r := rehearse(t)
	k := readContract(r.client)
	k.settle = r.settle
	k.everyRouteIsDocumented()
	k.everyReferenceLeadsSomewhere()
	k.firstRequests()
	r.settle()
	r.clock.Advance(time.Minute) // the one user that there is so far is welcomed
	k.goodRequests()
	r.writeBroken()
	k.parked()
	k.steered()
	k.questions(k.ask(k.operation("command.customer.permit-email"), "/api/commands/customer/c1/permit-email", `{"allowed":false}`))
	k.ends()
	r.stop()
	k.ownRequests()
	k.refusals()
	for _, o := range k.operations {
		k.badRequests(o)
	}
	k.outside()
	k.report()
	k.everyEventIsDocumented()
	k.examplesAreTrue(r.recorder)
}

func (k *contract) everyRouteIsDocumented() {
	k.t.Helper()
	documented := map[string]bool{}
	for _, o := range k.operations {
		documented[o.Route] = true
	}
	index := decode[indexAnswer](k.t, k.do("GET", "/", ""))
	if len(index.Routes) < 20 {
		k.t.Errorf("%d routes", len(index.Routes))
	}
	for _, r := range index.Routes {
		if !documented[r.Method+" "+r.Path] {
			k.t.Errorf("the route %s %s is not in the document", r.Method, r.Path)
		}
	}
}

// goodRequests asks every route for something that it has.
func (k *contract) goodRequests() {
	k.t.Helper()
	var last answer
	for _, step := range []struct{ operation, id, body string }{
		{"command.user.create", "u1", `{"firstName":"Ann","lastName":"Lee"}`},
		{"command.user.update", "u1", `{"lastName":"Li"}`},
		{"put.v1.users.userId", "u1", `{"id":7,"firstName":"Anna"}`},
		{"command.user.delete", "u1", `{}`},
		{"post.v1.users", "", `{"firstName":"Bob","lastName":"Ray"}`},
		{"command.customer.register", "c1", `{"email":"ann@example.org","firstName":"Ann","lastName":"Lee"}`},
		{"command.customer.permit-email", "c1", `{"allowed":true}`},
		{"command.customer.classify", "c1", `{"classification":"gold","totalValue":"1.5","basedOn":"a test"}`},
		{"command.order.place", "o1", `{"customerId":"c1","customerName":"Ann Lee","description":"tea","quantity":2,"value":"12.5"}`},
		{"command.order.place", "o2", `{"customerId":"c1","customerName":"Ann Lee","description":"a ship","quantity":1,"value":"0"}`},
		{"command.order.add-usd-rate", "o1", `{"rate":"1.1","rateDate":"2026-11-20","usdValue":"13.75"}`},
		{"post.orders", "", `{"description":"tea","quantity":1,"email":"new@example.org","firstName":"New","lastName":"One","value":"3"}`},
		{"command.customer.update", "c1", `{"location":"Rome"}`},
		{"command.campaign.create", "p1", `{"name":"Spring","classification":"bronze","subject":"Tea","body":"Dear {firstName}"}`},
		{"command.campaign.start", "p1", `{}`},
		{"post.campaigns", "", `{"name":"Autumn","classification":"silver","subject":"Tea","body":"Dear you"}`},
	} {
		o := k.operation(step.operation)
		path := o.filled(map[string]string{"id": step.id, "userId": step.id})
		last = k.ask(o, path, step.body, "Idempotency-Key", "k-1")
		k.settle()
		if last.status/100 != 2 {
			k.t.Errorf("%s: %s", step.operation, last)
		}
		if again := k.ask(o, path, step.body, "Idempotency-Key", "k-1"); again.header.Get("Deed-Again") != "true" {
			k.t.Errorf("%s: the same again is %s", step.operation, again)
		}
		if other := k.ask(o, path, strings.Replace(step.body, ":", `: `, 1), "Idempotency-Key", "k-1"); other.status/100 != 2 {
			k.t.Errorf("%s: the same again, laid out otherwise, is %s", step.operation, other)
		}
		if other := k.ask(o, path, strings.Replace(step.body, `":`, `x":`, 1), "Idempotency-Key", "k-1"); step.body != "{}" && other.status != 422 {
			k.t.Errorf("%s: another body is %s", step.operation, other)
		}
	}
	waiting := k.expect(k.do("GET", "/api/log?type=order-confirmation-required&follow=true&limit=1", ""), 200, "")
	if !strings.Contains(string(waiting.body), "order-o2") {
		k.t.Errorf("who waits for confirmation: %s", waiting)
	}
	row := k.operation("view.confirmation-requests.row")
	k.expect(k.ask(row, "/api/views/confirmation-requests/o2", "", "Deed-Position", last.position(), "Prefer", "wait=30"), 200, "")
	for _, step := range []struct{ operation, id, body string }{
		{"command.order.price", "o2", `{"value":"99"}`},
		{"command.order.confirm", "o2", `{}`},
		{"command.order.cancel", "o2", `{"reason":"too late"}`},
		{"post.campaigns.id.start", "p1", ""},
	} {
		k.ask(k.operation(step.operation), k.operation(step.operation).filled(map[string]string{"id": step.id}), step.body)
		k.settle()
	}
	campaign := k.ask(k.operation("post.campaigns"), "/campaigns", `{"name":"Winter","classification":"gold","subject":"Tea","body":"Dear you"}`)
	k.ask(k.operation("post.campaigns.id.start"), campaign.header.Get("Location")+"/start", "")
}

// ends asks for what leaves nothing to ask for.
func (k *contract) ends() {
	k.t.Helper()
	for _, end := range []struct{ operation, id, body string }{
		{"command.customer.change-email", "c1", `{"email":"lee@example.org"}`},
		{"command.customer.forget", "c1", `{}`},
		{"delete.v1.users.userId", "u2", ""},
	} {
		o := k.operation(end.operation)
		if end.id == "u2" {
			k.ask(k.operation("command.user.create"), "/api/commands/user/u2/create", `{"firstName":"Cay","lastName":"Ott"}`)
		}
		if a := k.ask(o, o.filled(map[string]string{"id": end.id, "userId": end.id}), end.body); a.status/100 != 2 {
			k.t.Errorf("%s: %s", end.operation, a)
		}
	}
}

// questions asks every operation that only reads, from views that have what seen knows of.
func (k *contract) questions(seen answer) {
	k.t.Helper()
	k.settle()
	fresh := []string{"Deed-Position", seen.position(), "Prefer", "wait=30"}
	ids := map[string]map[string]string{
		"customer": {"id": "c1"}, "order": {"id": "o1"}, "user": {"id": "u1"}, "campaign": {"id": "p1"},
		"email": {"email": "ann@example.org"}, "stream": {"stream": "customer-c1"},
	}
	for _, o := range k.operations {
		if o.method != "GET" || o.streams() {
			continue
		}
		path := o.path
		switch category, ok := strings.CutPrefix(o.ID, "state."); {
		case ok:
			path = o.filled(ids[category])
		case strings.HasSuffix(o.ID, ".row"):
			path = strings.Replace(path, "{key}", url.PathEscape(k.firstKey(strings.TrimSuffix(o.path, "/{key}"), fresh)), 1)
		case len(o.wildcards()) == 1 && ids[o.wildcards()[0]] != nil:
			path = o.filled(ids[o.wildcards()[0]])
		case len(o.wildcards()) == 1:
			path = o.path[:strings.Index(o.path, "/{")] + "/" + url.PathEscape(k.firstKey(o.path[:strings.Index(o.path, "/{")], fresh))
		}
		a := k.ask(o, path, "", fresh...)
		if tag := a.header.Get("Etag"); tag != "" {
			if same := k.ask(o, path, "", append(fresh, "If-None-Match", tag)...); same.status != http.StatusNotModified {
				k.t.Errorf("%s with its ETag: %s", path, same)
			}
		}
		k.pages(o, path, fresh)
	}
	lines := k.operation("get.api.log")
	k.ask(lines, "/api/log", "")
	k.ask(lines, "/api/log?follow=false&limit=5&category=order", "", "Accept", "text/event-stream")
	k.ask(k.operation("get.api.streams.stream"), "/api/streams/customer-c1?backward&limit=1&after=1&before=9", "")
	k.follow()
}

// firstKey is the key of a row of a list; of an empty one it is nobody's.
func (k *contract) firstKey(list string, fresh []string) string {
	k.t.Helper()
	rows := decode[struct{ Rows []struct{ Key string } }](k.t, k.do("GET", list, "", fresh...)).Rows
	if len(rows) == 0 {
		return "nobody"
	}
	return rows[0].Key
}

// pages asks a list in every order that it has, for what it can be asked for, and page by page.
func (k *contract) pages(o *operation, path string, fresh []string) {
	k.t.Helper()
	for _, p := range o.Parameters {
		switch {
		case p.In != "query":
		case strings.HasPrefix(p.Name, "where."):
			k.ask(o, path+"?"+p.Name+"=true", "", fresh...)
		case p.Name == "order":
			for _, order := range p.Schema["enum"].([]any) {
				k.ask(o, path+"?order="+url.QueryEscape(fmt.Sprint(order)), "", fresh...)
			}
		case p.Name == "cursor":
			if next := decode[struct{ Next string }](k.t, k.ask(o, path+"?limit=1", "", fresh...)).Next; next != "" {
				k.ask(o, path+"?limit=1&cursor="+next, "", fresh...)
				k.expect(k.ask(o, path+"?limit=1&cursor="+next+"&order=-"+o.orderField(), "", fresh...), 400, "")
			}
		}
	}
}

func (o *operation) orderField() string {
	for _, p := range o.Parameters {
		if p.Name == "order" && p.In == "query" {
			values, _ := p.Schema["enum"].([]any)
			return fmt.Sprint(values[0])
		}
	}
	return "none"
}

// follow listens to changes of the customers until one was put and removed.
func (k *contract) follow() {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(k.t.Context(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url+"/api/changes?view=customers", http.NoBody)
	if err != nil {
		k.t.Fatal(err)
	}
	response, err := k.http.Do(request)
	if err != nil {
		k.t.Fatal(err)
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	told := events(lines, 1)
	k.ask(k.operation("command.customer.register"), "/api/commands/customer/c2/register", `{"email":"eve@example.org","firstName":"Eve","lastName":"Poe"}`)
	put := events(lines, 1)
	k.ask(k.operation("command.customer.forget"), "/api/commands/customer/c2/forget", `{}`)
	told = append(told, put...)
	for told[len(told)-1].name == "put" {
		told = append(told, events(lines, 1)...)
	}
	var body bytes.Buffer
	var names []string
	for _, e := range told {
		names = append(names, e.name)
		fmt.Fprintf(&body, "event: %s\ndata: %s\n\n", e.name, e.data)
	}
	if names[0] != "snapshot" || names[1] != "put" || names[len(names)-1] != "removed" {
		k.t.Errorf("told %v", names)
	}
	k.answered(k.operation("get.api.changes"), "changes", answer{response.StatusCode, response.Header, body.Bytes()})
	k.do("HEAD", "/api/changes?view=orders", "", "Last-Event-ID", "nonsense")
}

// badRequests asks an operation in ways that are wrong whatever it is about.
func (k *contract) badRequests(o *operation) {
	k.t.Helper()
	path := o.filled(map[string]string{"stream": "order-nobody"})
	refused := func(status int, path, body string, header ...string) {
		k.t.Helper()
		if a := k.ask(o, path, body, header...); a.status != status {
			k.t.Errorf("%s %s %.80q %q: got %s, want %d", o.method, path, body, header, a, status)
		}
	}
	refused(400, path+"?nonsense=1", "")
	k.answered(o, o.ID+" by another name", k.send(o.method, path, "evil.example"))
	if len(o.wildcards()) > 0 {
		a := k.ask(o, path, "{}")
		if o.RequestBody == nil && a.status != 404 {
			k.t.Errorf("%s of nobody: %s", o.ID, a)
		}
		long := map[string]string{}
		for _, name := range o.wildcards() {
			long[name] = strings.Repeat("x", 256)
		}
		if a := k.ask(o, o.filled(long), "{}"); a.status/100 != 4 {
			k.t.Errorf("%s with an id that is too long: %s", o.ID, a)
		}
		refused(400, strings.Replace(path, "nobody", "no%2Fbody", 1), "")
		refused(400, strings.Replace(path, "nobody", "%ff", 1), "")
	}
	if o.method != http.MethodGet {
		refused(403, path, "{}", "Sec-Fetch-Site", "cross-site")
		refused(400, path, "{}", "Idempotency-Key", "two words")
	}
	for _, p := range o.Parameters {
		k.badParameter(o, path, p.Name, p.In, refused)
	}
	if o.RequestBody == nil {
		return
	}
	for _, body := range []string{"{", "nonsense", "{}{}", "\xff", `{"a":"\ud800"}`} {
		refused(400, path, body)
	}
	for _, body := range []string{"[]", "7", "null", `"text"`, `{"nobody":1}`, `{"a":1,"a":2}`} {
		refused(422, path, body)
	}
	refused(415, path, "{}", "Content-Type", "text/plain")
	refused(413, path, `{"a":"`+strings.Repeat("a", 1<<20)+`"}`)
	refused(400, path, "", "Content-Type", "application/json")
	schema := k.schemaOf(o.RequestBody.Content["application/json"].Schema)
	properties, _ := schema["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if property := k.schemaOf(properties[name].(map[string]any)); property["type"] == "string" || property["type"] == "integer" || property["type"] == "boolean" {
			refused(422, path, fmt.Sprintf(`{%q:[1]}`, name))
		}
	}
}

func (k *contract) badParameter(o *operation, path, name, in string, refused func(int, string, string, ...string)) {
	k.t.Helper()
	switch in + " " + name {
	case "query limit":
		refused(400, path+"?limit=0", "")
		refused(400, path+"?limit=many", "")
	case "query order":
		refused(400, path+"?order=nonsense", "")
	case "query cursor":
		refused(400, path+"?cursor=!", "")
	case "query after", "query before":
		refused(400, path+"?"+name+"=x", "")
		refused(409, path+"?"+name+"="+stranger, "")
	case "query backward", "query follow":
		refused(400, path+"?"+name+"=perhaps", "")
	case "query view":
		refused(400, path, "")
		refused(404, path+"?view=nonsense", "")
	case "header Deed-Position":
		if o.ID == "get.orders.search" {
			path += "?q=tea"
		}
		if a := k.ask(o, path, "", "Deed-Position", stranger); a.status != 409 && a.status != 404 {
			k.t.Errorf("%s at a position of another log: %s", o.ID, a)
		}
		k.ask(o, path, "", "Deed-Position", "nonsense")
	case "header If-Match":
		refused(412, path, "{}", "If-Match", `"7"`)
		refused(400, path, "{}", "If-Match", `"p7"`)
	}
}

// stranger is a position of a log that is not this one.
const stranger = "0190f8a2-7b3c-7def-8a1b-2c3d4e5f6071.1.7"

// schemaOf follows a reference.
func (k *contract) schemaOf(schema map[string]any) map[string]any {
	if ref, ok := schema["$ref"].(string); ok {
		named, _ := k.schemas[strings.TrimPrefix(ref, "#/components/schemas/")].(map[string]any)
		return named
	}
	return schema
}

// report fails for routes that never answered well, and says what was seen.
func (k *contract) report() {
	k.t.Helper()
	well, routes := map[string]bool{}, map[string]map[int]bool{}
	operations, named := 0, 0
	for _, o := range k.operations {
		if routes[o.Route] == nil {
			routes[o.Route] = map[int]bool{}
		}
		named += len(o.Responses)
		operations += len(o.seen)
		for status := range o.seen {
			routes[o.Route][status] = true
			well[o.Route] = well[o.Route] || status/100 == 2
			well[o.ID] = well[o.ID] || status/100 == 2
		}
	}
	pairs := 0
	for _, route := range slices.Sorted(maps.Keys(routes)) {
		pairs += len(routes[route])
		k.t.Logf("%-50s %v", route, slices.Sorted(maps.Keys(routes[route])))
		if !well[route] {
			k.t.Errorf("%s was never answered well", route)
		}
	}
	for _, o := range k.operations {
		if !well[o.ID] {
			k.t.Errorf("%s was only refused", o.ID)
		}
	}
	k.t.Logf("%d requests: %d routes × statuses, %d of %d operations × statuses that the document names", k.requests, pairs, operations, named)
}
