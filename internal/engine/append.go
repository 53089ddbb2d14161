package engine

import (
	"slices"
	"strconv"
	"strings"

	"github.com/deed-es/deed"
)

// Append is a batch on its way to the log. It owns its bytes: a caller may stop waiting and use its own again.
type Append struct {
	Writes  []deed.Write  // without their events
	Counts  []int         // how many events each write has
	Records []deed.Record // of all writes, in order; place and time are given by the writer
	Checks  []deed.Check
	Command deed.CommandRef
	Size    int // in bytes
	Receipt deed.Receipt

	oneWrite [1]deed.Write
	oneCount [1]int
}

// Take makes a the append of b. It must not be copied afterwards.
func (a *Append) Take(b deed.Batch) {
	a.Checks, a.Command = cloneChecks(b.Checks), b.Command
	a.Writes, a.Counts = a.oneWrite[:0], a.oneCount[:0]
	events := 0
	for _, w := range b.Writes {
		events += len(w.Events)
	}
	bytes := 0
	a.Records = make([]deed.Record, 0, events)
	for _, w := range b.Writes {
		a.Writes = append(a.Writes, deed.Write{Stream: w.Stream, Version: w.Version})
		a.Counts = append(a.Counts, len(w.Events))
		for i := range w.Events {
			r := deed.Record{NewEvent: w.Events[i], Stream: w.Stream}
			if r.Schema == 0 {
				r.Schema = 1
			}
			if r.ContentType == "" {
				r.ContentType = "application/json"
			}
			bytes += len(r.Data) + len(r.Metadata)
			a.Size += r.Size()
			a.Records = append(a.Records, r)
		}
	}
	own(a.Records, bytes)
}

// Stands tells whether all events stand already where this append would put them, each under its id. Then the first receipt is in
// place. An append with Any or Exists never does. Standing returns the position of the last of a write's events if they all stand
// behind the version that it expects; else 0.
func (a *Append) Stands(standing func(w *deed.Write, events []deed.Record) (deed.Position, error)) (bool, error) {
	first := deed.Receipt{Again: true, Streams: make([]deed.StreamVersion, 0, len(a.Writes))}
	rest := a.Records
	for i := range a.Writes {
		w := &a.Writes[i]
		if w.Version < 0 {
			return false, nil
		}
		events := rest[:a.Counts[i]]
		rest = rest[a.Counts[i]:]
		position, err := standing(w, events)
		if err != nil || position == 0 {
			return false, err
		}
		first.Position = max(first.Position, position)
		first.Streams = append(first.Streams, deed.StreamVersion{Stream: w.Stream, Version: w.Version + deed.Version(len(events))})
	}
	a.Receipt = first
	return true, nil
}

// own gives the records bytes of their own, cut from one piece.
func own(records []deed.Record, bytes int) {
	piece := make([]byte, 0, bytes)
	cut := func(b []byte) []byte {
		if len(b) == 0 {
			return nil
		}
		from := len(piece)
		piece = append(piece, b...)
		return piece[from:len(piece):len(piece)]
	}
	for i := range records {
		r := &records[i]
		r.Data, r.Metadata = cut(r.Data), cut(r.Metadata)
		if len(r.Tags) == 0 {
			r.Tags = nil
			continue
		}
		r.Tags = slices.Clone(r.Tags)
	}
}

func cloneChecks(checks []deed.Check) []deed.Check {
	if len(checks) == 0 {
		return nil
	}
	own := slices.Clone(checks)
	for i := range own {
		own[i].Match = slices.Clone(own[i].Match)
		for j := range own[i].Match {
			m := &own[i].Match[j]
			m.Types, m.Tags = slices.Clone(m.Types), slices.Clone(m.Tags)
		}
	}
	return own
}

// FormatStreams is a receipt's streams as text, a line for each.
func FormatStreams(streams []deed.StreamVersion) string {
	var text []byte
	for i, s := range streams {
		if i > 0 {
			text = append(text, '\n')
		}
		text = strconv.AppendInt(text, int64(s.Version), 10)
		text = append(text, ' ')
		text = append(text, s.Stream...)
	}
	return string(text)
}

// ParseStreams reads what FormatStreams has written.
func ParseStreams(text string) []deed.StreamVersion {
	if text == "" {
		return nil
	}
	var streams []deed.StreamVersion
	for line := range strings.SplitSeq(text, "\n") {
		number, stream, _ := strings.Cut(line, " ")
		version, _ := strconv.ParseInt(number, 10, 64)
		streams = append(streams, deed.StreamVersion{Stream: deed.StreamID(stream), Version: deed.Version(version)})
	}
	return streams
}
