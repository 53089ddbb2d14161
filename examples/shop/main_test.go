package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// The tests in this package run the whole shop, by run or as a process of its own, on port 0, and talk to it over HTTP.
// They wait for positions and records, never for a while.

// patience bounds every wait; what takes longer hangs.
const patience = 90 * time.Second

// rounds is full, or a few with -short.
func rounds(full, few int) int {
	if testing.Short() {
		return few
	}
	return full
}

// childArgs is the environment variable by which this test binary becomes the shop.
const childArgs = "DEED_SHOP_ARGS"

func TestMain(m *testing.M) {
	if line := os.Getenv(childArgs); line != "" {
		os.Args = append(os.Args[:1], strings.Split(line, "\n")...)
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// client talks to a shop.
type client struct {
	t    *testing.T
	url  string
	http *http.Client
}

// start runs a shop in this process; stop ends it and returns what run returned.
func start(t *testing.T, args ...string) (_ *client, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, append([]string{"-addr", "127.0.0.1:0"}, args...), in)
		_ = in.CloseWithError(io.EOF)
		ended <- err
	}()
	var result error
	stopped := false
	stop = func() error {
		if !stopped {
			stopped = true
			cancel()
			result = <-ended
		}
		return result
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return newClient(t, out), stop
}

// startChild runs a shop in a process of its own.
func startChild(t *testing.T, args ...string) (*client, *exec.Cmd) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childArgs+"="+strings.Join(append([]string{"-addr", "127.0.0.1:0"}, args...), "\n"))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return newClient(t, out), cmd
}

// newClient reads what a shop prints until it says where it answers, and drops the rest.
func newClient(t *testing.T, out io.Reader) *client {
	t.Helper()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, url, found := strings.Cut(lines.Text(), "answers on "); found {
			go func() {
				for lines.Scan() {
				}
			}()
			transport := &http.Transport{MaxIdleConnsPerHost: 128}
			t.Cleanup(transport.CloseIdleConnections)
			return &client{t: t, url: url, http: &http.Client{Transport: transport, Timeout: patience}}
		}
	}
	t.Fatal("the shop ended before it answered")
	return nil
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// position is the token that, sent back, makes a view wait until it has what this answer knows of.
func (a answer) position() string { return a.header.Get("Deed-Position") }

func (a answer) String() string { return fmt.Sprintf("%d %s", a.status, a.body) }

// decode returns the body as a T.
func decode[T any](t *testing.T, a answer) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(a.body, &v); err != nil {
		t.Fatalf("%v in %s", err, a)
	}
	return v
}

// call sends a request; header holds names and values in turn. An error is one of the network.
func (c *client) call(method, path, body string, header ...string) (answer, error) {
	var reader io.Reader = http.NoBody
	if body != "" {
		reader = strings.NewReader(body)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, c.url+path, reader)
	if err != nil {
		return answer{}, err
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := c.http.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, data}, err
}

// do is call where the network must not fail.
func (c *client) do(method, path, body string, header ...string) answer {
	c.t.Helper()
	a, err := c.call(method, path, body, header...)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

// get returns what stands at path, in a view that has what seen knows of.
func (c *client) get(path string, seen answer) answer {
	c.t.Helper()
	if p := seen.position(); p != "" {
		return c.do("GET", path, "", "Deed-Position", p, "Prefer", "wait=30")
	}
	return c.do("GET", path, "")
}

// expect fails the test unless the answer has this status, and, for a problem, this code.
func (c *client) expect(a answer, status int, code string) answer {
	c.t.Helper()
	if a.status != status || code != "" && decode[problem](c.t, a).Code != code {
		c.t.Fatalf("got %s, want %d %s", a, status, code)
	}
	return a
}

type problem struct {
	Type, Code, Detail, Field string
}

// await asks for path until ok, each time there is one more record in the log.
func (c *client) await(path string, ok func(answer) bool) answer {
	c.t.Helper()
	deadline := time.Now().Add(patience)
	seen := c.get(path, answer{})
	for !ok(seen) {
		if time.Now().After(deadline) {
			c.t.Fatalf("%s is still %s", path, seen)
		}
		record := c.nextRecord(seen)
		next := c.do("GET", path, "", "Deed-Position", record, "Prefer", "wait=30")
		seen = next
	}
	return seen
}

// nextRecord waits for the first record after what seen knows of, and returns its position.
func (c *client) nextRecord(seen answer) string {
	c.t.Helper()
	after := seen.position()
	if after == "" {
		after = "0"
	}
	a := c.do("GET", "/api/log?follow=true&limit=1&after="+after, "")
	return fmt.Sprint(decode[struct{ Position int64 }](c.t, a).Position)
}

// head is the end of the log.
func (c *client) head() int64 {
	c.t.Helper()
	return decode[struct{ Position int64 }](c.t, c.expect(c.do("GET", "/readyz", ""), 200, "")).Position
}

type record struct {
	Type, Stream string
	Position     int64
	Meta         struct{ Command string }
	Data         json.RawMessage
}

// log returns the records that a query selects.
func (c *client) log(query string) []record {
	c.t.Helper()
	var records []record
	for line := range bytes.Lines(c.expect(c.do("GET", "/api/log?"+query, ""), 200, "").body) {
		var r record
		if err := json.Unmarshal(line, &r); err != nil {
			c.t.Fatal(err)
		}
		records = append(records, r)
	}
	return records
}

// order places an order and returns its id.
func (c *client) order(body string, header ...string) (string, answer) {
	c.t.Helper()
	a := c.expect(c.do("POST", "/orders", body, header...), 201, "")
	return decode[struct{ ID string }](c.t, a).ID, a
}
