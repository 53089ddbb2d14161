package storetest

import (
	"fmt"
	"time"

	"github.com/deed-es/deed"
)

// effectCases are the promises about pending effects.
func effectCases() []storeCase {
	return []storeCase{
		{sentence: "a pending effect comes back as it was put", run: effectComesBack},
		{sentence: "effects come in the order of due time, position, place and id", run: effectOrder},
		{sentence: "effects are selected by parts, key and due time, after a cursor, at most so many", run: effectsSelected},
		{sentence: "a named effect replaces the pending one of its part, key and name", run: namedReplaces},
		{sentence: "a cancel removes the named effect and nothing else", run: cancelRemoves},
		{sentence: "changes of effects are applied in their order", run: changesInOrder},
		{sentence: "an effect whose id is pending already changes nothing", run: pendingAlready},
		{sentence: "NextDue is the first due time of the parts after a time", run: nextDue},
		{sentence: "finished effects are removed, unknown ids are passed over", run: finishedAreRemoved},
		{sentence: "effects are there after the opening again", run: effectsOutliveReopen},
		{sentence: "Forget keeps the outcomes of pending effects", run: forgetKeepsPending},
		{sentence: "Forget keeps the outcomes of effects that were finished after its time", run: forgetKeepsFinished},
	}
}

// putting commits a step of a part, from where it stands, that changes these effects.
func (b *bed) putting(part string, changes ...deed.EffectChange) {
	b.Helper()
	from := b.known(part, 1).Checkpoint.Position
	step := b.stepOf(part, from, from+1)
	step.Effects = changes
	b.commit(step)
}

func effectComesBack(b *bed) {
	b.part("mailer", 1)
	e := b.effect("mailer", "key é/7", "e1", 90*time.Minute+123456*time.Microsecond)
	e.Name, e.Position, e.Place, e.Trace = "reminder", 1<<40, 3, "00-trace-01"
	wake := deed.PendingEffect{ID: "e2", Part: "mailer", Key: "k", Position: 2, Due: e.Due.Add(time.Hour), Kind: "wake"}
	b.putting("mailer", adding(e), adding(wake))
	for i, got := range b.pending(deed.EffectQuery{Parts: []string{"mailer"}}, "e1", "e2") {
		want := []deed.PendingEffect{e, wake}[i]
		if !got.Due.Equal(want.Due) || got.Due.Location() != time.UTC {
			b.Errorf("%s is due at %v, want %v", got.ID, got.Due, want.Due)
		}
		if string(got.Command) != string(want.Command) {
			b.Errorf("command of %s is %q, want %q", got.ID, got.Command, want.Command)
		}
		got.Due, got.Command, want.Command = want.Due, nil, nil
		if fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", want) {
			b.Errorf("effect is %+v, want %+v", got, want)
		}
	}
}

// ordered puts effects whose ids say their order, in another one, and returns them in order.
func (b *bed) ordered() []deed.PendingEffect {
	b.Helper()
	var effects []deed.PendingEffect
	for due := range 2 {
		for position := range 2 {
			for place := range 2 {
				for id := range 2 {
					e := b.effect("mailer", fmt.Sprint("k", id), fmt.Sprint(due, position, place, id), time.Duration(due)*time.Hour)
					e.Position, e.Place = deed.Position(9+position), 9+place
					effects = append(effects, e)
				}
			}
		}
	}
	var changes []deed.EffectChange
	for i := range effects {
		changes = append(changes, adding(effects[(i*7)%len(effects)]))
	}
	b.part("mailer", 1)
	b.putting("mailer", changes...)
	return effects
}

func effectIDs(effects []deed.PendingEffect) []string {
	var ids []string
	for _, e := range effects {
		ids = append(ids, e.ID)
	}
	return ids
}

func effectOrder(b *bed) {
	effects := b.ordered()
	b.pending(deed.EffectQuery{Parts: []string{"mailer"}}, effectIDs(effects)...)
}

