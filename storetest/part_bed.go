package storetest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/deed-es/deed"
)

// part registers a part that starts at the log's start.
func (b *bed) part(name string, version int) deed.PartState {
	b.Helper()
	return b.partFrom(name, version, 0)
}

func (b *bed) partFrom(name string, version int, from deed.Position) deed.PartState {
	b.Helper()
	state, err := b.store.OpenPart(b.ctx, b.spec(name, version, &from))
	if err != nil {
		b.Fatalf("open part %s version %d: %v", name, version, err)
	}
	return state
}

// known opens a part that has to be there.
func (b *bed) known(name string, version int) deed.PartState {
	b.Helper()
	state, err := b.store.OpenPart(b.ctx, b.spec(name, version, nil))
	if err != nil {
		b.Fatalf("open the known part %s version %d: %v", name, version, err)
	}
	return state
}

func (b *bed) spec(name string, version int, from *deed.Position) deed.PartSpec {
	return deed.PartSpec{Name: name, Kind: "process", Version: version, From: from, Log: b.store.Info()}
}

// stepOf is a step of version 1 of a part, from a position to another.
func (b *bed) stepOf(part string, from, to deed.Position) deed.PartCommit {
	return deed.PartCommit{Part: part, Version: 1, From: from, Checkpoint: b.checkpoint(to)}
}

// checkpoint is one in the bed's log.
func (b *bed) checkpoint(p deed.Position) deed.Checkpoint {
	return checkpointIn(b.store.Info(), p)
}

func checkpointIn(log deed.LogInfo, p deed.Position) deed.Checkpoint {
	return deed.Checkpoint{Log: log.ID, Incarnation: log.Incarnation, Position: p, Last: p - 1, LastID: fmt.Sprint("event ", p)}
}

func (b *bed) commit(c deed.PartCommit) {
	b.Helper()
	if err := b.store.CommitPart(b.ctx, c); err != nil {
		b.Fatalf("commit %s from %d: %v", c.Part, c.From, err)
	}
}

// conflicts commits what must be refused with ErrConflict.
func (b *bed) conflicts(c deed.PartCommit) {
	b.Helper()
	if err := b.store.CommitPart(b.ctx, c); !errors.Is(err, deed.ErrConflict) {
		b.Fatalf("commit %s version %d from %d: error is %v, want ErrConflict", c.Part, c.Version, c.From, err)
	}
}

// states checks all states of a part, given as key=data.
func (b *bed) states(part string, want ...string) {
	b.Helper()
	changes, err := b.store.PartStates(b.ctx, part, "", 1000)
	if err != nil {
		b.Fatalf("states of %s: %v", part, err)
	}
	var got []string
	for _, c := range changes {
		got = append(got, c.Key+"="+string(c.Data))
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		b.Fatalf("states of %s are %v, want %v", part, got, want)
	}
}

// set is the state of a key at a position.
func set(key, data string, p deed.Position) deed.StateChange {
	return deed.StateChange{Key: key, Data: []byte(data), Position: p}
}

// effect is a pending effect due so much after the bed's clock.
func (b *bed) effect(part, key, id string, after time.Duration) deed.PendingEffect {
	return deed.PendingEffect{
		ID: id, Part: part, Key: key, Position: 1, Place: 0, Due: b.clock.Now().Add(after), Kind: "send",
		Stream: "order-1", CommandType: "remind", Command: fmt.Appendf(nil, `{"of":%q}`, id), Correlation: "cor " + id, Causation: "cau " + id,
	}
}

// adding is a change that adds an effect, under its name.
func adding(e deed.PendingEffect) deed.EffectChange {
	return deed.EffectChange{Key: e.Key, Name: e.Name, Put: &e}
}

// pending checks which effects q selects, in order.
func (b *bed) pending(q deed.EffectQuery, ids ...string) []deed.PendingEffect {
	b.Helper()
	if q.Limit == 0 {
		q.Limit = 1000
	}
	effects, err := b.store.Effects(b.ctx, q)
	if err != nil {
		b.Fatalf("effects %+v: %v", q, err)
	}
	var got []string
	for _, e := range effects {
		got = append(got, e.ID)
	}
	if strings.Join(got, " ") != strings.Join(ids, " ") {
		b.Fatalf("effects %+v are %v, want %v", q, got, ids)
	}
	return effects
}

func (b *bed) finish(ids ...string) {
	b.Helper()
	if err := b.store.FinishEffects(b.ctx, ids); err != nil {
		b.Fatalf("finish %v: %v", ids, err)
	}
}
