package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/audit"
	"github.com/deed-es/deed/examples/shop/drive"
)

// finish starts the shop once more, lets the clients have their answers, waits until the processes have done their work,
// and checks everything.
func (h *harness) finish(ctx context.Context) error {
	p, err := h.launch()
	if err != nil {
		return err
	}
	defer p.Kill(os.Kill)
	url, err := p.Answers(ctx)
	if err != nil {
		return err
	}
	for _, c := range h.clients {
		if err := c.catchUp(ctx, url); err != nil {
			return err
		}
	}
	records, err := settled(ctx, url)
	if err != nil {
		return err
	}
	views, err := audit.ReadViews(ctx, url, deed.Position(len(records)))
	if err != nil {
		return err
	}
	if err := p.Stop(); err != nil {
		return err
	}
	found, err := check(records, views, h.requests())
	if err != nil {
		return err
	}
	return h.report(found, len(records))
}

func (h *harness) requests() []*drive.Request {
	var all []*drive.Request
	for _, c := range h.clients {
		all = append(all, c.acknowledged...)
	}
	return all
}

// report prints what was found, and returns an error if anything is wrong.
func (h *harness) report(f audit.Findings, records int) error {
	unanswered, found := 0, 0
	for _, c := range h.clients {
		unanswered, found = unanswered+c.unanswered, found+c.found
	}
	fmt.Fprintf(h.out, `
%8d rounds, each ended by a kill; %d of the kills came while the shop started
%8d requests acknowledged
%8d requests not answered at first, and answered when they were sent again:
%8d   had been stored before the kill, and were found
%8d   had not, and were done then
%8d records in the log, at the positions 1 to %d
%8d rows in %d views, held against a fold of the log
%8d effects of processes and reactors
%8d acknowledged and lost
%8d there twice
%8d other faults

What this does not show: that a power cut loses nothing. A killed process leaves what it has written with the operating
system, so this passes without a single flush. make powercut replays the files as a power cut would leave them.
`,
		h.rounds, h.early, h.acknowledged(), unanswered, found, unanswered-found, records, records, f.Rows, f.Views, f.Effects,
		len(f.Lost), len(f.Twice), len(f.Wrong))
	all := slices.Concat(f.Lost, f.Twice, f.Wrong)
	if len(all) == 0 {
		return nil
	}
	return errors.New("something is wrong:\n" + audit.Few(all))
}

const (
	settleWithin = 2 * time.Minute
	lookEvery    = 100 * time.Millisecond
)

// settled waits until every process has done what it has to do, and returns the log.
func settled(ctx context.Context, url string) ([]audit.Record, error) {
	deadline := time.Now().Add(settleWithin)
	var records []audit.Record
	for {
		more, err := audit.ReadLog(ctx, url, deed.Position(len(records)))
		if err != nil {
			return nil, err
		}
		records = append(records, more...)
		left := audit.Undone(records)
		if len(left) == 0 {
			return records, nil
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("%d things are not done %v after the last start, the first: %s", len(left), settleWithin, left[0])
		}
		if err := drive.Pause(ctx, lookEvery); err != nil {
			return nil, err
		}
	}
}
