package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/audit"
	"github.com/deed-es/deed/examples/shop/drive"
)

const (
	settleWithin = 3 * time.Minute
	catchWithin  = 2 * time.Minute
	lookEvery    = 500 * time.Millisecond
	searches     = 25 // orders that are looked for by words, at each node
)

// finish lets the clients have their answers, waits until processes and reactors have done their work, and checks everything.
func (h *harness) finish(ctx context.Context) error {
	catching, cancel := context.WithTimeout(ctx, catchWithin)
	defer cancel()
	for _, c := range h.clients {
		if err := c.catchUp(catching); err != nil {
			return err
		}
	}
	records, err := h.settled(ctx)
	if err != nil {
		return err
	}
	var f audit.Findings
	if err := h.ready(ctx, &f); err != nil {
		return err
	}
	if err := h.compare(ctx, &f, records); err != nil {
		return err
	}
	for _, n := range h.nodes {
		if err := errors.Join(n.fault(), n.term()); err != nil {
			return err
		}
	}
	h.acknowledged(&f, records)
	return h.report(f, records)
}

// settled waits until nothing is left to do for two looks in a row, and returns the log.
func (h *harness) settled(ctx context.Context) (records []audit.Record, err error) {
	deadline := time.Now().Add(settleWithin)
	for calm := 0; ; {
		after := deed.Position(0)
		if len(records) > 0 {
			after = records[len(records)-1].Position
		}
		more, err := audit.ReadLog(ctx, h.nodes[0].where(), after)
		if err != nil {
			return nil, err
		}
		records = append(records, more...)
		left := audit.Undone(records)
		pending, err := h.server.ask(ctx, "SELECT count(*) FROM deed.effects")
		if err != nil {
			return nil, err
		}
		if calm++; len(more) > 0 || len(left) > 0 || pending != "0" {
			calm = 0
		}
		switch {
		case calm == 2:
			return records, nil
		case time.Now().After(deadline):
			return nil, fmt.Errorf("%d things are not done %v after the last start, and %s effects wait: %s", len(left), settleWithin, pending, audit.Few(left))
		}
		if err := drive.Pause(ctx, lookEvery); err != nil {
			return nil, err
		}
	}
}

// A view that is further behind than ten seconds keeps its process from being ready. So a process that thinks so wrongly shows after
// restsFor; a short run does not wait for that.
const (
	restsFor  = 12 * time.Second
	shortRuns = 20
)

// ready checks that every process says that it is ready, when nothing has been left to do for a while.
func (h *harness) ready(ctx context.Context, f *audit.Findings) error {
	if h.rounds < shortRuns {
		return nil
	}
	if err := drive.Pause(ctx, restsFor); err != nil {
		return err
	}
	for _, n := range h.nodes {
		if err := audit.Ready(ctx, n.where()); err != nil {
			f.Fault("%s has nothing left to do: %v", n.name, err)
		}
	}
	return nil
}

// compare holds the log against its rules, and the views of each node against the log.
func (h *harness) compare(ctx context.Context, f *audit.Findings, records []audit.Record) error {
	if len(records) == 0 {
		return errors.New("nothing is in the log")
	}
	end := records[len(records)-1].Position
	h.watch.look(ctx)
	h.watch.end(end)
	f.Log(records, h.watch.spans)
	want, err := audit.Fold(records)
	if err != nil {
		return err
	}
	for _, n := range h.nodes {
		got, err := audit.ReadViews(ctx, n.where(), end)
		if err != nil {
			return fmt.Errorf("%s: %w", n.name, err)
		}
		f.Folded(n.name, got, want)
		if err := h.search(ctx, f, n, end); err != nil {
			return err
		}
	}
	return nil
}

// search looks for orders by a word that stands in the description of each alone.
func (h *harness) search(ctx context.Context, f *audit.Findings, n *node, end deed.Position) error {
	for range searches {
		c := h.clients[h.random.IntN(len(h.clients))]
		if len(c.acknowledged) == 0 {
			continue
		}
		r := c.acknowledged[h.random.IntN(len(c.acknowledged))]
		if r.Event != "order-placed" {
			continue
		}
		found, err := audit.Search(ctx, n.where(), r.Marker, end)
		if err != nil {
			return fmt.Errorf("%s: %w", n.name, err)
		}
		if !slices.Contains(found, r.ID) {
			f.Lose("%s, of which %s is the description, is not found at %s: %v", r.ID, r.Marker, n.name, found)
		}
	}
	return nil
}

