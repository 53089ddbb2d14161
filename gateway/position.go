package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/deed-es/deed"
)

const (
	defaultWait = 2 * time.Second
	maxWait     = time.Minute

	positionName = "Deed-Position" // header and cookie
	staleName    = "Deed-Stale"
)

// wanted is what a question says about how new its answer has to be.
type wanted struct {
	position deed.Position // that the view must have reached
	wait     time.Duration // for that
	stale    bool          // rather an old answer than none
	late     bool          // it is an old answer
}

// wanted reads the headers Deed-Position and Prefer, or the cookie where there is no such header. The cookie says "wait,
// then rather stale", and one that is of no use here is passed over: a browser keeps it when the log behind a name changes.
func (c *Call) wanted() (wanted, error) {
	w := wanted{wait: defaultWait}
	prefer(c.Request.Header["Prefer"], &w)
	if given := c.Request.Header[positionName]; len(given) > 0 {
		var err error
		w.position, err = c.gateway.resolve(c.Request.Context(), positionName, strings.Join(given, ","))
		return w, err
	}
	if cookie, err := c.Request.Cookie(positionName); err == nil {
		if position, err := c.gateway.resolve(c.Request.Context(), positionName, cookie.Value); err == nil {
			w.position, w.stale = position, true
		}
	}
	return w, nil
}

// prefer reads "wait=N" and "stale" out of Prefer headers (RFC 7240); what it does not know is passed over.
func prefer(headers []string, w *wanted) {
	for _, header := range headers {
		for preference := range strings.SplitSeq(header, ",") {
			preference, _, _ = strings.Cut(preference, ";")
			name, value, _ := strings.Cut(preference, "=")
			value = strings.Trim(strings.TrimSpace(value), `"`)
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "stale":
				w.stale = true
			case "wait":
				if seconds, ok := parseNumber(value); ok {
					w.wait = min(time.Duration(min(seconds, 3600))*time.Second, maxWait)
				}
			}
		}
	}
}

// resolve returns the position that text means in our log: a number, or the one of some tokens that is of our log. field
// says where text stood. A position that this log can never reach is refused at once: nothing waits for it.
func (g *Gateway) resolve(ctx context.Context, field, text string) (deed.Position, error) {
	position, err := g.ownPosition(field, text)
	if err != nil || position == 0 || g.service.Info().ID == "" {
		return position, err
	}
	head, err := g.service.Head(ctx)
	if err == nil && position > head {
		err = foreign(fmt.Sprintf("position %d is beyond the end of this log, %d", position, head))
	}
	return position, err
}

func (g *Gateway) ownPosition(field, text string) (deed.Position, error) {
	if n, ok := parseNumber(text); ok {
		return deed.Position(n), nil
	}
	tokens, err := parseTokens(text)
	if err != nil {
		p := badQuery(field, "must be a position: a number, or a token that a server gave")
		if field == positionName {
			p.Code = "bad-header"
		}
		return 0, p
	}
	own := g.service.Info()
	if own.ID == "" && len(tokens) == 1 { // a node that is fed by others does not know more
		return tokens[0].Position, nil
	}
	for _, t := range tokens {
		if t.Log == own.ID {
			return t.Position, checkIncarnation(own, t.Incarnation, t.Position)
		}
	}
	return 0, foreign("the position is of another log")
}

// checkIncarnation refuses positions of a past or future that our log does not have.
func checkIncarnation(own deed.LogInfo, incarnation int64, position deed.Position) error {
	switch {
	case incarnation > own.Incarnation:
		return foreign(fmt.Sprintf("the position is of incarnation %d of this log, which is still at %d", incarnation, own.Incarnation))
	case incarnation < own.Incarnation && position > own.Began:
		return foreign(fmt.Sprintf("the position is of a past that this log does not have: forked, incarnation %d began after position %d", own.Incarnation, own.Began))
	}
	return nil
}

// reach waits until a view has what the call wants. It returns without an error, too, where an old answer will do.
func (c *Call) reach(view string) (wanted, error) {
	views, ctx := c.gateway.service.Views(), c.Request.Context()
	reading, err := views.Reading(ctx, view)
	if errors.Is(err, deed.ErrNotFound) {
		return wanted{}, missing("view")
	}
	if err != nil {
		return wanted{}, err
	}
	if reading.Stale {
		c.Writer.Header()[staleName] = []string{"true"}
	}
	w, err := c.wanted()
	if err != nil || w.position == 0 {
		return w, err
	}
	at, err := views.Position(ctx, view, 0)
	if err != nil || at >= w.position {
		return w, err
	}
	ctx, cancel := c.gateway.untilStop(ctx)
	defer cancel()
	ctx, cancel2 := context.WithTimeout(ctx, w.wait)
	defer cancel2()
	at, err = views.Position(ctx, view, w.position)
	if !errors.Is(err, deed.ErrBehind) {
		return w, err
	}
	if w.stale && c.Request.Context().Err() == nil {
		w.late = true
		return w, nil
	}
	return w, behind(view, at, w.position)
}

