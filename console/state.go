package console

import (
	"context"
	"fmt"
	"time"

	"github.com/deed-es/deed"
)

// Moving tells whether the part handles events now, so that it can be said how long the rest takes.
func (p part) Moving() bool {
	return p.State == deed.StateCatchingUp || p.State == deed.StateElsewhere && p.Seen.Speed > 0
}

// Means is what comes of the part's state for who reads from it or waits for it; empty where there is nothing to say.
func (p part) Means() string {
	switch p.State {
	case deed.StatePaused:
		return "It is paused: it handles nothing until somebody resumes it." + p.shows()
	case deed.StateStopped:
		return "It has stopped at a record that it cannot handle. It goes on when the service is started with that mended, or when it is paused and resumed." + p.shows()
	case deed.StateRetrying:
		return "Its last try failed. It tries again by itself." + p.shows()
	case deed.StateStalled:
		return "There is something left to handle, and nothing has moved for ten seconds." + p.shows()
	case deed.StateElsewhere:
		if p.Behind >= late && !p.Anew {
			return "It is behind. What hinders it is known to the node that runs it, and shown by the console and the metrics of that node." + p.shows()
		}
	case deed.StateOff:
		if p.Fleet {
			return "Nobody runs it: no node that could is there, or none has taken it yet." + p.shows()
		}
		return "The service does not run it." + p.shows()
	}
	if p.Anew {
		return "It is being made anew." + p.shows()
	}
	return ""
}

// late is from when on a part that another node runs is said to be behind: what advances there is not always seen at once.
const late = 10 * time.Second

// shows tells how old what is read from the part is.
func (p part) shows() string {
	switch {
	case !p.View() || p.Lag == 0 || p.Reads() == notRead:
		return ""
	case p.Gone:
		return " Its rows are gone, and are made anew once it goes on."
	case p.Anew:
		return fmt.Sprintf(" Its rows were taken away, and come back as it reads the log again: it lacks what comes after position %s.", num(p.Position))
	}
	return fmt.Sprintf(" What is read from it is as of position %s.", num(p.Position))
}

// Going tells how the part gets on with what is left: how long it takes, or why nobody can say. Who does not move has no end
// to be reckoned.
func (p part) Going() string {
	switch {
	case p.Lag == 0:
		return ""
	case p.State == deed.StateElsewhere && !p.Moving():
		return ""
	case !p.Moving():
		return p.State
	case p.Seen.Speed > 0:
		return fmt.Sprintf("about %s to go, %s", lasting(p.Seen.Estimate), plural(int64(p.Seen.Speed+0.5), "event/s", "events/s"))
	}
	return ""
}

// Tries is how often the part has failed since something last went well, in words.
func (p part) Tries() string {
	if p.Attempts == 0 {
		return ""
	}
	return plural(p.Attempts, "try", "tries") + " failed"
}

// Held is how much the part holds back, in words.
func (p part) Held() string {
	if p.Parked == 0 {
		return ""
	}
	return plural(p.Parked, "key is parked", "keys are parked")
}

// renewed finds out whether a view has not yet come to where it was last said that it is to be made anew, and whether it was
// paused then and has not gone on since, so that what the status says of its position is of rows that are gone.
func (c *console) renewed(ctx context.Context, p *part) error {
	if !p.View() || p.Lag == 0 {
		return nil
	}
	last := func(said string, after deed.Position) (deed.Position, error) {
		q := deed.Query{Stream: deed.Stream("process", p.Name), Match: []deed.Match{{Types: []string{said}}}, After: after, Backward: true, Limit: 1}
		return c.next(ctx, q)
	}
	rebuilt, err := last("part-rebuilt", p.Position)
	if p.Anew = rebuilt > 0; err != nil || !p.Anew || p.State != deed.StatePaused {
		return err
	}
	paused, err := last("part-paused", rebuilt)
	p.Gone = paused == 0
	return err
}
