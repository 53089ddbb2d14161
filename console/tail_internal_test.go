package console

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

// stuck is a client that takes nothing until it is let go.
type stuck struct {
	*httptest.ResponseRecorder
	taking chan struct{} // closed when it is asked to take something
	let    chan struct{}
}

func (s *stuck) Write(b []byte) (int, error) {
	select {
	case <-s.taking:
	default:
		close(s.taking)
	}
	<-s.let
	return s.ResponseRecorder.Write(b)
}

// A client that takes nothing has the log read past it all the same, and has only lines kept for it, however many records come.
func TestTailReadsPastASlowClient(t *testing.T) {
	const burst = 3000
	db, err := sqlite.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	service, err := deed.NewService(deed.Config{Store: db})
	if err != nil {
		t.Fatal(err)
	}
	appendTo := func(from, to int) {
		var events []deed.NewEvent
		for i := from; i < to; i++ {
			events = append(events, deed.NewEvent{ID: fmt.Sprint(i), Type: "many", Data: make([]byte, 1<<10)})
		}
		if _, err := db.Append(t.Context(), deed.Batch{Writes: []deed.Write{{Stream: "cart-many", Version: deed.Any, Events: events}}}); err != nil {
			t.Fatal(err)
		}
	}
	client := &stuck{httptest.NewRecorder(), make(chan struct{}), make(chan struct{})}
	follower := &tailing{
		console: &console{service: service}, query: deed.Query{Follow: true},
		out: &events{writer: client, control: http.NewResponseController(client)},
	}
	follower.sampler.chooses = func(int) int { return 0 }
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- follower.run(ctx) }()
	appendTo(0, 1)
	<-client.taking // the first record, and nothing more
	for from := 1; from < burst; from += 500 {
		appendTo(from, min(from+500, burst))
	}
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for count := 0; count < burst-1; <-look.C {
		follower.sampler.mu.Lock()
		count = follower.sampler.count
		if kept := len(follower.sampler.kept); kept > tailMost {
			t.Errorf("%d lines are kept", kept)
		}
		follower.sampler.mu.Unlock()
		if ctx.Err() != nil {
			t.Fatalf("%d records were read of %d", count, burst-1)
		}
	}
	cancel()
	close(client.let)
	<-ended
}