func behind(view string, at, want deed.Position) *Problem {
	return &Problem{
		Status: http.StatusGatewayTimeout, Code: "behind", retryAfter: 1,
		Detail: fmt.Sprintf("the view has reached position %d, not yet %d", at, want),
		More:   map[string]any{"view": view, "position": at},
	}
}

// from has f read a view that reach has waited for, and once more with the position that is wanted where the version that is read by
// then has not come so far: another was switched to, or one is read that nobody keeps any more.
func (c *Call) from(view string, w wanted, f func(ctx context.Context, after deed.Position) (deed.Position, error)) error {
	at, err := f(c.Context(), 0)
	if at >= w.position || w.late || err != nil && !errors.Is(err, deed.ErrNotFound) {
		return err
	}
	ctx, cancel := c.gateway.untilStop(c.Context())
	defer cancel()
	waiting, cancel2 := context.WithTimeout(ctx, w.wait)
	defer cancel2()
	at, err = f(waiting, w.position)
	switch {
	case !errors.Is(err, deed.ErrBehind):
		delete(c.Writer.Header(), staleName)
		return err
	case w.stale && c.Context().Err() == nil:
		_, err = f(c.Context(), 0)
		return err
	}
	return behind(view, at, w.position)
}

// Reach waits until a view, or tables, have what the client wants to be in the answer, as GET /api/views/{view} does, and says in
// the answer how far they are: for routes that read them in a way of their own. What is read of tables after that is not older; of a
// view, what is read with the position that the client wants.
func (c *Call) Reach(view string) error {
	w, err := c.reach(view)
	if err != nil {
		return err
	}
	at, err := c.gateway.service.Views().Position(c.Context(), view, 0)
	if err == nil {
		c.viewAt(at, w)
	}
	return err
}

// untilStop is ctx that ends, too, when the gateway stops.
func (g *Gateway) untilStop(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	release := context.AfterFunc(g.stopping, cancel)
	return ctx, func() { release(); cancel() }
}

// at says which position the answer has.
func (c *Call) at(position deed.Position) {
	if own := c.gateway.service.Info(); own.ID != "" {
		token := Token{Log: own.ID, Incarnation: own.Incarnation, Position: position}
		c.Writer.Header()[positionName] = []string{token.String()}
	}
}

// atLeast says which position the answer has, or the one that the client has seen already if that is greater: what comes
// from the log itself is never older than that.
func (c *Call) atLeast(position deed.Position) {
	if given := c.Request.Header[positionName]; len(given) > 0 {
		if seen, err := c.gateway.resolve(c.Request.Context(), positionName, strings.Join(given, ",")); err == nil {
			position = max(position, seen)
		}
	}
	c.at(position)
}

// viewAt says which position the view had that the answer is from, and whether it is older than wanted.
func (c *Call) viewAt(at deed.Position, w wanted) {
	c.at(at)
	if at < w.position {
		c.Writer.Header()[staleName] = []string{"true"}
	}
}

// remember sets the cookie by which a browser, that does not send the header, reads what it wrote. Cookies are shared by all
// ports of a host, so tokens of other logs are kept.
func (c *Call) remember(position deed.Position) {
	own := c.gateway.service.Info()
	if own.ID == "" {
		return
	}
	value := Token{Log: own.ID, Incarnation: own.Incarnation, Position: position}
	text := make([]byte, 0, 128)
	if cookie, err := c.Request.Cookie(positionName); err == nil {
		others, _ := parseTokens(cookie.Value)
		for i, t := range others {
			switch {
			case t.Log == own.ID && t.Incarnation == own.Incarnation:
				if seen, err := c.gateway.resolve(c.Request.Context(), positionName, t.String()); err == nil {
					value.Position = max(value.Position, seen)
				}
			case t.Log != own.ID && i < maxTokens/4:
				text = append(t.append(text), ',')
			}
		}
	}
	quote := ""
	if len(text) > 0 {
		quote = `"` // a comma may stand in a quoted value only
	}
	cookie := positionName + "=" + quote + string(value.append(text)) + quote + "; Path=/; HttpOnly; SameSite=Lax"
	if c.Request.TLS != nil {
		cookie += "; Secure"
	}
	h := c.Writer.Header()
	h["Set-Cookie"] = append(h["Set-Cookie"], cookie)
}

// entityTag is the ETag of a thing's version or a row's position.
func entityTag(prefix string, n int64) string { return `"` + prefix + strconv.FormatInt(n, 10) + `"` }
