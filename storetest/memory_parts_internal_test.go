package storetest

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/deed-es/deed"
)

// A partModel is deed.PartStore in the plainest code.
type partModel struct {
	known    map[string]*knownPart
	pending  map[string]deed.PendingEffect
	finished map[string]time.Time
}

type knownPart struct {
	kind    string
	version int
	from    deed.Position
	state   deed.PartState
	states  map[string]deed.StateChange
	parked  parkedModel
}

func newPartModel() partModel {
	return partModel{known: map[string]*knownPart{}, pending: map[string]deed.PendingEffect{}, finished: map[string]time.Time{}}
}

func (p partModel) keeps(id string, t time.Time) bool {
	_, pending := p.pending[id]
	return pending || p.finished[id].After(t)
}

func (m *memory) OpenPart(ctx context.Context, spec deed.PartSpec) (deed.PartState, error) {
	if err := m.enter(ctx); err != nil {
		return deed.PartState{}, err
	}
	defer m.mu.Unlock()
	part := m.parts.known[spec.Name]
	switch {
	case part == nil && (spec.From == nil || spec.Look):
		return deed.PartState{}, deed.ErrNotFound
	case part != nil && spec.Look:
		part = &knownPart{kind: part.kind, version: part.version, from: part.from, state: part.state}
	}
	switch {
	case part == nil:
		part = &knownPart{kind: spec.Kind, version: spec.Version, from: *spec.From, states: map[string]deed.StateChange{}, parked: parkedModel{}}
		part.state = deed.PartState{Checkpoint: startOf(spec.Log, part.from), Live: part.from}
		m.parts.known[spec.Name] = part
	case spec.Kind != part.kind:
		return deed.PartState{}, &deed.InvalidError{Field: "kind", Reason: "another kind"}
	case spec.Version < part.version:
		return deed.PartState{}, &deed.InvalidError{Field: "version", Reason: "a lower version"}
	case spec.Version > part.version:
		part.version, part.states = spec.Version, map[string]deed.StateChange{}
		part.state.Live = max(part.state.Live, part.state.Checkpoint.Position)
		part.state.Checkpoint = startOf(spec.Log, part.from)
	}
	return part.state, nil
}

func startOf(log deed.LogInfo, p deed.Position) deed.Checkpoint {
	return deed.Checkpoint{Log: log.ID, Incarnation: log.Incarnation, Position: p}
}

func (m *memory) States(ctx context.Context, part string, keys []string) (map[string][]byte, error) {
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	states := map[string][]byte{}
	for _, key := range keys {
		if s, found := m.parts.known[part].states[key]; found {
			states[key] = s.Data
		}
	}
	return states, nil
}

func (m *memory) PartStates(ctx context.Context, part, after string, limit int) ([]deed.StateChange, error) {
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	var states []deed.StateChange
	for key, s := range m.parts.known[part].states {
		if key > after {
			states = append(states, s)
		}
	}
	slices.SortFunc(states, func(a, b deed.StateChange) int { return cmp.Compare(a.Key, b.Key) })
	return states[:min(limit, len(states))], nil
}

func (m *memory) CommitPart(ctx context.Context, c deed.PartCommit) error {
	if err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	if !m.leases.holds(c.Lease) {
		return deed.ErrFenced
	}
	part := m.parts.known[c.Part]
	if part == nil || part.version != c.Version || part.state.Checkpoint.Position != c.From {
		return deed.ErrConflict
	}
	part.state.Checkpoint = c.Checkpoint
	for _, s := range c.States {
		if part.states[s.Key] = s; s.Data == nil {
			delete(part.states, s.Key)
		}
	}
	for _, change := range c.Effects {
		m.parts.change(c.Part, change)
	}
	part.parked.change(c.Parked)
	return nil
}

func (p partModel) change(part string, c deed.EffectChange) {
	for id, e := range p.pending {
		if c.Name != "" && e.Part == part && e.Key == c.Key && e.Name == c.Name {
			delete(p.pending, id)
		}
	}
	if c.Put == nil {
		return
	}
	if _, found := p.pending[c.Put.ID]; !found {
		p.pending[c.Put.ID] = *c.Put
	}
}

func (m *memory) Effects(ctx context.Context, q deed.EffectQuery) ([]deed.PendingEffect, error) {
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	var effects []deed.PendingEffect
	for _, e := range m.parts.pending {
		if slices.Contains(q.Parts, e.Part) && (q.Key == "" || q.Key == e.Key) && (q.Due.IsZero() || !e.Due.After(q.Due)) &&
			(q.After == nil || compareEffects(cursorOf(e), *q.After) > 0) {
			effects = append(effects, e)
		}
	}
	slices.SortFunc(effects, func(a, b deed.PendingEffect) int { return compareEffects(cursorOf(a), cursorOf(b)) })
	return effects[:min(q.Limit, len(effects))], nil
}

func cursorOf(e deed.PendingEffect) deed.EffectCursor {
	return deed.EffectCursor{Due: e.Due, Position: e.Position, Place: e.Place, ID: e.ID}
}

func compareEffects(a, b deed.EffectCursor) int {
	return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Position, b.Position), cmp.Compare(a.Place, b.Place), strings.Compare(a.ID, b.ID))
}

func (m *memory) NextDue(ctx context.Context, parts []string, t time.Time) (time.Time, bool, error) {
	if err := m.enter(ctx); err != nil {
		return time.Time{}, false, err
	}
	defer m.mu.Unlock()
	var due time.Time
	for _, e := range m.parts.pending {
		if slices.Contains(parts, e.Part) && e.Due.After(t) && (due.IsZero() || e.Due.Before(due)) {
			due = e.Due
		}
	}
	return due, !due.IsZero(), nil
}

func (m *memory) FinishEffects(ctx context.Context, ids []string) error {
	if err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	for _, id := range ids {
		if _, found := m.parts.pending[id]; found {
			delete(m.parts.pending, id)
			m.parts.finished[id] = m.clock.Now()
		}
	}
	return nil
}
