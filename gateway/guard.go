package gateway

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/deed-es/deed"
)

// guard refuses what must not come to any route: foreign hosts and origins, and paths that a mux would clean.
func (g *Gateway) guard(r *http.Request, name string) error {
	if !g.ours(r, name) {
		return &Problem{Status: http.StatusMisdirectedRequest, Code: "foreign-host", Detail: fmt.Sprintf("this server is not known as %.100q; see Options.Hosts of the gateway", r.Host)}
	}
	if g.origins.Check(r) != nil {
		return &Problem{Status: http.StatusForbidden, Code: "foreign-origin", Detail: "a page of another origin may not send this"}
	}
	return checkPath(r.URL)
}

// ours tells whether a request's Host is one of our names. A page of another site that lets its name point at this machine
// (DNS rebinding) is same-origin to a browser, and is known only by the name that it asked for.
func (g *Gateway) ours(r *http.Request, name string) bool {
	host := hostOf(r.Host)
	if host == "" || g.names[host] || name != "" && host == name || g.names["*"] {
		return host != ""
	}
	asked, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	tcp, ok := local.(*net.TCPAddr)
	return ok && tcp.AddrPort().Addr().Unmap().WithZone("") == asked.Unmap()
}

// hostOf is a host without its port, brackets and last dot, in small letters.
func hostOf(hostport string) string {
	host := hostport
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.Contains(host[i:], "]") && (host[0] == '[' || strings.Count(host, ":") == 1) {
		host = host[:i]
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		host = strings.TrimSuffix(inner, "]")
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

func hostNames(more []string) map[string]bool {
	names := map[string]bool{"localhost": true, "127.0.0.1": true, "::1": true}
	for _, host := range more {
		names[hostOf(host)] = true
	}
	return names
}

func trusted(origins []string) (*http.CrossOriginProtection, error) {
	p := http.NewCrossOriginProtection()
	for _, origin := range origins {
		if err := p.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("Origins: %w", err)
		}
	}
	return p, nil
}

// checkPath refuses paths that do not name one thing in one way: with empty or dot segments, control characters, encoded
// slashes, or text that is not UTF-8. A mux would redirect some of them, and take others for something else.
func checkPath(u *url.URL) error {
	path := u.EscapedPath()
	rest, ok := strings.CutPrefix(path, "/")
	for ok {
		segment, after, more := strings.Cut(rest, "/")
		if !cleanSegment(segment, !more) {
			break
		}
		if !more {
			return nil
		}
		rest = after
	}
	return &Problem{Status: http.StatusBadRequest, Code: "bad-path", Detail: "the path has empty or dot segments, control characters, encoded slashes, or is not valid UTF-8"}
}

func cleanSegment(segment string, last bool) bool {
	if strings.IndexByte(segment, '%') >= 0 {
		var err error
		if segment, err = url.PathUnescape(segment); err != nil || strings.Contains(segment, "/") {
			return false
		}
	}
	return (segment != "" || last) && segment != "." && segment != ".." && utf8.ValidString(segment) && !hasControl(segment)
}

func hasControl(s string) bool {
	for _, r := range s {
		if r < 0x20 || r >= 0x7f && r < 0xa0 {
			return true
		}
	}
	return false
}

// pathID checks an id that stands in a path.
func pathID(field, id string) error {
	if deed.ValidID(id) != nil {
		return badQuery(field, "must be 1 to 255 bytes of UTF-8 without control characters or a slash, and not . or ..")
	}
	return nil
}
