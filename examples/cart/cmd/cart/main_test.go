package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// served is the program running on a port of its own.
type served struct {
	url    string
	cancel context.CancelFunc
	ended  chan error
}

func start(t *testing.T, data string) *served {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	out, in := io.Pipe()
	s := &served{cancel: cancel, ended: make(chan error, 1)}
	go func() {
		err := run(ctx, []string{"-addr", "127.0.0.1:0", "-data", data}, in)
		_ = in.CloseWithError(err)
		s.ended <- err
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	_, s.url, _ = strings.Cut(strings.TrimSpace(line), "http://")
	s.url = "http://" + s.url
	return s
}

func (s *served) stop(t *testing.T) {
	t.Helper()
	s.cancel()
	if err := <-s.ended; err != nil {
		t.Fatal(err)
	}
}

func ask(t *testing.T, method, url, body, position string) (status int, text, at string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if position != "" {
		req.Header.Set("Deed-Position", position)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(answer), resp.Header.Get("Deed-Position")
}

// Commands are handled, views answer with what was written, and both are there after a restart.
func TestRun(t *testing.T) {
	data := filepath.Join(t.TempDir(), "made", "here")
	s := start(t, data)
	if status, text, _ := ask(t, "POST", s.url+"/api/commands/cart/42/open", `{"owner":"ann"}`, ""); status != 200 {
		t.Fatal(status, text)
	}
	status, text, position := ask(t, "POST", s.url+"/api/commands/cart/42/add-item", `{"sku":"tea"}`, "")
	if status != 200 || text != `{"stream":"cart-42","version":2,"position":2}` {
		t.Fatal(status, text)
	}
	const want = `{"owner":"ann","status":"open","items":1}`
	if status, text, _ := ask(t, "GET", s.url+"/api/views/cart-summaries/42", "", position); status != 200 || text != want {
		t.Fatal(status, text)
	}
	follower, err := http.Get(s.url + "/api/changes?view=cart-summaries")
	if err != nil {
		t.Fatal(err)
	}
	defer follower.Body.Close()
	s.stop(t)
	if _, err := io.ReadAll(follower.Body); err != nil {
		t.Errorf("who followed was cut off: %v", err)
	}

	s = start(t, data)
	defer s.stop(t)
	if status, text, _ := ask(t, "GET", s.url+"/api/views/cart-summaries/42", "", position); status != 200 || text != want {
		t.Fatal(status, text)
	}
	if status, text, _ := ask(t, "POST", s.url+"/api/commands/cart/42/open", `{"owner":"bob"}`, ""); status != 409 {
		t.Fatal(status, text)
	}
	// The data belongs to one process at a time.
	if err := run(t.Context(), []string{"-addr", "127.0.0.1:0", "-data", data}, io.Discard); err == nil {
		t.Error("a second process took the data")
	}
}

func TestFlags(t *testing.T) {
	for _, args := range [][]string{{"-port", "1"}, {"more"}, {"-data", t.TempDir(), "-addr", "nonsense"}, {"-data", t.TempDir(), "-addr", "0.0.0.0:0"}} {
		if err := run(t.Context(), args, io.Discard); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), []string{"-data", file}, io.Discard); err == nil {
		t.Error("a file was taken for a directory")
	}
}
