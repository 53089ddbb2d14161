package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/deed-es/deed"
)

// faultPart is what was asked and answered of the walk's part.
type faultPart struct {
	asked    deed.Position // the step that was asked for last
	acked    deed.Position // the step that is known to be stored
	finishes []*finish
}

// finish is effects that are finished together, and how that ended.
type finish struct {
	ids []string
	err error
}

const faultPartName = "stepper"

// faultStage is what a part has after a step, and the change that brings it there from the one before.
type faultStage struct {
	states  []deed.StateChange
	effects []deed.EffectChange
	parks   []deed.ParkChange
	has     []string        // states, as key=data
	waits   []string        // effects, unless they are finished
	parked  []deed.Position // records of the key
}

// faultStages are the part's steps. The k-th brings it from position k-1 to k.
func (w *faultWalk) faultStages() []faultStage {
	large := string(sized("large", 20_000).Data)
	return []faultStage{
		{},
		{
			states: []deed.StateChange{set("a", "1", 1)}, has: []string{"a=1"},
			effects: []deed.EffectChange{adding(w.effect("e1")), adding(w.effect("e2"))}, waits: []string{"e1", "e2"},
		},
		{
			states: []deed.StateChange{set("a", "2", 2), set("b", large, 2)}, has: []string{"a=2", "b=" + large},
			effects: []deed.EffectChange{adding(w.effect("e3")), adding(w.effect("e4"))}, waits: []string{"e1", "e3", "e4"},
			parks: []deed.ParkChange{w.parks(0, 1, 2)}, parked: []deed.Position{1, 2},
		},
		{
			states: []deed.StateChange{{Key: "a", Position: 3}, set("c", "3", 3)}, has: []string{"b=" + large, "c=3"},
			effects: []deed.EffectChange{{Key: "key", Name: "soon"}, adding(w.effect("e5"))}, waits: []string{"e1", "e4", "e5"},
			parks: []deed.ParkChange{w.parks(1, 3)}, parked: []deed.Position{2, 3},
		},
	}
}

// effect is one of the part's effects. The second and the third have one name.
func (w *faultWalk) effect(id string) deed.PendingEffect {
	name := map[string]string{"e2": "soon", "e3": "soon"}[id]
	return deed.PendingEffect{
		ID: id, Part: faultPartName, Key: "key", Name: name, Position: 1, Due: w.clock.Now().Add(time.Minute), Kind: "send",
		Stream: "order-9", CommandType: "remind", Command: fmt.Appendf(nil, `{"of":%q}`, id), Correlation: "cor", Causation: "cau",
	}
}

// parks takes the key's records up to a position out of what is parked, and puts others in.
func (w *faultWalk) parks(until deed.Position, positions ...deed.Position) deed.ParkChange {
	c := deed.ParkChange{Key: "key", Until: until}
	for _, p := range positions {
		c.Records = append(c.Records, deed.ParkedRecord{Position: p, Time: w.clock.Now(), Error: fmt.Sprint("fails at ", p)})
	}
	return c
}

// stepAndFinish does what parts do: steps, and effects that are carried out and finished.
func (w *faultWalk) stepAndFinish() {
	w.step(1)
	w.append(answering(put("order-9", 0, "carried out"), "e1", "hash"), false)
	w.step(2)
	w.finish(1, "e1")
	w.step(3)
	w.finish(3, "e4", "e5")
}

// openPart opens the part, and returns where it is.
func (w *faultWalk) openPart() (deed.Position, error) {
	start := deed.Position(0)
	state, err := w.store.OpenPart(w.ctx, deed.PartSpec{Name: faultPartName, Kind: "process", Version: 1, From: &start, Log: w.log})
	at := state.Checkpoint.Position
	want := deed.PartState{Checkpoint: startOfPart(w.log)}
	if at > 0 {
		want.Checkpoint = checkpointIn(w.log, at)
	}
	if err == nil && state != want {
		w.Errorf("the part stands at %+v, want %+v", state, want)
	}
	return at, err
}

func startOfPart(log deed.LogInfo) deed.Checkpoint {
	return deed.Checkpoint{Log: log.ID, Incarnation: log.Incarnation}
}

// step takes the part's k-th step, if those before it are stored. How they ended is found out first, where that is unknown.
func (w *faultWalk) step(k deed.Position) {
	at, err := w.openPart()
	if err != nil {
		w.count(err)
		return
	}
	w.isAt(at)
	if at != k-1 {
		return
	}
	err = w.store.CommitPart(w.ctx, w.stepTo(k))
	w.count(err)
	switch {
	case err == nil:
		w.part.acked, w.part.asked = k, k
	case errors.Is(err, deed.ErrUnknown):
		w.part.asked = k
	case errors.Is(err, deed.ErrConflict):
		w.Errorf("step %d from %d, where the part is: %v", k, at, err)
	}
}

