package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/gateway"
	"github.com/deed-es/deed/sqlite"
)

// What the gateway adds to a command: everything but the network.
func BenchmarkCommand(b *testing.B) {
	db, err := sqlite.OpenMemory(nil)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	service, err := deed.NewService(deed.Config{Store: db, Views: db}, members)
	if err != nil {
		b.Fatal(err)
	}
	gw, err := gateway.New(service, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("gateway", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			r := httptest.NewRequest("POST", fmt.Sprintf("http://localhost/api/commands/member/g%d/join", i), strings.NewReader(joinBody))
			r.Header.Set("Content-Type", "application/json")
			w := &discard{header: http.Header{}}
			gw.ServeHTTP(w, r)
			if w.status != 200 {
				b.Fatal(w.status)
			}
		}
	})
	b.Run("service", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			_ = httptest.NewRequest("POST", fmt.Sprintf("http://localhost/api/commands/member/s%d/join", i), strings.NewReader(joinBody))
			if _, err := service.Dispatch(b.Context(), deed.Stream("member", fmt.Sprintf("s%d", i)), "join", []byte(joinBody)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// discard is a ResponseWriter that keeps nothing.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }

func BenchmarkRecord(b *testing.B) {
	r := deed.Record{
		NewEvent: deed.NewEvent{
			ID: deed.NewID(), Type: "member-joined", Schema: 1, Tags: []string{"kind:member"},
			Data: []byte(joinBody), Metadata: []byte(`{"actor":"ann","correlation":"4bf92f3577b34da6a3ce929d0e0e4736"}`),
		},
		Stream: "member-1", Version: 1, Position: 1,
	}
	b.ReportAllocs()
	for b.Loop() {
		_, _ = io.Discard.Write(gateway.AppendRecord(r))
	}
}
