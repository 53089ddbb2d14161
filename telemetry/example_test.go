package telemetry_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	sdk "go.opentelemetry.io/otel/sdk/trace"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/cart"
	"github.com/deed-es/deed/gateway"
	"github.com/deed-es/deed/sqlite"
	"github.com/deed-es/deed/telemetry"
)

// A service that is seen through: its metrics at /metrics, its spans at the provider.
func Example() {
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	provider := sdk.NewTracerProvider() // with an exporter, in a real program
	db, err := sqlite.OpenMemory(nil)
	check(err)
	defer db.Close()
	parts := []deed.Part{cart.Decider}

	watch, err := telemetry.New(&telemetry.Options{Tracer: provider, Logger: logger}) // provider: yours; nil: no spans
	check(err)
	service, err := deed.NewService(deed.Config{Store: db, Views: db, Observer: watch, Logger: logger}, parts...)
	check(err)
	check(watch.Watch(service))
	gw, err := gateway.New(service, &gateway.Options{Around: watch.Around, Metrics: watch.Metrics(), Logger: logger})
	check(err)

	_, err = service.Dispatch(context.Background(), "cart-42", "open", []byte(`{"owner":"ann"}`))
	check(err)
	answer := httptest.NewRecorder()
	gw.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "http://localhost/metrics", nil))
	for line := range strings.Lines(answer.Body.String()) {
		if strings.HasPrefix(line, "deed_commands_total") {
			_, _ = io.WriteString(os.Stdout, line)
		}
	}
	// Output: deed_commands_total{category="cart",outcome="ok",type="open"} 1
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
