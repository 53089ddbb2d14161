package sqlite_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/deed-es/deed"
)

// The view that is projected under every test of what may go wrong: of each stream, how many events it has and which is the
// last one.
type streamRow struct {
	N    int           `json:"n"`
	Last string        `json:"last"`
	At   deed.Position `json:"at"`
}

var streamsView = deed.ViewRef{Name: "streams", Version: 1}

func foldStream(row streamRow, r *deed.Record) streamRow {
	return streamRow{N: row.N + 1, Last: r.ID, At: r.Position}
}

// project takes the view on from where it is, up to where q ends.
func project(ctx context.Context, s interface {
	deed.Engine
	deed.ViewStore
}, q deed.Query,
) error {
	from, err := s.OpenView(ctx, deed.ViewSpec{ViewRef: streamsView, Log: s.Info()})
	if err != nil {
		return err
	}
	rows, at, err := readStreams(ctx, s)
	if err != nil {
		return err
	}
	if at != from.Position {
		return fmt.Errorf("the view is at %d and at %d", at, from.Position)
	}
	q.After = at
	for r, err := range s.Read(ctx, q) {
		if err != nil {
			return err
		}
		row := foldStream(rows[string(r.Stream)], &r)
		rows[string(r.Stream)] = row
		data, err := json.Marshal(row)
		if err != nil {
			return err
		}
		err = s.CommitView(ctx, deed.ViewCommit{
			View: streamsView, From: at,
			Checkpoint: deed.Checkpoint{Log: s.Info().ID, Incarnation: 1, Position: r.Position, Last: r.Position, LastID: r.ID},
			Rows:       []deed.RowChange{{Row: deed.Row{Key: string(r.Stream), Data: data, Position: r.Position}}},
		})
		if err != nil {
			return err
		}
		at = r.Position
	}
	return nil
}

func readStreams(ctx context.Context, s deed.ViewStore) (map[string]streamRow, deed.Position, error) {
	stored, at, err := s.ListRows(ctx, streamsView, deed.RowQuery{})
	if err != nil {
		return nil, 0, err
	}
	rows := map[string]streamRow{}
	for _, r := range stored {
		var row streamRow
		if err := json.Unmarshal(r.Data, &row); err != nil {
			return nil, 0, err
		}
		if row.At != r.Position {
			return nil, 0, fmt.Errorf("row %s is of %d and of %d", r.Key, row.At, r.Position)
		}
		rows[r.Key] = row
	}
	return rows, at, nil
}

// checkStreams tells how the view differs from the fold of the log up to where the view is.
func checkStreams(ctx context.Context, s deed.ViewStore, log []deed.Record) error {
	if _, err := s.OpenView(ctx, deed.ViewSpec{ViewRef: streamsView}); err != nil {
		return err
	}
	rows, at, err := readStreams(ctx, s)
	if err != nil {
		return err
	}
	if at > deed.Position(len(log)) {
		return fmt.Errorf("the view is at %d, and the log ends at %d", at, len(log))
	}
	want := map[string]streamRow{}
	for i := range log[:at] {
		want[string(log[i].Stream)] = foldStream(want[string(log[i].Stream)], &log[i])
	}
	if fmt.Sprint(rows) != fmt.Sprint(want) {
		return fmt.Errorf("at %d the view is %v, and the fold %v", at, rows, want)
	}
	return nil
}
