package deed

import (
	"context"
	"fmt"
	"time"
)

// LoadAt returns the state of the thing that stream names as it was at a version; as it is now, if the version is not there yet.
// ErrNotFound as with Load.
func (s *Service) LoadAt(ctx context.Context, stream StreamID, version Version) (State, error) {
	if version < 1 {
		return State{}, invalid("version", "must be 1 or more")
	}
	c, ok := s.categories[stream.Category()]
	if !ok || c.loadAt == nil {
		return State{}, fmt.Errorf("category %.80q: %w", stream.Category(), ErrNotFound)
	}
	state, err := c.loadAt(ctx, stream, version)
	if err == nil && state.Version == 0 {
		err = fmt.Errorf("%s: %w", stream, ErrNotFound)
	}
	return state, err
}

// loadAt folds a stream up to a version, past the cache.
func (h *Handler[S, C, E]) loadAt(ctx context.Context, stream StreamID, version Version) (f folded[S], err error) {
	if err := validStream(stream); err != nil {
		return f, err
	}
	err = guard(func() error {
		for r, err := range h.store.Read(ctx, Query{Stream: stream, Limit: int(version)}) {
			if err != nil {
				return err
			}
			if r, err = h.codec.Decode(ctx, r); err != nil {
				return err
			}
			e, err := h.events.decode(r)
			if err != nil {
				return err
			}
			f.state, f.version, f.position = h.decider.Evolve(f.state, e), r.Version, r.Position
		}
		return nil
	})
	if err != nil {
		return f, fmt.Errorf("load %s at version %d: %w", stream, version, err)
	}
	return f, nil
}

// Survey is what a log holds, for people to look at.
type Survey struct {
	Bytes int64 // of the log's files
	Views int64 // of the views' files, in bytes
	Kinds []KindCount
	Days  []DayCount // the last ones in order, at most as many as were asked for
}

// KindCount is how many events of a type a category has.
type KindCount struct {
	Category, Type string
	Events         int64
}

// DayCount is how many events a category got on a day, in UTC.
type DayCount struct {
	Day      time.Time // its beginning
	Category string
	Events   int64
}

// StreamSummary is where a stream ends.
type StreamSummary struct {
	Stream   StreamID
	Version  Version
	Position Position
	Time     time.Time // when its last event was recorded
}

// Survey tells what the log holds, and how the last days were. It counts, which takes a while in a large log. ErrNotFound if the
// Store cannot tell.
func (s *Service) Survey(ctx context.Context, days int) (Survey, error) {
	surveyor, ok := s.config.Store.(Surveyor)
	if !ok {
		return Survey{}, fmt.Errorf("this store does not survey its log: %w", ErrNotFound)
	}
	return surveyor.Survey(ctx, days)
}

// Streams lists streams in the order of their ids, after one; of a category, unless it is empty; at most limit. ErrNotFound if the
// Store cannot tell.
func (s *Service) Streams(ctx context.Context, category string, after StreamID, limit int) ([]StreamSummary, error) {
	surveyor, ok := s.config.Store.(Surveyor)
	if !ok {
		return nil, fmt.Errorf("this store does not list its streams: %w", ErrNotFound)
	}
	return surveyor.Streams(ctx, category, after, limit)
}
