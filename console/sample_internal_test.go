package console

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/deed-es/deed"
)

// However many records come between two messages, a message has at most so many, tells how many there were, and each record is
// as likely in it as any other. What is kept does not grow with what comes.
func TestSamplerUnderABurst(t *testing.T) {
	const burst, rounds = 5_000, 40
	random := rand.New(rand.NewPCG(1, 2))
	s := sampler{chooses: random.IntN}
	halves := [2]int{}
	huge := []byte(`"` + strings.Repeat("x", 1<<12) + `"`)
	for range rounds {
		for i := range burst {
			s.add(deed.Record{NewEvent: deed.NewEvent{Type: "a", Data: huge}, Position: deed.Position(i + 1), Stream: "a-1"})
		}
		if len(s.kept) > tailMost {
			t.Fatalf("%d records are kept", len(s.kept))
		}
		kept, count, last := s.take()
		if count != burst || len(kept) != tailMost || last != burst {
			t.Fatalf("%d of %d", len(kept), count)
		}
		for i, e := range kept {
			if len(e.Preview) > 1000 {
				t.Fatalf("a line has %d bytes", len(e.Preview))
			}
			if i > 0 && kept[i-1].Position <= e.Position {
				t.Fatal("the newest is not first")
			}
			halves[int(e.Position-1)*2/burst]++
		}
	}
	if total := tailMost * rounds; halves[0] < total*45/100 || halves[1] < total*45/100 {
		t.Errorf("of the older half of each burst %d are shown, of the newer %d", halves[0], halves[1])
	}
	if kept, count, _ := s.take(); len(kept) != 0 || count != 0 {
		t.Errorf("%d of %d, and nothing has come", len(kept), count)
	}
}

func TestMeterRemembersWhatItSaw(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	orders := deed.PartStatus{Name: "orders", Version: 1}
	m := meter{rings: map[which]*ring{{"orders", 1}: {}, {"orders", 2}: {}}}
	for i := range 500 { // 100 events a second are handled, of 100,000
		position := deed.Position(i * 100)
		m.rings[which{"orders", 1}].add(sample{at: now.Add(time.Duration(i) * time.Second), position: position, lag: 100_000 - position})
	}
	s := m.seen(orders)
	if len(s.Lags) != ringSize || s.Speed != 100 || s.Estimate != 501*time.Second {
		t.Errorf("%d samples, %v events/s, %v to go", len(s.Lags), s.Speed, s.Estimate)
	}
	if points := strings.Fields(chart(s.Lags)); len(points) != ringSize || !strings.HasPrefix(points[ringSize-1], fmt.Sprintf("%d.0,", chartWidth)) {
		t.Errorf("the chart is %q", points)
	}
	m.rings[which{"orders", 1}].add(sample{at: now.Add(501 * time.Second), position: 5, lag: 99_995}) // made anew
	if s := m.seen(orders); len(s.Lags) != 1 || s.Speed != 0 {
		t.Errorf("after a rebuild: %+v", s)
	}
	if s := m.seen(deed.PartStatus{Name: "orders", Version: 2}); len(s.Lags) != 0 {
		t.Errorf("of another version: %+v", s)
	}
	if s := m.seen(deed.PartStatus{Name: "nobody"}); len(s.Lags) != 0 || chart(s.Lags) != "" {
		t.Errorf("of nobody: %+v", s)
	}
}

// Days without events stand between those that have some.
func TestDaysOf(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }
	days := daysOf([]deed.DayCount{{Day: day(1), Category: "a", Events: 10}, {Day: day(1), Category: "b", Events: 30}, {Day: day(4), Category: "a", Events: 1}})
	if len(days) != 4 || days[0].Events != 40 || days[0].Categories[0].Category != "b" || days[1].Events != 0 || days[0].Percent != 100 || days[3].Percent != 2.5 {
		t.Errorf("%+v", days)
	}
	if days := daysOf([]deed.DayCount{{Day: day(1), Events: 1}, {Day: day(1).AddDate(5, 0, 0), Events: 1}}); len(days) > surveyDays+1 {
		t.Errorf("%d days", len(days))
	}
}
