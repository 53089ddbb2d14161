package gateway

import (
	"errors"
	"net/http"

	"github.com/deed-es/deed"
)

// Authorizer decides who may do what.
type Authorizer interface {
	// Authorize returns who asks, as it is to be stored with the events that come of it; empty is nobody in particular. It
	// returns an error that wraps ErrUnauthenticated (401) or ErrForbidden (403) where the action may not be done; with any
	// other error the request fails. It is asked about every request, health checks and the service's own routes included,
	// before a body is read; about changes once for each view. It runs many times at once.
	Authorize(r *http.Request, a Action) (actor string, err error)
}

// Action is what somebody asks to do. Fields other than Route are filled from the wildcards of the route's pattern that
// have their names; an Authorizer reads others with Request.PathValue. They are not checked yet.
type Action struct {
	Route    string // method and pattern: "POST /api/commands/{category}/{id}/{command}"
	Category string // for the log: that of its query
	ID       string
	Command  string
	View     string
	Key      string
	Stream   deed.StreamID
	Part     string
}

// What an Authorizer answers.
var (
	// ErrUnauthenticated: who asks is not known, and has to be.
	ErrUnauthenticated = errors.New("not authenticated")
	// ErrForbidden: who asks may not do this.
	ErrForbidden = errors.New("forbidden")
)

// AllowAll is the Authorizer that lets everybody do everything, for where something in front of the gateway decides.
var AllowAll Authorizer = allowAll{}

type allowAll struct{}

func (allowAll) Authorize(*http.Request, Action) (string, error) { return "", nil }

// authorize asks about everything that the call is about.
func (c *Call) authorize() error {
	authorizer := c.gateway.options.Authorizer
	if authorizer == nil {
		return nil
	}
	if c.route.asks == nil {
		actor, err := authorizer.Authorize(c.Request, c.action())
		c.actor = actor
		return err
	}
	for _, a := range c.route.asks(c) {
		actor, err := authorizer.Authorize(c.Request, a)
		c.actor = actor
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *Call) action() Action {
	r := c.Request
	return Action{
		Route: c.route.name(), Category: r.PathValue("category"), ID: r.PathValue("id"), Command: r.PathValue("command"),
		View: r.PathValue("view"), Key: r.PathValue("key"), Stream: deed.StreamID(r.PathValue("stream")),
		Part: r.PathValue("part"),
	}
}
