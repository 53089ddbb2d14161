package browser_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/heapprofiler"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/console"
	"github.com/deed-es/deed/gateway"
	"github.com/deed-es/deed/sqlite"
)

// openService runs a service with a console in this process, so that the test can write into its log as fast as it can.
func openService(t *testing.T, parts ...deed.Part) (*shop, *sqlite.DB) {
	t.Helper()
	store, err := sqlite.Open(filepath.Join(t.TempDir(), "log.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	service, err := deed.NewService(deed.Config{Store: store, Views: store}, parts...)
	if err != nil {
		t.Fatal(err)
	}
	gw, err := gateway.New(service, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := gw.Handle(console.Routes(service, nil)...); err != nil {
		t.Fatal(err)
	}
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- service.Run(ctx) }()
	go func() { ended <- gateway.ServeListener(ctx, l, gw) }()
	t.Cleanup(func() {
		stop()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return &shop{t: t, url: "http://" + l.Addr().String()}, store
}

// flood appends events until so many are stored, at so many a second, and returns how long that took.
func flood(t *testing.T, store deed.Store, events, perSecond int) time.Duration {
	t.Helper()
	const batch = 200
	start := time.Now()
	beat := time.NewTicker(time.Second * batch / time.Duration(perSecond))
	defer beat.Stop()
	for n := 0; n < events; n += batch {
		some := make([]deed.NewEvent, batch)
		for i := range some {
			data, err := json.Marshal(map[string]any{"reading": n + i, "of": "a thermometer in the cellar", "degrees": fmt.Sprintf("%d.%d", i%40, i%10)})
			if err != nil {
				t.Fatal(err)
			}
			some[i] = deed.NewEvent{ID: fmt.Sprintf("e%d", n+i), Type: "meter-read", Data: data}
		}
		writes := []deed.Write{{Stream: deed.Stream("meter", fmt.Sprint(n/batch)), Events: some}}
		if _, err := store.Append(t.Context(), deed.Batch{Writes: writes}); err != nil {
			t.Fatal(err)
		}
		<-beat.C
	}
	return time.Since(start)
}

// rush is how a flood is made, and what a page must keep within while it lasts.
type rush struct {
	seconds, perSecond int
	trip               time.Duration // that a question and a frame take, 99 times of 100
}

// rushNow is that of this run: all of it with -long, and one that says the same on a machine with much else to do without.
func rushNow() rush {
	switch {
	case *long:
		return rush{seconds: 30, perSecond: 10_000, trip: time.Second}
	case race:
		return rush{seconds: 3, perSecond: 2_000, trip: 10 * time.Second} // the race detector makes SQLite some 20 times slower
	}
	return rush{seconds: 5, perSecond: 10_000, trip: 10 * time.Second}
}

// While events flood in, the page of the log can be used, says that it shows a sample, and does not grow.
func TestTheLogIsFlooded(t *testing.T) {
	r := rushNow()
	events := r.seconds * r.perSecond
	s, store := openService(t)
	b := visit(t, s)
	b.open("/console/log")
	b.has("#tail-state", "live")
	before := b.heap()
	value[int](b, `(window.sampled = "", new MutationObserver(() => {
		if (document.querySelector("#tail").dataset.sampled === "yes") window.sampled = document.querySelector("#tail-rate").textContent
	}).observe(document.querySelector("#tail"), { attributes: true, attributeFilter: ["data-sampled"] }), 1)`)

	done := make(chan struct{})
	trips := make(chan []time.Duration, 1)
	go func() { trips <- b.trips(done) }()
	took := flood(t, store, events, r.perSecond)
	close(done)
	all := <-trips
	b.await(fmt.Sprintf(`document.querySelector("#head").textContent.replaceAll(",", "") === "%d"`, events))
	b.await(`window.sampled.includes("showing 1 of")`)
	sampled := value[string](b, "window.sampled")
	b.click("#pause")
	b.has("#tail-state", "paused")
	rows, after := value[int](b, `document.querySelectorAll("#entries tr").length`), b.heap()
	b.shoot("console-log-flooded")

	slices.Sort(all)
	if len(all) == 0 {
		t.Fatal("the tab has not answered once")
	}
	p50, p99 := all[len(all)/2], all[len(all)*99/100]
	t.Logf("%d events in %v, %.0f a second; the page said %q", events, took.Round(time.Millisecond), float64(events)/took.Seconds(), sampled)
	t.Logf("a question and a frame, %d times: p50 %v, p99 %v, at most %v", len(all), p50.Round(time.Millisecond), p99.Round(time.Millisecond), all[len(all)-1].Round(time.Millisecond))
	t.Logf("JavaScript heap: %.1f MB before, %.1f MB after, both after a collection; %d rows", before/1e6, after/1e6, rows)
	if p99 > r.trip {
		t.Errorf("the tab is not responsive: p99 is %v", p99)
	}
	if after > before+20e6 || rows > 1000 {
		t.Errorf("the page grows: %.0f bytes were %.0f before, with %d rows", after, before, rows)
	}
}

// trips asks the tab for a frame again and again until done, and returns how long each took.
func (b *tab) trips(done <-chan struct{}) []time.Duration {
	var all []time.Duration
	for {
		select {
		case <-done:
			return all
		default:
		}
		start := time.Now()
		_, err := run(b, chromedp.Evaluate[int](`new Promise(r => requestAnimationFrame(() => r(document.querySelectorAll("#entries tr").length)))`, chromedp.EvalAwaitPromise))
		if err != nil {
			b.t.Error(err)
			return all
		}
		all = append(all, time.Since(start))
	}
}

// heap is how many bytes the tab's objects take once what is not used any more is gone.
func (b *tab) heap() float64 {
	b.t.Helper()
	tell(b, heapprofiler.CollectGarbage, cdp.Empty{})
	return must(b, func(ctx context.Context, t *chromedp.Target) (float64, error) {
		usage, err := cdp.Call(ctx, t, runtime.GetHeapUsage, cdp.Empty{})
		return usage.UsedSize + usage.EmbedderHeapUsedSize, err
	})
}
