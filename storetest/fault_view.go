package storetest

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/deed-es/deed"
)

// The walk's view has for each stream the ids of its events.
func (w *faultWalk) view() deed.ViewSpec {
	return deed.ViewSpec{ViewRef: deed.ViewRef{Name: "faults", Version: 1}, Log: w.store.Info()}
}

func (w *faultWalk) project() error {
	from, err := w.store.OpenView(w.ctx, w.view())
	if err != nil {
		return err
	}
	for r, err := range w.store.Read(w.ctx, deed.Query{After: from.Position}) {
		if err != nil {
			return err
		}
		row, _, err := w.store.Row(w.ctx, w.view().ViewRef, string(r.Stream))
		if err != nil && !errors.Is(err, deed.ErrNotFound) {
			return err
		}
		row, err = foldIDs(row, &r)
		if err != nil {
			return err
		}
		to := deed.Checkpoint{Log: from.Log, Incarnation: w.store.Info().Incarnation, Position: r.Position, Last: r.Position, LastID: r.ID}
		err = w.store.CommitView(w.ctx, deed.ViewCommit{
			View: w.view().ViewRef, From: from.Position, Checkpoint: to, Rows: []deed.RowChange{{Row: row}},
		})
		if err != nil {
			return err
		}
		from = to
	}
	return nil
}

func foldIDs(row deed.Row, r *deed.Record) (deed.Row, error) {
	var ids []string
	if row.Data != nil {
		if err := json.Unmarshal(row.Data, &ids); err != nil {
			return row, err
		}
	}
	data, err := json.Marshal(append(ids, r.ID))
	return deed.Row{Key: string(r.Stream), Data: data, Position: r.Position}, err
}

func (w *faultWalk) compareView() {
	w.Helper()
	log, err := collect(w.ctx, w.store, deed.Query{})
	if err != nil {
		w.Fatalf("read: %v", err)
	}
	want := map[string]deed.Row{}
	for i := range log {
		key := string(log[i].Stream)
		if want[key], err = foldIDs(want[key], &log[i]); err != nil {
			w.Fatalf("fold: %v", err)
		}
	}
	rows, at, err := w.store.ListRows(w.ctx, w.view().ViewRef, deed.RowQuery{Limit: len(log) + 1})
	if err != nil {
		w.Fatalf("list: %v", err)
	}
	got := map[string]deed.Row{}
	for _, row := range rows {
		got[row.Key] = row
	}
	if at != log[len(log)-1].Position || fmt.Sprint(got) != fmt.Sprint(want) {
		w.Errorf("at %d the view is %v, and the fold %v", at, got, want)
	}
}
