package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/postgres"
	"github.com/deed-es/deed/sqlite"
)

// engine is what keeps a log and views.
type engine interface {
	deed.Store
	deed.ViewStore
	io.Closer
}

// stores are what the shop runs on: an engine for the log, and the same or another for the views.
type stores struct {
	log   engine
	views engine
}

// open opens the stores that two URLs name; without the second the views are in the first.
func open(ctx context.Context, log, views string, logger *slog.Logger) (stores, error) {
	openLog, err := engineOf("-store", log, logger)
	if err != nil {
		return stores{}, err
	}
	if views == "" || views == log {
		only, err := openLog(ctx)
		return stores{only, only}, err
	}
	openViews, err := engineOf("-views", views, logger)
	if err != nil {
		return stores{}, err
	}
	first, err := openLog(ctx)
	if err != nil {
		return stores{}, err
	}
	second, err := openViews(ctx)
	if err != nil {
		return stores{}, errors.Join(err, first.Close())
	}
	return stores{first, second}, nil
}

// Close closes both.
func (s stores) Close() error {
	if s.views == s.log {
		return s.log.Close()
	}
	return errors.Join(s.views.Close(), s.log.Close())
}

// engineOf returns what opens the engine that a URL names. This is where one is chosen, and nowhere else.
func engineOf(option, url string, logger *slog.Logger) (func(context.Context) (engine, error), error) {
	scheme, path, found := strings.Cut(url, ":")
	switch {
	case !found:
		return nil, fmt.Errorf("%s %q is no URL of a store; try sqlite:shop.db, or postgres://host/database", option, url)
	case scheme == "sqlite":
		return func(context.Context) (engine, error) {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return nil, err
			}
			return sqlite.Open(path, &sqlite.Options{Logger: logger})
		}, nil
	case scheme == "postgres", scheme == "postgresql":
		return func(ctx context.Context) (engine, error) {
			return postgres.Open(ctx, url, &postgres.Options{Logger: logger})
		}, nil
	}
	return nil, fmt.Errorf("%s %q: there is no engine called %q; there are sqlite and postgres", option, url, scheme)
}
