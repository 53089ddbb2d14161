package deed_test

import (
	"strings"

	"github.com/deed-es/deed"
)

// keyIn is whose an event is in a version of the process: keys move.
func keyIn(version int, e walked) string {
	if len(e.Keys) == 0 {
		return ""
	}
	return e.Keys[version%len(e.Keys)]
}

// raise has the part run with the next version: what it has made is folded anew once it runs.
func (w *walker) raise() {
	w.version++
	w.raised = true
}

func (w *walker) beginAnew() {
	w.raised = false
	w.live = max(w.live, w.at)
	if w.unmade == nil {
		w.unmade = map[deed.Position]bool{}
	}
	for _, entries := range w.parked {
		for _, e := range entries {
			if !e.folded {
				w.unmade[e.at] = true
			}
		}
	}
	w.reset()
}

func (w *walker) makes(at deed.Position) bool { return at > w.live || w.unmade[at] }

// fold is a process's state after an event, if that is possible.
func (w *walker) fold(key string, e walked, makes bool) bool {
	next, ok := w.oracle.try(w.rows[key], e)
	if !ok || makes && w.oracle.of(e.N).reacts {
		return false
	}
	w.rows[key] = next
	if len(next.Seen) == 0 {
		delete(w.rows, key)
	}
	if makes {
		w.made[e.N] = key
	}
	return true
}

func processes(w *walker, r deed.Record, e walked) bool {
	broken := w.oracle.of(e.N).routes
	key := keyIn(w.version, e)
	if broken || w.held(streamKey(r)) {
		key = streamKey(r)
	}
	makes := w.makes(r.Position)
	switch {
	case key == "":
	case w.held(key):
		w.parked.put(key, waits{r.Position, false, !makes})
	case broken || !w.fold(key, e, makes):
		if w.full(1) {
			return false
		}
		w.parked.put(key, waits{r.Position, true, !makes})
	}
	return true
}

func processesAgain(w *walker, key string, r deed.Record, _ deed.Position, was waits) bool {
	e := event(r)
	own := keyIn(w.version, e)
	switch {
	case w.oracle.of(e.N).routes:
		return false
	case own == "" || own != key && !strings.HasPrefix(key, "/"):
		return true
	case own != key && w.held(own):
		w.parked.put(own, waits{r.Position, false, was.folded})
		return true
	}
	return w.fold(own, e, !was.folded)
}

// writes handles records one by one, as Tables and reactors do: those of a stream wait for each other.
func writes(broken func(flaw) bool) func(*walker, deed.Record, walked) bool {
	return func(w *walker, r deed.Record, e walked) bool {
		key := string(r.Stream)
		switch {
		case w.held(key):
			w.parked.put(key, waits{at: r.Position})
		case broken(w.oracle.of(e.N)) && w.full(1):
			return false
		case broken(w.oracle.of(e.N)):
			w.parked.put(key, waits{at: r.Position, failed: true})
		default:
			w.written = append(w.written, e.N)
		}
		return true
	}
}

func writesAgain(broken func(flaw) bool) func(*walker, string, deed.Record, deed.Position, waits) bool {
	return func(w *walker, _ string, r deed.Record, _ deed.Position, _ waits) bool {
		n := event(r).N
		if broken(w.oracle.of(n)) {
			return false
		}
		w.written = append(w.written, n)
		return true
	}
}
