package deed_test

import (
	"context"
	"testing"
	"time"

	"github.com/deed-es/deed"
)

// A node that is told to stop gives back at once what it does not need any more, takes nothing, and keeps the lease of what has not ended.
func TestANodeThatStopsKeepsWhatHasNotEnded(t *testing.T) {
	inFleet(t, func(t *testing.T, c *commons) {
		r := newRota(t)
		duties := func(node string) []deed.Part {
			parts := []deed.Part{r.duty("slow", node, time.Minute)}
			return append(parts, r.duties(5, node, 0)...)
		}
		a := c.join("a", duties("a")...)
		pass(10 * time.Second)
		b := c.join("b", duties("b")...)
		pass(time.Minute + 20*time.Second)
		stopping, other := a, b
		if r.who()["slow"] == "b" {
			stopping, other = b, a
		}
		stopping.cancel()
		pass(30 * time.Second)
		if who := r.who(); len(who) != 6 || who["slow"] != stopping.name {
			t.Errorf("half a minute after %s was told to stop run %v", stopping.name, who)
		}
		other.deafen(true)
		pass(12 * time.Second)
		for duty, holder := range r.who() {
			if duty != "slow" && holder == stopping.name {
				t.Errorf("%s, which stops, has taken %s", holder, duty)
			}
		}
	})
}

// What has been done is not done again because it ended after the node was told to stop.
func TestAReactionInHandAtAStopIsNotRepeated(t *testing.T) {
	db, _ := memory(t)
	var calls []string
	began, goOn := make(chan struct{}, 9), make(chan struct{})
	r := deed.Reactor[deed.Event]{Name: "mailer", Events: accountEvents, React: func(_ context.Context, r deed.Recorded[deed.Event], id string) ([]deed.Effect, error) {
		began <- struct{}{}
		<-goOn
		calls = append(calls, r.Type)
		return nil, nil
	}}
	s := start(t, db, accounts, r)
	s.send(accounts.Send("1", open{"ann"}))
	<-began
	s.cancel()  // a clean stop, while a mail is sent
	close(goOn) // which goes out well
	s.stop()
	s = start(t, db, accounts, r)
	s.settle()
	want(t, "calls", calls, []string{"account-opened"})
}

// What a process or a reactor has passed by is behind it, though it had nothing to do there: not even a later version, which follows more
// events, goes back to it.

func TestAProcessThatFollowsMoreMakesNoEffectsOfWhatItHasPassed(t *testing.T) {
	db, _ := memory(t)
	v1 := keeps(when("account-renamed", accounts.Send("2", open{"by process"})))
	v1.Events = []deed.Event{opened{}}
	s := start(t, db, accounts, v1)
	s.send(accounts.Send("1", open{"ann"}))
	s.settle()
	s.send(accounts.Send("1", rename{"bob"}))
	s.settle()
	s.stop()
	v2 := keeps(when("account-renamed", accounts.Send("2", open{"by process"})))
	v2.Version = 2
	s = start(t, db, accounts, v2)
	s.settle()
	for _, r := range records(t, db, deed.Query{Stream: "account-2"}) {
		t.Errorf("an effect of position 2, where the old version was: %s %s", r.Type, r.Data)
	}
}

func TestAReactorThatFollowsMoreDoesNotGoBack(t *testing.T) {
	db, _ := memory(t)
	calls := 0
	r := deed.Reactor[deed.Event]{Name: "mailer", Events: []deed.Event{opened{}}, React: func(_ context.Context, r deed.Recorded[deed.Event], id string) ([]deed.Effect, error) {
		calls++
		return nil, nil
	}}
	s := start(t, db, accounts, r)
	s.send(accounts.Send("1", open{"ann"}))
	for range 500 {
		s.send(accounts.Send("1", pay{1}))
	}
	s.settle()
	s.stop()
	r.Events = accountEvents
	s = start(t, db, accounts, r)
	s.settle()
	want(t, "calls", calls, 1)
}
