package main

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/customers"
	"github.com/deed-es/deed/examples/shop/money"
	"github.com/deed-es/deed/examples/shop/orders"
	"github.com/deed-es/deed/postgres"
	"github.com/deed-es/deed/sqlite"
)

// indexed are orders in the index of one store, by the places of their descriptions.
type indexed struct {
	ctx   context.Context
	index orders.Index
	view  *deed.TablesView
	last  deed.Position
}

// indexing places an order for each description, and indexes them in views.
func indexing(t *testing.T, views deed.ViewStore, log deed.Engine, descriptions []string) indexed {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	in := indexed{ctx: ctx, index: textIn(views)}
	service, err := deed.NewService(deed.Config{Store: log, Views: views}, customers.Decider, customers.Addressing, orders.Decider, orders.Placement, in.index)
	if err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- service.Run(running) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	if _, err := customers.Addressing.Handler(log).Handle(ctx, "7", customers.Register{Email: "zoe@example.org", FirstName: "Zoë", LastName: "Čech"}); err != nil {
		t.Fatal(err)
	}
	handler := orders.Placement.Handler(log)
	for i, description := range descriptions {
		receipt, err := handler.Handle(ctx, fmt.Sprint(i), orders.Place{CustomerID: "7", CustomerName: "Zoë Čech", Description: description, Quantity: 1, Value: money.Cents(100)})
		if err != nil {
			t.Fatalf("%q: %v", description, err)
		}
		in.last = receipt.Position
	}
	in.view = in.index.View(views)
	return in
}

// found is what a statement finds, without places: each engine has its own.
func (in indexed) found(t *testing.T, words []string, q deed.Statement) []orders.Found {
	t.Helper()
	rows, err := in.view.Select(in.ctx, in.last, q.SQL, q.Args...)
	if err != nil {
		t.Fatalf("%q: %v", words, err)
	}
	all := in.index.Rows(rows, words)
	for i := range all {
		all[i].Place = 0
	}
	return all
}

// described are descriptions that words are looked for in.
var described = []string{
	"green tea from Uji", "a teapot, cast iron", "TEA-POT & tea cosy", "Crème brûlée \"for two\"", "cre\u0300me, decomposed", "Größe XXL, für Straße", "GRÖSSE", "Ørsted's øl",
	"שלום עולם", "שָׁלוֹם", "مرحبا بالعالم", "İstanbul ILGAZ ığdır", "ΟΔΥΣΣΕΥΣ ὀδυσσεύς Οδυσσέας", "Ёлка и йод", "日本語の本 緑茶", "한국어 차", "👩‍👩‍👧 family 👍🏽 1️⃣", "naïve café—bar", "x\x00y z",
	"a\x02b\x03c", "<script>alert('x')</script>", "'; DROP TABLE {text}; --", `back\slash 'quote' "double"`, "12e5 1.5 0x1F 3rd №7 ½ x²", "user@example.org https://example.org/path?q=1", "AND OR NOT NEAR",
	strings.Repeat("word ", 40) + "needle " + strings.Repeat("more ", 40), strings.Repeat("long", 1000) + " tail", "\u0301 alone", "Ⅷ ª ẞ ſ ﬁn", "the_snake_case and-dash", "…", "\ue000private",
}

// Both engines find the same orders, with the same excerpts: of languages and oddities as of plain words.
func TestBothIndexesFindTheSame(t *testing.T) {
	lite, err := sqlite.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lite.Close() })
	server, err := postgres.Open(t.Context(), newPostgres(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	one, other := indexing(t, lite, lite, described), indexing(t, server, server, described)
	typed := []string{
		"tea", "te", "TEA", "tea pot", "tea-pot", "pot", "cast iron", "cast-iron", "iron-cast", "creme", "crème", "brulee for", "grosse", "größe", "GROẞE", "strasse", "straße", "orsted", "øl", "ol",
		"שלום", "של", "مرحبا", "istanbul", "ilgaz", "οδυσσευς", "ΟΔΥΣ", "елка", "ёлка", "йод", "иод", "日本語", "緑茶", "緑", "한국어", "👍", "👩‍👩‍👧", "family 👍", "1", "naive", "cafe bar", "café—bar",
		"x", "y", "x\x00y", "x y", "script", "<script>", "drop", "'", `"`, `\`, "back\\slash", "quote", "12e5", "1.5", "15", "0x1f", "½", "x²", "example.org", "user@example.org", "https://example.org/path", "and", "AND OR",
		"needle", "needle word", "more needle", "long", strings.Repeat("long", 1000), "tail", "\u0301", "alone", "ⅷ", "snake", "snake_case", "-", "tea -", "- tea", "*", "te*", "{text}", "(", "NEAR(a b)", "description:tea", "^tea",
		"zoe", "cech", "čech", "zoe tea", "zoe green", "čech-green", "zoe-cech", "nothing", "\ue000private", "s", "fin", "ﬁn",
	}
	some := 0
	for _, q := range typed {
		words := orders.Words(q)
		if len(words) == 0 {
			continue
		}
		newest := one.found(t, words, one.index.Newest(words, 1<<62, 100))
		if got := other.found(t, words, other.index.Newest(words, 1<<62, 100)); !reflect.DeepEqual(got, newest) {
			t.Errorf("%q, the newest first:\n postgres %+v\n sqlite   %+v", q, got, newest)
		}
		inOrder := func(all []orders.Found) []orders.Found {
			slices.SortFunc(all, func(a, b orders.Found) int { return cmp.Compare(a.ID, b.ID) })
			return all
		}
		best := inOrder(one.found(t, words, one.index.Best(words, 100)))
		if got := inOrder(other.found(t, words, other.index.Best(words, 100))); !reflect.DeepEqual(got, best) || len(best) != len(newest) {
			t.Errorf("%q, the best first:\n postgres %+v\n sqlite   %+v", q, got, best)
		}
		ids := []string{"0", "1", "20", "nobody"}
		among := inOrder(one.found(t, words, one.index.Among(words, ids)))
		if got := inOrder(other.found(t, words, other.index.Among(words, ids))); !reflect.DeepEqual(got, among) {
			t.Errorf("%q, among some:\n postgres %+v\n sqlite   %+v", q, got, among)
		}
		some += min(len(newest), 1)
	}
	if some < 60 {
		t.Errorf("only %d questions have an answer", some)
	}
}
