package deed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"runtime/debug"
)

type identityCodec struct{}

func (identityCodec) Encode(_ context.Context, _ StreamID, e NewEvent) (NewEvent, error) {
	return e, nil
}
func (identityCodec) Decode(_ context.Context, r Record) (Record, error) { return r, nil }
func (identityCodec) Tag(tag string) string                              { return tag }

// guardedCodec is somebody's codec, whose panics are errors. Tag has none to return: who calls it is guarded.
type guardedCodec struct{ Codec }

// guardCodec is c as everybody here uses it; where there is none, data and tags are as they are.
func guardCodec(c Codec) Codec {
	if c == nil {
		return identityCodec{}
	}
	return guardedCodec{c}
}

func (c guardedCodec) Encode(ctx context.Context, stream StreamID, e NewEvent) (encoded NewEvent, err error) {
	err = guard(func() (err error) { encoded, err = c.Codec.Encode(ctx, stream, e); return err })
	return encoded, err
}

func (c guardedCodec) Decode(ctx context.Context, r Record) (decoded Record, err error) {
	err = guard(func() (err error) { decoded, err = c.Codec.Decode(ctx, r); return err })
	return decoded, err
}

func codecTags(c Codec, tags []string) []string {
	if len(tags) == 0 {
		return nil
	}
	turned := make([]string, len(tags))
	for i, tag := range tags {
		turned[i] = c.Tag(tag)
	}
	return turned
}

func codecMatches(c Codec, items []Match) []Match {
	turned := make([]Match, len(items))
	for i, m := range items {
		turned[i] = Match{Types: m.Types, Tags: codecTags(c, m.Tags)}
	}
	return turned
}

// eventTypes is what a part knows of events: how their stored names become values of E.
type eventTypes[E Event] struct {
	names  []string
	byName map[string]reflect.Type
}

func newEventTypes[E Event](list []E) (eventTypes[E], error) {
	types := eventTypes[E]{byName: make(map[string]reflect.Type, len(list))}
	if len(list) == 0 {
		return types, errors.New("Events: must list every event")
	}
	var errs []error
	for _, e := range list {
		if any(e) == nil {
			errs = append(errs, errors.New("Events: holds a nil"))
			continue
		}
		name := e.EventType()
		if !validName(name) {
			errs = append(errs, fmt.Errorf("Events: the type %q of %T must be %s", name, e, nameForm))
		}
		if isReserved(name) {
			errs = append(errs, fmt.Errorf("Events: %q is reserved", name))
		}
		if _, twice := types.byName[name]; twice {
			errs = append(errs, fmt.Errorf("Events: %q is listed twice", name))
			continue
		}
		types.names = append(types.names, name)
		types.byName[name] = reflect.TypeOf(e)
	}
	return types, errors.Join(errs...)
}

func (t eventTypes[E]) knows(name string) bool {
	_, ok := t.byName[name]
	return ok
}

// decode returns the event that r holds. Unknown types are an *UnknownEventError.
func (t eventTypes[E]) decode(r Record) (E, error) {
	var none E
	typ, ok := t.byName[r.Type]
	if !ok {
		return none, &UnknownEventError{Type: r.Type, Stream: r.Stream}
	}
	ptr, pointer := reflect.New(typ), typ.Kind() == reflect.Pointer
	if pointer {
		ptr = reflect.New(typ.Elem())
	}
	if err := guard(func() error { return json.Unmarshal(r.Data, ptr.Interface()) }); err != nil {
		return none, fmt.Errorf("decode %s at position %d: %w", r.Type, r.Position, err)
	}
	if !pointer {
		ptr = ptr.Elem()
	}
	e, _ := ptr.Interface().(E)
	if newest := schemaOf(e); r.Schema > newest {
		return none, fmt.Errorf("decode %s at position %d: schema version %d is newer than %d, the newest known here", r.Type, r.Position, r.Schema, newest)
	}
	return e, nil
}

// stored returns e as it will be read back, once encoded: what its JSON form leaves out is left out of states too.
func (t eventTypes[E]) stored(encoded NewEvent) (E, error) {
	return t.decode(Record{NewEvent: encoded})
}

// encode returns e as it goes into the log.
func (t eventTypes[E]) encode(e E, id string, metadata []byte, codec Codec) (NewEvent, error) {
	if any(e) == nil {
		return NewEvent{}, errors.New("a decision returned a nil event")
	}
	if !t.knows(e.EventType()) {
		return NewEvent{}, fmt.Errorf("event %q (%T) is not in Events", e.EventType(), e)
	}
	data, err := encodeJSON(e)
	if err != nil {
		return NewEvent{}, fmt.Errorf("encode %s: %w", e.EventType(), err)
	}
	encoded := NewEvent{ID: id, Type: e.EventType(), Schema: schemaOf(e), ContentType: jsonContent, Data: data, Metadata: metadata}
	if tagged, ok := any(e).(tagged); ok {
		encoded.Tags = codecTags(codec, tagged.EventTags())
	}
	return encoded, nil
}

func schemaOf(e Event) int {
	if v, ok := e.(versioned); ok {
		return v.EventVersion()
	}
	return 1
}

// commandTypes is what a decider knows of commands.
type commandTypes[C Command] struct {
	names  []string
	byName map[string]reflect.Type
}

func newCommandTypes[C Command](list []C) (commandTypes[C], error) {
	types := commandTypes[C]{byName: make(map[string]reflect.Type, len(list))}
	if len(list) == 0 {
		return types, errors.New("Commands: must list every command")
	}
	var errs []error
	for _, c := range list {
		if any(c) == nil {
			errs = append(errs, errors.New("Commands: holds a nil"))
			continue
		}
		name := c.CommandType()
		if !validName(name) {
			errs = append(errs, fmt.Errorf("Commands: the type %q of %T must be %s", name, c, nameForm))
		}
		if _, twice := types.byName[name]; twice {
			errs = append(errs, fmt.Errorf("Commands: %q is listed twice", name))
			continue
		}
		types.names = append(types.names, name)
		types.byName[name] = reflect.TypeOf(c)
	}
	return types, errors.Join(errs...)
}

// decode returns the command called name that body holds as strict JSON.
func (t commandTypes[C]) decode(name string, body []byte) (C, error) {
	var none C
	typ, ok := t.byName[name]
	if !ok {
		return none, fmt.Errorf("command %q: %w", name, ErrNotFound)
	}
	var v reflect.Value
	err := guard(func() (err error) { v, err = decodeStrict(body, typ); return err })
	if err != nil {
		return none, err
	}
	c, _ := v.Interface().(C)
	return c, nil
}

// guard turns a panic of f into a *PanicError.
func guard(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return f()
}
