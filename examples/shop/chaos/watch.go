package main

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/audit"
	"github.com/deed-es/deed/examples/shop/drive"
)

// watch looks at what the database says of the fleet and of the log's order, and changes the order.
type watch struct {
	server *server

	mu        sync.Mutex
	tokens    map[string]string // lease → token that it had
	takeovers int               // tokens that are new, of leases that were somebody's before
	changes   int               // of the order
	spans     []audit.Span      // where the order was Serial, as far as is known
	since     deed.Position     // it has been from here on
	open      bool
}

const watchEvery = 400 * time.Millisecond

// run looks until ctx is done. The server may be away.
func (w *watch) run(ctx context.Context) {
	for drive.Pause(ctx, watchEvery) == nil {
		w.look(ctx)
	}
}

func (w *watch) look(ctx context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	said, err := w.server.ask(ctx, "SELECT part, token FROM deed.leases WHERE node IS NOT NULL UNION ALL SELECT CASE WHEN appending = 'serial' AND base IS NULL THEN '' ELSE '-' END, head FROM deed.logs")
	if err != nil {
		return
	}
	for line := range strings.SplitSeq(said, "\n") {
		part, token, _ := strings.Cut(line, "|")
		switch part {
		case "":
			if !w.open {
				at, _ := strconv.ParseInt(token, 10, 64)
				w.open, w.since = true, deed.Position(at)
			}
		case "-":
		default:
			if before, known := w.tokens[part]; known && before != token {
				w.takeovers++
			}
			w.tokens[part] = token
		}
	}
}

// change changes the log's order by the one statement that operators are told of.
func (w *watch) change(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	said, err := w.server.ask(ctx, `UPDATE deed.logs SET appending = CASE appending WHEN 'serial' THEN 'parallel' ELSE 'serial' END
		WHERE name = 'main' RETURNING head, appending`)
	if err != nil {
		return err
	}
	w.changes++
	head, to, found := strings.Cut(said, "|")
	at, err := strconv.ParseInt(head, 10, 64)
	if err != nil || !found {
		return errors.Join(errors.New("the log's row says "+said), err)
	}
	if to == parallel {
		w.end(deed.Position(at))
	}
	return nil
}

// end ends a time in which the order was Serial.
func (w *watch) end(at deed.Position) {
	if w.open && at > w.since {
		w.spans = append(w.spans, audit.Span{After: w.since, To: at})
	}
	w.open = false
}
