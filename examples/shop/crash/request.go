package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// request is something that a client wants, under an Idempotency-Key of its own, until it is answered.
type request struct {
	key, method, path, body string

	event    string // type of the event that it brings about
	category string // of the stream of that event
	id       string // of the thing; empty: the one that is answered
	marker   string // stands in the event's data, and in that of no other request; empty: in none
	waits    bool   // an order that waits until it is confirmed

	sent     int   // how often
	position int64 // of the event, as acknowledged
	again    bool  // the answer said that an earlier try had done it
}

// stream is where the request's event stands.
func (r *request) stream() string { return r.category + "-" + r.id }

// errUnanswered is about a request whose outcome is not known to the client.
var errUnanswered = errors.New("unanswered")

// send sends the request once. An error that is errUnanswered is a reason to send it again.
func (r *request) send(ctx context.Context, client *http.Client, url string) error {
	r.sent++
	request, err := http.NewRequestWithContext(ctx, r.method, url+r.path, strings.NewReader(r.body))
	if err != nil {
		return err
	}
	request.Header.Set("Idempotency-Key", r.key)
	if r.body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("%w: %w", errUnanswered, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode == http.StatusServiceUnavailable {
		return fmt.Errorf("%w: %s %w", errUnanswered, response.Status, err)
	}
	if response.StatusCode >= 300 {
		return fmt.Errorf("%s %s %s (sent %d times): %s %s", r.method, r.path, r.body, r.sent, response.Status, body)
	}
	return r.acknowledge(response, body)
}

func (r *request) acknowledge(response *http.Response, body []byte) error {
	token := response.Header.Get("Deed-Position")
	position, err := strconv.ParseInt(token[strings.LastIndex(token, ".")+1:], 10, 64)
	if err != nil {
		return fmt.Errorf("%s %s: Deed-Position %q", r.method, r.path, token)
	}
	var answered struct{ ID string }
	if len(body) > 0 {
		if err := json.Unmarshal(body, &answered); err != nil {
			return fmt.Errorf("%s %s: %w in %s", r.method, r.path, err, body)
		}
	}
	if r.id == "" {
		r.id = answered.ID
	}
	if answered.ID != "" && answered.ID != r.id {
		return fmt.Errorf("%s %s under the key %s made %s, and then %s", r.method, r.path, r.key, r.id, answered.ID)
	}
	if r.position != 0 && r.position != position {
		return fmt.Errorf("%s %s under the key %s was at position %d, and then at %d", r.method, r.path, r.key, r.position, position)
	}
	r.position, r.again = position, response.Header.Get("Deed-Again") == "true"
	return nil
}

// read reads the order that the request has placed, and returns whose it is.
func (r *request) read(ctx context.Context, client *http.Client, url string) (customer string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/orders/"+r.id, http.NoBody)
	if err != nil {
		return "", err
	}
	request.Header.Set("Deed-Position", strconv.FormatInt(r.position, 10))
	request.Header.Set("Prefer", "wait=15")
	response, err := client.Do(request)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errUnanswered, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode == http.StatusServiceUnavailable {
		return "", fmt.Errorf("%w: %s %w", errUnanswered, response.Status, err)
	}
	var row struct{ Description, CustomerID string }
	if err := json.Unmarshal(body, &row); err != nil || response.StatusCode != http.StatusOK || row.Description != r.marker {
		return "", fmt.Errorf("order %s, placed at position %d, is read as %s %s", r.id, r.position, response.Status, body)
	}
	return row.CustomerID, nil
}
