package main

import (
	"strings"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/audit"
	"github.com/deed-es/deed/examples/shop/drive"
)

// check holds the log against its rules and against what was acknowledged, and the views against a fold of it.
func check(records []audit.Record, views map[string]audit.Rows, requests []*drive.Request) (f audit.Findings, err error) {
	end := deed.Position(len(records)) // a log in a file has no gaps
	f.Log(records, []audit.Span{{After: 0, To: end}})
	acknowledged(&f, records, requests)
	folded, err := audit.Fold(records)
	if err != nil {
		return f, err
	}
	f.Folded("the shop", views, folded)
	return f, nil
}

// acknowledged: every acknowledged request has its event at the position that was acknowledged, and, however often it was sent, no other.
func acknowledged(f *audit.Findings, records []audit.Record, requests []*drive.Request) {
	at, marked := map[deed.Position]audit.Record{}, map[string]int{}
	for _, r := range records {
		at[r.Position] = r
		for _, marker := range audit.Markers(r) {
			marked[marker]++
		}
	}
	for _, r := range requests {
		got := at[r.Position]
		if got.Type != r.Event || got.Stream != r.Stream() || !strings.Contains(string(got.Data), r.Marker) {
			f.Lose("%s %s was acknowledged at position %d, where %s of %s is", r.Method, r.Path, r.Position, got.Type, got.Stream)
		}
		if n := marked[r.Marker]; r.Marker != "" && n != 1 {
			f.Double("%s %s under the key %s brought about %d events", r.Method, r.Path, r.Key, n)
		}
	}
}
