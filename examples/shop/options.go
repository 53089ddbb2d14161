package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/customers"
	"github.com/deed-es/deed/examples/shop/mail"
	"github.com/deed-es/deed/examples/shop/rates"
	"github.com/deed-es/deed/examples/shop/users"
)

// options are what the command line says.
type options struct {
	addr         string
	store        string // URL of the engine
	views        string // URL of the engine of the views; empty: the same
	roles        []deed.Role
	node         string
	leaseTTL     time.Duration
	seed         int
	welcomeDelay time.Duration
	rates        string // ratesOffline or ratesECB
	ecbURL       string
	smtp         string // host:port of the mail server; empty: a mailbox in memory
	mailFrom     string
	traceFile    string               // empty: nothing is traced
	tracer       trace.TracerProvider // nil: nothing is traced
}

const (
	ratesOffline = "offline"
	ratesECB     = "ecb"
)

// parse reads the command line. What is wrong with it is said on out, once, and returned.
func parse(args []string, out io.Writer) (options, error) {
	var o options
	var data, roles string
	flags := flag.NewFlagSet("shop", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.StringVar(&o.addr, "addr", "127.0.0.1:8080", "`address` to serve on; port 0 takes a free one")
	flags.StringVar(&data, "data", "data", "`directory` for the data; it is made if it is missing")
	flags.StringVar(&o.store, "store", "", "`URL` of the store; empty: sqlite:shop.db in the data directory")
	flags.StringVar(&o.views, "views", "", "`URL` of a store of the views' own, as sqlite:views.db for each process; empty: where the log is")
	flags.StringVar(&roles, "roles", "", "what this process does of commands, projections, processes and queries, separated by commas; empty: all of it")
	flags.StringVar(&o.node, "node", "", "`name` of this process, among those that share a store; empty: its host and process id")
	flags.DurationVar(&o.leaseTTL, "lease", 0, "after how long others take over what a process ran that is not heard of any more; 0: 5s")
	flags.IntVar(&o.seed, "seed", 0, "place so many sample orders if the store is empty")
	flags.DurationVar(&o.welcomeDelay, "welcome-delay", users.WelcomeDelay, "how long after being created a user is welcomed")
	flags.StringVar(&o.rates, "rates", ratesOffline, "where exchange rates come from: offline (a table shipped with the shop) or ecb")
	flags.StringVar(&o.ecbURL, "ecb-url", rates.ECBDaily, "`URL` of the ECB's daily reference rates")
	flags.StringVar(&o.smtp, "smtp", "", "`host:port` of the mail server; empty: mail goes to a mailbox in memory, to be seen at /ui/mailbox")
	flags.StringVar(&o.mailFrom, "mail-from", "shop@example.org", "`address` that mail comes from")
	flags.StringVar(&o.traceFile, "trace-file", "", "`file` that OpenTelemetry spans are added to, a JSON object a line; empty: none are made")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	for role := range strings.SplitSeq(roles, ",") {
		if role = strings.TrimSpace(role); role != "" {
			o.roles = append(o.roles, deed.Role(role))
		}
	}
	if o.store == "" {
		o.store = "sqlite:" + filepath.Join(data, "shop.db")
	}
	return o, o.validate(flags.Args())
}

func (o options) validate(rest []string) error {
	var errs []error
	if len(rest) > 0 {
		errs = append(errs, fmt.Errorf("unexpected arguments: %s", strings.Join(rest, " ")))
	}
	if o.seed < 0 {
		errs = append(errs, errors.New("-seed must not be negative"))
	}
	if o.leaseTTL < 0 {
		errs = append(errs, errors.New("-lease must not be negative"))
	}
	if o.welcomeDelay < 0 {
		errs = append(errs, errors.New("-welcome-delay must not be negative"))
	}
	if o.rates != ratesOffline && o.rates != ratesECB {
		errs = append(errs, fmt.Errorf("-rates must be %s or %s", ratesOffline, ratesECB))
	}
	if o.smtp != "" {
		if _, _, err := net.SplitHostPort(o.smtp); err != nil {
			errs = append(errs, fmt.Errorf("-smtp: %w", err))
		}
	}
	if err := customers.CheckEmail(o.mailFrom); err != nil {
		errs = append(errs, fmt.Errorf("-mail-from: %w", err))
	}
	return errors.Join(errs...)
}

// source returns where exchange rates come from.
func (o options) source() (rates.Rates, error) {
	if o.rates == ratesECB {
		return rates.NewECB(o.ecbURL), nil
	}
	return rates.NewOffline()
}

// mailer returns where mail goes, and the mailbox if it goes there.
func (o options) mailer() (mail.Mailer, *mail.Mailbox, error) {
	if o.smtp == "" {
		mailbox := new(mail.Mailbox)
		return mailbox, mailbox, nil
	}
	mailer, err := mail.NewSMTP(o.smtp, o.mailFrom)
	return mailer, nil, err
}
