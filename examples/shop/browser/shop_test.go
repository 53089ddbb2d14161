package browser_test

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
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

// shop is a shop that runs as a process of its own, as "make run" starts it.
type shop struct {
	t    *testing.T
	data string
	url  string
	seen string // position that views must have reached, before a program is answered
	run  *running
}

// running is the process.
type running struct {
	cmd    *exec.Cmd
	lines  chan string // that it prints
	errors bytes.Buffer
}

// openShop starts a shop on a free port. It ends with the test, and must end well.
func openShop(t *testing.T, args ...string) *shop {
	t.Helper()
	s := &shop{t: t, data: t.TempDir()}
	s.start(args...)
	t.Cleanup(func() {
		if s.run != nil {
			s.stop()
		}
	})
	return s
}

func (s *shop) start(args ...string) {
	s.t.Helper()
	r := &running{cmd: exec.Command(program, append([]string{"-addr", "127.0.0.1:0", "-data", s.data}, args...)...), lines: make(chan string, 1000)}
	r.cmd.Stderr = &r.errors
	r.cmd.SysProcAttr = bound()
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		defer close(r.lines)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			r.lines <- lines.Text()
		}
	}()
	s.run = r
	s.url = strings.TrimSpace(s.says("answers on "))
	if len(args) > 1 && args[0] == "-seed" {
		s.says(fmt.Sprintf("%s of %[1]s orders", args[1]))
		s.do("GET", "/api/log?type=campaign-created&follow=true&limit=3", "", http.StatusOK) // the last of the sample data
		s.settled()
	}
}

// says waits for a line that holds a text, and returns what stands behind it.
func (s *shop) says(text string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		select {
		case line, open := <-s.run.lines:
			if !open {
				_ = s.run.cmd.Wait()
				s.t.Fatalf("the shop ended before it said %q: %s", text, s.run.errors.String())
			}
			if _, rest, found := strings.Cut(line, text); found {
				return rest
			}
		case <-ctx.Done():
			s.t.Fatalf("the shop does not say %q", text)
		}
	}
}

// stop ends the shop, as somebody does who is polite.
func (s *shop) stop() {
	s.t.Helper()
	r := s.run
	s.run = nil
	hung := context.AfterFunc(timeout(s.t), func() { _ = r.cmd.Process.Kill() })
	defer hung()
	if runtime.GOOS == "windows" {
		_ = r.cmd.Process.Kill()
	} else {
		_ = r.cmd.Process.Signal(os.Interrupt)
	}
	for range r.lines { // to its end, before Wait closes the pipe
	}
	if err := r.cmd.Wait(); err != nil && runtime.GOOS != "windows" {
		s.t.Errorf("the shop did not end well: %v\n%s", err, r.errors.String())
	}
}

// again starts the shop with what it had. Its port is another: the one that it had may be somebody else's by now.
func (s *shop) again() {
	s.t.Helper()
	s.start()
}