func (w *faultWalk) stepTo(k deed.Position) deed.PartCommit {
	stage := w.faultStages()[k]
	return deed.PartCommit{
		Part: faultPartName, Version: 1, From: k - 1, Checkpoint: checkpointIn(w.log, k),
		States: stage.states, Effects: stage.effects, Parked: stage.parks,
	}
}

// isAt takes down where the part is, which settles what was unknown.
func (w *faultWalk) isAt(at deed.Position) {
	if at < w.part.acked || at > w.part.asked {
		w.Errorf("the part is at %d; its step %d was acknowledged, and %d was the last not refused", at, w.part.acked, w.part.asked)
	}
	w.part.acked, w.part.asked = at, at
}

// finish finishes effects, if the step that they are of is stored.
func (w *faultWalk) finish(of deed.Position, ids ...string) {
	if w.part.acked < of {
		return
	}
	f := &finish{ids: ids}
	w.part.finishes = append(w.part.finishes, f)
	f.err = w.store.FinishEffects(w.ctx, ids)
	w.count(f.err)
}

// checkPart looks at the part once the fault has passed, asks again for what was asked for, and goes on to the last step.
func (w *faultWalk) checkPart() {
	w.Helper()
	asked := w.part.asked
	w.comparePart()
	for k := deed.Position(1); k < deed.Position(len(w.faultStages())); k++ {
		there := k <= w.part.acked
		err := w.store.CommitPart(w.ctx, w.stepTo(k))
		if there && !errors.Is(err, deed.ErrConflict) || !there && err != nil {
			w.Errorf("step %d, of %d asked for before, gets %v when it is tried again; it was there: %v", k, asked, err, there)
		}
		if !there && err == nil {
			w.part.acked, w.part.asked = k, k
		}
		w.comparePart()
	}
	for _, f := range w.part.finishes {
		if err := w.store.FinishEffects(w.ctx, f.ids); err != nil {
			w.Errorf("finish %v: %v", f.ids, err)
		}
		f.err = nil
	}
	w.comparePart()
}

// comparePart holds states, effects, what is parked and the checkpoint against the stage that the part is at.
func (w *faultWalk) comparePart() {
	w.Helper()
	at, err := w.openPart()
	if err != nil {
		w.Fatalf("open the part: %v", err)
	}
	w.isAt(at)
	stage := w.faultStages()[at]
	states, err := w.store.PartStates(w.ctx, faultPartName, "", 100)
	if err != nil {
		w.Fatalf("states: %v", err)
	}
	var has []string
	for _, s := range states {
		has = append(has, s.Key+"="+string(s.Data))
	}
	if !slices.Equal(has, stage.has) {
		w.Errorf("at %d the part has %.200q, want %.200q", at, has, stage.has)
	}
	records, err := w.store.PartParkedRecords(w.ctx, faultPartName, "key", 0, 100)
	if err != nil {
		w.Fatalf("parked: %v", err)
	}
	var parked []deed.Position
	for _, r := range records {
		parked = append(parked, r.Position)
	}
	if !slices.Equal(parked, stage.parked) {
		w.Errorf("at %d the records %v are parked, want %v", at, parked, stage.parked)
	}
	w.compareEffects(at, stage.waits)
}

// compareEffects holds the pending effects against those that wait unless they are finished.
func (w *faultWalk) compareEffects(at deed.Position, waits []string) {
	w.Helper()
	effects, err := w.store.Effects(w.ctx, deed.EffectQuery{Parts: []string{faultPartName}, Limit: 100})
	if err != nil {
		w.Fatalf("effects: %v", err)
	}
	var got []string
	for _, e := range effects {
		got = append(got, e.ID)
		if want := w.effect(e.ID); !reflect.DeepEqual(e, want) {
			w.Errorf("effect %+v comes back as %+v", want, e)
		}
	}
	for _, f := range w.part.finishes {
		unknown := errors.Is(f.err, deed.ErrUnknown)
		if f.err == nil || unknown && !slices.Contains(got, f.ids[0]) { // of those finished together all are, or none
			waits = slices.DeleteFunc(slices.Clone(waits), func(id string) bool { return slices.Contains(f.ids, id) })
		}
	}
	if !slices.Equal(got, waits) {
		w.Errorf("at %d the effects %v wait, want %v", at, got, waits)
	}
}
