package deed

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Control says how parts are to go on. Everything that is said is stored as an event in the part's own stream, process-PART, with
// who said it, and done when the part comes to it.
type Control struct{ service *Service }

// Control returns how the service's parts are told to go on.
func (s *Service) Control() Control { return Control{s} }

// Parked is a key that a part holds back: a record of it could not be handled, or an effect of it cannot be carried out.
type Parked struct {
	Part     string
	Kind     string // of the part
	Key      string // of the row, the instance, or, of a reactor, the stream; "/" and a stream where the key is not known
	Position Position
	Stream   StreamID // of the record; for an effect, what its command is for
	Type     string   // of the record; for an effect, of its command
	Error    string
	Time     time.Time // when it was parked; zero for an effect
	Records  int       // how many are parked of the key; 0 for an effect
	Effect   string    // its id; empty: it is a record
}

// The events by which parts are controlled.
const (
	typeRetried  = "part-retried"
	typeSkipped  = "part-skipped"
	typePaused   = "part-paused"
	typeResumed  = "part-resumed"
	typeRebuilt  = "part-rebuilt"
	typeSwitched = "part-switched"
)

// control is what such an event says.
type control struct {
	Part     string   `json:"part"`
	Key      string   `json:"key,omitempty"`
	Position Position `json:"position,omitempty"` // of the record that is skipped
	Effect   string   `json:"effect,omitempty"`   // that is skipped
	Version  int      `json:"version,omitempty"`  // that is read from now on
	Before   int      `json:"before,omitempty"`   // the version that was
	event    string
}

// skips is the position of the record that is to be left out; 0 if none is.
func (c control) skips() Position {
	if c.event != typeSkipped {
		return 0
	}
	return c.Position
}

func isControl(r Record) bool { return r.Type == typeRetried || r.Type == typeSkipped }

// isReserved tells whether events of this type are deed's own.
func isReserved(eventType string) bool {
	return slices.Contains([]string{typeWoken, typeRefused, typeRetried, typeSkipped, typePaused, typeResumed, typeRebuilt, typeSwitched}, eventType)
}

func partTag(part string) string { return "part:" + part }

// controlMatch selects what is said about a part.
func controlMatch(codec Codec, part string) Match {
	return Match{Types: []string{typeRetried, typeSkipped}, Tags: codecTags(codec, []string{partTag(part)})}
}

func decodeControl(ctx context.Context, codec Codec, record Record) (control, error) {
	r, err := codec.Decode(ctx, record)
	if err != nil {
		return control{}, err
	}
	c := control{event: r.Type}
	if json.Unmarshal(r.Data, &c) != nil { // nobody's: written past deed
		return control{}, nil
	}
	return c, nil
}

// Parked lists what a part holds back, in the order of keys after a key, at most limit; ErrNotFound if there is no such part.
func (c Control) Parked(ctx context.Context, part, after string, limit int) ([]Parked, error) {
	s := c.service
	kind, known := s.names[part]
	if !known {
		return nil, fmt.Errorf("part %.80q: %w", part, ErrNotFound)
	}
	keys, err := s.parkedKeys(ctx, part, after, limit)
	if err != nil {
		return nil, err
	}
	var all []Parked
	for _, k := range keys {
		p := Parked{Part: part, Kind: kind, Key: k.Key, Position: k.Position, Error: k.Error, Time: k.Time, Records: k.Records}
		r, err := recordAt(ctx, s.log, k.Position)
		if err != nil {
			return nil, err
		}
		p.Stream, p.Type = r.Stream, r.Type
		all = append(all, p)
	}
	s.board.mu.Lock()
	defer s.board.mu.Unlock()
	for key, held := range s.executor.held {
		e := held.effect
		if partOf(key.part) != part || e.Key <= after || slices.ContainsFunc(all, func(p Parked) bool { return p.Key == e.Key }) {
			continue
		}
		all = append(all, Parked{
			Part: part, Kind: kind, Key: e.Key, Position: e.Position, Stream: e.Stream, Type: e.CommandType, Error: held.err.Error(), Effect: e.ID,
		})
	}
	slices.SortFunc(all, func(a, b Parked) int { return strings.Compare(a.Key, b.Key) })
	return all[:min(len(all), limit)], nil
}

