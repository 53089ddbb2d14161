package storetest

import (
	"fmt"

	"github.com/deed-es/deed"
)

// endType is the type of the event with which a race ends: one in each stream, in one append.
const endType = "ended"

// A watcher is the detector of the races: it takes what a reader yields, as it comes, over as many reads as the reader
// likes, and tells what no reader may ever see. It does not trust the reader that it watches.
type watcher struct {
	name     string
	q        deed.Query
	ids      []string
	seen     map[string]bool
	versions map[deed.StreamID]deed.Version
	last     deed.Position // of the last event
	floor    deed.Position // of the last event or mark: nothing selected may come at or below it
	ended    bool
}

func newWatcher(name string, q deed.Query) *watcher {
	return &watcher{name: name, q: q, seen: map[string]bool{}, versions: map[deed.StreamID]deed.Version{}}
}

// take looks at the next record.
func (w *watcher) take(r deed.Record) error {
	if r.IsMark() {
		return w.mark(r)
	}
	switch before := w.versions[r.Stream]; {
	case w.seen[r.ID]:
		return w.fault("%s comes a second time", brief(r))
	case r.Position <= w.floor:
		return w.fault("%s comes after position %d was seen", brief(r), w.floor)
	case r.Version <= before:
		return w.fault("%s comes after version %d of its stream", brief(r), before)
	case len(w.q.Match) == 0 && r.Version != before+1:
		return w.fault("%s comes after version %d of its stream: one is skipped", brief(r), before)
	case !w.q.Selects(r):
		return w.fault("%s is not selected", brief(r))
	}
	w.seen[r.ID] = true
	w.ids = append(w.ids, r.ID)
	w.versions[r.Stream] = r.Version
	w.last, w.floor = r.Position, r.Position
	w.ended = w.ended || r.Type == endType
	return nil
}

func (w *watcher) mark(r deed.Record) error {
	switch {
	case !isBare(r):
		return w.fault("a mark with more than a position: %+v", r)
	case r.Position < w.floor:
		return w.fault("a mark at %d after position %d was seen", r.Position, w.floor)
	}
	w.floor = r.Position
	return nil
}

// compare looks for what is missing, once log is the whole and final log: the watcher has to have seen all that its query
// selects up to the event at which it ended.
func (w *watcher) compare(log []deed.Record) error {
	if !w.ended {
		return w.fault("never came to the end")
	}
	i := 0
	for _, r := range log {
		if r.Position > w.last || !w.q.Selects(r) {
			continue
		}
		if i >= len(w.ids) || w.ids[i] != r.ID {
			return w.fault("%s is missing", brief(r))
		}
		i++
	}
	if i != len(w.ids) {
		return w.fault("%s is not in the log", w.ids[i])
	}
	return nil
}

func (w *watcher) fault(format string, args ...any) error {
	return fmt.Errorf("%s of %+v, after %d records: %s", w.name, w.q, len(w.ids), fmt.Sprintf(format, args...))
}
