package main

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/orders"
	"github.com/deed-es/deed/gateway"
	"github.com/deed-es/deed/postgres"
)

type (
	foundOrders struct {
		Orders []foundOrder `json:"orders"`
	}
	foundOrder struct {
		ID       string `json:"id"`
		Customer string `json:"customer"`
		Excerpt  string `json:"excerpt"`
	}
)

// searchOrders answers GET /orders/search.
func (f faces) searchOrders(c *gateway.Call) error {
	query := c.Request.URL.Query()
	limit, err := strconv.Atoi(query.Get("limit"))
	if !query.Has("limit") {
		limit, err = 100, nil
	}
	if err != nil || limit < 1 || limit > 1000 {
		return &gateway.Problem{Status: http.StatusBadRequest, Code: "bad-query", Field: "limit", Detail: "must be 1 to 1000"}
	}
	words := orders.Words(query.Get("q"))
	if len(words) == 0 {
		return &gateway.Problem{Status: http.StatusBadRequest, Code: "bad-query", Field: "q", Detail: "must have a word to look for"}
	}
	if err := c.Reach(orders.Text.Name); err != nil {
		return err
	}
	best := f.text.Best(words, limit)
	rows, err := f.text.View(f.views).Select(c.Context(), 0, best.SQL, best.Args...)
	var parked *deed.ParkedError
	if errors.As(err, &parked) {
		c.Writer.Header().Set("Deed-Parked", strconv.FormatInt(int64(parked.Position), 10))
	} else if err != nil {
		return err
	}
	found := foundOrders{Orders: []foundOrder{}}
	for _, o := range f.text.Rows(rows, words) {
		found.Orders = append(found.Orders, foundOrder{ID: o.ID, Customer: o.Customer, Excerpt: inBrackets(o.Excerpt)})
	}
	return c.Reply(http.StatusOK, found)
}

// inBrackets is a text with the words that were looked for in brackets.
func inBrackets(excerpt []orders.Piece) string {
	var text strings.Builder
	for _, piece := range excerpt {
		if piece.Marked {
			piece.Text = "[" + piece.Text + "]"
		}
		text.WriteString(piece.Text)
	}
	return text.String()
}

// textIn is the index of what orders say, in the SQL of the store that keeps it.
func textIn(views deed.ViewStore) orders.Index {
	if _, ok := views.(*postgres.DB); ok {
		return orders.TextPostgres
	}
	return orders.Text
}
