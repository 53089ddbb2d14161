package storetest

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/deed-es/deed"
)

// partCases are the promises of deed.PartStore.
func partCases() []storeCase {
	cases := append([]storeCase{
		{sentence: "a new part starts after its From", run: newPartStarts},
		{sentence: "a part that is not known and has no From is ErrNotFound", run: unknownPartNeedsFrom},
		{sentence: "a known part is found where it stands, whatever From says", run: knownPartStands},
		{sentence: "a raised version starts anew from the first From, without states and live after the old position", run: raisedVersion},
		{sentence: "a version raised twice stays live after the greater position", run: raisedTwice},
		{sentence: "pending effects stay when a version is raised", run: effectsStayWhenRaised},
		{sentence: "a version below the stored one is an error", run: lowerVersion},
		{sentence: "a look at a part that is not known is ErrNotFound, and registers nothing", run: lookAtNothing},
		{sentence: "a look at a part tells where it stands", run: lookAtKnown},
		{sentence: "a look with a raised version tells where that would start, and raises nothing", run: lookAtRaised},
		{sentence: "a look with a version below the stored one, or another kind, is an error", run: lookAtAnother},
		{sentence: "states and checkpoint commit together and are read back", run: statesCommit},
		{sentence: "a state is replaced by the next and removed by nil", run: statesAreReplaced},
		{sentence: "States returns the keys that have one", run: statesOfKeys},
		{sentence: "PartStates lists in the order of keys, after a key, at most so many", run: statesInPages},
		{sentence: "a step from another position is a conflict and stores nothing", run: stepFromElsewhere},
		{sentence: "a step of another version is a conflict and stores nothing", run: stepOfOtherVersion},
		{sentence: "of steps from the same position exactly one is stored", run: stepsContest},
		{sentence: "parts do not see each other", run: partsAreTheirOwn},
		{sentence: "parts are there after the opening again", run: partsOutliveReopen},
	}, effectCases()...)
	return append(cases, partParkCases()...)
}

func newPartStarts(b *bed) {
	smallLog(b)
	if state := b.partFrom("mailer", 1, 0); state.Checkpoint.Position != 0 || state.Live != 0 {
		b.Errorf("a part from 0 stands at %+v", state)
	}
	if state := b.partFrom("biller", 1, b.head()); state.Checkpoint.Position != b.head() || state.Live > b.head() {
		b.Errorf("a part from the head %d stands at %+v", b.head(), state)
	}
	b.states("mailer")
}

func unknownPartNeedsFrom(b *bed) {
	for range 2 {
		if _, err := b.store.OpenPart(b.ctx, b.spec("mailer", 1, nil)); !errors.Is(err, deed.ErrNotFound) {
			b.Fatalf("error is %v, want ErrNotFound", err)
		}
	}
	b.part("mailer", 1)
	b.known("mailer", 1)
}

func knownPartStands(b *bed) {
	smallLog(b)
	b.partFrom("mailer", 1, 2)
	want := b.checkpoint(7)
	b.commit(deed.PartCommit{Part: "mailer", Version: 1, From: 2, Checkpoint: want})
	for _, state := range []deed.PartState{b.known("mailer", 1), b.partFrom("mailer", 1, 0), b.partFrom("mailer", 1, 9)} {
		if state.Checkpoint != want {
			b.Errorf("checkpoint is %+v, want %+v", state.Checkpoint, want)
		}
	}
}

func raisedVersion(b *bed) {
	smallLog(b)
	b.partFrom("mailer", 1, 2)
	step := b.stepOf("mailer", 2, 7)
	step.States = []deed.StateChange{set("a", "1", 5), set("b", "2", 6)}
	b.commit(step)
	if state := b.partFrom("mailer", 2, 9); state.Checkpoint.Position != 2 || state.Live != 7 {
		b.Errorf("a raised version stands at %+v, want 2, live after 7", state)
	}
	b.states("mailer")
	if state := b.known("mailer", 2); state.Checkpoint.Position != 2 || state.Live != 7 {
		b.Errorf("found again it stands at %+v", state)
	}
	step.Version = 2
	b.commit(step)
	b.states("mailer", "a=1", "b=2")
}

