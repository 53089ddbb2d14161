package main

import (
	"context"
	_ "embed" // the examples
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/console"
	"github.com/deed-es/deed/examples/shop/analysis"
	"github.com/deed-es/deed/examples/shop/campaigns"
	"github.com/deed-es/deed/examples/shop/customers"
	"github.com/deed-es/deed/examples/shop/mail"
	"github.com/deed-es/deed/examples/shop/orders"
	"github.com/deed-es/deed/examples/shop/rates"
	"github.com/deed-es/deed/examples/shop/ui"
	"github.com/deed-es/deed/examples/shop/users"
	"github.com/deed-es/deed/gateway"
	"github.com/deed-es/deed/telemetry"
)

// examples are what the tests asked and were answered, for the documentation; "go test ./examples/shop -run Documented
// -update" makes them anew.
//
//go:embed examples.json
var examples []byte

// shop is everything wired together.
type shop struct {
	service  *deed.Service
	gateway  *gateway.Gateway
	ordering *ordering
	mailbox  *mail.Mailbox // nil where mail goes to a mail server
	seed     int           // sample orders for an empty store
}

func newShop(s stores, o options, logger *slog.Logger) (*shop, error) {
	source, err := o.source()
	if err != nil {
		return nil, err
	}
	mailer, mailbox, err := o.mailer()
	if err != nil {
		return nil, err
	}
	watch, err := telemetry.New(&telemetry.Options{Tracer: o.tracer, Logger: logger})
	if err != nil {
		return nil, err
	}
	config := deed.Config{
		Store: s.log, Views: s.views, Logger: logger, Observer: watch, Roles: o.roles, Node: o.node, LeaseTTL: o.leaseTTL,
	}
	text := textIn(s.views)
	service, err := deed.NewService(config,
		users.Decider, users.View, users.HistoryView, users.Welcoming(o.welcomeDelay),
		customers.Decider, customers.Addressing, customers.OverviewView, customers.FormView,
		orders.Decider, orders.Placement, orders.View, orders.RequestView, text, orders.Confirmation,
		rates.Reactor(source),
		analysis.Classification, analysis.ClassificationsView, analysis.ReportView,
		campaigns.Decider, campaigns.Mailing, campaigns.View,
		mail.Audience(s.log, customers.OverviewView.View(s.views)), mail.Sending(s.log, mailer),
	)
	if err != nil {
		return nil, err
	}
	if err := watch.Watch(service); err != nil {
		return nil, err
	}
	gw, err := gateway.New(service, &gateway.Options{
		Logger: logger, Title: "The shop", Examples: examples, Around: watch.Around, Metrics: watch.Metrics(),
	})
	if err != nil {
		return nil, err
	}
	ordering := newOrdering(service, s.log)
	own := faces{service, ordering, mailbox, text, s.views}
	if err := gw.Handle(slices.Concat(own.routes(), own.pages(logger), console.Routes(service, &console.Options{Title: "The shop", Home: ui.Home, Logger: logger}), []gateway.Route{index(gw)})...); err != nil {
		return nil, err
	}
	return &shop{service: service, gateway: gw, ordering: ordering, mailbox: mailbox, seed: o.seed}, nil
}

// run serves on l, and keeps the service going, until ctx is done or something fails for good. Requests end before the
// service does, so that those that wait for a view are still answered.
func (s *shop) run(ctx context.Context, l net.Listener, stdout io.Writer) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	working, rest := context.WithCancel(context.WithoutCancel(ctx))
	defer rest()
	var served, worked, seeded error
	var service, seeding sync.WaitGroup
	service.Go(func() {
		defer stop()
		worked = s.service.Run(working)
	})
	fmt.Fprintf(stdout, "the shop answers on http://%s\n", l.Addr())
	seeding.Go(func() {
		if err := s.seedEmpty(ctx, stdout); err != nil && ctx.Err() == nil {
			seeded = err
			stop()
		}
	})
	served = gateway.ServeListener(ctx, l, s.gateway)
	stop()
	seeding.Wait()
	rest()
	service.Wait()
	return errors.Join(served, worked, seeded)
}
