package deed

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	maxAppendEvents = 1000
	maxAppendBytes  = 32 << 20
	maxMetadata     = 64 << 10
	maxTags         = 64
	maxWord         = 255 // bytes of an id, a tag, a view key
	maxPartName     = 64
	maxProcessID    = 320

	defaultMaxEvent = 1 << 20
	limitMaxEvent   = 16 << 20

	categoryForm = "[a-z][a-z0-9_]*, at most 64 bytes"
	nameForm     = "[a-z][a-z0-9-]*, at most 64 bytes"

	processCategory = "process"
	jsonContent     = "application/json"
)

// Validate returns what is wrong with l.
func (l Limits) Validate() error {
	if l.MaxEvent < 0 || l.MaxEvent > limitMaxEvent {
		return &InvalidError{Field: "MaxEvent", Reason: "must be between 0 (1 MiB) and 16 MiB"}
	}
	return nil
}

func (l Limits) maxEvent() int {
	if l.MaxEvent == 0 {
		return defaultMaxEvent
	}
	return l.MaxEvent
}

// Size is what a batch counts against limits in bytes: its events' data, metadata and tags.
func (b Batch) Size() int {
	size := 0
	for _, w := range b.Writes {
		for i := range w.Events {
			size += w.Events[i].Size()
		}
	}
	return size
}

// Size is what an event counts against limits in bytes: its data, metadata and tags.
func (e *NewEvent) Size() int {
	size := len(e.Data) + len(e.Metadata)
	for _, tag := range e.Tags {
		size += len(tag)
	}
	return size
}

// Validate returns the first thing that is wrong with b as an *InvalidError. All engines refuse the same batches, before
// they queue.
func (b Batch) Validate(l Limits) error {
	if len(b.Writes) == 0 && len(b.Checks) == 0 {
		return invalid("writes", "nothing to store and nothing to check")
	}
	events, size := 0, 0
	var ids map[string]bool // made where there is more than one event
	for i, w := range b.Writes {
		if err := validStream(w.Stream); err != nil {
			return err
		}
		for _, other := range b.Writes[:i] {
			if other.Stream == w.Stream {
				return invalid("writes", fmt.Sprintf("stream %s is written twice; put its events into one write", w.Stream))
			}
		}
		if w.Version < Exists {
			return invalid("version", fmt.Sprintf("%d is no version to expect of %s", w.Version, w.Stream))
		}
		if len(w.Events) == 0 {
			return invalid("events", fmt.Sprintf("the write to %s has no events", w.Stream))
		}
		if events += len(w.Events); events > maxAppendEvents {
			return invalid("events", fmt.Sprintf("more than %d in one append", maxAppendEvents))
		}
		for j := range w.Events {
			if err := w.Events[j].validate(l); err != nil {
				return err
			}
			size += w.Events[j].Size()
			if ids[w.Events[j].ID] {
				return invalid("id", fmt.Sprintf("event id %q stands twice in one append", w.Events[j].ID))
			}
			if len(b.Writes) > 1 || len(w.Events) > 1 {
				if ids == nil {
					ids = map[string]bool{}
				}
				ids[w.Events[j].ID] = true
			}
		}
	}
	if size > maxAppendBytes {
		return invalid("events", "more than 32 MiB in one append")
	}
	for _, c := range b.Checks {
		if err := c.validate(); err != nil {
			return err
		}
	}
	return b.Command.validate()
}

