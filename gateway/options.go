package gateway

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Options are how a gateway behaves; the zero Options are right for a service that only its own machine reaches.
type Options struct {
	// Title and Version are what the documentation calls the service; empty: Service, and 0.
	Title, Version string
	// Examples is what the documentation shows as examples: a file that a Recorder wrote, in a test. Empty: no examples.
	Examples []byte
	// Authorizer is asked about every request. Nil: everybody may do everything, and Serve serves loopback addresses only.
	Authorizer Authorizer
	// Challenge is the WWW-Authenticate header of a 401; empty: Bearer.
	Challenge string
	// Hosts are further names, without port, under which the gateway is reached: behind a proxy, or in a cluster. Known are
	// localhost, 127.0.0.1, [::1], the host that Serve was given, and the address that a connection came to. "*" turns the
	// check off, for where something in front of it checks.
	Hosts []string
	// Origins are other web origins, scheme://host[:port], whose pages may send commands.
	Origins []string
	// Logger gets what goes wrong; nil: nothing is logged.
	Logger *slog.Logger
	// Around wraps all that the gateway answers, what its protections refuse included: to count and to trace, as package
	// telemetry does. It is called once for the gateway, and once more each time that it is served. Nil: nothing does.
	Around func(http.Handler) http.Handler
	// Metrics answers GET /metrics. The Authorizer is asked about it, as about every route. Nil: there is no such route.
	Metrics http.Handler

	// MaxBody is the size of a request's body in bytes; 0: 1 MiB.
	MaxBody int64
	// MaxPage is how many rows or records a page may have; 0: 1000, which is also the most.
	MaxPage int
	// MaxFollowers is how many streams may follow changes or the log at once; 0: 1000.
	MaxFollowers int
	// Rate is how many requests per second an actor, or an address where there is no actor, may make; 0: any number.
	Rate float64
	// Burst is how many may come at once; 0: those of one second.
	Burst int

	// Timeout is how long handling a request may take, waiting for a view and following not counted; 0: 30 s.
	Timeout time.Duration
	// BodyTimeout is how long a client may take to send a body; 0: 30 s.
	BodyTimeout time.Duration
	// WriteTimeout is how long a client that follows may take to read what was sent before it is dropped; 0: 10 s.
	WriteTimeout time.Duration
	// Heartbeat is how often a stream of events that has nothing to say says so; 0: 15 s.
	Heartbeat time.Duration
}

// complete returns o with its defaults, or all that is wrong with it.
func (o *Options) complete() (Options, error) {
	var full Options
	if o != nil {
		full = *o
	}
	if err := full.validate(); err != nil {
		return full, err
	}
	defaulted(&full.Title, "Service")
	defaulted(&full.Version, "0")
	defaulted(&full.Challenge, "Bearer")
	defaulted(&full.Logger, slog.New(slog.DiscardHandler))
	defaulted(&full.MaxBody, 1<<20)
	defaulted(&full.MaxPage, maxPage)
	defaulted(&full.MaxFollowers, 1000)
	defaulted(&full.Burst, max(1, int(math.Ceil(full.Rate))))
	defaulted(&full.Timeout, 30*time.Second)
	defaulted(&full.BodyTimeout, 30*time.Second)
	defaulted(&full.WriteTimeout, 10*time.Second)
	defaulted(&full.Heartbeat, 15*time.Second)
	return full, nil
}

// maxPage is what deed's views give at most, and defaultPage what they give unasked.
const (
	maxPage     = 1000
	defaultPage = 100
)

func defaulted[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

func (o Options) validate() error {
	var errs []error
	fault := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	_, err := parseExamples(o.Examples)
	fault(err != nil, "Examples: is no file of a Recorder: %v", err)
	for _, host := range o.Hosts {
		fault(host == "" || strings.ContainsAny(host, "/ ") || host != "*" && strings.Contains(host, "*"), "Hosts: %q is no host name", host)
	}
	for _, origin := range o.Origins {
		u, err := url.Parse(origin)
		fault(err != nil || u.Scheme == "" || u.Host == "" || u.Path != "", "Origins: %q is not scheme://host[:port]", origin)
	}
	fault(o.MaxBody < 0, "MaxBody: is negative")
	fault(o.MaxPage < 0 || o.MaxPage > maxPage, "MaxPage: must be 0 (%d) to %d", maxPage, maxPage)
	fault(o.MaxFollowers < 0, "MaxFollowers: is negative")
	fault(o.Rate < 0 || math.IsNaN(o.Rate) || o.Rate > 1e9, "Rate: must be 0 (no limit) to 1e9 requests per second")
	fault(o.Burst < 0, "Burst: is negative")
	for _, d := range []struct {
		name string
		time.Duration
	}{{"Timeout", o.Timeout}, {"BodyTimeout", o.BodyTimeout}, {"WriteTimeout", o.WriteTimeout}, {"Heartbeat", o.Heartbeat}} {
		fault(d.Duration < 0, "%s: is negative", d.name)
	}
	fault(strings.ContainsAny(o.Challenge, "\r\n"), "Challenge: must be one line")
	return errors.Join(errs...)
}