func raisedTwice(b *bed) {
	smallLog(b)
	b.part("mailer", 1)
	b.commit(b.stepOf("mailer", 0, 9))
	b.known("mailer", 2)
	b.commit(deed.PartCommit{Part: "mailer", Version: 2, From: 0, Checkpoint: b.checkpoint(4)})
	if state := b.known("mailer", 5); state.Checkpoint.Position != 0 || state.Live != 9 {
		b.Errorf("raised below its live position it stands at %+v, want 0, live after 9", state)
	}
	b.commit(deed.PartCommit{Part: "mailer", Version: 5, From: 0, Checkpoint: b.checkpoint(11)})
	if state := b.known("mailer", 6); state.Checkpoint.Position != 0 || state.Live != 11 {
		b.Errorf("raised beyond it stands at %+v, want 0, live after 11", state)
	}
}

func effectsStayWhenRaised(b *bed) {
	b.part("mailer", 1)
	step := b.stepOf("mailer", 0, 3)
	step.Effects = []deed.EffectChange{adding(b.effect("mailer", "a", "e1", 0)), adding(b.effect("mailer", "a", "e2", 1))}
	b.commit(step)
	b.known("mailer", 2)
	b.pending(deed.EffectQuery{Parts: []string{"mailer"}}, "e1", "e2")
}

func lowerVersion(b *bed) {
	b.part("mailer", 3)
	step := deed.PartCommit{Part: "mailer", Version: 3, From: 0, Checkpoint: b.checkpoint(4), States: []deed.StateChange{set("a", "1", 4)}}
	b.commit(step)
	from := deed.Position(0)
	for _, spec := range []deed.PartSpec{b.spec("mailer", 2, nil), b.spec("mailer", 1, &from)} {
		if state, err := b.store.OpenPart(b.ctx, spec); err == nil {
			b.Errorf("version %d below 3 is opened at %+v", spec.Version, state)
		}
	}
	b.states("mailer", "a=1")
	if state := b.known("mailer", 3); state.Checkpoint != step.Checkpoint {
		b.Errorf("afterwards it stands at %+v, want %+v", state.Checkpoint, step.Checkpoint)
	}
}

func statesCommit(b *bed) {
	b.part("mailer", 1)
	step := b.stepOf("mailer", 0, 3)
	step.States = []deed.StateChange{set("a", `{"n":1}`, 2), set("é b", ` {"n" : 2} `, 3)}
	b.commit(step)
	b.states("mailer", `a={"n":1}`, `é b= {"n" : 2} `)
	if state := b.known("mailer", 1); state.Checkpoint != step.Checkpoint {
		b.Errorf("checkpoint is %+v, want %+v", state.Checkpoint, step.Checkpoint)
	}
	states, err := b.store.PartStates(b.ctx, "mailer", "", 10)
	if err != nil || len(states) != 2 || states[0].Position != 2 || states[1].Position != 3 {
		b.Errorf("states are %+v, %v", states, err)
	}
}

func statesAreReplaced(b *bed) {
	b.part("mailer", 1)
	for i, changes := range [][]deed.StateChange{
		{set("a", "1", 1), set("b", "1", 1)},
		{set("a", "2", 2), {Key: "b", Position: 2}, {Key: "never", Position: 2}},
		{set("b", "3", 3), {Key: "a", Position: 3}},
	} {
		step := b.stepOf("mailer", deed.Position(i), deed.Position(i+1))
		step.States = changes
		b.commit(step)
		b.states("mailer", [][]string{{"a=1", "b=1"}, {"a=2"}, {"b=3"}}[i]...)
	}
}

func statesOfKeys(b *bed) {
	b.part("mailer", 1)
	step := b.stepOf("mailer", 0, 1)
	var keys []string
	for i := range 300 {
		keys = append(keys, fmt.Sprint("k", i))
		step.States = append(step.States, set(keys[i], fmt.Sprint(i), 1))
	}
	b.commit(step)
	for _, c := range []struct{ ask, want []string }{
		{nil, nil},
		{[]string{"k7"}, []string{"k7"}},
		{[]string{"never", "k1", "K2"}, []string{"k1"}},
		{append([]string{"x"}, keys...), keys},
	} {
		states, err := b.store.States(b.ctx, "mailer", c.ask)
		if err != nil || len(states) != len(c.want) {
			b.Fatalf("states of %d keys: %d, %v, want %d", len(c.ask), len(states), err, len(c.want))
		}
		for _, key := range c.want {
			if string(states[key]) != key[1:] {
				b.Errorf("state of %s is %q", key, states[key])
			}
		}
	}
}

