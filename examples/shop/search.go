package main

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/orders"
	"github.com/deed-es/deed/gateway"
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
	if words == "" {
		return &gateway.Problem{Status: http.StatusBadRequest, Code: "bad-query", Field: "q", Detail: "must have a word to look for"}
	}
	if err := c.Reach(orders.Text.Name); err != nil {
		return err
	}
	rows, err := f.text.Select(c.Context(), 0, orders.Found, words, limit)
	var parked *deed.ParkedError
	if errors.As(err, &parked) {
		c.Writer.Header().Set("Deed-Parked", strconv.FormatInt(int64(parked.Position), 10))
	} else if err != nil {
		return err
	}
	found := foundOrders{Orders: []foundOrder{}}
	for _, row := range rows {
		found.Orders = append(found.Orders, foundOrder{ID: row[0].(string), Customer: row[1].(string), Excerpt: row[2].(string)})
	}
	return c.Reply(http.StatusOK, found)
}
