package postgres_test

import (
	"errors"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/postgres"
)

// fill does everything to a log that can be done to one, under the same names.
func fill(t *testing.T, db *postgres.DB) {
	t.Helper()
	ctx, zero := t.Context(), deed.Position(0)
	b := deed.Batch{
		Writes:  []deed.Write{{Stream: "order-1", Events: []deed.NewEvent{event("a", "email:a"), event("b")}}},
		Checks:  []deed.Check{{Match: []deed.Match{{Tags: []string{"email:a"}}}}, {Stream: "order-2"}},
		Command: deed.CommandRef{ID: "c", Hash: "h"},
	}
	if r := appended(t, db, b); r.Again || r.Position != 2 {
		t.Fatalf("the receipt is %+v", r)
	}
	view := deed.ViewRef{Name: "notes", Version: 1}
	part := deed.PartSpec{Name: "mailer", Kind: "process", Version: 1, From: &zero, Log: db.Info()}
	at := deed.Checkpoint{Log: db.Info().ID, Incarnation: 1, Position: 2}
	parked := []deed.ParkChange{{Key: "k", Records: []deed.ParkedRecord{{Position: 1, Error: "no"}}}}
	row := deed.RowChange{Row: deed.Row{Key: "k", Data: []byte("{}"), Position: 2}, Index: []any{"x"}}
	effect := deed.PendingEffect{ID: "e", Part: "mailer", Key: "k", Kind: "send"}
	if state, err := db.OpenPart(ctx, part); err != nil || state.Checkpoint.Position != 0 {
		t.Fatal(state, err)
	}
	err := db.CommitPart(ctx, deed.PartCommit{
		Part: "mailer", Version: 1, Checkpoint: at, Parked: parked,
		States: []deed.StateChange{{Key: "k", Data: []byte("s"), Position: 2}}, Effects: []deed.EffectChange{{Put: &effect}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, views := range []deed.ViewStore{db, db.InlineViews()} {
		if from, err := views.OpenView(ctx, deed.ViewSpec{ViewRef: view, Index: []string{"f"}}); err != nil || from.Position != 0 {
			t.Fatal(from, err)
		}
		if err := views.CommitView(ctx, deed.ViewCommit{View: view, Checkpoint: at, Rows: []deed.RowChange{row}, Parked: parked}); err != nil {
			t.Fatal(err)
		}
	}
}

// clearLog takes away all of that which can be.
func clearLog(t *testing.T, db *postgres.DB) {
	t.Helper()
	ctx, view := t.Context(), deed.ViewRef{Name: "notes", Version: 1}
	for _, err := range []error{
		db.FinishEffects(ctx, []string{"e"}), db.Forget(ctx, time.Now().Add(48*time.Hour)),
		db.DropView(ctx, view), db.InlineViews().DropView(ctx, view), db.DropTombstones(ctx, time.Now().Add(time.Hour)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	part := deed.PartSpec{Name: "mailer", Kind: "process", Version: 2, Log: db.Info()}
	if _, err := db.OpenPart(ctx, part); err != nil {
		t.Fatal(err)
	}
}

// Logs in one schema have nothing in common: the same names in both, and what happens in one changes nothing in the other.
func TestLogsOfOneSchemaAreKeptApart(t *testing.T) {
	t.Parallel()
	schema := fresh(t)
	one, other := opened(t, &postgres.Options{Schema: schema, Log: "one"}), opened(t, &postgres.Options{Schema: schema, Log: "other"})
	if one.Info().ID == other.Info().ID {
		t.Fatal("two logs have one id")
	}
	fill(t, one)
	fill(t, other)
	clearLog(t, one)
	isFull(t, other)
	ctx := t.Context()
	if refs, err := one.ListInline(ctx); err != nil || len(refs) != 0 {
		t.Errorf("inline views that were dropped: %v, %v", refs, err)
	}
	if _, found, err := one.Outcome(ctx, deed.CommandRef{ID: "c", Hash: "h"}); err != nil || found {
		t.Errorf("a command that was forgotten: %v, %v", found, err)
	}
	appended(t, one, write("order-1", 2, "c")) // the other's inline view is nothing to this log
	if got := ids(t, other, deed.Query{}); len(got) != 2 {
		t.Errorf("the other log has %v", got)
	}
	if _, err := other.Append(ctx, write("order-1", 2, "c")); err == nil || errors.Is(err, deed.ErrConflict) {
		t.Errorf("an append to a log with an inline view that nobody folds: %v", err)
	}
}

// isFull checks that all that fill does is there.
func isFull(t *testing.T, db *postgres.DB) {
	t.Helper()
	ctx, view := t.Context(), deed.ViewRef{Name: "notes", Version: 1}
	for _, q := range []deed.Query{
		{},
		{Stream: "order-1"},
		{Category: "order"},
		{Backward: true},
		{Match: []deed.Match{{Types: []string{"noted"}}}},
		{Match: []deed.Match{{Tags: []string{"email:a"}}, {Types: []string{"noted"}}}},
	} {
		if got := ids(t, db, q); len(got) != 2 {
			t.Errorf("%+v selects %v", q, got)
		}
	}
	if head, err := db.Head(ctx); err != nil || head != 2 {
		t.Errorf("the log ends at %d, %v", head, err)
	}
	if _, found, err := db.Outcome(ctx, deed.CommandRef{ID: "c", Hash: "h"}); err != nil || !found {
		t.Errorf("the command: %v, %v", found, err)
	}
	states, err := db.PartStates(ctx, "mailer", "", 0)
	some, errSome := db.States(ctx, "mailer", []string{"k"})
	effects, errEffects := db.Effects(ctx, deed.EffectQuery{Parts: []string{"mailer"}})
	_, due, errDue := db.NextDue(ctx, []string{"mailer"}, time.Time{}.Add(-time.Hour))
	keys, errKeys := db.PartParked(ctx, "mailer", "", 0)
	records, errRecords := db.PartParkedRecords(ctx, "mailer", "k", 0, 0)
	if err := errors.Join(err, errSome, errEffects, errDue, errKeys, errRecords); err != nil {
		t.Error(err)
	}
	if len(states) != 1 || len(some) != 1 || len(effects) != 1 || !due || len(keys) != 1 || len(records) != 1 {
		t.Errorf("the part has %v, %v, %v, %v, %v, %v", states, some, effects, due, keys, records)
	}
	for _, views := range []deed.ViewStore{db, db.InlineViews()} {
		row, at, err := views.Row(ctx, view, "k")
		rows, _, errList := views.ListRows(ctx, view, deed.RowQuery{Where: []deed.RowWhere{{Field: "f", Value: "x"}}})
		changes, _, errChanges := views.Changes(ctx, view, deed.ChangeCursor{}, 0)
		keys, errKeys := views.ViewParked(ctx, view, "", 0)
		if err := errors.Join(err, errList, errChanges, errKeys); err != nil {
			t.Error(err)
		}
		if at != 2 || row.Parked != 1 || len(rows) != 1 || len(changes) != 1 || len(keys) != 1 {
			t.Errorf("the view has %+v at %d, %v, %v, %v", row, at, rows, changes, keys)
		}
	}
	survey, err := db.Survey(ctx, 2)
	streams, errStreams := db.Streams(ctx, "", "", 0)
	if err := errors.Join(err, errStreams); err != nil {
		t.Error(err)
	}
	if len(survey.Kinds) != 1 || survey.Kinds[0].Events != 2 || len(survey.Days) != 1 || len(streams) != 1 {
		t.Errorf("the survey is %+v, %+v", survey, streams)
	}
}
