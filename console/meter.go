package console

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/deed-es/deed"
)

// meter remembers how the parts did while somebody looked. It asks when it is asked, so that it costs nothing otherwise.
type meter struct {
	mu    sync.Mutex
	now   func() time.Time // nil: time.Now
	last  deed.Status
	at    time.Time // of last
	rings map[which]*ring
	reads map[string]deed.Reading // by view
	fleet bool                    // the service has been seen in a fleet
}

// which is what samples are of: a version of a part.
type which struct {
	name    string
	version int
}

const (
	fresh      = 200 * time.Millisecond // an answer is given again for so long
	sampleStep = time.Second
	ringSize   = 120
	speedSpan  = 20 * time.Second // over which speed is taken
)

// sample is how a part was at a time.
type sample struct {
	at       time.Time
	position deed.Position
	lag      deed.Position
	behind   time.Duration
}

// ring holds the last samples of a part, the oldest first.
type ring struct{ samples []sample }

func (r *ring) add(s sample) {
	if n := len(r.samples); n > 0 && s.position < r.samples[n-1].position {
		r.samples = r.samples[:0] // made anew
	}
	if len(r.samples) == ringSize {
		r.samples = append(r.samples[:0], r.samples[1:]...)
	}
	r.samples = append(r.samples, s)
}

func (m *meter) time() time.Time {
	if m.now != nil {
		return m.now()
	}
	return time.Now()
}

// status is how the service is doing: as it is, or was just now.
func (m *meter) status(ctx context.Context, service *deed.Service) (deed.Status, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.time()
	if !m.at.IsZero() && now.Sub(m.at) >= 0 && now.Sub(m.at) < fresh {
		return m.last, nil
	}
	status, err := service.Status(ctx)
	if err != nil {
		return status, err
	}
	reads, err := readingsOf(ctx, service, status)
	if err != nil {
		return status, err
	}
	m.last, m.at, m.reads = status, now, reads
	m.fleet = m.fleet || slices.ContainsFunc(status.Parts, shared)
	if m.rings == nil {
		m.rings = map[which]*ring{}
	}
	for _, p := range status.Parts {
		of := which{p.Name, p.Version}
		if m.rings[of] == nil {
			m.rings[of] = &ring{}
		}
		r := m.rings[of]
		if n := len(r.samples); n == 0 || now.Sub(r.samples[n-1].at) >= sampleStep || p.Position < r.samples[n-1].position {
			r.add(sample{at: now, position: p.Position, lag: p.Lag, behind: p.Behind})
		}
	}
	return status, nil
}

// readingsOf tells which versions of views are read by their names; none where this node reads no views.
func readingsOf(ctx context.Context, service *deed.Service, status deed.Status) (map[string]deed.Reading, error) {
	reads := map[string]deed.Reading{}
	for _, p := range status.Parts {
		if _, known := reads[p.Name]; known || p.Kind != kindProjection {
			continue
		}
		reading, err := service.Views().Reading(ctx, p.Name)
		if err != nil && !errors.Is(err, deed.ErrElsewhere) {
			return nil, err
		}
		reads[p.Name] = reading
	}
	return reads, nil
}

// shared tells whether a part is of a fleet: some node is known to run it.
func shared(p deed.PartStatus) bool {
	return p.Node != "" || p.State == deed.StateElsewhere || slices.ContainsFunc(p.Partitions, func(one deed.PartitionStatus) bool { return one.Node != "" })
}

// inFleet tells whether the service is one of several that share its log, as far as was seen.
func (m *meter) inFleet() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.fleet
}

// reading is which version of a view was read by its name.
func (m *meter) reading(view string) deed.Reading {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.reads[view]
}

// renew has the next status asked for, and not taken from before.
func (m *meter) renew() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.at = time.Time{}
}

// seen is what is remembered of a part: its lag over time, and how fast it is.
type seen struct {
	Lags     []deed.Position
	Most     deed.Position // of Lags
	Since    time.Time
	Speed    float64       // events per second; 0: not known, or it stands
	Estimate time.Duration // until it is where the log is now; 0: not known
}

func (m *meter) seen(part deed.PartStatus) seen {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.rings[which{part.Name, part.Version}]
	if r == nil || len(r.samples) == 0 {
		return seen{}
	}
	s := seen{Since: r.samples[0].at}
	last := r.samples[len(r.samples)-1]
	first := last
	for _, one := range r.samples {
		s.Lags, s.Most = append(s.Lags, one.lag), max(s.Most, one.lag)
		if first == last && last.at.Sub(one.at) <= speedSpan {
			first = one
		}
	}
	if took := last.at.Sub(first.at).Seconds(); took > 0 && last.position > first.position {
		s.Speed = float64(last.position-first.position) / took
		s.Estimate = time.Duration(float64(last.lag) / s.Speed * float64(time.Second))
	}
	return s
}

// The chart's own measures. It is stretched to where it stands.
const (
	chartWidth  = 240
	chartHeight = 32
)

// chart is a small chart of numbers over time, as points of a polyline, the newest on the right.
func chart[N ~int64](values []N) string {
	if len(values) < 2 {
		return ""
	}
	most := N(1)
	for _, v := range values {
		most = max(most, v)
	}
	var b strings.Builder
	for i, v := range values {
		x := float64(chartWidth) - float64(len(values)-1-i)*float64(chartWidth)/float64(ringSize-1)
		y := chartHeight - 1 - float64(v)/float64(most)*(chartHeight-2)
		fmt.Fprintf(&b, "%s,%s ", strconv.FormatFloat(x, 'f', 1, 64), strconv.FormatFloat(y, 'f', 1, 64))
	}
	return strings.TrimSpace(b.String())
}

// alerts counts the parts that want to be looked at, and the effects that are held back.
func alerts(s deed.Status, fleet bool) int {
	n := len(s.Effects.Held)
	for _, p := range s.Parts {
		if wanting(p, fleet) {
			n++
		}
	}
	return n
}

// wanting tells whether somebody should look at a part. One that another node runs is none of this; one that nobody in a fleet runs is.
func wanting(p deed.PartStatus, fleet bool) bool {
	switch p.State {
	case deed.StateStopped, deed.StateRetrying, deed.StateStalled:
		return true
	case deed.StateOff:
		return fleet
	}
	return p.Parked > 0
}
