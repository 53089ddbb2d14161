package telemetry_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/deedtest"
	"github.com/deed-es/deed/examples/cart"
	"github.com/deed-es/deed/gateway"
	"github.com/deed-es/deed/sqlite"
	"github.com/deed-es/deed/telemetry"
)

// patience bounds every wait; what takes longer hangs.
const patience = time.Minute

// lines is a view with one row per cart.
var lines = deed.Projection[int, cart.Event]{
	Name: "lines", Events: cart.Events,
	Key:    func(r deed.Recorded[cart.Event]) string { return r.Stream.ID() },
	Evolve: func(n int, _ deed.Recorded[cart.Event]) int { return n + 1 },
}

// closing checks a cart out once something is in it.
var closing = deed.Process[bool, cart.Event]{
	Name: "closing", Events: cart.Events,
	Key:    func(r deed.Recorded[cart.Event]) string { return r.Stream.ID() },
	Evolve: func(bool, deed.Recorded[cart.Event]) bool { return true },
	React: func(_ bool, r deed.Recorded[cart.Event]) []deed.Effect {
		if _, added := r.Event.(cart.ItemAdded); added {
			return []deed.Effect{cart.Decider.Send(r.Stream.ID(), cart.CheckOut{})}
		}
		return nil
	},
}

// giving puts a gift into every new cart.
var giving = deed.Reactor[cart.Event]{
	Name: "giving", Events: []cart.Event{cart.Opened{}},
	React: func(_ context.Context, r deed.Recorded[cart.Event], _ string) ([]deed.Effect, error) {
		return []deed.Effect{cart.Decider.Send(r.Stream.ID(), cart.AddItem{SKU: "gift"})}, nil
	},
}

// underway knows what has begun and not ended yet: a service is settled as soon as a step is stored, which is before it ends,
// and a client has its answer before the request ends.
type underway struct {
	deed.Observer
	mu     sync.Mutex
	change *sync.Cond
	open   int
	stored int // events
}

func (u *underway) Begin(ctx context.Context, o deed.Operation) (context.Context, func(error)) {
	u.add(1)
	ctx, end := u.Observer.Begin(ctx, o)
	return ctx, func(err error) { end(err); u.add(-1) }
}

func (u *underway) add(n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.open += n
	u.change.Broadcast()
}

// Wrote is told after the callers.
func (u *underway) Wrote(g deed.Group) {
	u.Observer.Wrote(g)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.stored += g.Events
	u.change.Broadcast()
}

// wait returns once all has ended, in a log of so many events.
func (u *underway) wait(events deed.Position) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for u.open > 0 || u.stored < int(events) {
		u.change.Wait()
	}
}

// bed is a service that is observed.
type bed struct {
	underway
	*deed.Service
	t         *testing.T
	db        *sqlite.DB
	telemetry *telemetry.Telemetry
	registry  *prometheus.Registry
	spans     *tracetest.InMemoryExporter
	http      *httptest.Server
}

func newBed(t *testing.T, parts ...deed.Part) *bed {
	t.Helper()
	b := &bed{t: t, registry: prometheus.NewRegistry(), spans: tracetest.NewInMemoryExporter()}
	provider := sdk.NewTracerProvider(sdk.WithSyncer(b.spans))
	b.telemetry = must(telemetry.New(&telemetry.Options{Registry: b.registry, Tracer: provider}))(t)
	b.db = must(sqlite.OpenMemory(&sqlite.Options{Clock: deedtest.NewClock(deedtest.Start)}))(t)
	t.Cleanup(func() { _ = b.db.Close() })
	b.Observer, b.change = b.telemetry, sync.NewCond(&b.mu)
	b.Service = must(deed.NewService(deed.Config{Store: b.db, Views: b.db, Observer: &b.underway}, parts...))(t)
	if err := b.telemetry.Watch(b.Service); err != nil {
		t.Fatal(err)
	}
	gw := must(gateway.New(b.Service, &gateway.Options{Around: b.around, Metrics: b.telemetry.Metrics()}))(t)
	b.http = httptest.NewServer(gw)
	t.Cleanup(b.http.Close)
	return b
}

func (b *bed) around(next http.Handler) http.Handler {
	next = b.telemetry.Around(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.add(1)
		defer b.add(-1)
		next.ServeHTTP(w, r)
	})
}

// run keeps the service going until the test ends.
func (b *bed) run() *bed {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	b.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			b.t.Error(err)
		}
	})
	return b
}

func (b *bed) settle() {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	if err := b.Settle(ctx); err != nil {
		b.t.Fatal(err)
	}
	b.wait(must(b.Head(ctx))(b.t))
}

// send sends a command over HTTP and returns the status; header holds names and values in turn.
func (b *bed) send(id, command, body string, header ...string) int {
	b.t.Helper()
	status, _ := b.call("POST", "/api/commands/cart/"+id+"/"+command, body, header...)
	return status
}

func (b *bed) call(method, path, body string, header ...string) (int, string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	r := must(http.NewRequestWithContext(ctx, method, b.http.URL+path, strings.NewReader(body)))(b.t)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response := must(b.http.Client().Do(r))(b.t)
	defer response.Body.Close()
	text := string(must(io.ReadAll(response.Body))(b.t))
	b.wait(must(b.Head(ctx))(b.t)) // a request is counted after its answer is sent
	return response.StatusCode, text
}

// value is a counter's or gauge's value, or a histogram's count; labels holds names and values in turn.
func (b *bed) value(name string, labels ...string) float64 {
	b.t.Helper()
	return valueOf(b.t, b.registry, name, labels...)
}

func valueOf(t *testing.T, g prometheus.Gatherer, name string, labels ...string) float64 {
	t.Helper()
	var sum float64
	for _, m := range family(t, g, name) {
		if !labelled(m, labels) {
			continue
		}
		switch {
		case m.Counter != nil:
			sum += m.Counter.GetValue()
		case m.Gauge != nil:
			sum += m.Gauge.GetValue()
		case m.Histogram != nil:
			sum += float64(m.Histogram.GetSampleCount())
		}
	}
	return sum
}

// family returns all metrics of a name; none if there is no such name.
func family(t *testing.T, g prometheus.Gatherer, name string) []*dto.Metric {
	t.Helper()
	for _, f := range must(g.Gather())(t) {
		if f.GetName() == name {
			return f.Metric
		}
	}
	return nil
}

func labelled(m *dto.Metric, labels []string) bool {
	for i := 0; i+1 < len(labels); i += 2 {
		found := false
		for _, l := range m.Label {
			found = found || l.GetName() == labels[i] && l.GetValue() == labels[i+1]
		}
		if !found {
			return false
		}
	}
	return true
}

// must returns v, or fails the test.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

var quiet = slog.New(slog.DiscardHandler)