func (s *Service) parkedKeys(ctx context.Context, part, after string, limit int) ([]ParkedKey, error) {
	if v, isView := s.views[part]; isView {
		return parkedIn(slices.Collect(maps.Values(v.known)), limit, func(view rawView) ([]ParkedKey, error) {
			return view.store.ViewParked(ctx, view.ref, after, limit)
		})
	}
	if tables, isTables := s.tables[part]; isTables {
		return tables.store.ViewParked(ctx, tables.ref, after, limit)
	}
	if s.names[part] == kindTask {
		return nil, nil
	}
	return parkedIn(s.stored(part), limit, func(name string) ([]ParkedKey, error) {
		return s.engine.PartParked(ctx, name, after, limit)
	})
}

// Retry has a part handle what is parked of a key, or carry out the key's effect that is held back, once more. It returns where
// that is stored; the part has tried when it has come that far. ErrNotFound if nothing of the key is parked.
func (c Control) Retry(ctx context.Context, part, key string) (Receipt, error) {
	return c.said(ctx, typeRetried, part, key)
}

// Skip has a part leave out the record of a key that failed, or drop the key's effect that is held back, and go on behind it. The
// rest is as with Retry.
func (c Control) Skip(ctx context.Context, part, key string) (Receipt, error) {
	return c.said(ctx, typeSkipped, part, key)
}

// said finds what a key is held back by, and says what is to become of it. Under a command's id a repetition gets the first
// answer.
func (c Control) said(ctx context.Context, eventType, part, key string) (Receipt, error) {
	if c.service.engine == nil {
		return Receipt{}, errOnlyReads(part)
	}
	ref := CommandRef{ID: MetaFrom(ctx).CommandID}
	if ref.ID != "" {
		ref.Hash = HashID(eventType, part, key)
		if receipt, known, err := c.service.engine.Outcome(ctx, ref); known || err != nil {
			return receipt, err
		}
	}
	held, err := c.held(ctx, part, key)
	if err != nil {
		return Receipt{}, err
	}
	said := control{Part: part, Key: key, Effect: held.Effect}
	if held.Effect == "" && eventType == typeSkipped {
		said.Position = held.Position
	}
	return c.say(ctx, ref, eventType, said)
}

func errOnlyReads(part string) error {
	return fmt.Errorf("part %.80q: this service only reads; control it where its log is written", part)
}

// held finds what is held back of a key.
func (c Control) held(ctx context.Context, part, key string) (Parked, error) {
	for after, limit := "", maxPage; ; {
		page, err := c.Parked(ctx, part, after, limit)
		if err != nil {
			return Parked{}, err
		}
		for _, p := range page {
			if p.Key == key {
				return p, nil
			}
			after = p.Key
		}
		if len(page) < limit {
			return Parked{}, fmt.Errorf("nothing of %.80q is parked in %s: %w", key, part, ErrNotFound)
		}
	}
}

func (c Control) say(ctx context.Context, ref CommandRef, eventType string, said control) (Receipt, error) {
	s := c.service
	data, err := encodeJSON(said)
	if err != nil {
		return Receipt{}, err
	}
	metadata, err := encodeMeta(MetaFrom(ctx))
	if err != nil {
		return Receipt{}, err
	}
	newID := s.config.NewID
	if newID == nil {
		newID = NewID
	}
	stream := Stream(processCategory, said.Part)
	e, err := s.codec().Encode(ctx, stream, NewEvent{
		ID: newID(), Type: eventType, Schema: 1, ContentType: jsonContent, Data: data, Metadata: metadata,
		Tags: codecTags(s.codec(), []string{partTag(said.Part)}),
	})
	if err != nil {
		return Receipt{}, err
	}
	receipt, err := s.engine.Append(ctx, Batch{Writes: []Write{{Stream: stream, Version: Any, Events: []NewEvent{e}}}, Command: ref})
	if err != nil {
		return receipt, fmt.Errorf("%s of %s: %w", eventType, said.Part, err)
	}
	return receipt, nil
}
