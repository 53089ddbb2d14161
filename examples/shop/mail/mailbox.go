package mail

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Mailbox takes mails and keeps the newest in memory, to be looked at, for as long as the process lives. The zero Mailbox is
// empty.
type Mailbox struct {
	mu      sync.Mutex
	mails   []Kept // the oldest first
	earlier int
}

// Kept is a mail in a mailbox.
type Kept struct {
	MessageID string    `json:"messageId"`
	Time      time.Time `json:"time"`
	To        string    `json:"to"`
	Name      string    `json:"name"`
	Subject   string    `json:"subject"`
	Body      string    `json:"body"`
	// Taken is how often the mail was handed over.
	Taken int `json:"taken"`
}

// Contents is what a mailbox holds, the newest first.
type Contents struct {
	Mails []Kept `json:"mails"`
	// Earlier is how many mails before these are no longer kept.
	Earlier int `json:"earlier"`
}

const (
	maxMails    = 1000
	mailboxFrom = "mailbox@localhost"
)

// Send takes m. A mail that it has already is not added, but counted.
func (b *Mailbox) Send(_ context.Context, m Mail) (string, error) {
	id := messageID(m, mailboxFrom)
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.IndexFunc(b.mails, func(k Kept) bool { return k.MessageID == id }); i >= 0 {
		b.mails[i].Taken++
		return id, nil
	}
	b.mails = append(b.mails, Kept{MessageID: id, Time: m.Time, To: m.To, Name: m.Name, Subject: m.Subject, Body: m.Body, Taken: 1})
	if extra := len(b.mails) - maxMails; extra > 0 {
		b.mails, b.earlier = slices.Delete(b.mails, 0, extra), b.earlier+extra
	}
	return id, nil
}

// Contents returns what the mailbox holds now.
func (b *Mailbox) Contents() Contents {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := Contents{Mails: slices.Clone(b.mails), Earlier: b.earlier}
	slices.Reverse(c.Mails)
	if c.Mails == nil {
		c.Mails = []Kept{}
	}
	return c
}
