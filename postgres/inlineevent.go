package postgres

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/deed-es/deed"
)

// formsOf is which Go type each of these events is decoded into, by its stored name.
func formsOf[E deed.Event](events []E) (map[string]reflect.Type, error) {
	if len(events) == 0 {
		return nil, &deed.InvalidError{Field: "Events", Reason: "must list every event"}
	}
	var errs []error
	forms := make(map[string]reflect.Type, len(events))
	for _, e := range events {
		if any(e) == nil {
			errs = append(errs, &deed.InvalidError{Field: "Events", Reason: "holds a nil"})
			continue
		}
		name := e.EventType()
		if name == "" || forms[name] != nil {
			errs = append(errs, &deed.InvalidError{Field: "Events", Reason: fmt.Sprintf("%q is no type, or is listed twice", name)})
			continue
		}
		forms[name] = reflect.TypeOf(e)
	}
	return forms, errors.Join(errs...)
}

// decoded is the event that a record holds, in one of the forms.
func decoded[E deed.Event](forms map[string]reflect.Type, r *deed.Record) (e E, err error) {
	form := forms[r.Type]
	pointer := form.Kind() == reflect.Pointer
	if pointer {
		form = form.Elem()
	}
	value := reflect.New(form)
	if err := json.Unmarshal(r.Data, value.Interface()); err != nil {
		return e, fmt.Errorf("decode: %w", err)
	}
	if !pointer {
		value = value.Elem()
	}
	e, _ = value.Interface().(E)
	newest := 1
	if v, ok := any(e).(interface{ EventVersion() int }); ok {
		newest = v.EventVersion()
	}
	if r.Schema > newest {
		return e, fmt.Errorf("decode: schema version %d is newer than %d, the newest known here", r.Schema, newest)
	}
	return e, nil
}
