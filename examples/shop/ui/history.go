package ui

import (
	"net/url"
	"slices"
	"time"

	"github.com/deed-es/deed"
)

// events is what happened to a thing, the newest first.
type events struct {
	All     []happened
	Earlier bool   // there are more
	URL     string // all of them, for programs
}

// happened is an event as it is shown.
type happened struct {
	Type     string
	Time     time.Time
	Version  deed.Version
	Position deed.Position
	Actor    string
}

const mostEvents = 20

// events reads the newest events of a stream.
func (s *site) events(v *visit, stream deed.StreamID) (events, error) {
	shown := events{URL: "/api/streams/" + url.PathEscape(string(stream))}
	q := deed.Query{Stream: stream, Backward: true, Limit: mostEvents + 1}
	for r, err := range s.Service.Log().Read(v.Context(), q) {
		if err != nil {
			return shown, err
		}
		shown.All = append(shown.All, happened{Type: r.Type, Time: r.Time, Version: r.Version, Position: r.Position, Actor: r.Meta().Actor})
	}
	if len(shown.All) > mostEvents {
		shown.Earlier, shown.All = true, slices.Clip(shown.All[:mostEvents])
	}
	return shown, nil
}
