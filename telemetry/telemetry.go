// Package telemetry tells what a deed service does: as Prometheus metrics, and as OpenTelemetry spans from a request over its
// command and append to the projections, processes, reactors and effects that it brings about. It is a module of its own, so
// that who does without has nothing of it.
//
//	t, err := telemetry.New(&telemetry.Options{Tracer: provider})
//	...
//	service, err := deed.NewService(deed.Config{Store: db, Views: db, Observer: t}, parts...)
//	...
//	err = t.Watch(service)
//	...
//	gw, err := gateway.New(service, &gateway.Options{Around: t.Around, Metrics: t.Metrics()})
//
// Metrics have labels of the service's own making only: types of commands, names of parts, patterns of routes. Ids of things
// stand in spans, and never in metrics; paths and data stand in neither.
package telemetry

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/trace"

	"github.com/deed-es/deed"
)

// Options are what telemetry goes to; the zero Options are metrics in a registry of their own, and no spans.
type Options struct {
	// Registry is where metrics are registered; nil: a registry of its own, with those of Go and of the process.
	Registry prometheus.Registerer
	// Gatherer is what Metrics answers from; nil: Registry, which must then be one, as a *prometheus.Registry is.
	Gatherer prometheus.Gatherer
	// Tracer makes spans; nil: there are none, and what a client says of its trace is passed over. The global provider of
	// OpenTelemetry is not looked at: hand in otel.GetTracerProvider() if you use it.
	Tracer trace.TracerProvider
	// Timeout is how long a scrape waits for the service's status; 0: 2 s. What takes longer is left out of that scrape.
	Timeout time.Duration
	// Logger gets what goes wrong with a scrape; nil: nothing is logged.
	Logger *slog.Logger
}

// Telemetry is the deed.Observer of one service. All methods may be called by many goroutines at once.
type Telemetry struct {
	options  Options
	gatherer prometheus.Gatherer
	metrics  *metrics
	tracer   trace.Tracer // nil: no spans
}

var _ deed.Observer = (*Telemetry)(nil)

const scope = "github.com/deed-es/deed/telemetry"

// New returns telemetry for one service, whose metrics are registered from then on. Options may be nil.
func New(o *Options) (*Telemetry, error) {
	t := &Telemetry{metrics: newMetrics()}
	if o != nil {
		t.options = *o
	}
	if err := t.options.complete(); err != nil {
		return nil, fmt.Errorf("new telemetry: %w", err)
	}
	t.gatherer = t.options.Gatherer
	if t.options.Tracer != nil {
		t.tracer = t.options.Tracer.Tracer(scope)
	}
	for _, c := range t.metrics.all() {
		if err := t.options.Registry.Register(c); err != nil {
			return nil, fmt.Errorf("new telemetry: %w", err)
		}
	}
	return t, nil
}

func (o *Options) complete() error {
	if o.Registry == nil {
		own := prometheus.NewRegistry()
		if err := errors.Join(
			own.Register(collectors.NewGoCollector()),
			own.Register(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})),
		); err != nil {
			return err
		}
		o.Registry = own
	}
	if o.Gatherer == nil {
		own, ok := o.Registry.(prometheus.Gatherer)
		if !ok {
			return errors.New("Gatherer: must be set, as nothing can be gathered from this Registry")
		}
		o.Gatherer = own
	}
	if o.Timeout < 0 {
		return errors.New("Timeout: is negative")
	}
	if o.Timeout == 0 {
		o.Timeout = 2 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Metrics answers with all metrics in Prometheus' text format. It asks nobody who may see them: that is for what stands
// around it, as gateway.Options.Metrics does.
func (t *Telemetry) Metrics() http.Handler {
	return promhttp.HandlerFor(t.gatherer, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(t.options.Logger.Handler(), slog.LevelError),
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: 4,
	})
}