func statesInPages(b *bed) {
	b.part("mailer", 1)
	step := b.stepOf("mailer", 0, 1)
	for i := range 25 {
		step.States = append(step.States, set(fmt.Sprintf("k%02d", (i*7)%25), "1", 1))
	}
	b.commit(step)
	after, n := "", 0
	for {
		page, err := b.store.PartStates(b.ctx, "mailer", after, 4)
		if err != nil || len(page) > 4 {
			b.Fatalf("%d states, %v", len(page), err)
		}
		if len(page) == 0 {
			break
		}
		for _, s := range page {
			if want := fmt.Sprintf("k%02d", n); s.Key != want {
				b.Fatalf("key is %s, want %s", s.Key, want)
			}
			n++
		}
		after = page[len(page)-1].Key
	}
	if n != 25 {
		b.Errorf("%d states, want 25", n)
	}
}

// spoilt is a step that would leave something everywhere.
func (b *bed) spoilt(step deed.PartCommit) deed.PartCommit {
	step.States = []deed.StateChange{set("a", "spoilt", 9), set("new", "spoilt", 9)}
	step.Effects = []deed.EffectChange{{Key: "a", Name: "kept"}, adding(b.effect(step.Part, "a", "spoilt", 0))}
	return step
}

// settled is a part at position 5 with a state and a named effect, and the check that it still is.
func (b *bed) settled() func() {
	b.Helper()
	b.part("mailer", 1)
	step := b.stepOf("mailer", 0, 5)
	kept := b.effect("mailer", "a", "kept", 0)
	kept.Name = "kept"
	step.States, step.Effects = []deed.StateChange{set("a", "1", 5)}, []deed.EffectChange{adding(kept)}
	b.commit(step)
	return func() {
		b.Helper()
		b.states("mailer", "a=1")
		b.pending(deed.EffectQuery{Parts: []string{"mailer"}}, "kept")
		if state := b.known("mailer", 1); state.Checkpoint != step.Checkpoint {
			b.Fatalf("checkpoint is %+v, want %+v", state.Checkpoint, step.Checkpoint)
		}
	}
}

func stepFromElsewhere(b *bed) {
	unchanged := b.settled()
	for _, from := range []deed.Position{0, 4, 6, 9} {
		b.conflicts(b.spoilt(b.stepOf("mailer", from, 9)))
		unchanged()
	}
	b.reopen()
	unchanged()
}

func stepOfOtherVersion(b *bed) {
	unchanged := b.settled()
	for _, version := range []int{0, 2} {
		step := b.spoilt(b.stepOf("mailer", 5, 9))
		step.Version = version
		b.conflicts(step)
		unchanged()
	}
	b.known("mailer", 2)
	b.conflicts(b.stepOf("mailer", 0, 1))
}

func stepsContest(b *bed) {
	b.part("mailer", 1)
	for round := range scaled(40) {
		var won atomic.Int32
		b.crowd(8, func(i int) error {
			step := b.stepOf("mailer", deed.Position(round), deed.Position(round+1))
			step.States = []deed.StateChange{set(fmt.Sprint(round, "/", i), "1", 1)}
			e := b.effect("mailer", "a", fmt.Sprint(round, "/", i), 0)
			step.Effects = []deed.EffectChange{adding(e)}
			err := b.store.CommitPart(b.ctx, step)
			if err == nil {
				won.Add(1)
			} else if !errors.Is(err, deed.ErrConflict) {
				return err
			}
			return nil
		})
		states, err := b.store.PartStates(b.ctx, "mailer", "", 1000)
		if won.Load() != 1 || err != nil || len(states) != round+1 {
			b.Fatalf("round %d: %d steps won, and there are %d states, %v", round, won.Load(), len(states), err)
		}
	}
}

func partsAreTheirOwn(b *bed) {
	b.part("mailer", 1)
	b.partFrom("mail", 2, 3)
	step := b.stepOf("mailer", 0, 5)
	step.States = []deed.StateChange{set("a", "1", 5)}
	b.commit(step)
	b.states("mail")
	if state := b.known("mail", 2); state.Checkpoint.Position != 3 {
		b.Errorf("another part stands at %+v, want 3", state.Checkpoint)
	}
	b.commit(deed.PartCommit{Part: "mail", Version: 2, From: 3, Checkpoint: b.checkpoint(4), States: []deed.StateChange{{Key: "a"}}})
	b.states("mailer", "a=1")
}

func partsOutliveReopen(b *bed) {
	unchanged := b.settled()
	b.reopen()
	unchanged()
	b.known("mailer", 2)
	b.reopen()
	if state := b.known("mailer", 2); state.Checkpoint.Position != 0 || state.Live != 5 {
		b.Errorf("a raised version stands at %+v, want 0, live after 5", state)
	}
	b.pending(deed.EffectQuery{Parts: []string{"mailer"}}, "kept")
}