// acknowledged holds the log against what clients were told.
func (h *harness) acknowledged(f *audit.Findings, records []audit.Record) {
	at, marked, addresses := map[deed.Position]audit.Record{}, map[string]int{}, map[string]bool{}
	for _, r := range records {
		at[r.Position] = r
		for _, marker := range audit.Markers(r) {
			marked[marker]++
		}
		if r.Type == "customer-email-changed" {
			addresses[string(r.Stream)+" "+audit.Address(r)] = true
		}
	}
	for _, c := range h.clients {
		for _, r := range c.acknowledged {
			got := at[r.Position]
			switch {
			case r.Event != "" && (got.Type != r.Event || got.Stream != r.Stream() || !strings.Contains(string(got.Data), r.Marker)):
				f.Lose("%s %s was acknowledged at position %d, where %s of %s is", r.Method, r.Path, r.Position, got.Type, got.Stream)
			case r.Event == "" && r.Address != "" && !addresses[string(r.Stream())+" "+r.Address]:
				f.Lose("%s %s to %s was acknowledged", r.Method, r.Path, r.Address)
			}
			if n := marked[r.Marker]; r.Marker != "" && n != 1 {
				f.Double("%s %s under the key %s brought about %d events", r.Method, r.Path, r.Key, n)
			}
		}
		for _, r := range c.refused { // of one that was sent twice an earlier try may have come to be stored after a later one was refused
			if r.Sent == 1 && addresses[string(r.Stream())+" "+r.Address] {
				f.Fault("%s %s to %s was refused, and is there", r.Method, r.Path, r.Address)
			}
		}
	}
}

// report prints what was found, and returns an error if anything is wrong.
func (h *harness) report(f audit.Findings, records []audit.Record) error {
	var sum client
	acknowledged, refused := 0, 0
	for _, c := range h.clients {
		acknowledged, refused = acknowledged+len(c.acknowledged), refused+len(c.refused)
		sum.tried, sum.retried, sum.found = sum.tried+c.tried, sum.retried+c.retried, sum.found+c.found
		sum.reads, sum.elsewhere, sum.late = sum.reads+c.reads, sum.elsewhere+c.elsewhere, sum.late+c.late
		sum.backwards = append(sum.backwards, c.backwards...)
	}
	line := func(n int, what string, args ...any) { fmt.Fprintf(h.out, "%8d %s\n", n, fmt.Sprintf(what, args...)) }
	fmt.Fprintln(h.out)
	line(h.rounds, "rounds, in %.0f seconds", time.Since(h.began).Seconds())
	for _, kind := range kinds {
		line(h.counts[kind], "  %s", kind)
	}
	line(h.watch.changes, "changes of the log's order; %d times it was Serial for certain", len(h.watch.spans))
	line(h.watch.takeovers, "leases seen to have changed hands")
	line(sum.tried, "requests sent")
	line(acknowledged, "commands acknowledged, and %d refused", refused)
	line(sum.retried, "commands not answered at first; %d of them had been stored", sum.found)
	line(sum.reads, "reads of what was just written, %d of them through another process", sum.elsewhere)
	line(sum.late, "reads besides for which the view was too late")
	line(len(records), "records in the log, up to position %d", records[len(records)-1].Position)
	line(f.Rows, "rows in %d views of %d processes, held against a fold of the log", f.Views, len(h.nodes))
	line(f.Effects, "effects of processes and reactors, and %d refused", f.Refused)
	line(len(f.Lost), "acknowledged and lost")
	line(len(f.Twice), "there twice")
	line(len(sum.backwards), "reads that went backwards")
	line(len(f.Wrong), "other faults")
	fmt.Fprintln(h.out, "\nWhat this does not show: that every commit is flushed. A server writes its log many times a second whatever it is told, so that this\n"+
		"may pass with synchronous_commit off.")
	all := slices.Concat(f.Lost, f.Twice, sum.backwards, f.Wrong)
	if len(all) == 0 {
		return nil
	}
	return fmt.Errorf("something is wrong (-random %d):\n%s", h.seed, audit.Few(all))
}
