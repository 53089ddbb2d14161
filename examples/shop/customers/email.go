package customers

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode"

	"github.com/deed-es/deed"
)

const (
	// maxEmail is how many bytes an address may have (RFC 5321, section 4.5.3.1.3, without the angle brackets).
	maxEmail = 254
	tagged   = "customer:"
	// maxID is how long an id may be to fit into a tag, which has at most 255 bytes.
	maxID = 255 - len(tagged)
)

// Tag is the tag of what concerns a customer.
func Tag(customerID string) string { return tagged + customerID }

// EmailTag is the tag of what concerns an address. Tags hold no personal data in the clear, and have a length limit that
// addresses do not fit: hence the hash.
func EmailTag(email string) string {
	sum := sha256.Sum256([]byte(NormalEmail(email)))
	return "email:" + hex.EncodeToString(sum[:])
}

// NormalEmail is the form of an address that customers are known by: trimmed and lower-cased.
func NormalEmail(email string) string { return strings.ToLower(strings.TrimSpace(email)) }

// CheckEmail returns an *deed.InvalidError about the field email unless it can be an address, once normal: something, one
// "@", something, no blanks and control characters, at most 254 bytes. Whether mail arrives there is for mail to show.
func CheckEmail(email string) error {
	email = NormalEmail(email)
	local, domain, found := strings.Cut(email, "@")
	switch {
	case email == "":
		return &deed.InvalidError{Field: "email", Reason: "is required"}
	case len(email) > maxEmail:
		return &deed.InvalidError{Field: "email", Reason: "has more than 254 bytes"}
	case !found || local == "" || domain == "" || strings.Contains(domain, "@") || strings.ContainsFunc(email, noEmail):
		return &deed.InvalidError{Field: "email", Reason: "is not an e-mail address"}
	}
	return nil
}

func noEmail(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }
