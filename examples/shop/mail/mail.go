// Package mail brings the mails of campaigns to customers: the reactors that find the audience of a campaign and send the
// mails, the port that they send through, and two adapters of the port, SMTP and a mailbox in memory.
package mail

import (
	"context"
	"fmt"
	"time"
)

// Mail is a mail to one customer. A mail that is handed over a second time is the same in every field.
type Mail struct {
	ID      string // stable: what the Message-ID is made of
	Time    time.Time
	To      string // address
	Name    string // of the customer
	Subject string
	Body    string // plain text
}

// Mailer takes mails. Implementations may be called by many goroutines at once.
type Mailer interface {
	// Send hands m over and returns its Message-ID, the same for every mail with this ID. A *RefusedError says that the mail
	// will never be taken; any other error is a reason to try again later.
	Send(ctx context.Context, m Mail) (messageID string, err error)
}

// RefusedError says that a mail will never be taken.
type RefusedError struct {
	Code int // of the reply, as in RFC 5321
	Text string
}

func (e *RefusedError) Error() string { return fmt.Sprintf("refused with %d: %s", e.Code, e.Text) }