func (e *NewEvent) validate(l Limits) error {
	switch {
	case !validWord(e.ID):
		return invalid("id", "an event id is "+wordForm)
	case !validName(e.Type):
		return invalid("type", fmt.Sprintf("event type %.80q must be %s", e.Type, nameForm))
	case e.Schema < 0:
		return invalid("schema", "a schema version is not negative")
	case len(e.ContentType) > maxWord || !cleanText(e.ContentType):
		return invalid("contentType", "must be UTF-8 without control characters, at most 255 bytes")
	case len(e.Data) > l.maxEvent():
		return invalid("data", fmt.Sprintf("%d bytes of %s are more than the %d that an event may have", len(e.Data), e.Type, l.maxEvent()))
	case len(e.Metadata) > maxMetadata:
		return invalid("metadata", "more than 64 KiB")
	case len(e.Tags) > maxTags:
		return invalid("tags", fmt.Sprintf("more than %d", maxTags))
	case e.isJSON() && !utf8.Valid(e.Data):
		return invalid("data", "is not valid UTF-8")
	case !utf8.Valid(e.Metadata):
		return invalid("metadata", "is not valid UTF-8")
	}
	for i, tag := range e.Tags {
		if !validWord(tag) {
			return invalid("tags", "a tag is "+wordForm)
		}
		if slices.Contains(e.Tags[:i], tag) {
			return invalid("tags", fmt.Sprintf("%q stands twice", tag))
		}
	}
	return nil
}

func (e *NewEvent) isJSON() bool { return e.ContentType == "" || e.ContentType == jsonContent }

func (c Check) validate() error {
	switch {
	case c.Stream != "" && len(c.Match) > 0:
		return invalid("checks", "a check has a stream or a match, not both")
	case c.Stream != "":
		if c.Version == Any || c.Version < Exists {
			return invalid("checks", "a check of a stream names a version, or Exists")
		}
		if c.After != 0 {
			return invalid("checks", "After goes with Match")
		}
		return validStream(c.Stream)
	case len(c.Match) > 0:
		if c.Version != 0 || c.After < 0 {
			return invalid("checks", "a check by match has no version, and an After that is not negative")
		}
		return validMatches(c.Match)
	}
	return invalid("checks", "a check has a stream or a match")
}

func (r CommandRef) validate() error {
	if r.ID == "" && r.Hash == "" {
		return nil
	}
	if !validWord(r.ID) {
		return invalid("command", "a command id is "+wordForm)
	}
	if len(r.Hash) > maxWord {
		return invalid("command", "a command's hash has at most 255 bytes")
	}
	return nil
}

const wordForm = "1 to 255 bytes of UTF-8 without control characters"

func validMatches(items []Match) error {
	for _, m := range items {
		for _, t := range m.Types {
			if !validName(t) {
				return invalid("types", fmt.Sprintf("event type %.80q must be %s", t, nameForm))
			}
		}
		for _, tag := range m.Tags {
			if !validWord(tag) {
				return invalid("tags", "a tag is "+wordForm)
			}
		}
	}
	return nil
}

func validStream(s StreamID) error {
	category, id, found := strings.Cut(string(s), "-")
	if !found || !validCategory(category) {
		return invalid("stream", fmt.Sprintf("%.80q is not category-id with a category of %s", string(s), categoryForm))
	}
	limit := maxWord
	if category == processCategory {
		limit = maxProcessID
	}
	if err := validID(id, limit); err != nil {
		return err
	}
	return nil
}

func validID(id string, limit int) error {
	if len(id) == 0 || len(id) > limit || !cleanText(id) || strings.Contains(id, "/") || id == "." || id == ".." {
		return invalid("id", fmt.Sprintf("an id is 1 to %d bytes of UTF-8 without control characters or a slash, and not . or ..", limit))
	}
	return nil
}

func validWord(s string) bool { return len(s) >= 1 && len(s) <= maxWord && cleanText(s) }

func cleanText(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if r < 0x20 || r >= 0x7f && r < 0xa0 {
			return false
		}
	}
	return true
}

func validCategory(s string) bool { return validIdent(s, '_') }

func validName(s string) bool { return validIdent(s, '-') }

func validIdent(s string, also byte) bool {
	if len(s) == 0 || len(s) > maxPartName || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := 1; i < len(s); i++ {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != also {
			return false
		}
	}
	return true
}

func invalid(field, reason string) error { return &InvalidError{Field: field, Reason: reason} }
