package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/deed-es/deed"
)

// Recorder keeps examples, for the documentation of a gateway, of what a test asks it over HTTP: it is the Transport of the
// test's client, and of an operation that is asked more than once, it keeps the first exchange that went well, and the first
// problem of each code. Examples returns them. All methods may be called by many goroutines at once.
//
//	recorder := gateway.NewRecorder(gw, nil)
//	client := &http.Client{Transport: recorder}
//	... // asks each operation, so that each event happens
//	recorded, err := recorder.Examples(ctx, examples) // of examples.json, which is embedded, and given to the gateway as Options.Examples
//
// The test writes recorded.Examples to that file if it is told to, and else fails for what is Changed or Missing: so the
// documentation shows what the service does, or the test fails.
type Recorder struct {
	gateway    *Gateway
	next       http.RoundTripper
	operations []operation
	events     []channel

	mu   sync.Mutex
	seen examples
}

// Recorded is what a Recorder has to say when a test is over.
type Recorded struct {
	// Examples is the file for Options.Examples.
	Examples []byte
	// Changed names what is not as the file before has it: new, gone, or another answer.
	Changed []string
	// Missing names what there is no example of: an operation or event that the test left out.
	Missing []string
}

// NewRecorder returns a Recorder of what next sends to g, which has all its routes. Next may be nil: http.DefaultTransport.
func NewRecorder(g *Gateway, next http.RoundTripper) *Recorder {
	if next == nil {
		next = http.DefaultTransport
	}
	d := g.describing()
	return &Recorder{gateway: g, next: next, operations: d.operations(g.Routes()), events: d.channels(), seen: examples{}}
}

// RoundTrip sends a request. What is answered is kept once it was read to its end, or closed.
func (r *Recorder) RoundTrip(request *http.Request) (*http.Response, error) {
	var body []byte
	if request.GetBody != nil {
		copied, err := request.GetBody()
		if err != nil {
			return nil, err
		}
		if body, err = io.ReadAll(copied); err != nil {
			return nil, err
		}
	}
	response, err := r.next.RoundTrip(request)
	if err != nil || request.Method == http.MethodHead {
		return response, err
	}
	response.Body = &taped{ReadCloser: response.Body, end: func(answer []byte) { r.keep(request, body, response, answer) }}
	return response, nil
}

// mostTaped is how much of an answer is looked at.
const mostTaped = 1 << 20

// taped is a body with a copy of what was read of it.
type taped struct {
	io.ReadCloser
	copied []byte
	once   sync.Once
	end    func([]byte)
}

func (t *taped) Read(b []byte) (int, error) {
	n, err := t.ReadCloser.Read(b)
	t.copied = append(t.copied, b[:min(n, mostTaped-len(t.copied))]...)
	if err != nil {
		t.once.Do(func() { t.end(t.copied) })
	}
	return n, err
}

func (t *taped) Close() error {
	t.once.Do(func() { t.end(t.copied) })
	return t.ReadCloser.Close()
}

func (r *Recorder) keep(request *http.Request, body []byte, response *http.Response, answer []byte) {
	o := r.operation(request.Method, request.URL.EscapedPath())
	kind := response.Header.Get("Content-Type")
	r.mu.Lock()
	defer r.mu.Unlock()
	switch well := response.StatusCode/100 == 2; {
	case kind == problemType[0]:
		r.problem(o, response.StatusCode, answer)
	case o == nil || !well || o.self:
	default:
		r.exchange(o, request.URL.RequestURI(), body, response.StatusCode, kind, answer)
	}
}

// problem keeps a problem: with its operation, if its code is one of the domain's own.
func (r *Recorder) problem(o *operation, status int, answer []byte) {
	var problem struct{ Code string }
	if json.Unmarshal(answer, &problem) != nil {
		return
	}
	key := problemExample("", status, problem.Code)
	if !slices.ContainsFunc(codes, func(c code) bool { return c.status == status && c.name == problem.Code }) {
		if o == nil {
			return
		}
		key = problemExample(o.id, status, problem.Code)
	}
	r.first(key, answer)
}

func (r *Recorder) exchange(o *operation, path string, body []byte, status int, kind string, answer []byte) {
	if o.body != nil && json.Valid(body) {
		r.first(bodyExample(o.id), body)
	}
	r.first(pathExample(o.id), textExample(path))
	key := answerExample(o.id, status, kind)
	switch {
	case len(answer) == 0:
	case kind == jsonType[0]:
		r.first(key, abridged(answer))
	case kind == eventStream:
		var known string
		_ = json.Unmarshal(r.seen[key], &known)
		if text := firstOfEach(string(answer)); len(told(text)) > len(told(known)) {
			r.seen[key] = textExample(text)
		}
	default:
		r.first(key, textExample(firstLines(string(answer))))
	}
}

func (r *Recorder) first(key string, value []byte) {
	if _, known := r.seen[key]; !known && json.Valid(value) {
		r.seen[key] = value
	}
}

func textExample(text string) json.RawMessage { return appendString(nil, text) }

