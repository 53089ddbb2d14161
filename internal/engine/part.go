package engine

import (
	"fmt"
	"slices"

	"github.com/deed-es/deed"
)

// Part is a part as stored.
type Part struct {
	Kind    string
	Version int
	Start   deed.Position
	deed.PartState
}

// ValidPart checks what a part is opened with.
func ValidPart(spec deed.PartSpec) error {
	switch {
	case spec.Name == "" || deed.ValidID(spec.Name) != nil:
		return &deed.InvalidError{Field: "name", Reason: "a part needs a name that is a valid id"}
	case spec.Kind == "":
		return &deed.InvalidError{Field: "kind", Reason: "a part is a process or a reactor"}
	case spec.Version < 0:
		return &deed.InvalidError{Field: "version", Reason: "is not negative"}
	case spec.From != nil && *spec.From < 0:
		return &deed.InvalidError{Field: "from", Reason: "a position is not negative"}
	}
	return nil
}

// NewPart is the part that spec makes where there is none.
func NewPart(spec deed.PartSpec) (Part, error) {
	if spec.From == nil {
		return Part{}, fmt.Errorf("part %s is not known and says not where to start: %w", spec.Name, deed.ErrNotFound)
	}
	p := Part{Kind: spec.Kind, Version: spec.Version, Start: *spec.From}
	p.Checkpoint, p.Live = p.beginning(spec), p.Start
	return p, nil
}

// Open makes p what spec says. Raised tells that its version was raised: then its states are to be removed, and it is folded again
// up to where it was, without effects.
func (p *Part) Open(spec deed.PartSpec) (raised bool, err error) {
	switch {
	case p.Kind != spec.Kind:
		return false, &deed.InvalidError{Field: "kind", Reason: fmt.Sprintf("part %s is known as a %s, not a %s", spec.Name, p.Kind, spec.Kind)}
	case spec.Version < p.Version:
		return false, &deed.InvalidError{Field: "version", Reason: fmt.Sprintf("part %s is stored with version %d, later than %d", spec.Name, p.Version, spec.Version)}
	case spec.Version == p.Version:
		return false, nil
	}
	p.Version = spec.Version
	p.Live = max(p.Live, p.Checkpoint.Position)
	p.Checkpoint = p.beginning(spec)
	return true, nil
}

// LookAt is what spec would find, where p is there: nothing of it is stored. What is not known is nil.
func LookAt(p *Part, spec deed.PartSpec) (deed.PartState, error) {
	if p == nil {
		return deed.PartState{}, fmt.Errorf("part %s is not known: %w", spec.Name, deed.ErrNotFound)
	}
	opened := *p
	if _, err := opened.Open(spec); err != nil {
		return deed.PartState{}, err
	}
	return opened.PartState, nil
}

func (p *Part) beginning(spec deed.PartSpec) deed.Checkpoint {
	return deed.Checkpoint{Log: spec.Log.ID, Incarnation: spec.Log.Incarnation, Position: p.Start}
}

// Follows checks that a step follows where the part is. A part that is not there is nil.
func (p *Part) Follows(c *deed.PartCommit) error {
	switch {
	case p == nil:
		return fmt.Errorf("part %s was never opened: %w (%w)", c.Part, deed.ErrNotFound, deed.ErrConflict)
	case p.Version != c.Version:
		return fmt.Errorf("part %s has version %d, not %d: %w", c.Part, p.Version, c.Version, deed.ErrConflict)
	case p.Checkpoint.Position != c.From:
		return fmt.Errorf("part %s is at position %d, not %d: %w", c.Part, p.Checkpoint.Position, c.From, deed.ErrConflict)
	}
	return nil
}

// OwnPartCommit is c with bytes of its own, and how many these are, if it is valid.
func OwnPartCommit(c deed.PartCommit) (deed.PartCommit, int, error) {
	if c.Checkpoint.Position < c.From {
		return c, 0, &deed.InvalidError{Field: "checkpoint", Reason: "a part does not go back"}
	}
	size := 0
	c.States = slices.Clone(c.States)
	for i := range c.States {
		c.States[i].Data = keep(c.States[i].Data)
		size += len(c.States[i].Data)
	}
	c.Effects = slices.Clone(c.Effects)
	for i := range c.Effects {
		if c.Effects[i].Put == nil {
			continue
		}
		put := *c.Effects[i].Put
		switch {
		case put.ID == "":
			return c, 0, &deed.InvalidError{Field: "id", Reason: "an effect needs an id"}
		case put.Part != c.Part:
			return c, 0, &deed.InvalidError{Field: "part", Reason: fmt.Sprintf("an effect of %q is not %q's to put", put.Part, c.Part)}
		}
		put.Command = keep(put.Command)
		size += len(put.Command)
		c.Effects[i].Put = &put
	}
	c.Parked = cloneParked(c.Parked)
	return c, size, nil
}

func cloneParked(changes []deed.ParkChange) []deed.ParkChange {
	own := slices.Clone(changes)
	for i := range own {
		own[i].Records = slices.Clone(own[i].Records)
	}
	return own
}

// keep copies b; nil stays nil and empty stays empty.
func keep(b []byte) []byte {
	if b == nil {
		return nil
	}
	return append(make([]byte, 0, len(b)), b...)
}

// ValidLimit checks the limit of a list.
func ValidLimit(limit int) error {
	if limit < 0 {
		return &deed.InvalidError{Field: "limit", Reason: "is not negative"}
	}
	return nil
}
