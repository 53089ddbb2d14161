package telemetry

import "github.com/prometheus/client_golang/prometheus"

// metrics are what is counted while it happens. What stands as it is at the moment of a scrape is in watch.go.
type metrics struct {
	commands        *prometheus.CounterVec
	commandDuration *prometheus.HistogramVec

	appends        *prometheus.CounterVec
	appendDuration prometheus.Histogram
	events         prometheus.Counter
	groupBatches   *prometheus.HistogramVec
	groupEvents    prometheus.Histogram
	groupFailures  *prometheus.CounterVec
	write          *prometheus.HistogramVec
	flush          *prometheus.HistogramVec

	steps            *prometheus.CounterVec
	stepRecords      *prometheus.HistogramVec
	stepDuration     *prometheus.HistogramVec
	reactions        *prometheus.CounterVec
	reactionDuration *prometheus.HistogramVec
	effects          *prometheus.CounterVec
	effectDuration   *prometheus.HistogramVec

	requests        *prometheus.CounterVec
	requestDuration *prometheus.HistogramVec
	inFlight        prometheus.Gauge
	streams         prometheus.Gauge
}

// Where the buckets of durations and sizes end. Storing takes a fraction of a millisecond where a flush does; a request that
// waits for a view takes up to a minute.
var (
	storing  = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5}
	handling = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
	sizes    = []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096}
)

// The labels of metrics.
const (
	labelCategory = "category"
	labelType     = "type"
	labelOutcome  = "outcome"
	labelStore    = "store"
	labelPart     = "part"
	labelKind     = "kind"
	labelState    = "state"
	labelVersion  = "version"
	labelMethod   = "method"
	labelRoute    = "route"
	labelStatus   = "status"
)

func newMetrics() *metrics {
	m := &metrics{
		commands:        counters("commands_total", "Commands handled, those of effects included.", labelCategory, labelType, labelOutcome),
		commandDuration: histograms("command_duration_seconds", "How long handling a command took, middleware and tries after conflicts included.", handling, labelCategory, labelType),

		appends:        counters("appends_total", "Appends of what commands brought about.", labelOutcome),
		appendDuration: histogram("append_duration_seconds", "How long an append took, from its queueing to its answer.", storing),
		events:         prometheus.NewCounter(prometheus.CounterOpts{Name: name("events_appended_total"), Help: "Events stored in the log, those of processes included."}),
		groupBatches:   histograms("group_batches", "Callers answered by one transaction.", sizes, labelStore),
		groupEvents:    histogram("group_events", "Events stored in the log by one transaction.", sizes),
		groupFailures:  counters("group_failures_total", "Transactions that failed.", labelStore),
		write:          histograms("write_seconds", "How long the statements of a transaction took.", storing, labelStore),
		flush:          histograms("flush_seconds", "How long the commit of a transaction took; of the log, with its flush to disk.", storing, labelStore),

		steps:            counters("steps_total", "Steps of projections and processes.", labelPart, labelKind, labelOutcome),
		stepRecords:      histograms("step_records", "Records folded in one step.", sizes, labelPart, labelKind),
		stepDuration:     histograms("step_duration_seconds", "How long a step took, storing included.", handling, labelPart, labelKind),
		reactions:        counters("reactions_total", "Calls of reactors.", labelPart, labelOutcome),
		reactionDuration: histograms("reaction_duration_seconds", "How long a call of a reactor took.", handling, labelPart),
		effects:          counters("effects_total", "Effects carried out, each try counted.", labelPart, labelOutcome),
		effectDuration:   histograms("effect_duration_seconds", "How long a try to carry out an effect took.", handling, labelPart),

		requests:        counters("http_requests_total", "HTTP requests answered, streams included once they end.", labelMethod, labelRoute, labelStatus),
		requestDuration: histograms("http_request_duration_seconds", "How long answering an HTTP request took; streams are left out.", handling, labelMethod, labelRoute),
		inFlight:        prometheus.NewGauge(prometheus.GaugeOpts{Name: name("http_requests_in_flight"), Help: "HTTP requests being answered, streams included."}),
		streams:         prometheus.NewGauge(prometheus.GaugeOpts{Name: name("http_streams"), Help: "HTTP answers that are being streamed."}),
	}
	for _, store := range []string{"log", "views"} { // so that the first group or failure is a rise, and not a new series
		m.groupFailures.WithLabelValues(store)
		for _, h := range []*prometheus.HistogramVec{m.groupBatches, m.write, m.flush} {
			h.WithLabelValues(store)
		}
	}
	return m
}

func (m *metrics) all() []prometheus.Collector {
	return []prometheus.Collector{
		m.commands, m.commandDuration,
		m.appends, m.appendDuration, m.events, m.groupBatches, m.groupEvents, m.groupFailures, m.write, m.flush,
		m.steps, m.stepRecords, m.stepDuration, m.reactions, m.reactionDuration, m.effects, m.effectDuration,
		m.requests, m.requestDuration, m.inFlight, m.streams,
	}
}

func name(rest string) string { return prometheus.BuildFQName("deed", "", rest) }

func counters(rest, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name(rest), Help: help}, labels)
}

func histogram(rest, help string, buckets []float64) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{Name: name(rest), Help: help, Buckets: buckets})
}

func histograms(rest, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name(rest), Help: help, Buckets: buckets}, labels)
}
