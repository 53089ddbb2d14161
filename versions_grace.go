package deed

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// versionGrace is how long a version of a view that nobody keeps stays what it is before a lower one takes its place, or it is taken
// away: whoever had made it, and perhaps switched to it, may only be starting again, or be on the way back after a failure. It is longer
// than that takes, and short enough for a program that was taken back for good.
const versionGrace = 10 * time.Minute

// absences are since when views have been kept by nobody, as far as this node has seen.
type absences struct {
	mu    sync.Mutex
	since map[ViewRef]time.Time
}

// lasts takes down whether a view is kept, and is for how long it has not been.
func (a *absences) lasts(view ViewRef, kept bool) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if kept {
		delete(a.since, view)
		return 0
	}
	if a.since == nil {
		a.since = map[ViewRef]time.Time{}
	}
	since, known := a.since[view]
	if !known {
		since = time.Now()
		a.since[view] = since
	}
	return time.Since(since)
}

// limit forgets views that are not there: one that is made again has its time again.
func (a *absences) limit(views []ViewRef) {
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.since, func(view ViewRef, _ time.Time) bool { return !slices.Contains(views, view) })
}

// abandoned tells whether a view can give way to another version. One that another node may have made gives way to a lower one only
// when nobody has kept it for long.
func (s *Service) abandoned(view ViewRef, kept bool, version int, f *fleet) bool {
	lasts := s.unkept.lasts(view, kept)
	return !kept && (f == nil || view.Version <= version || lasts >= versionGrace)
}

// forsaken tells whether a view that is not read can be taken away. Whoever has just made it may not have been heard of yet.
func (s *Service) forsaken(view ViewRef, read int, f *fleet) bool {
	if f == nil {
		return true
	}
	kept := f.wanted(view)
	return s.abandoned(view, kept, read, f) && s.unkept.lasts(view, kept) >= 2*f.every()
}