func timeout(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// past writes into the log of a shop that is closed, past the shop.
func (s *shop) past(stream deed.StreamID, events ...deed.NewEvent) {
	s.t.Helper()
	store, err := sqlite.Open(filepath.Join(s.data, "shop.db"), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	_, err = store.Append(s.t.Context(), deed.Batch{Writes: []deed.Write{{Stream: stream, Events: events}}})
	if err != nil {
		s.t.Error(err)
	}
	if err := store.Close(); err != nil {
		s.t.Error(err)
	}
}

// do sends what programs send, and expects a status.
func (s *shop) do(method, path, body string, status int) []byte {
	s.t.Helper()
	answer, data := s.ask(method, path, body)
	if answer.StatusCode != status {
		s.t.Fatalf("%s %s: got %d %.500s, want %d", method, path, answer.StatusCode, data, status)
	}
	if method == http.MethodPost {
		s.seen = answer.Header.Get("Deed-Position")
	}
	return data
}

// ask sends what programs send.
func (s *shop) ask(method, path, body string) (*http.Response, []byte) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(timeout(s.t), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if method == http.MethodGet && s.seen != "" {
		request.Header.Set("Deed-Position", s.seen)
		request.Header.Set("Prefer", "wait=60") // no gateway waits longer
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	return answer, data
}

// order is an order that somebody places.
type order struct {
	Email       string `json:"email"`
	FirstName   string `json:"firstName"`
	LastName    string `json:"lastName"`
	Description string `json:"description"`
	Quantity    int    `json:"quantity"`
	Value       string `json:"value,omitempty"`
}

// place places an order as a program does, and returns its id.
func (s *shop) place(o order) string {
	s.t.Helper()
	body, err := json.Marshal(o)
	if err != nil {
		s.t.Fatal(err)
	}
	var placed struct{ ID string }
	if err := json.Unmarshal(s.do("POST", "/orders", string(body), http.StatusCreated), &placed); err != nil {
		s.t.Fatal(err)
	}
	return placed.ID
}

// rowOf is the key of the first row of a view of which a field has a value.
func (s *shop) rowOf(view, field, value string) string {
	s.t.Helper()
	var page struct {
		Rows []struct {
			Key string
			Row map[string]any
		}
	}
	if err := json.Unmarshal(s.do("GET", "/api/views/"+view+"?limit=1000", "", http.StatusOK), &page); err != nil {
		s.t.Fatal(err)
	}
	for _, r := range page.Rows {
		if fmt.Sprint(r.Row[field]) == value {
			return r.Key
		}
	}
	s.t.Fatalf("no row of %s has the %s %q", view, field, value)
	return ""
}

// position is where in the log the first event of a type in a stream is.
func (s *shop) position(stream, kind string) int64 {
	s.t.Helper()
	var list struct {
		Records []struct {
			Type     string
			Position int64
		}
	}
	if err := json.Unmarshal(s.do("GET", "/api/streams/"+stream, "", http.StatusOK), &list); err != nil {
		s.t.Fatal(err)
	}
	for _, r := range list.Records {
		if r.Type == kind {
			return r.Position
		}
	}
	s.t.Fatalf("%s has no %s", stream, kind)
	return 0
}

// What a shop says of its parts.
type (
	readiness struct {
		Position int64
		Parts    []part
	}
	part struct {
		Name          string
		Position, Lag int64
	}
)

// ready waits until a shop says that all its parts do well.
func (s *shop) ready() (r readiness) {
	s.t.Helper()
	until := timeout(s.t)
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for {
		answer, data := s.ask("GET", "/readyz", "")
		if answer.StatusCode == http.StatusOK {
			if err := json.Unmarshal(data, &r); err != nil {
				s.t.Fatal(err)
			}
			return r
		}
		select {
		case <-look.C:
		case <-until.Done():
			s.t.Fatalf("the shop is not ready: %s", data)
		}
	}
}

// head is the end of the log.
func (s *shop) head() int64 {
	s.t.Helper()
	return s.ready().Position
}

// settled waits until every part has come to where the log ends now.
func (s *shop) settled() {
	s.t.Helper()
	head, until := s.head(), timeout(s.t)
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for {
		r := s.ready()
		late := slices.IndexFunc(r.Parts, func(p part) bool { return p.Lag > 0 && p.Position < head })
		if late < 0 {
			return
		}
		select {
		case <-look.C:
		case <-until.Done():
			s.t.Fatalf("%s has not come to %d: %+v", r.Parts[late].Name, head, r.Parts[late])
		}
	}
}

// said is what was said to a part, as the log has it.
func (s *shop) said(part string) []string {
	s.t.Helper()
	var said []string
	for line := range bytes.Lines(s.do("GET", "/api/log?category=process", "", http.StatusOK)) {
		var r struct{ Type, Stream string }
		if err := json.Unmarshal(line, &r); err != nil {
			s.t.Fatal(err)
		}
		if r.Stream == "process-"+part {
			said = append(said, r.Type)
		}
	}
	return said
}

// broken is an order of which nothing can be read.
var broken = deed.NewEvent{ID: "broken", Type: "order-placed", Data: []byte(`{"quantity":"x"}`)}
