package ui

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/gateway"
)

// refusal is why something did not work, as a person is told.
type refusal struct {
	Status int
	Detail string
	Field  string // at fault; empty: none
	About  bool   // Detail goes on where the field's name ends: "is required"
	Page   string // the detail where somebody only wanted to look; empty: Detail
	Again  bool   // the same form may be sent again, and is handled once
}

// fieldOf is the field that a refusal is about which names none.
var fieldOf = map[string]string{"email-taken": "email", "not-priced": "value"}

// refusalOf is how a person is told of an error. What nobody foresaw keeps its text to itself.
func refusalOf(err error) refusal {
	var problem *gateway.Problem
	var rejected *deed.RejectedError
	var malformed *deed.MalformedError
	var field *deed.InvalidError
	switch {
	case errors.As(err, &problem):
		return refusal{Status: problem.Status, Detail: problem.Detail, Field: problem.Field}
	case errors.As(err, &field):
		return refusal{Status: http.StatusUnprocessableEntity, Detail: field.Reason, Field: field.Field, About: true}
	case errors.As(err, &rejected) && errors.Is(err, deed.ErrNotFound):
		return refusal{Status: http.StatusNotFound, Detail: "there is no such thing any more"}
	case errors.As(err, &rejected):
		return refusal{Status: http.StatusConflict, Detail: rejected.Err.Error(), Field: fieldOf[rejected.Code]}
	case errors.As(err, &malformed):
		return refusal{Status: http.StatusBadRequest, Detail: malformed.Reason}
	}
	for _, known := range knownRefusals {
		if errors.Is(err, known.err) {
			return known.refusal
		}
	}
	return refusal{Status: http.StatusInternalServerError, Detail: "something went wrong here; nothing that was typed is lost, and it may be sent again", Page: "something went wrong here", Again: true}
}

var knownRefusals = []struct {
	err error
	refusal
}{
	{deed.ErrNotFound, refusal{Status: http.StatusNotFound, Detail: "there is no such thing"}},
	{deed.ErrReused, refusal{Status: http.StatusUnprocessableEntity, Detail: "this form was sent before with something else in it; send it once more to have that done too"}},
	{deed.ErrCursor, refusal{Status: http.StatusBadRequest, Detail: "this part of the list is not known any more; begin with its first page"}},
	{deed.ErrConflict, refusal{Status: http.StatusConflict, Detail: "others were faster, again and again; send it once more", Again: true}},
	{deed.ErrBusy, later("the shop has too much to do", "nothing was stored, so send it again in a moment")},
	{deed.ErrUnknown, later("the shop's store did not say how that ended", "it is not known whether that was stored; send it again, and it is done once")},
	{deed.ErrUnavailable, later("the shop's store is away", "nothing was stored, so do it again in a moment")},
	{deed.ErrClosed, later("the shop is closing", "send it again in a moment")},
	{deed.ErrLocked, later("another process has the shop's store", "nothing was stored, so do it again in a moment")},
	{deed.ErrReadOnly, later("the shop only shows things for now", "nothing was stored, so do it again later")},
	{deed.ErrElsewhere, later("this node of the shop does not do this", "nothing was stored, so do it again at another")},
	{context.DeadlineExceeded, later("it took too long", "send it again, and it is done once")},
}

// later is a refusal that may be over in a moment, with why, and what that means for a form.
func later(why, form string) refusal {
	return refusal{Status: http.StatusServiceUnavailable, Detail: why + "; " + form, Page: why, Again: true}
}

// sentence makes a sentence of what an error says.
func sentence(text string) string {
	text = legible(strings.TrimSpace(text))
	first, size := utf8.DecodeRuneInString(text)
	if size == 0 {
		return ""
	}
	text = string(unicode.ToUpper(first)) + text[size:]
	if !strings.ContainsAny(text[len(text)-1:], ".!?") {
		text += "."
	}
	return text
}
