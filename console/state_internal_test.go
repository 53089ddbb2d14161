package console

import (
	"strings"
	"testing"
	"time"

	"github.com/deed-es/deed"
)

// Only what moves has an end that can be reckoned; what a state means for who reads is said in each but the good ones.
func TestWhatAStateMeans(t *testing.T) {
	for _, c := range []struct {
		state, going string
		anew         bool
		means        []string
	}{
		{state: deed.StateCatchingUp, going: "about 5.0 s to go, 100 events/s"},
		{state: deed.StateCatchingUp, going: "about 5.0 s to go, 100 events/s", anew: true, means: []string{"made anew", "taken away", "after position 1,000"}},
		{state: deed.StatePaused, going: "paused", means: []string{"paused", "until somebody resumes it", "as of position 1,000"}},
		{state: deed.StatePaused, going: "paused", anew: true, means: []string{"paused", "lacks what comes after"}},
		{state: deed.StateStopped, going: "stopped", means: []string{"cannot handle", "as of position 1,000"}},
		{state: deed.StateRetrying, going: "retrying", means: []string{"tries again by itself"}},
		{state: deed.StateStalled, going: "stalled", means: []string{"nothing has moved"}},
		{state: deed.StateOff, going: "off", means: []string{"does not run it"}},
		{state: deed.StateElsewhere, going: "about 5.0 s to go, 100 events/s", means: []string{"It is behind", "known to the node that runs it", "as of position 1,000"}},
		{state: deed.StateElsewhere, going: "about 5.0 s to go, 100 events/s", anew: true, means: []string{"made anew"}},
	} {
		status := deed.PartStatus{Name: "orders", Kind: kindProjection, State: c.state, Position: 1000, Lag: 500, Behind: time.Minute}
		p := part{PartStatus: status, Anew: c.anew, Seen: seen{Speed: 100, Estimate: 5 * time.Second}}
		if p.Going() != c.going {
			t.Errorf("%s: it goes on %q, want %q", c.state, p.Going(), c.going)
		}
		means := p.Means()
		if len(c.means) == 0 && means != "" {
			t.Errorf("%s: it means %q", c.state, means)
		}
		for _, want := range c.means {
			if !strings.Contains(means, want) {
				t.Errorf("%s: it means %q, want %q", c.state, means, want)
			}
		}
		if live := livePartOf(p); live.Going != p.Going() || live.Means != means {
			t.Errorf("%s: pages that are open are told %q, %q", c.state, live.Going, live.Means)
		}
		p.Kind = kindProcess
		if strings.Contains(p.Means(), "read from it") {
			t.Errorf("%s: a process has nothing to read: %q", c.state, p.Means())
		}
	}
	for _, state := range []string{deed.StateLive, deed.StateElsewhere} {
		good := part{PartStatus: deed.PartStatus{Kind: kindProjection, State: state, Position: 5}, Fleet: true}
		if good.Means()+good.Going()+good.Held()+good.Tries()+good.Reads()+good.Instead() != "" || good.Alerting() {
			t.Errorf("of a part with which all is well: %q %q %q %q", good.Means(), good.Going(), good.Held(), good.Tries())
		}
	}
	away := part{PartStatus: deed.PartStatus{Kind: kindProjection, State: deed.StateElsewhere, Position: 5, Lag: 1, Behind: time.Second}, Fleet: true}
	if away.Means()+away.Going() != "" || away.Alerting() {
		t.Errorf("of a part that runs elsewhere, and has something left: %q %q", away.Means(), away.Going())
	}
}

// Off is nothing of note in a service that has not been started, and is that nobody runs the part in a fleet.
func TestOffInAFleet(t *testing.T) {
	off := part{PartStatus: deed.PartStatus{Name: "orders", Kind: kindProjection, State: deed.StateOff, Position: 5}}
	if off.Alerting() || off.By() != "" || alerts(deed.Status{Parts: []deed.PartStatus{off.PartStatus}}, false) != 0 {
		t.Errorf("alone: %t %q", off.Alerting(), off.By())
	}
	off.Fleet = true
	if !off.Alerting() || off.By() != "nobody" || !strings.Contains(off.Means(), "Nobody runs it") || alerts(deed.Status{Parts: []deed.PartStatus{off.PartStatus}}, true) != 1 {
		t.Errorf("in a fleet: %t %q %q", off.Alerting(), off.By(), off.Means())
	}
	off.Partitions = []deed.PartitionStatus{{Index: 0, State: deed.StateElsewhere, Node: "b", Position: 7}, {Index: 1, State: deed.StateOff, Position: 5}}
	off.Head = 10
	if slices := off.Slices(); off.By() != "b, nobody" || slices[0].By != "b" || slices[0].Lag != 3 || slices[1].By != "nobody" || slices[1].Lag != 5 {
		t.Errorf("of partitions: %q %+v", off.By(), slices)
	}
}

// One event is no events.
func TestWhatALagIsCountedIn(t *testing.T) {
	for lag, want := range map[deed.Position]string{0: "events", 1: "event", 2: "events"} {
		if got := livePartOf(part{PartStatus: deed.PartStatus{Lag: lag}}).Unit; got != want {
			t.Errorf("%d %s, want %s", lag, got, want)
		}
	}
}
