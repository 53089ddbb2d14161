package console

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"strconv"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/gateway"
)

//go:embed assets/*
var assetFiles embed.FS

var assetTypes = map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

// The addresses of the style and the script, which change with what they hold, so that browsers may keep them.
var (
	styleAddress  = assetAddress("console.css")
	scriptAddress = assetAddress("console.js")
	iconAddress   = assetAddress("icon.svg")
)

func assetAddress(name string) string {
	data, _ := assetFiles.ReadFile("assets/" + name) // embedded; a test looks
	sum := sha256.Sum256(data)
	return root + "/assets/" + name + "?v=" + hex.EncodeToString(sum[:6])
}

// asset answers with a file of the console's own.
func asset(call *gateway.Call) error {
	name := call.Request.PathValue("file")
	data, err := assetFiles.ReadFile("assets/" + path.Base(name))
	kind, known := assetTypes[path.Ext(name)]
	if err != nil || !known {
		return deed.ErrNotFound
	}
	h := call.Writer.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(len(data)))
	h.Set("Cache-Control", "no-cache")
	if call.Request.URL.RequestURI() == assetAddress(name) { // it names what it holds
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	h.Set("Content-Security-Policy", policy)
	call.Writer.WriteHeader(http.StatusOK)
	_, _ = call.Writer.Write(data) // who does not get it has gone
	return nil
}
