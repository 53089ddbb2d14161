package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"net/textproto"
	"time"
)

// SMTP hands mails to a mail server (RFC 5321), each over a connection of its own. Where the server offers TLS it is used,
// and the server's certificate must be good. The server must take mail without a password.
type SMTP struct {
	addr, host, from string
	roots            *x509.CertPool // nil: the system's
}

const sendWithin = 30 * time.Second

// NewSMTP returns an SMTP that hands mails from an address to the server at addr, a host:port.
func NewSMTP(addr, from string) (*SMTP, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("address of the mail server: %w", err)
	}
	return &SMTP{addr: addr, host: host, from: from}, nil
}

// Send hands m over. It waits for the server to say that it has it.
func (s *SMTP) Send(ctx context.Context, m Mail) (string, error) {
	text, err := message(m, s.from)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, sendWithin)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", s.addr)
	if err != nil {
		return "", err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	err = s.deliver(conn, m.To, text)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	return messageID(m, s.from), err
}

func (s *SMTP) deliver(conn net.Conn, to string, text []byte) error {
	client, err := smtp.NewClient(conn, s.host)
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	defer client.Close()
	if offered, _ := client.Extension("STARTTLS"); offered {
		if err := client.StartTLS(&tls.Config{ServerName: s.host, RootCAs: s.roots}); err != nil {
			return err
		}
	}
	if err := client.Mail(s.from); err != nil {
		return err
	}
	if err := client.Rcpt(to); err != nil { // this one is about the recipient, and may be for good
		return refusal(err)
	}
	body, err := client.Data()
	if err != nil {
		return refusal(err)
	}
	if _, err := body.Write(text); err != nil {
		return err
	}
	if err := body.Close(); err != nil {
		return refusal(err)
	}
	_ = client.Quit() // the server has the mail, whatever it says to this
	return nil
}

// refusal tells replies that are for good (5yz) from those that are not.
func refusal(err error) error {
	var reply *textproto.Error
	if errors.As(err, &reply) && reply.Code >= 500 {
		return &RefusedError{Code: reply.Code, Text: reply.Msg}
	}
	return err
}
