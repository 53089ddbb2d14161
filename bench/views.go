package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

type write struct {
	Text string `json:"text"`
}

type written struct {
	Text string `json:"text"`
}

func (write) CommandType() string { return "write" }
func (written) EventType() string { return "written" }

var notes = deed.Decider[int, write, written]{
	Category: "bench", Commands: []write{{}}, Events: []written{{}},
	Decide: func(_ int, w write) ([]written, error) { return []written{written(w)}, nil },
	Evolve: func(n int, _ written) int { return n + 1 },
}

type page struct {
	Text string `json:"text"`
	N    int    `json:"n"`
}

var pages = deed.Projection[page, written]{
	Name: "pages", Events: []written{{}},
	Key:    func(r deed.Recorded[written]) string { return r.Stream.ID() },
	Evolve: func(p page, r deed.Recorded[written]) page { return page{r.Event.Text, p.N + 1} },
}

// mode is how a projection is kept.
type mode struct {
	name  string
	pages deed.Projection[page, written]
}

// modes are measured side by side; the first is what the others are compared with.
func modes() []mode {
	all := []mode{{name: "async"}, {name: "inline"}, {name: "live"}}
	for i, of := range []deed.Mode{deed.Async, deed.Inline, deed.Live} {
		all[i].pages = pages
		all[i].pages.Mode = of
	}
	return all
}

func (b *bench) rows(ctx context.Context) error {
	t := newTable(b.out, "commands whose own row is read", `A command is handled that stores one event, of a thing of its own, and then its row is read from the view at the receipt's
position; each client waits for its row before the next. The reference is the same command handled in a service without a
view, and nothing read: the first ratio is what is left of its rate. The second is to the first mode.`,
		"added", "clients", "   mode", "    rows/s", "no view/s", "to no view", "to "+modes()[0].name, "rows' group", "no view's group")
	for i, d := range b.disks {
		clients := []int{64}
		if i == 0 {
			clients = []int{1, 64}
		}
		for _, clients := range clients {
			if err := b.modesSideBySide(ctx, t, d, clients); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *bench) modesSideBySide(ctx context.Context, t table, d *disk, clients int) error {
	ways := []way{{"no view", func() (sample, error) { return b.handled(ctx, d, clients) }}}
	for _, m := range modes() {
		ways = append(ways, way{m.name, func() (sample, error) { return b.ownRow(ctx, d, clients, m.pages) }})
	}
	s, err := inTurn(b.rounds, ways...)
	if err != nil {
		return err
	}
	without := s.median(0)
	for i, w := range ways[1:] {
		with := s.median(i + 1)
		t.row(
			d.wait.String(), fmt.Sprint(clients), w.name, whole(with.rate), whole(without.rate), times(s.ratio(i+1, 0)), times(s.ratio(i+1, 1)), group(with.group), group(without.group),
		)
	}
	return nil
}

// The text of a note; the event that comes of it has 256 bytes.
var noteText = fmt.Sprintf("%0245d", 0)

// handled lets clients handle commands, one after the other.
func (b *bench) handled(ctx context.Context, d *disk, clients int) (sample, error) {
	return withLog(d, func(_ string, db *sqlite.DB) (sample, error) {
		return serve(ctx, db, []deed.Part{notes}, func(ctx context.Context, _ *deed.Service) (sample, error) {
			handler := notes.Handler(db)
			return load(d, clients, b.span, func(worker, n int) error {
				_, err := handler.Handle(ctx, inOrder(worker, n), write{Text: noteText})
				return err
			})
		})
	})
}

// ownRow lets clients handle a command and read its row from the view, one after the other.
func (b *bench) ownRow(ctx context.Context, d *disk, clients int, pages deed.Projection[page, written]) (sample, error) {
	return withLog(d, func(_ string, db *sqlite.DB) (sample, error) {
		return serve(ctx, db, []deed.Part{notes, pages}, func(ctx context.Context, _ *deed.Service) (sample, error) {
			handler, view := notes.Handler(db), pages.View(db)
			return load(d, clients, b.span, func(worker, n int) error {
				id := inOrder(worker, n)
				receipt, err := handler.Handle(ctx, id, write{Text: noteText})
				if err != nil {
					return err
				}
				row, err := view.Get(ctx, id, receipt.Position)
				if err == nil && row.N != 1 {
					err = fmt.Errorf("the row of %s counts %d events", id, row.N)
				}
				return err
			})
		})
	})
}

// serve runs a service while f works.
func serve(ctx context.Context, db *sqlite.DB, parts []deed.Part, f func(context.Context, *deed.Service) (sample, error)) (sample, error) {
	service, err := deed.NewService(deed.Config{Store: db, Views: db}, parts...)
	if err != nil {
		return sample{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	stopped := make(chan error, 1)
	go func() { stopped <- service.Run(ctx) }()
	s, err := f(ctx, service)
	cancel()
	return s, errors.Join(err, <-stopped)
}
