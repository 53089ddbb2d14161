package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/cart"
	"github.com/deed-es/deed/gateway"
	"github.com/deed-es/deed/sqlite"
)

// So many connections are kept to the server.
const connections = 64

func (b *bench) http(ctx context.Context) error {
	t := newTable(b.out, "commands over http", fmt.Sprintf(`A command that opens a cart, of 256 bytes, is sent to /api/commands/cart/{id}/open, each to a cart of its own, by %d
connections on loopback that a process of its own keeps; it is answered once the event is flushed. The references are
handlers of net/http that decode the same JSON: one that stores nothing, and one that hands the event to the bare loop. Each
ratio is the row's rate to that reference's in the same round. deed's rows have the gateway in front: of the decider alone,
and of the whole example, whose view and process work at the same time.`, connections),
		"added", "                  what", "posts/s", "to no store", "to bare loop", "group", "    p50", "    p99")
	for _, d := range b.disks {
		ways := []way{
			{"handler, no store", func() (sample, error) { return b.postBare(ctx, d, nothing) }},
			{"handler, bare loop", func() (sample, error) {
				return withBare(d, func(l *bareLoop) (sample, error) { return b.postBare(ctx, d, l.put) })
			}},
			{"deed, decider alone", func() (sample, error) { return b.postDeed(ctx, d, cart.Decider) }},
			{"deed, whole cart", func() (sample, error) { return b.postDeed(ctx, d, cart.Decider, cart.Summaries, cart.Reminders) }},
		}
		s, err := inTurn(b.rounds, ways...)
		if err != nil {
			return err
		}
		for i, w := range ways {
			m := s.median(i)
			t.row(d.wait.String(), w.name, whole(m.rate), times(s.ratio(i, 0)), times(s.ratio(i, 1)), group(m.group), ms(m.p50), ms(m.p99))
		}
	}
	return nil
}

// postDeed measures a service of these parts behind the gateway, as the example's own program runs it.
func (b *bench) postDeed(ctx context.Context, d *disk, parts ...deed.Part) (sample, error) {
	return withLog(d, func(_ string, db *sqlite.DB) (sample, error) {
		return serve(ctx, db, parts, func(ctx context.Context, service *deed.Service) (sample, error) {
			gw, err := gateway.New(service, nil)
			if err != nil {
				return sample{}, err
			}
			return b.posts(ctx, d, func(ctx context.Context, l net.Listener) error { return gateway.ServeListener(ctx, l, gw) },
				func() (int64, error) {
					head, err := db.Head(ctx)
					return int64(head), err
				})
		})
	})
}

// postBare measures a handler that decodes the same JSON and has it put somewhere.
func (b *bench) postBare(ctx context.Context, d *disk, put func(deed.StreamID, []byte) error) (sample, error) {
	mux := http.NewServeMux()
	stored := newCounter(put)
	mux.HandleFunc("POST /api/commands/cart/{id}/open", func(w http.ResponseWriter, r *http.Request) {
		var cmd cart.Open
		if err := json.NewDecoder(r.Body).Decode(&cmd); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		data, err := json.Marshal(cart.Opened(cmd))
		stream := deed.Stream("cart", r.PathValue("id"))
		if err == nil {
			err = stored.put(stream, data)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"stream":%q,"version":1,"position":1}`, stream)
	})
	return b.posts(ctx, d, func(ctx context.Context, l net.Listener) error { return serveBare(ctx, l, mux) }, stored.count)
}

func nothing(deed.StreamID, []byte) error { return nil }

// serveBare serves as the gateway does, with the same limits.
func serveBare(ctx context.Context, l net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, WriteTimeout: 2 * time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	err := server.Shutdown(context.WithoutCancel(ctx))
	if end := <-ended; !errors.Is(end, http.ErrServerClosed) {
		err = errors.Join(err, end)
	}
	return err
}

// posts has a server asked for a round, and makes sure that it stored as much as it said.
func (b *bench) posts(ctx context.Context, d *disk, server func(context.Context, net.Listener) error, stored func() (int64, error)) (sample, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return sample{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- server(ctx, l) }()
	flushes := d.flushes.Load()
	result, err := send[postResult](ctx, "post", postTask{Address: l.Addr().String(), Clients: connections, Span: b.span})
	s := d.sampled(result.Done, result.Took, flushes)
	s.p50, s.p99 = result.P50, result.P99
	if n, wrong := stored(); err == nil && (wrong != nil || n != result.Done) {
		err = errors.Join(wrong, fmt.Errorf("%d commands were answered, and %d are stored", result.Done, n))
	}
	cancel()
	return s, errors.Join(err, <-ended)
}
