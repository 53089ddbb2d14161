package main

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/campaigns"
	"github.com/deed-es/deed/examples/shop/mail"
	"github.com/deed-es/deed/examples/shop/rates"
)

// post is a mailer that is away at times, does not know those who are called bounce, and sees to it that nobody gets a mail
// who does not want one.
type post struct {
	t     *testing.T
	log   deed.Reader
	mu    sync.Mutex
	taken map[string]int // mails by their id
	tries map[string]int
	to    string // of the mail handed over last
}

var errAway = errors.New("nobody takes mail now")

func (p *post) Send(_ context.Context, m mail.Mail) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.to = m.To
	p.tries[m.ID]++
	if p.tries[m.ID] == 1 && m.ID[0]%3 == 0 {
		return "", errAway
	}
	if strings.HasPrefix(m.To, "bounce@") {
		return "", &mail.RefusedError{Code: 550, Text: "no such mailbox"}
	}
	p.taken["<"+m.ID+"@x>"]++
	return "<" + m.ID + "@x>", nil
}

// guarded is the reactor with a look, before and after, at what the log says of the customer: whoever did not permit mail
// all the while gets none, and whoever did is sent it to an address held in that time.
func (p *post) guarded(r deed.Reactor[campaigns.Event]) deed.Reactor[campaigns.Event] {
	react := r.React
	r.React = func(ctx context.Context, r deed.Recorded[campaigns.Event], id string) ([]deed.Effect, error) {
		requested, ok := r.Event.(campaigns.EmailRequested)
		if !ok {
			p.t.Errorf("the mailer is told of %T", r.Event)
		}
		before, err := p.permits(ctx, requested.CustomerID)
		if err != nil {
			return nil, err
		}
		p.mu.Lock()
		p.to = ""
		p.mu.Unlock()
		effects, failure := react(ctx, r, id)
		after, err := p.permits(ctx, requested.CustomerID)
		if err != nil {
			return nil, err
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		same := before.version == after.version
		switch {
		case same && !before.allowed && p.to != "":
			p.t.Errorf("%s, position %d: a mail to %s, who does not permit it", r.Stream, r.Position, requested.CustomerID)
		case same && before.allowed && p.to != before.email:
			p.t.Errorf("%s, position %d: the mail to %s went to %q, not to %q", r.Stream, r.Position, requested.CustomerID, p.to, before.email)
		}
		return effects, failure
	}
	return r
}

// permission is what the log says of a customer as far as mail goes.
type permission struct {
	allowed bool
	email   string
	version deed.Version
}

func (p *post) permits(ctx context.Context, customer string) (now permission, err error) {
	for r, err := range p.log.Read(ctx, deed.Query{Stream: deed.Stream("customer", customer)}) {
		if err != nil {
			return now, err
		}
		var e struct {
			Allowed bool
			Email   string
		}
		if err := json.Unmarshal(r.Data, &e); err != nil {
			return now, err
		}
		switch now.version = r.Version; r.Type {
		case "customer-registered", "customer-email-changed":
			now.email = e.Email
		case "customer-email-permission-set":
			now.allowed = e.Allowed
		case "customer-forgotten":
			now.allowed = false
		}
	}
	return now, nil
}

// check holds the mails that were taken against those that the log says were sent.
func (p *post) check(t *testing.T, records []deed.Record) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range records {
		if r.Type != (campaigns.EmailSent{}).EventType() {
			continue
		}
		sent := decodeAs[campaigns.EmailSent](t, r)
		if p.taken[sent.MessageID] != 1 {
			t.Errorf("%s: the mail %s to %s was taken %d times", r.Stream, sent.MessageID, sent.CustomerID, p.taken[sent.MessageID])
		}
		delete(p.taken, sent.MessageID)
	}
	if len(p.taken) > 0 {
		t.Errorf("the log does not know of the mails %v", p.taken)
	}
}

// market is a source of rates that is closed at times.
type market struct {
	mu    sync.Mutex
	asked int
}

// usdRate is the rate in these tests.
const usdRate = "1.1587"

func (m *market) USD(_ context.Context, day time.Time) (r rates.Rate, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.asked++; m.asked%7 == 0 {
		return r, errors.New("the market is closed")
	}
	r.Date = day.Format(time.DateOnly)
	return r, json.Unmarshal([]byte(usdRate), &r.Rate)
}