func effectsSelected(b *bed) {
	effects := b.ordered()
	b.part("biller", 1)
	b.putting("biller", adding(b.effect("biller", "k0", "theirs", 10*time.Hour)))
	ids := effectIDs(effects)
	mailer := []string{"mailer"}
	b.pending(deed.EffectQuery{Parts: []string{"biller"}}, "theirs")
	b.pending(deed.EffectQuery{Parts: []string{"never"}})
	b.pending(deed.EffectQuery{Parts: []string{"biller", "mailer"}}, append(ids[:len(ids):len(ids)], "theirs")...)
	b.pending(deed.EffectQuery{Parts: mailer, Limit: 3}, ids[:3]...)
	b.pending(deed.EffectQuery{Parts: mailer, Due: b.clock.Now()}, ids[:8]...)
	b.pending(deed.EffectQuery{Parts: mailer, Due: b.clock.Now().Add(-time.Microsecond)})
	b.pending(deed.EffectQuery{Parts: mailer, Due: b.clock.Now().Add(time.Hour)}, ids...)
	var second []string
	for i := 1; i < len(ids); i += 2 {
		second = append(second, ids[i])
	}
	b.pending(deed.EffectQuery{Parts: mailer, Key: "k1"}, second...)
	b.pending(deed.EffectQuery{Parts: mailer, Key: "k1", Due: b.clock.Now(), Limit: 2}, second[:2]...)
	for i, e := range effects {
		after := &deed.EffectCursor{Due: e.Due, Position: e.Position, Place: e.Place, ID: e.ID}
		b.pending(deed.EffectQuery{Parts: mailer, After: after}, ids[i+1:]...)
		b.pending(deed.EffectQuery{Parts: mailer, After: after, Limit: 2}, ids[i+1:min(i+3, len(ids))]...)
	}
}

// named is an effect with a name.
func (b *bed) named(part, key, name, id string) deed.PendingEffect {
	e := b.effect(part, key, id, time.Hour)
	e.Name = name
	return e
}

func namedReplaces(b *bed) {
	b.part("mailer", 1)
	b.part("biller", 1)
	b.putting("mailer",
		adding(b.named("mailer", "k1", "remind", "a")), adding(b.named("mailer", "k2", "remind", "b")),
		adding(b.named("mailer", "k1", "close", "c")), adding(b.named("mailer", "k1", "", "d")))
	b.putting("biller", adding(b.named("biller", "k1", "remind", "e")))
	both := deed.EffectQuery{Parts: []string{"mailer", "biller"}}
	b.pending(both, "a", "b", "c", "d", "e")
	b.putting("mailer", adding(b.named("mailer", "k1", "remind", "f")))
	b.pending(both, "b", "c", "d", "e", "f")
	b.putting("mailer", adding(b.named("mailer", "k1", "", "g")))
	b.pending(both, "b", "c", "d", "e", "f", "g")
}

func cancelRemoves(b *bed) {
	b.part("mailer", 1)
	b.part("biller", 1)
	b.putting("mailer",
		adding(b.named("mailer", "k1", "remind", "a")), adding(b.named("mailer", "k2", "remind", "b")),
		adding(b.named("mailer", "k1", "close", "c")), adding(b.named("mailer", "k1", "", "d")))
	b.putting("biller", adding(b.named("biller", "k1", "remind", "e")))
	both := deed.EffectQuery{Parts: []string{"mailer", "biller"}}
	b.putting("mailer", deed.EffectChange{Key: "k1", Name: "remind"})
	b.pending(both, "b", "c", "d", "e")
	b.putting("mailer", deed.EffectChange{Key: "k1", Name: "remind"}, deed.EffectChange{Key: "k1", Name: "never"}, deed.EffectChange{Key: "k1"})
	b.pending(both, "b", "c", "d", "e")
}

func changesInOrder(b *bed) {
	b.part("mailer", 1)
	mailer := deed.EffectQuery{Parts: []string{"mailer"}}
	cancel := deed.EffectChange{Key: "k1", Name: "remind"}
	b.putting("mailer", adding(b.named("mailer", "k1", "remind", "a")), cancel)
	b.pending(mailer)
	b.putting("mailer", cancel, adding(b.named("mailer", "k1", "remind", "b")))
	b.pending(mailer, "b")
	b.putting("mailer", adding(b.named("mailer", "k1", "remind", "c")), adding(b.named("mailer", "k1", "remind", "d")))
	b.pending(mailer, "d")
}

func pendingAlready(b *bed) {
	b.part("mailer", 1)
	first := b.effect("mailer", "k1", "a", time.Hour)
	b.putting("mailer", adding(first))
	second := b.effect("mailer", "k2", "a", 0)
	second.Command = []byte("{}")
	b.putting("mailer", adding(second), adding(b.effect("mailer", "k2", "b", 2*time.Hour)))
	effects := b.pending(deed.EffectQuery{Parts: []string{"mailer"}}, "a", "b")
	if e := effects[0]; e.Key != "k1" || !e.Due.Equal(first.Due) || string(e.Command) != string(first.Command) {
		b.Errorf("the pending effect became %+v", e)
	}
}

