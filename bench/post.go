package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// postTask is whom to send commands that open carts, and how long.
type postTask struct {
	Address string
	Clients int
	Span    time.Duration
}

type postResult struct {
	Done     int64
	Took     time.Duration
	P50, P99 time.Duration
}

// post opens a connection for each client, and has all of them send one command after the other. It is plain in order to
// leave the machine to the server: a request is one write, and of the answer all is read and the status checked.
func post(ctx context.Context, task postTask) (postResult, error) {
	clients := make([]*client, task.Clients)
	for i := range clients {
		c, err := dial(ctx, task.Address)
		if err != nil {
			return postResult{}, err
		}
		defer c.conn.Close()
		if err := c.conn.SetDeadline(time.Now().Add(task.Span + time.Minute)); err != nil {
			return postResult{}, err
		}
		clients[i] = c
	}
	errs := make([]error, len(clients))
	var all sync.WaitGroup
	start := time.Now()
	for i, c := range clients {
		all.Go(func() {
			for n := 0; time.Since(start) < task.Span && errs[i] == nil; n++ {
				errs[i] = c.open(inOrder(i, n))
			}
		})
	}
	all.Wait()
	result := postResult{Took: time.Since(start)}
	for _, err := range errs {
		if err != nil {
			return postResult{}, err
		}
	}
	var took []time.Duration
	for _, c := range clients {
		took = append(took, c.took...)
	}
	result.Done = int64(len(took))
	result.P50, result.P99 = percentiles(took)
	return result, nil
}

// client is a connection that is kept.
type client struct {
	conn    net.Conn
	answers *bufio.Reader
	address string
	request []byte
	took    []time.Duration
}

func dial(ctx context.Context, address string) (*client, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &client{conn: conn, answers: bufio.NewReader(conn), address: address}, nil
}

// The body of a command; the event that comes of it has 256 bytes.
var openBody = fmt.Sprintf(`{"owner":"%0244d"}`, 0)

// open sends the command that opens a cart.
func (c *client) open(id string) error {
	c.request = fmt.Appendf(c.request[:0], "POST /api/commands/cart/%s/open HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		id, c.address, len(openBody), openBody)
	start := time.Now()
	if _, err := c.conn.Write(c.request); err != nil {
		return err
	}
	answer, err := http.ReadResponse(c.answers, nil)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(answer.Body)
	if end := answer.Body.Close(); err == nil {
		err = end
	}
	switch {
	case err != nil:
		return err
	case answer.StatusCode != http.StatusOK && answer.StatusCode != http.StatusCreated:
		return fmt.Errorf("cart %s got %s: %s", id, answer.Status, body)
	case answer.Close:
		return fmt.Errorf("cart %s: the server closes the connection", id)
	}
	c.took = append(c.took, time.Since(start))
	return nil
}