// operation is what a request is about: of those with such a path the one that says most about it.
func (r *Recorder) operation(method, path string) *operation {
	var best *operation
	for i := range r.operations {
		o := &r.operations[i]
		if o.method == method && isLike(path, o.path) && (best == nil || len(wildcards(o.path)) < len(wildcards(best.path))) {
			best = o
		}
	}
	return best
}

// isLike tells whether a path is one of those that a pattern stands for.
func isLike(path, pattern string) bool {
	segments, said := strings.Split(path, "/"), strings.Split(pattern, "/")
	return slices.EqualFunc(segments, said, func(segment, said string) bool {
		_, any := wildcard(said)
		return any && segment != "" || segment == said
	})
}

const (
	longExample = 2000 // bytes, beyond which an answer is abridged
	mostItems   = 2    // of a list in an answer that is
)

// abridged is an answer; of one that is long, the first of each list.
func abridged(answer []byte) []byte {
	var value any
	dec := json.NewDecoder(bytes.NewReader(answer))
	dec.UseNumber()
	if len(answer) <= longExample || dec.Decode(&value) != nil {
		return answer
	}
	short, err := json.Marshal(firstItems(value))
	if err != nil {
		return answer
	}
	return short
}

func firstItems(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for name := range v {
			v[name] = firstItems(v[name])
		}
	case []any:
		v = v[:min(len(v), mostItems)]
		for i := range v {
			v[i] = firstItems(v[i])
		}
		return v
	}
	return value
}

func firstLines(text string) string {
	lines := slices.Collect(strings.Lines(text))
	return strings.Join(lines[:min(len(lines), mostItems)], "")
}

// firstOfEach is a stream of events cut down to the first of each name.
func firstOfEach(stream string) string {
	known := map[string]bool{}
	var kept strings.Builder
	for _, event := range sentEvents(stream) {
		for name := range told(event) {
			if !known[name] {
				known[name] = true
				kept.WriteString(event)
			}
		}
	}
	return kept.String()
}

// Examples returns the examples of what passed, and of the events in the log, beside a file that was made before. One that
// is still true stays as it is in that file: it may differ in numbers, times, UUIDs, hashes and names of logs, and in nothing else.
func (r *Recorder) Examples(ctx context.Context, before []byte) (Recorded, error) {
	known, err := parseExamples(before)
	if err != nil {
		return Recorded{}, fmt.Errorf("examples: %w", err)
	}
	now, err := r.all(ctx)
	if err != nil {
		return Recorded{}, fmt.Errorf("examples: %w", err)
	}
	recorded := Recorded{Missing: r.missing(now)}
	for key := range known {
		if _, still := now[key]; !still {
			recorded.Changed = append(recorded.Changed, key)
		}
	}
	for key, value := range now {
		if old, ok := known[key]; ok && alike(old, value) {
			now[key] = old
		} else {
			recorded.Changed = append(recorded.Changed, key)
		}
	}
	slices.Sort(recorded.Changed)
	recorded.Examples, err = now.text()
	return recorded, err
}

// all is what was seen, with the first record of each event in the log.
func (r *Recorder) all(ctx context.Context) (examples, error) {
	r.mu.Lock()
	all := maps.Clone(r.seen)
	r.mu.Unlock()
	awaited := map[string]message{}
	for _, c := range r.events {
		for _, m := range c.messages {
			awaited[m.name] = m
		}
	}
	for record, err := range r.gateway.service.Log().Read(ctx, deed.Query{}) {
		if err != nil {
			return nil, err
		}
		if m, ok := awaited[record.Type]; ok && m.version == max(record.Schema, 1) {
			delete(awaited, record.Type)
			all[eventExample(m)] = appendRecord(nil, record)
		}
	}
	return all, nil
}

// missing names what documentation wants an example of, and has none.
func (r *Recorder) missing(all examples) []string {
	var missing []string
	want := func(key string) {
		if _, ok := all[key]; !ok {
			missing = append(missing, key)
		}
	}
	for i := range r.operations {
		o := &r.operations[i]
		if o.self {
			continue
		}
		want(pathExample(o.id))
		if o.body != nil {
			want(bodyExample(o.id))
		}
		for _, a := range o.answers {
			for _, m := range a.media {
				if a.status/100 == 2 {
					want(answerExample(o.id, a.status, m.kind))
				}
			}
		}
	}
	for _, c := range r.events {
		for _, m := range c.messages {
			want(eventExample(m))
		}
	}
	return missing
}

// varying is what differs from run to run: UUIDs, names of logs and hashes, and numbers, of which times are made.
var varying = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-z]{20,}|[0-9]+(\.[0-9]+)?`)

// alike tells whether two examples differ in nothing but that.
func alike(a, b json.RawMessage) bool {
	return bytes.Equal(unvaried(a), unvaried(b))
}

func unvaried(value json.RawMessage) []byte {
	var plain bytes.Buffer
	if json.Compact(&plain, value) != nil {
		return value
	}
	return varying.ReplaceAll(plain.Bytes(), []byte("0"))
}