// dueNext checks NextDue; want is counted from the bed's clock, and negative for none.
func (b *bed) dueNext(parts []string, after, want time.Duration) {
	b.Helper()
	due, found, err := b.store.NextDue(b.ctx, parts, b.clock.Now().Add(after))
	switch {
	case err != nil:
		b.Fatalf("next due of %v: %v", parts, err)
	case found != (want >= 0) || found && !due.Equal(b.clock.Now().Add(want)):
		b.Fatalf("next due of %v after %v is %v, %v, want %v", parts, after, due, found, want)
	}
}

func nextDue(b *bed) {
	b.part("mailer", 1)
	b.part("biller", 1)
	b.dueNext([]string{"mailer"}, 0, -1)
	b.putting("mailer", adding(b.effect("mailer", "k1", "a", 3*time.Hour)), adding(b.effect("mailer", "k1", "b", time.Hour)))
	b.putting("biller", adding(b.effect("biller", "k1", "c", 2*time.Hour)))
	mailer, both := []string{"mailer"}, []string{"mailer", "biller"}
	b.dueNext(mailer, 0, time.Hour)
	b.dueNext(mailer, time.Hour-time.Microsecond, time.Hour)
	b.dueNext(mailer, time.Hour, 3*time.Hour)
	b.dueNext(both, time.Hour, 2*time.Hour)
	b.dueNext([]string{"biller"}, 0, 2*time.Hour)
	b.dueNext(both, 3*time.Hour, -1)
	b.dueNext([]string{"never"}, 0, -1)
	b.finish("b")
	b.dueNext(mailer, 0, 3*time.Hour)
}

func finishedAreRemoved(b *bed) {
	b.part("mailer", 1)
	b.putting("mailer", adding(b.effect("mailer", "k1", "a", 0)), adding(b.effect("mailer", "k1", "b", 0)), adding(b.effect("mailer", "k1", "c", 0)))
	mailer := deed.EffectQuery{Parts: []string{"mailer"}}
	b.finish("a", "never", "c")
	b.pending(mailer, "b")
	b.finish("a")
	b.finish()
	b.finish("b", "b")
	b.pending(mailer)
	b.putting("mailer", adding(b.effect("mailer", "k1", "d", 0)))
	b.pending(mailer, "d")
}

func effectsOutliveReopen(b *bed) {
	effects := b.ordered()
	b.finish(effects[0].ID)
	b.reopen()
	b.pending(deed.EffectQuery{Parts: []string{"mailer"}}, effectIDs(effects[1:])...)
	b.dueNext([]string{"mailer"}, 0, time.Hour)
}

func forgetKeepsPending(b *bed) {
	b.part("mailer", 1)
	b.putting("mailer", adding(b.effect("mailer", "k1", "pending", 0)))
	first := b.ok(answering(put("order-1", 0, "a"), "pending", "h"))
	b.ok(answering(put("order-1", 1, "b"), "plain", "h"))
	b.clock.move(48 * time.Hour)
	b.forget(b.clock.Now())
	b.outcomeIs("pending", "h", &first)
	b.outcomeIs("plain", "h", nil)
	b.reopen()
	b.forget(b.clock.Now())
	b.outcomeIs("pending", "h", &first)
}

func forgetKeepsFinished(b *bed) {
	b.part("mailer", 1)
	b.putting("mailer", adding(b.effect("mailer", "k1", "early", 0)), adding(b.effect("mailer", "k1", "late", 0)))
	begin := b.clock.Now()
	early := b.ok(answering(put("order-1", 0, "a"), "early", "h"))
	late := b.ok(answering(put("order-1", 1, "b"), "late", "h"))
	b.clock.move(10 * time.Hour)
	b.finish("early")
	b.clock.move(10 * time.Hour)
	b.finish("late")
	b.clock.move(28 * time.Hour)
	b.forget(begin.Add(9 * time.Hour))
	b.outcomeIs("early", "h", &early)
	b.outcomeIs("late", "h", &late)
	b.forget(begin.Add(15 * time.Hour))
	b.outcomeIs("early", "h", nil)
	b.outcomeIs("late", "h", &late)
	b.reopen()
	b.forget(begin.Add(19 * time.Hour))
	b.outcomeIs("late", "h", &late)
	b.forget(begin.Add(21 * time.Hour))
	b.outcomeIs("late", "h", nil)
}
