package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

// store is what the shop runs on: an engine that keeps the log and the views.
type store interface {
	deed.Store
	deed.ViewStore
	io.Closer
}

// open opens the store that a URL names. This is where an engine is chosen, and nowhere else.
func open(url string, logger *slog.Logger) (store, error) {
	scheme, path, found := strings.Cut(url, ":")
	switch {
	case !found:
		return nil, fmt.Errorf("-store %q is no URL of a store; try sqlite:shop.db", url)
	case scheme == "sqlite":
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		return sqlite.Open(path, &sqlite.Options{Logger: logger})
	}
	return nil, fmt.Errorf("-store %q: there is no engine called %q; there is sqlite", url, scheme)
}
