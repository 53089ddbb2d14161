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
	good := part{PartStatus: deed.PartStatus{Kind: kindProjection, State: deed.StateLive, Position: 5}}
	if good.Means()+good.Going()+good.Held()+good.Tries() != "" {
		t.Errorf("of a part with which all is well: %q %q %q %q", good.Means(), good.Going(), good.Held(), good.Tries())
	}
}
