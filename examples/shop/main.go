// Command shop is deed's reference system: users, customers, orders, analysis and campaigns in one program, over HTTP,
// on one SQLite file, or in several processes on a PostgreSQL database.
//
//	go run ./examples/shop -addr 127.0.0.1:8080 -data ./data -seed 200
//	go run ./examples/shop -addr 127.0.0.1:8081 -store postgres://shop@db.example/shop -roles commands,queries
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	err := run(ctx, os.Args[1:], os.Stdout)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(1)
	}
}

// run runs the shop until ctx is done, and returns nil then. It says on stdout where it answers.
func run(ctx context.Context, args []string, stdout io.Writer) (err error) {
	o, err := parse(args, stdout)
	if err != nil {
		return err
	}
	traces, err := openTraces(o.traceFile)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, traces.close()) }()
	o.tracer = traces.provider()
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	store, err := open(ctx, o.store, o.views, logger)
	if err != nil {
		return err
	}
	s, err := newShop(store, o, logger)
	if err != nil {
		return errors.Join(err, store.Close())
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", o.addr)
	if err != nil {
		return errors.Join(err, store.Close())
	}
	return errors.Join(s.run(ctx, l, stdout), store.Close())
}
