// Command cart serves the example's carts over HTTP, from one SQLite file.
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
	"path/filepath"
	"syscall"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/cart"
	"github.com/deed-es/deed/gateway"
	"github.com/deed-es/deed/sqlite"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "cart:", err)
		os.Exit(1)
	}
}

// run serves until ctx is done, and returns nil then.
func run(ctx context.Context, args []string, stdout io.Writer) (err error) {
	flags := flag.NewFlagSet("cart", flag.ContinueOnError)
	flags.SetOutput(stdout)
	addr := flags.String("addr", "127.0.0.1:8080", "the `address` to serve on; this machine only")
	data := flags.String("data", "data", "the `directory` to keep the data in")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is too much: there are flags only", flags.Arg(0))
	}
	if err := os.MkdirAll(*data, 0o700); err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	db, err := sqlite.Open(filepath.Join(*data, "cart.db"), &sqlite.Options{Logger: logger})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	config := deed.Config{Store: db, Views: db, Logger: logger}
	service, err := deed.NewService(config, cart.Decider, cart.Summaries, cart.Reminders)
	if err != nil {
		return err
	}
	gw, err := gateway.New(service, &gateway.Options{Logger: logger})
	if err != nil {
		return err
	}
	var listen net.ListenConfig
	l, err := listen.Listen(ctx, "tcp", *addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "carts are served on http://%s\n", l.Addr())
	return serve(ctx, service, gw, l)
}

// serve runs service and gateway until ctx is done or one of them fails. The gateway ends first: what it has begun may need
// the service.
func serve(ctx context.Context, service *deed.Service, gw *gateway.Gateway, l net.Listener) error {
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	serving, end := context.WithCancel(ctx)
	defer end()
	ran := make(chan error, 1)
	go func() {
		ran <- service.Run(running)
		end()
	}()
	err := gateway.ServeListener(serving, l, gw)
	stop()
	return errors.Join(err, <-ran)
}
