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

	"github.com/deed-es/deed"
)

// request is something that a client wants, under an Idempotency-Key of its own, until it is answered.
type request struct {
	key, method, path, body string

	event    string // type of the event that it brings about; empty: perhaps none
	category string // of the stream of that event
	id       string // of the thing; empty: the one that is answered
	marker   string // stands in the event's data, and in that of no other request; empty: in none
	address  string // that a customer asked for
	waits    bool   // an order that waits until it is confirmed
	refusal  string // how it may be refused; empty: not at all

	sent     int // how often
	position deed.Position
	again    bool // the answer said that an earlier try had done it
	refused  bool
	by       *node // who answered
}

// stream is where the request's event stands.
func (r *request) stream() deed.StreamID { return deed.Stream(r.category, r.id) }

// errUnanswered is about a request whose outcome is not known to the client, or that is to be sent again.
var errUnanswered = errors.New("unanswered")

// transient are the answers after which a request is sent again under the same key: 503, and 409 where the tries were used up.
func transient(status int, code string) bool {
	return status == http.StatusServiceUnavailable || status == http.StatusConflict && code == "conflict"
}

// errInternal is about an answer that says only that something went wrong, which is no reason to send it again while all is well.
var errInternal = fmt.Errorf("%w: internal", errUnanswered)

// send sends the request once. An error that is errUnanswered is a reason to send it again.
func (r *request) send(ctx context.Context, client *http.Client, base string) error {
	r.sent++
	request, err := http.NewRequestWithContext(ctx, r.method, base+r.path, strings.NewReader(r.body))
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
	if err != nil {
		return fmt.Errorf("%w: %w", errUnanswered, err)
	}
	if response.StatusCode < 300 {
		return r.acknowledge(response, body)
	}
	code := problem(body)
	switch {
	case transient(response.StatusCode, code):
		return fmt.Errorf("%w: %s %s", errUnanswered, response.Status, body)
	case response.StatusCode == http.StatusInternalServerError:
		return fmt.Errorf("%w: %s %s %s: %s", errInternal, r.method, r.path, response.Status, body)
	case r.refusal != "" && r.refusal == code:
		r.refused = true
		return nil
	}
	return fmt.Errorf("%s %s %s under the key %s (sent %d times): %s %s", r.method, r.path, r.body, r.key, r.sent, response.Status, body)
}

// problem is the code of a problem.
func problem(body []byte) string {
	var p struct{ Type string }
	_ = json.Unmarshal(body, &p) // something else has no code
	return strings.TrimPrefix(p.Type, "urn:deed:problem:")
}

func (r *request) acknowledge(response *http.Response, body []byte) error {
	position, err := positionOf(response)
	if err != nil {
		return fmt.Errorf("%s %s: %w", r.method, r.path, err)
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
	if r.position != 0 && r.position != position && r.event != "" {
		return fmt.Errorf("%s %s under the key %s was at position %d, and then at %d", r.method, r.path, r.key, r.position, position)
	}
	r.position, r.again = position, response.Header.Get("Deed-Again") == "true"
	return nil
}

// positionOf is the position that an answer says it has.
func positionOf(response *http.Response) (deed.Position, error) {
	token := response.Header.Get("Deed-Position")
	position, err := strconv.ParseInt(token[strings.LastIndex(token, ".")+1:], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("Deed-Position %q: %w", token, err)
	}
	return deed.Position(position), nil
}
