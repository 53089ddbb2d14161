package mail_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/http/httptest"
	netmail "net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/deed-es/deed/deedtest"
	"github.com/deed-es/deed/examples/shop/mail"
	"github.com/deed-es/deed/examples/shop/mail/smtptest"
)

// taken are the mails that a server has taken.
type taken struct {
	mu    sync.Mutex
	mails []smtptest.Message
}

func (t *taken) take(m smtptest.Message) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mails = append(t.mails, m)
	return nil
}

// server runs a mail server until the test ends.
func server(t *testing.T, o smtptest.Options) *mail.SMTP {
	t.Helper()
	s, err := smtptest.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return client(t, s.Addr)
}

func client(t *testing.T, addr string) *mail.SMTP {
	t.Helper()
	c, err := mail.NewSMTP(addr, "shop@example.org")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var tea = mail.Mail{
	ID: "0190-1", Time: deedtest.Start, To: "ann@example.org", Name: "Ann Lee", Subject: "Tea", Body: "There is tea.\n",
}

func TestSMTP(t *testing.T) {
	const body = "Grüße!\n.\n..\nFrom here on\n" + "long "
	for name, m := range map[string]mail.Mail{
		"plain":        tea,
		"umlauts":      {ID: "2", Time: deedtest.Start, To: "søren@example.org", Name: "Søren Åkesson, \"S\"", Subject: "Tee für Søren", Body: body + strings.Repeat("ä", 2000)},
		"a header":     {ID: "3", Time: deedtest.Start, To: "a@b", Name: "A\r\nBcc: all@example.org", Subject: "B\r\nBcc: all@example.org", Body: "c"},
		"empty fields": {ID: "4", Time: deedtest.Start, To: "a@b"},
	} {
		t.Run(name, func(t *testing.T) {
			var got taken
			id, err := server(t, smtptest.Options{Take: got.take}).Send(t.Context(), m)
			if err != nil || id != "<"+m.ID+"@example.org>" {
				t.Fatal(id, err)
			}
			if len(got.mails) != 1 {
				t.Fatalf("%d mails", len(got.mails))
			}
			check(t, got.mails[0], m)
		})
	}
}

// check holds a mail that came over the wire against what was sent.
func check(t *testing.T, got smtptest.Message, sent mail.Mail) {
	t.Helper()
	header := func(name string) string {
		t.Helper()
		text, err := new(mime.WordDecoder).DecodeHeader(got.Get(name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		return text
	}
	blanks := strings.NewReplacer("\r", " ", "\n", " ")
	if got.From != "shop@example.org" || got.To != sent.To {
		t.Errorf("from %s to %s", got.From, got.To)
	}
	if id := got.Get("Message-ID"); id != "<"+sent.ID+"@example.org>" {
		t.Errorf("Message-ID %s", id)
	}
	if subject := header("Subject"); subject != blanks.Replace(sent.Subject) {
		t.Errorf("Subject %q", subject)
	}
	to, err := netmail.ParseAddress(got.Get("To"))
	if err != nil || to.Address != sent.To || to.Name != blanks.Replace(sent.Name) {
		t.Errorf("To %q: %v, %v", got.Get("To"), to, err)
	}
	if date, err := got.Date(); err != nil || !date.Equal(sent.Time) {
		t.Errorf("Date %v, %v", date, err)
	}
	if got.Get("Bcc") != "" {
		t.Error("a header slipped in")
	}
	text, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(string(got.Body))))
	if body := strings.TrimSuffix(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n"); err != nil || body != strings.TrimSuffix(sent.Body, "\n") {
		t.Errorf("the body is %q, %v", text, err)
	}
}

// A mail that is sent twice is the same byte for byte, its Message-ID included.
func TestARepeatedMailIsTheSame(t *testing.T) {
	var got taken
	c := server(t, smtptest.Options{Take: got.take})
	for range 2 {
		if _, err := c.Send(t.Context(), tea); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := got.mails[0], got.mails[1]; string(a.Raw) != string(b.Raw) || a.Get("Message-ID") == "" {
		t.Errorf("first\n%s\nthen\n%s", a.Raw, b.Raw)
	}
}

func TestTLSIsUsedWhereItIsOffered(t *testing.T) {
	web := httptest.NewTLSServer(http.NotFoundHandler()) // for its certificate
	defer web.Close()
	var got taken
	c := server(t, smtptest.Options{Take: got.take, TLS: &tls.Config{Certificates: web.TLS.Certificates}})

	var refused *mail.RefusedError
	if _, err := c.Send(t.Context(), tea); err == nil || errors.As(err, &refused) || len(got.mails) != 0 {
		t.Errorf("a certificate that nobody vouches for: %v, %d mails", err, len(got.mails))
	}
	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate())
	c.Trust(roots)
	if _, err := c.Send(t.Context(), tea); err != nil || len(got.mails) != 1 || !got.mails[0].Encrypted {
		t.Errorf("%+v, %v", got.mails, err)
	}
}

func TestMailThatIsRefused(t *testing.T) {
	reply := func(code int) func(string) error {
		return func(string) error { return smtptest.Refuse(code, "no such mailbox") }
	}
	take := func(smtptest.Message) error { return smtptest.Refuse(554, "no thanks") }
	var refused *mail.RefusedError

	_, err := server(t, smtptest.Options{Admit: reply(550)}).Send(t.Context(), tea)
	if !errors.As(err, &refused) || refused.Code != 550 || !strings.Contains(err.Error(), "no such mailbox") {
		t.Errorf("the recipient is refused: %v", err)
	}
	_, err = server(t, smtptest.Options{Take: take}).Send(t.Context(), tea)
	if !errors.As(err, &refused) || refused.Code != 554 {
		t.Errorf("the mail is refused: %v", err)
	}
	_, err = server(t, smtptest.Options{Admit: reply(451)}).Send(t.Context(), tea)
	if err == nil || errors.As(err, &refused) {
		t.Errorf("not now: %v", err)
	}
	strange := tea
	strange.To = "a>@b"
	if _, err = server(t, smtptest.Options{}).Send(t.Context(), strange); !errors.As(err, &refused) {
		t.Errorf("no address for SMTP: %v", err)
	}
}

func TestAServerThatIsAway(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()

	// It takes the connection and says nothing.
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if id, err := client(t, addr).Send(ctx, tea); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(id, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var refused *mail.RefusedError
	if id, err := client(t, addr).Send(t.Context(), tea); err == nil || errors.As(err, &refused) {
		t.Error(id, err)
	}
	if c, err := mail.NewSMTP("nowhere", "a@b"); err == nil {
		t.Error(c)
	}
}
