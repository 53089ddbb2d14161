// Package smtptest is a mail server for tests: it speaks SMTP and hands every mail that it is given to a function.
package smtptest

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/mail"
	"time"

	"github.com/emersion/go-smtp"
)

// Message is a mail as it came over the wire.
type Message struct {
	From, To  string // the envelope's
	Encrypted bool
	Raw       []byte
	mail.Header
	Body []byte // not decoded
}

// Refuse is an answer to a mail: the code and text of the reply.
func Refuse(code int, text string) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.NoEnhancedCode, Message: text}
}

// Server is a mail server on a port of its own.
type Server struct {
	Addr   string // host:port
	server *smtp.Server
	served chan error
}

// Options are what a server does with mails.
type Options struct {
	// Admit, if set, is asked about each recipient; where it returns an error (see Refuse) the recipient is refused.
	Admit func(to string) error
	// Take gets every mail before it is answered, maybe many at once; where it returns an error the mail is refused.
	Take func(Message) error
	// TLS, if set, is offered by STARTTLS.
	TLS *tls.Config
}

// Start starts a server.
func Start(o Options) (*Server, error) {
	var config net.ListenConfig
	l, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	backend := smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &session{Options: o, conn: c}, nil })
	s := &Server{Addr: l.Addr().String(), server: smtp.NewServer(backend), served: make(chan error, 1)}
	s.server.TLSConfig = o.TLS
	s.server.Domain = "localhost"
	s.server.EnableSMTPUTF8 = true
	s.server.ErrorLog = log.New(io.Discard, "", 0) // clients that break off are what is tested
	s.server.ReadTimeout, s.server.WriteTimeout = time.Minute, time.Minute
	go func() { s.served <- s.server.Serve(l) }()
	return s, nil
}

// Close ends the server and all its connections.
func (s *Server) Close() error {
	err := s.server.Close()
	if served := <-s.served; !errors.Is(served, smtp.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// session is one connection.
type session struct {
	Options
	conn     *smtp.Conn
	from, to string
}

// Mail begins a mail.
func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	return nil
}

// Rcpt names its recipient.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	if s.Admit == nil {
		return nil
	}
	return s.Admit(to)
}

// Data takes it.
func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	parsed, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return Refuse(554, err.Error())
	}
	body, err := io.ReadAll(parsed.Body)
	if err != nil {
		return err
	}
	_, encrypted := s.conn.TLSConnectionState()
	return s.Take(Message{From: s.from, To: s.to, Encrypted: encrypted, Raw: raw, Header: parsed.Header, Body: body})
}

// Reset forgets a mail that is not finished.
func (s *session) Reset() { s.from, s.to = "", "" }

// Logout ends the connection.
func (s *session) Logout() error { return nil }
