package sqlite

import (
	"math"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/internal/engine"
)

// broken returns the first check that does not hold, as the log is before the batch.
func (t *appendTask) broken(c *conn) (*deed.CheckError, error) {
	for _, check := range t.Checks {
		if check.Stream != "" {
			h, err := t.l.streamHead(c, check.Stream)
			if err != nil {
				return nil, err
			}
			if !check.Version.Holds(h.version) {
				return &deed.CheckError{Check: check, Actual: h.version, Position: h.position}, nil
			}
			continue
		}
		position, err := t.l.firstMatch(c, check.Match, check.After)
		if err != nil {
			return nil, err
		}
		if position != 0 {
			return &deed.CheckError{Check: check, Position: position}, nil
		}
	}
	return nil, nil
}

// firstMatch returns the position of the first event after after that matches any of the items; 0 if there is none. It
// sees the batches before in the group.
func (l *logLedger) firstMatch(c *conn, match []deed.Match, after deed.Position) (deed.Position, error) {
	if after >= l.head {
		return 0, nil
	}
	q := deed.Query{Match: match, After: after}
	p := page{&engine.Page{Passed: after, Until: math.MaxInt64, Limit: 1}}
	for p.Passed < p.Until && len(p.Records) == 0 {
		if err := p.fill(c, &q, l.kinds); err != nil {
			return 0, err
		}
	}
	if len(p.Records) == 0 {
		return 0, nil
	}
	return p.Records[0].Position, nil
}
