package main

import (
	"strings"
	"testing"
)

// Bad input gets the right problem, and nothing is stored.
func TestBadInput(t *testing.T) {
	c, _ := start(t, "-data", t.TempDir())
	c.order(tea)
	c.await("/orders", func(a answer) bool {
		return strings.Contains(string(a.body), `"usd"`) && strings.Contains(string(a.body), `"unconfirmed"`)
	})
	before := c.head()

	order := func(with string) string {
		return `{"description":"tea","quantity":2,"email":"new@example.org","firstName":"New","lastName":"One",` + with + `}`
	}
	for _, r := range []struct {
		method, path, body string
		status             int
		code, field        string
	}{
		{"POST", "/orders", order(`"value":-1`), 422, "invalid", "value"},
		{"POST", "/orders", order(`"value":"-0.01"`), 422, "invalid", "value"},
		{"POST", "/orders", order(`"value":1234567890123456`), 422, "invalid", "value"},
		{"POST", "/orders", order(`"value":"1234567890123456"`), 422, "invalid", "value"},
		{"POST", "/orders", order(`"value":1000000000000`), 422, "invalid", "value"},
		{"POST", "/orders", order(`"value":1.001`), 422, "invalid", "value"},
		{"POST", "/orders", order(`"value":1e1000000000`), 422, "invalid", "value"},
		{"POST", "/orders", order(`"value":"NaN"`), 422, "invalid", "value"},
		{"POST", "/orders", order(`"value":true`), 422, "invalid", "value"},
		{"POST", "/orders", order(`"value":NaN`), 400, "malformed", ""},
		{"POST", "/orders", `{"description":"tea","quantity":0,"email":"new@example.org","firstName":"New","lastName":"One"}`, 422, "invalid", "quantity"},
		{"POST", "/orders", `{"description":"tea","quantity":1.5,"email":"new@example.org","firstName":"New","lastName":"One"}`, 422, "invalid", "quantity"},
		{"POST", "/orders", `{"description":"tea","quantity":"2","email":"new@example.org","firstName":"New","lastName":"One"}`, 422, "invalid", "quantity"},
		{"POST", "/orders", `{"description":"","quantity":2,"email":"new@example.org","firstName":"New","lastName":"One"}`, 422, "invalid", "description"},
		{"POST", "/orders", `{"description":"tea","quantity":2,"email":"new","firstName":"New","lastName":"One"}`, 422, "invalid", "email"},
		{"POST", "/orders", `{"description":"tea","quantity":2,"firstName":"New","lastName":"One"}`, 422, "invalid", "email"},
		{"POST", "/orders", `{"description":"tea","quantity":2,"email":"new@example.org"}`, 422, "customer-incomplete", "email"},
		{"POST", "/orders", order(`"lastName":"Two"`), 422, "invalid", "lastName"},
		{"POST", "/orders", order(`"more":1`), 422, "invalid", "more"},
		{"POST", "/orders", order(`"value":1`) + `{}`, 400, "malformed", ""},
		{"POST", "/orders", `{"description":`, 400, "malformed", ""},
		{"POST", "/orders", "{\"description\":\"\xff\"}", 400, "malformed", ""},
		{"POST", "/orders", `[]`, 422, "invalid", "body"},
		{"POST", "/orders", order(`"value":"` + strings.Repeat("1", 2<<20) + `"`), 413, "too-large", ""},
		{"POST", "/v1/users", `{"firstName":"Ann"}`, 422, "invalid", "lastName"},
		{"POST", "/v1/users", `{"firstName":"` + strings.Repeat("a", 101) + `","lastName":"Lee"}`, 422, "invalid", "firstName"},
		{"PUT", "/v1/users/a%2Fb", `{}`, 400, "bad-path", ""},
		{"PUT", "/v1/users/%00", `{}`, 400, "bad-path", ""},
		{"DELETE", "/v1/users/..", ``, 400, "bad-path", ""},
		{"PATCH", "/v1/users/7", `{}`, 405, "", ""},
		{"POST", "/api/commands/order/7/place", `{"customerId":"","customerName":"A B","description":"t","quantity":1,"value":1}`, 422, "invalid", "customerId"},
		{"POST", "/api/commands/order/7/place", `{"customerId":"nobody","customerName":"A B","description":"t","quantity":1,"value":1}`, 409, "customer-unknown", ""},
		{"POST", "/api/commands/order/7/confirm", `{}`, 404, "not-found", ""},
		{"POST", "/api/commands/order/7/devour", `{}`, 404, "not-found", ""},
		{"POST", "/api/commands/customer/7/register", `{"email":"ann@example.org","firstName":"A","lastName":"B"}`, 409, "email-taken", ""},
		{"POST", "/campaigns", `{"classification":"gold","subject":"s","body":"b"}`, 422, "invalid", "name"},
		{"POST", "/campaigns", `{"name":"n","classification":"platinum","subject":"s","body":"b"}`, 422, "invalid", "classification"},
		{"POST", "/campaigns", `{"name":"n","classification":"gold","subject":"s\nBcc: a@b","body":"b"}`, 422, "invalid", "subject"},
		{"POST", "/campaigns", `{"name":"n","classification":"gold","subject":"s","body":""}`, 422, "invalid", "body"},
		{"POST", "/campaigns", `{"id":"mine","name":"n","classification":"gold","subject":"s","body":"b"}`, 422, "invalid", "id"},
		{"POST", "/campaigns/nothing/start", ``, 404, "not-found", ""},
		{"POST", "/campaigns/%00/start", ``, 400, "bad-path", ""},
		{"POST", "/api/commands/campaign/7/request-mail", `{"customerId":""}`, 422, "invalid", "customerId"},
		{"POST", "/api/commands/campaign/7/request-mail", `{"customerId":"a/b"}`, 422, "invalid", "customerId"},
		{"POST", "/api/commands/campaign/7/record-sent", `{"customerId":"7","messageId":"m"}`, 404, "not-found", ""},
		{"POST", "/api/commands/campaign/" + strings.Repeat("7", 250) + "/request-mail", `{"customerId":"7"}`, 404, "not-found", ""},
		{"GET", "/orders?where.nothing=1", ``, 400, "bad-query", "where.nothing"},
		{"GET", "/orders?limit=0", ``, 400, "bad-query", "limit"},
		{"GET", "/nothing", ``, 404, "not-found", ""},
	} {
		a := c.do(r.method, r.path, r.body)
		got := decode[problem](t, a)
		if a.status != r.status || r.code != "" && got.Code != r.code || got.Field != r.field || a.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s %.120s:\n got %s\nwant %d %s %s", r.method, r.path, r.body, a, r.status, r.code, r.field)
		}
	}
	if after := c.head(); after != before {
		t.Errorf("%d records were stored: %+v", after-before, c.log("")[before:])
	}
}
