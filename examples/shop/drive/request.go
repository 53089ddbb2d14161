package drive

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

// Request is something that a client wants, under an Idempotency-Key of its own, until it is answered.
type Request struct {
	Key, Method, Path, Body string

	Event    string // type of the event that it brings about; empty: perhaps none
	Category string // of the stream of that event
	ID       string // of the thing; empty: the one that is answered
	Marker   string // stands in the event's data, and in that of no other request; empty: in none
	Address  string // that a customer asked for
	Waits    bool   // an order that waits until it is confirmed
	Refusal  string // how it may be refused; empty: not at all

	Sent     int // how often
	Position deed.Position
	Again    bool // the answer said that an earlier try had done it
	Refused  bool
}

// Stream is where the request's event stands.
func (r *Request) Stream() deed.StreamID { return deed.Stream(r.Category, r.ID) }

// ErrUnanswered is about a request whose outcome is not known to the client, or that is to be sent again.
var ErrUnanswered = errors.New("unanswered")

// Transient tells the answers after which a request is sent again under the same key: 503, and 409 where the tries were used up.
func Transient(status int, code string) bool {
	return status == http.StatusServiceUnavailable || status == http.StatusConflict && code == "conflict"
}

// ErrInternal is about an answer that says only that something went wrong, which is no reason to send it again while all is well.
var ErrInternal = fmt.Errorf("%w: internal", ErrUnanswered)

// Send sends the request once. An error that is ErrUnanswered is a reason to send it again.
func (r *Request) Send(ctx context.Context, client *http.Client, base string) error {
	r.Sent++
	request, err := http.NewRequestWithContext(ctx, r.Method, base+r.Path, strings.NewReader(r.Body))
	if err != nil {
		return err
	}
	request.Header.Set("Idempotency-Key", r.Key)
	if r.Body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnanswered, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnanswered, err)
	}
	if response.StatusCode < 300 {
		return r.acknowledge(response, body)
	}
	code := Problem(body)
	switch {
	case Transient(response.StatusCode, code):
		return fmt.Errorf("%w: %s %s", ErrUnanswered, response.Status, body)
	case response.StatusCode == http.StatusInternalServerError:
		return fmt.Errorf("%w: %s %s %s: %s", ErrInternal, r.Method, r.Path, response.Status, body)
	case r.Refusal != "" && r.Refusal == code:
		r.Refused = true
		return nil
	}
	return fmt.Errorf("%s %s %s under the key %s (sent %d times): %s %s", r.Method, r.Path, r.Body, r.Key, r.Sent, response.Status, body)
}

// Problem is the code of a problem.
func Problem(body []byte) string {
	var p struct{ Type string }
	_ = json.Unmarshal(body, &p) // something else has no code
	return strings.TrimPrefix(p.Type, "urn:deed:problem:")
}

func (r *Request) acknowledge(response *http.Response, body []byte) error {
	position, err := PositionOf(response)
	if err != nil {
		return fmt.Errorf("%s %s: %w", r.Method, r.Path, err)
	}
	var answered struct{ ID string }
	if len(body) > 0 {
		if err := json.Unmarshal(body, &answered); err != nil {
			return fmt.Errorf("%s %s: %w in %s", r.Method, r.Path, err, body)
		}
	}
	if r.ID == "" {
		r.ID = answered.ID
	}
	if answered.ID != "" && answered.ID != r.ID {
		return fmt.Errorf("%s %s under the key %s made %s, and then %s", r.Method, r.Path, r.Key, r.ID, answered.ID)
	}
	if r.Position != 0 && r.Position != position && r.Event != "" {
		return fmt.Errorf("%s %s under the key %s was at position %d, and then at %d", r.Method, r.Path, r.Key, r.Position, position)
	}
	r.Position, r.Again = position, response.Header.Get("Deed-Again") == "true"
	return nil
}

// PositionOf is the position that an answer says it has.
func PositionOf(response *http.Response) (deed.Position, error) {
	token := response.Header.Get("Deed-Position")
	position, err := strconv.ParseInt(token[strings.LastIndex(token, ".")+1:], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("Deed-Position %q: %w", token, err)
	}
	return deed.Position(position), nil
}
