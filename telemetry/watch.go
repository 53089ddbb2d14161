package telemetry

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/deed-es/deed"
)

// Watched is what is watched: a *deed.Service.
type Watched interface {
	Status(ctx context.Context) (deed.Status, error)
}

// Watch registers the metrics that stand as they are at the moment of a scrape: how far each part is, and what waits. A
// Telemetry watches one service; a second is an error.
func (t *Telemetry) Watch(service Watched) error {
	if err := t.options.Registry.Register(newWatch(t, service)); err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	return nil
}

// watch reads the status of a service whenever somebody scrapes.
type watch struct {
	*Telemetry
	service Watched
	turn    chan struct{} // full while a status is being read

	up, head                                            *prometheus.Desc
	state, ready, isRead, lag, behind, parked, attempts *prometheus.Desc
	effectsBusy, effectsHeld, effectsDue                *prometheus.Desc
}

func newWatch(t *Telemetry, service Watched) *watch {
	desc := func(rest, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name(rest), help, labels, nil)
	}
	return &watch{
		Telemetry: t, service: service, turn: make(chan struct{}, 1),
		up:   desc("status_up", "1 if the service told its status in time, 0 if the metrics of it are missing from this scrape."),
		head: desc("log_head", "The last position given out."),

		state:    desc("part_state", "1 for the state that a part is in, 0 for the others.", labelPart, labelKind, labelVersion, labelState),
		ready:    desc("part_ready", "1 if a part runs and, for projections, is not further behind than it may be. A version that is not read is ready while the one that is read is kept.", labelPart, labelKind, labelVersion),
		isRead:   desc("part_read", "1 if the version of a view is the one that is read by its name, 0 if another is.", labelPart, labelKind, labelVersion),
		lag:      desc("part_lag_positions", "Positions between a part and the head of the log.", labelPart, labelKind, labelVersion),
		behind:   desc("part_behind_seconds", "How long ago the oldest event that a part has not handled was recorded.", labelPart, labelKind, labelVersion),
		parked:   desc("parked_keys", "Keys that a part holds back because one of their records cannot be handled.", labelPart, labelKind, labelVersion),
		attempts: desc("part_failed_attempts", "Tries of a part that failed since something last went well.", labelPart, labelKind, labelVersion),

		effectsBusy: desc("effects_busy", "Effects that are being carried out."),
		effectsHeld: desc("effects_held", "Effects that failed and are tried again; each holds back the later ones of its key.", labelPart),
		effectsDue:  desc("effects_next_due_timestamp_seconds", "When the first effect that was not due yet falls due, by the clock of the log; missing if there is none."),
	}
}

// Describe implements prometheus.Collector.
func (w *watch) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		w.up, w.head, w.state, w.ready, w.isRead, w.lag, w.behind, w.parked, w.attempts, w.effectsBusy, w.effectsHeld, w.effectsDue,
	} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (w *watch) Collect(to chan<- prometheus.Metric) {
	status, err := w.read()
	if err != nil {
		w.options.Logger.Warn("the status of the service is missing from a scrape", "error", err)
		to <- gauge(w.up, 0)
		return
	}
	to <- gauge(w.up, 1)
	to <- gauge(w.head, float64(status.Head))
	w.parts(to, status.Parts)
	w.effects(to, status)
}

var errSlow = errors.New("the service did not tell its status in time")

// read returns the status, or an error once the timeout is over, even where Status does not look at its context. Until that
// one has come back, no other is begun.
func (w *watch) read() (deed.Status, error) {
	ctx, cancel := context.WithTimeout(context.Background(), w.options.Timeout)
	defer cancel()
	select {
	case w.turn <- struct{}{}:
	case <-ctx.Done():
		return deed.Status{}, errSlow
	}
	type answer struct {
		status deed.Status
		err    error
	}
	answered := make(chan answer, 1)
	go func() {
		status, err := w.service.Status(ctx)
		<-w.turn
		answered <- answer{status, err}
	}()
	select {
	case a := <-answered:
		return a.status, a.err
	case <-ctx.Done():
		return deed.Status{}, errSlow
	}
}

var states = []string{deed.StateLive, deed.StateCatchingUp, deed.StateStalled, deed.StateRetrying, deed.StateStopped, deed.StatePaused, deed.StateElsewhere, deed.StateOff}

func (w *watch) parts(to chan<- prometheus.Metric, parts []deed.PartStatus) {
	for _, p := range parts {
		version := strconv.Itoa(p.Version)
		for _, state := range states {
			to <- gauge(w.state, number(p.State == state), p.Name, p.Kind, version, state)
		}
		if p.Kind == "projection" || p.Kind == "tables" {
			to <- gauge(w.isRead, number(p.Read), p.Name, p.Kind, version)
		}
		to <- gauge(w.ready, number(p.Ready), p.Name, p.Kind, version)
		to <- gauge(w.lag, float64(p.Lag), p.Name, p.Kind, version)
		to <- gauge(w.behind, p.Behind.Seconds(), p.Name, p.Kind, version)
		to <- gauge(w.parked, float64(p.Parked), p.Name, p.Kind, version)
		to <- gauge(w.attempts, float64(p.Attempts), p.Name, p.Kind, version)
	}
}

func (w *watch) effects(to chan<- prometheus.Metric, status deed.Status) {
	to <- gauge(w.effectsBusy, float64(status.Effects.Busy))
	held := map[string]int{}
	for _, p := range status.Parts {
		if p.Kind == "process" || p.Kind == "reactor" {
			held[p.Name] = 0
		}
	}
	for _, e := range status.Effects.Held {
		held[e.Part]++
	}
	for part, n := range held {
		to <- gauge(w.effectsHeld, float64(n), part)
	}
	if due := status.Effects.NextDue; !due.IsZero() {
		to <- gauge(w.effectsDue, float64(due.UnixMicro())/float64(time.Second/time.Microsecond))
	}
}

func gauge(d *prometheus.Desc, value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
