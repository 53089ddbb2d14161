package mail

import (
	"bytes"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"time"
	"unicode"
)

// messageID is a mail's Message-ID, of the domain that sends it.
func messageID(m Mail, from string) string {
	return fmt.Sprintf("<%s@%s>", m.ID, from[strings.LastIndex(from, "@")+1:])
}

// message is a mail as it goes over the wire (RFC 5322): plain text in UTF-8.
func message(m Mail, from string) ([]byte, error) {
	var b bytes.Buffer
	header := func(name, value string) { fmt.Fprintf(&b, "%s: %s\r\n", name, value) }
	header("From", (&mail.Address{Address: from}).String())
	header("To", (&mail.Address{Name: line(m.Name), Address: m.To}).String())
	header("Subject", mime.QEncoding.Encode("utf-8", line(m.Subject)))
	header("Date", m.Time.UTC().Format(time.RFC1123Z))
	header("Message-ID", messageID(m, from))
	header("MIME-Version", "1.0")
	header("Content-Type", "text/plain; charset=utf-8")
	header("Content-Transfer-Encoding", "quoted-printable")
	b.WriteString("\r\n")
	body := quotedprintable.NewWriter(&b)
	if _, err := body.Write([]byte(m.Body)); err != nil {
		return nil, err
	}
	if err := body.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

const maxLine = 500 // characters

// line makes one line of text: without control characters, and not too long.
func line(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if runes := []rune(text); len(runes) > maxLine {
		text = string(runes[:maxLine])
	}
	return text
}
