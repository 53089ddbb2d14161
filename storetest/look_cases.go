package storetest

import (
	"errors"

	"github.com/deed-es/deed"
)

// look is what a look at a part tells.
func (b *bed) look(name string, version int) (deed.PartState, error) {
	spec := b.spec(name, version, nil)
	spec.Look = true
	return b.store.OpenPart(b.ctx, spec)
}

func (b *bed) looked(name string, version int) deed.PartState {
	b.Helper()
	state, err := b.look(name, version)
	if err != nil {
		b.Fatalf("look at part %s version %d: %v", name, version, err)
	}
	return state
}

func lookAtNothing(b *bed) {
	smallLog(b)
	from := deed.Position(2)
	for _, from := range []*deed.Position{nil, &from} {
		spec := b.spec("mailer", 1, from)
		spec.Look = true
		if state, err := b.store.OpenPart(b.ctx, spec); !errors.Is(err, deed.ErrNotFound) {
			b.Errorf("a part that nobody knows is found at %+v, %v, want ErrNotFound", state, err)
		}
	}
	if _, err := b.store.OpenPart(b.ctx, b.spec("mailer", 1, nil)); !errors.Is(err, deed.ErrNotFound) {
		b.Errorf("a look has registered a part: %v, want ErrNotFound", err)
	}
}

func lookAtKnown(b *bed) {
	smallLog(b)
	opened := b.partFrom("mailer", 2, 2)
	if state := b.looked("mailer", 2); state != opened {
		b.Errorf("a new part stands at %+v, want %+v", state, opened)
	}
	step := deed.PartCommit{Part: "mailer", Version: 2, From: 2, Checkpoint: b.checkpoint(7), States: []deed.StateChange{set("a", "1", 5)}}
	b.commit(step)
	if state := b.looked("mailer", 2); state != b.known("mailer", 2) || state.Checkpoint != step.Checkpoint {
		b.Errorf("after a step it stands at %+v, want %+v", state, step.Checkpoint)
	}
	b.states("mailer", "a=1")
}

func lookAtRaised(b *bed) {
	smallLog(b)
	b.partFrom("mailer", 1, 2)
	step := b.stepOf("mailer", 2, 7)
	step.States = []deed.StateChange{set("a", "1", 5)}
	b.commit(step)
	for range 2 {
		if state := b.looked("mailer", 3); state.Checkpoint.Position != 2 || state.Live != 7 {
			b.Errorf("a raised version would stand at %+v, want 2, live after 7", state)
		}
	}
	b.states("mailer", "a=1")
	if state := b.known("mailer", 1); state.Checkpoint != step.Checkpoint {
		b.Errorf("after a look the part stands at %+v, want %+v", state.Checkpoint, step.Checkpoint)
	}
	b.commit(b.stepOf("mailer", 7, 9)) // the old version goes on
	want := b.looked("mailer", 3)
	if state := b.known("mailer", 3); state != want || state.Live != 9 {
		b.Errorf("raised it stands at %+v, a look told %+v; want it live after 9", state, want)
	}
	b.states("mailer")
}

func lookAtAnother(b *bed) {
	b.part("mailer", 3)
	var invalid *deed.InvalidError
	if state, err := b.look("mailer", 2); !errors.As(err, &invalid) || invalid.Field != "version" {
		b.Errorf("version 2 below 3 is found at %+v, %v, want an InvalidError about the version", state, err)
	}
	spec := b.spec("mailer", 3, nil)
	spec.Kind, spec.Look = "reactor", true
	if state, err := b.store.OpenPart(b.ctx, spec); !errors.As(err, &invalid) || invalid.Field != "kind" {
		b.Errorf("a process is found as a reactor at %+v, %v, want an InvalidError about the kind", state, err)
	}
	b.known("mailer", 3)
}
