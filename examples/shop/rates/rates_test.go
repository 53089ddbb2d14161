package rates_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/deed-es/deed/deedtest"
	"github.com/deed-es/deed/examples/shop/customers"
	"github.com/deed-es/deed/examples/shop/money"
	"github.com/deed-es/deed/examples/shop/orders"
	"github.com/deed-es/deed/examples/shop/rates"
)

// ecb serves answers, the last one again and again, and counts.
func ecb(t *testing.T, answers ...http.HandlerFunc) (url string, asked *atomic.Int64) {
	t.Helper()
	asked = new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := int(asked.Add(1))
		answers[min(n, len(answers))-1](w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, asked
}

func text(s string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(s)) }
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func sample(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("testdata/eurofxref-daily.xml")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestECB(t *testing.T) {
	url, asked := ecb(t, text(sample(t)))
	source := rates.NewECB(url)
	for range 3 {
		rate, err := source.USD(t.Context(), time.Now())
		if err != nil || rate.Rate.String() != "1.1602" || rate.Date != "2026-11-19" {
			t.Fatal(rate, err)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("the file was read %d times in a row, want once", n)
	}
}

func TestECBThatAnswersWrongly(t *testing.T) {
	good := sample(t)
	for name, answer := range map[string]http.HandlerFunc{
		"away":          status(http.StatusServiceUnavailable),
		"empty":         text(""),
		"no XML":        text("<html><body>maintenance"),
		"no dollar":     text(strings.ReplaceAll(good, "USD", "XXX")),
		"no number":     text(strings.Replace(good, "1.1602", "N/A", 1)),
		"zero":          text(strings.Replace(good, "1.1602", "0", 1)),
		"negative":      text(strings.Replace(good, "1.1602", "-1", 1)),
		"no date":       text(strings.Replace(good, "2026-11-19", "yesterday", 1)),
		"endless":       text(good + strings.Repeat(" ", 2<<20)),
		"cut off":       text(good[:len(good)/2]),
		"many entities": text(`<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>`),
	} {
		t.Run(name, func(t *testing.T) {
			url, _ := ecb(t, answer, text(good))
			source := rates.NewECB(url)
			if rate, err := source.USD(t.Context(), time.Now()); err == nil {
				t.Fatal(rate)
			}
			if rate, err := source.USD(t.Context(), time.Now()); err != nil || rate.Rate.IsZero() {
				t.Fatal("after the fault:", rate, err)
			}
		})
	}
}

func TestECBThatNeverAnswers(t *testing.T) {
	url, _ := ecb(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if rate, err := rates.NewECB(url).USD(ctx, time.Now()); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(rate, err)
	}
}

func TestOffline(t *testing.T) {
	source, err := rates.NewOffline()
	if err != nil {
		t.Fatal(err)
	}
	rate, err := source.USD(t.Context(), time.Now())
	if err != nil || rate.Rate.IsZero() || rate.Date == "" {
		t.Fatal(rate, err)
	}
}

// Orders flow while the rates are away, and the value is filled in when they are back.
func TestReactor(t *testing.T) {
	var back atomic.Bool
	url, _ := ecb(t, func(w http.ResponseWriter, r *http.Request) {
		if !back.Load() {
			status(http.StatusServiceUnavailable)(w, r)
			return
		}
		text(sample(t))(w, r)
	})
	s := deedtest.Serve(t, customers.Addressing, orders.Placement, orders.Decider, orders.Confirmation, orders.View, rates.Reactor(rates.NewECB(url)))
	s.Send(customers.Addressing.Send("7", customers.Register{Email: "ann@example.org", FirstName: "Ann", LastName: "Lee"}))
	place := orders.Place{CustomerID: "7", CustomerName: "Ann Lee", Description: "tea", Quantity: 2}
	s.Send(orders.Placement.Send("unpriced", place))
	place.Value = money.Cents(1000_00)
	s.Send(orders.Placement.Send("tea", place))
	s.Settle()
	if row := order(t, s, "tea"); row.Status != orders.StatusConfirmed || row.USD != (orders.USD{}) {
		t.Fatalf("while the rates are away: %+v", row)
	}
	s.Send(orders.Decider.Send("unpriced", orders.Price{Value: money.Cents(10_00)}))
	back.Store(true)
	s.Settle()
	for id, want := range map[string]string{"tea": "1160.2", "unpriced": "11.6"} {
		row := order(t, s, id)
		if row.USD.Value.String() != want || row.USD.Rate.String() != "1.1602" || row.USD.Date != "2026-11-19" {
			t.Errorf("%s is worth %+v, want %s", id, row.USD, want)
		}
	}
}

func order(t *testing.T, s *deedtest.Service, id string) orders.Row {
	t.Helper()
	head, err := s.Head(s.Context())
	if err != nil {
		t.Fatal(err)
	}
	row, err := orders.View.View(s.DB).Get(s.Context(), id, head)
	if err != nil {
		t.Fatal(err)
	}
	return row
}
