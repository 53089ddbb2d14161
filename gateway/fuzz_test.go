package gateway_test

import (
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/deed-es/deed/gateway"
)

// What is read as a token is written as the same text again.
func FuzzToken(f *testing.F) {
	for _, s := range []string{"log.1.0", "a.b.2.17", "0190f8a2-7b3c-7def-8a1b-2c3d4e5f6071.1.9223372036854775807", "", "..", "log.0.1", "log.1.01", "l\xff.1.1", "log.1.+1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		token, err := gateway.ParseToken(s)
		if err != nil {
			return
		}
		if token.String() != s || token.Position < 0 || token.Incarnation < 1 || token.Log == "" {
			t.Errorf("%q was read as %+v", s, token)
		}
		if strings.ContainsAny(s, " ,;\"\r\n") {
			t.Errorf("%q cannot stand in a header", s)
		}
	})
}

// An id is read again from what it is written as, and fits into a line of an event.
func FuzzCursor(f *testing.F) {
	for _, s := range []string{"a@1=2", "a@1=2/k%2Ck,b@3=4;log.1", ";log.1", "", ",", "a@1=2,a@1=3", "a@0=1", "a@1=2/", "a@1=2/%2e%2e", "a@1=2/%0a", "a@1=2;log.0", "a@1=-1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		first, ok := gateway.Cursors(s)
		if !ok {
			return
		}
		second, ok := gateway.Cursors(first)
		if !ok && first != "" || second != first {
			t.Errorf("%q was read as %q and that as %q, %v", s, first, second, ok)
		}
		if strings.ContainsAny(first, "\r\n\x00") {
			t.Errorf("%q does not fit into a line", first)
		}
	})
}

// A path that comes to a route is one that a mux leaves as it is, and no segment of it hides another.
func FuzzPath(f *testing.F) {
	for _, s := range []string{"/", "/a/b", "/a/", "//a", "/a/../b", "/%2e%2e", "/a%2fb", "/a%00", "/caf%C3%A9", "/%ff", "/a%25", "*", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := url.ParseRequestURI(s)
		if err != nil || !gateway.CleanPath(u) {
			return
		}
		clean := path.Clean(u.Path)
		if strings.HasSuffix(u.Path, "/") && clean != "/" {
			clean += "/"
		}
		if clean != u.Path || strings.Count(u.EscapedPath(), "/") != strings.Count(u.Path, "/") || strings.ContainsRune(u.Path, 0) {
			t.Errorf("%q came through as %q", s, u.Path)
		}
	})
}

// A trace id is 32 hex digits, not all of them 0.
func FuzzTraceparent(f *testing.F) {
	for _, s := range []string{"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", "ff-", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if id, ok := gateway.TraceID(s); ok && (len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "" || strings.Trim(id, "0") == "") {
			t.Errorf("%q has the trace id %q", s, id)
		}
	})
}
