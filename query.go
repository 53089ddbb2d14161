package deed

import (
	"errors"
	"fmt"
	"slices"
)

// Query selects records; its conditions hold together. The zero Query is the whole log, once, from its start.
type Query struct {
	Stream       StreamID // one stream, in order of version
	Category     string   // all streams of a category, in order of position; not together with Stream
	Match        []Match  // any of these (OR); none: all
	After        Position // exclusive lower bound, whichever the direction; a checkpoint is exactly the last position handled
	AfterVersion Version  // exclusive, with Stream
	Before       Position // exclusive upper bound; 0: none
	Backward     bool     // turns the order only; not together with Follow
	Limit        int      // at most so many events (marks do not count); 0: all
	Follow       bool     // keep waiting for more until ctx is done: a catch-up subscription without a seam
	Marks        bool     // with Follow: also yield marks, whenever nothing more is stored for now and every 1000 records passed over
}

// Match is one item of a query: the event's type is one of Types (none: any) and its tags include all of Tags (none: any), which
// are at most as many as an event can have, 64.
type Match struct {
	Types []string
	Tags  []string
}

// Selects tells whether r satisfies q's conditions: stream, category, match and bounds. Limit is the reader's business.
func (q Query) Selects(r Record) bool {
	switch {
	case q.Stream != "" && r.Stream != q.Stream,
		q.Category != "" && r.Stream.Category() != q.Category,
		r.Position <= q.After,
		q.Before != 0 && r.Position >= q.Before,
		q.Stream != "" && r.Version <= q.AfterVersion:
		return false
	}
	return MatchAny(q.Match, r.Type, r.Tags)
}

func (m Match) selects(eventType string, tags []string) bool {
	if len(m.Types) > 0 && !slices.Contains(m.Types, eventType) {
		return false
	}
	for _, want := range m.Tags {
		if !slices.Contains(tags, want) {
			return false
		}
	}
	return true
}

// Validate returns what is wrong with q, all faults joined, each an *InvalidError.
func (q Query) Validate() error {
	var errs []error
	fault := func(field, reason string) { errs = append(errs, &InvalidError{Field: field, Reason: reason}) }
	if q.Stream != "" {
		if err := validStream(q.Stream); err != nil {
			errs = append(errs, err)
		}
		if q.Category != "" {
			fault("category", "a query has a stream or a category, not both")
		}
	}
	if q.Category != "" && !validCategory(q.Category) {
		fault("category", "must be "+categoryForm)
	}
	if q.AfterVersion != 0 && q.Stream == "" {
		fault("afterVersion", "needs a stream")
	}
	if q.After < 0 || q.Before < 0 || q.AfterVersion < 0 || q.Limit < 0 {
		fault("after", "positions, versions and limits are not negative")
	}
	if q.Backward && q.Follow {
		fault("follow", "a query that follows cannot run backward")
	}
	if q.Marks && !q.Follow {
		fault("marks", "marks come with follow only")
	}
	if slices.ContainsFunc(q.Match, func(m Match) bool { return len(m.Tags) > maxTags }) {
		fault("tags", fmt.Sprintf("no event has more than %d", maxTags))
	} else if err := validMatches(q.Match); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
