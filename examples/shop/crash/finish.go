package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// finish starts the shop once more, lets the clients have their answers, waits until the processes have done their work,
// and checks everything.
func (h *harness) finish(ctx context.Context) error {
	p, err := launch(h.shop, h.data)
	if err != nil {
		return err
	}
	defer p.kill()
	url, err := p.answers(ctx)
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
	views, err := readViews(ctx, url)
	if err != nil {
		return err
	}
	if err := p.stop(ctx); err != nil {
		return err
	}
	return h.report(check(records, views, h.requests()))
}

func (h *harness) requests() []*request {
	var all []*request
	for _, c := range h.clients {
		all = append(all, c.acknowledged...)
	}
	return all
}

// report prints what was found, and returns an error if anything is wrong.
func (h *harness) report(f findings) error {
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
		h.rounds, h.early, h.acknowledged(), unanswered, found, unanswered-found, f.records, f.records, f.rows, f.views, f.effects,
		len(f.lost), len(f.doubled), len(f.wrong))
	all := append(append(f.lost, f.doubled...), f.wrong...)
	if len(all) == 0 {
		return nil
	}
	const most = 20
	text := strings.Join(all[:min(most, len(all))], "\n")
	if len(all) > most {
		text += fmt.Sprintf("\nand %d more", len(all)-most)
	}
	return errors.New("something is wrong:\n" + text)
}

const (
	settleWithin = 2 * time.Minute
	lookEvery    = 100 * time.Millisecond
)

// settled waits until every process has done what it has to do, and returns the log.
func settled(ctx context.Context, url string) ([]record, error) {
	deadline := time.Now().Add(settleWithin)
	var records []record
	for {
		more, err := readLog(ctx, url, len(records))
		if err != nil {
			return nil, err
		}
		records = append(records, more...)
		left := undone(records)
		if len(left) == 0 {
			return records, nil
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("%d things are not done %v after the last start, the first: %s", len(left), settleWithin, left[0])
		}
		if err := pause(ctx, lookEvery); err != nil {
			return nil, err
		}
	}
}

// undone lists what processes and reactors still have to do: every user is welcomed or deleted, every order has its value in
// US dollars, and is confirmed or waits, every confirmed order counts for its customer's class, and it is known of every mail
// what became of it.
func undone(records []record) []string {
	has := map[string]map[string]bool{} // thing → types
	for _, r := range records {
		things := []string{string(r.Stream)}
		switch {
		case mailEvents[r.Type]:
			things = []string{r.mail()}
		case r.Type == "customer-classified":
			things = append(things, r.basedOn())
		}
		for _, thing := range things {
			if has[thing] == nil {
				has[thing] = map[string]bool{}
			}
			has[thing][r.Type] = true
		}
	}
	var left []string
	for thing, types := range has {
		switch {
		case types["user-created"] && !types["user-welcomed"] && !types["user-deleted"]:
			left = append(left, thing+" is not welcomed")
		case types["order-placed"] && !types["order-usd-value-added"]:
			left = append(left, thing+" has no value in US dollars")
		case types["order-placed"] && !types["order-confirmed"] && !types["order-confirmation-required"]:
			left = append(left, thing+" is neither confirmed nor waiting")
		case types["order-confirmed"] && !types["customer-classified"]:
			left = append(left, thing+" does not count for its customer's class")
		case types["campaign-email-requested"] && !types["campaign-email-sent"] && !types["campaign-email-skipped"] && !types["campaign-email-failed"]:
			left = append(left, thing+" is requested, and nothing became of it")
		}
	}
	return left
}
