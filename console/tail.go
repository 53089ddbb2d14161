package console

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/gateway"
)

const (
	tailStep    = 200 * time.Millisecond // between messages, at least
	tailMost    = 40                     // records in a message
	tailBeat    = 10 * time.Second
	tailFar     = 50_000 // records behind the log's end, from where on the tail jumps
	tailTimeout = 10 * time.Second
	tailCalm    = 5   // steps without a sample after which a page that was shown samples gets the newest records
	tailHoles   = "~" // ends the id of a message to a page that has holes
)

// sampler counts records and keeps some of them, chosen so that each is kept as likely as any other. It keeps lines, not
// records, so that what it holds is bounded whatever comes. One may add while another takes.
type sampler struct {
	mu      sync.Mutex
	count   int
	kept    []entry
	last    deed.Position
	chooses func(n int) int // a number below n
}

func (s *sampler) add(r deed.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	s.last = r.Position
	if len(s.kept) < tailMost {
		s.kept = append(s.kept, entryOf(r))
		return
	}
	if i := s.chooses(s.count); i < tailMost {
		s.kept[i] = entryOf(r)
	}
}

// take returns what was kept, the newest first, of how many records, and the position of the last of them, and begins anew.
func (s *sampler) take() (kept []entry, count int, last deed.Position) {
	s.mu.Lock()
	kept, count, last = s.kept, s.count, s.last
	s.kept, s.count = nil, 0
	s.mu.Unlock()
	slices.SortFunc(kept, func(a, b entry) int { return int(b.Position - a.Position) })
	return kept, count, last
}

// message is what the page is told about new records.
type message struct {
	Rows     string        `json:"rows"` // lines of the table, as HTML
	Shown    int           `json:"shown"`
	Of       int           `json:"of"`
	Position deed.Position `json:"position"`
	Behind   deed.Position `json:"behind,omitempty"`  // positions to the log's end
	Skipped  deed.Position `json:"skipped,omitempty"` // positions that were passed over, being too many
	Settled  bool          `json:"settled,omitempty"` // Rows are the newest records without a hole, in place of what is shown
	Older    string        `json:"older,omitempty"`   // with Settled: address of the page of what is before them
}

// tail streams new records: at most some messages a second, with at most some records each, and how many there were.
func (c *console) tail(call *gateway.Call) error {
	values := call.Request.URL.Query()
	f := filterOf(values)
	q := f.query()
	q.Follow = true
	if err := q.Validate(); err != nil {
		return err
	}
	after := values.Get("after")
	if id := call.Request.Header.Get("Last-Event-ID"); id != "" {
		after = id
	}
	ctx, end, err := call.Follow()
	if err != nil {
		return err
	}
	defer end()
	t := &tailing{console: c, filter: f, query: q}
	t.sampler.chooses = rand.IntN
	if err := t.begin(ctx, after); err != nil {
		return err
	}
	h := call.Writer.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	t.out = &events{writer: call.Writer, control: http.NewResponseController(call.Writer)}
	if t.out.send("retry: 2000\n\n") != nil || call.Request.Method == http.MethodHead {
		return nil
	}
	if err := t.run(ctx); err != nil && ctx.Err() == nil {
		c.logger.Warn("the tail of the log ended", "correlation", call.Correlation(), "error", err)
	}
	return nil
}

// events sends server-sent events.
type events struct {
	writer  http.ResponseWriter
	control *http.ResponseController
}

func (e *events) send(text string) error {
	_ = e.control.SetWriteDeadline(time.Now().Add(tailTimeout)) // a recorder has none
	if _, err := e.writer.Write([]byte(text)); err != nil {
		return err
	}
	return e.control.Flush()
}

// tailing is one who follows the log.
type tailing struct {
	console *console
	filter  filter
	query   deed.Query
	sampler sampler
	last    deed.Position // that the page was told of
	skipped deed.Position
	holes   bool // the page shows a sample, or has passed something over
	calm    int  // steps since that grew
	out     *events
}

// begin finds out where to start: after a position, or at the log's end where that is too far behind it.
func (t *tailing) begin(ctx context.Context, after string) error {
	head, err := t.console.service.Head(ctx)
	if err != nil {
		return err
	}
	t.query.After = head
	if after, t.holes = strings.CutSuffix(after, tailHoles); after != "" {
		if t.query.After, err = positionOf("after", after); err != nil {
			return err
		}
	}
	t.query.After = min(t.query.After, head)
	if behind := head - t.query.After; behind > tailFar {
		t.skipped, t.query.After = behind, head
	}
	t.sampler.last, t.last = t.query.After, t.query.After
	return nil
}

// run reads in one goroutine, and sends in its own: reading never waits for a slow client, for which only counts grow.
func (t *tailing) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- t.read(ctx) }()
	step, beat := time.NewTicker(tailStep), time.NewTicker(tailBeat)
	defer step.Stop()
	defer beat.Stop()
	for {
		select {
		case err := <-ended:
			return err
		case <-beat.C:
			if err := t.out.send(":\n\n"); err != nil {
				stop()
				return <-ended
			}
		case <-step.C:
			if err := t.tell(ctx); err != nil {
				stop()
				return <-ended
			}
		}
	}
}

func (t *tailing) read(ctx context.Context) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &deed.PanicError{Value: v}
		}
	}()
	for r, err := range t.console.service.Log().Read(ctx, t.query) {
		if err != nil {
			return err
		}
		if t.filter.selects(r) {
			t.sampler.add(r)
		}
	}
	return ctx.Err()
}

// tell sends what has come, if something has, and what a page with holes lacks once it is calm.
func (t *tailing) tell(ctx context.Context) error {
	kept, count, last := t.sampler.take()
	t.last = last
	if count > len(kept) || t.skipped > 0 {
		t.holes, t.calm = true, 0
	} else {
		t.calm++
	}
	if count > 0 || t.skipped > 0 {
		m := message{Shown: len(kept), Of: count, Skipped: t.skipped}
		t.skipped = 0
		if err := t.send(ctx, m, kept); err != nil {
			return err
		}
	}
	if t.holes && t.calm >= tailCalm {
		return t.settle(ctx)
	}
	return nil
}

// settle sends the newest of the records that the page was told of, without a hole.
func (t *tailing) settle(ctx context.Context) error {
	q := t.filter.query()
	q.Backward, q.Before = true, t.last+1
	body := logBody{Filter: t.filter}
	more, err := t.console.fill(ctx, &body, q)
	if err != nil {
		return err
	}
	t.holes = false
	return t.send(ctx, message{Shown: len(body.Entries), Settled: true, Older: t.filter.older(more)}, body.Entries)
}

// send sends a message with lines. Its id is what the page says when it comes back: how far it was told, and whether it has holes.
func (t *tailing) send(ctx context.Context, m message, lines []entry) error {
	m.Position = t.last
	if head, err := t.console.service.Head(ctx); err == nil {
		m.Behind = head - m.Position
	}
	var rows bytes.Buffer
	if err := layouts["log"].ExecuteTemplate(&rows, "entries", lines); err != nil {
		return err
	}
	m.Rows = rows.String()
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	id := strconv.FormatInt(int64(m.Position), 10)
	if t.holes {
		id += tailHoles
	}
	return t.out.send("id: " + id + "\nevent: records\ndata: " + string(text) + "\n\n")
}
