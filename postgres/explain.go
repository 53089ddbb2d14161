package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/deed-es/deed"
)

// writable returns why nothing can be written.
func (db *DB) writable(ctx context.Context) error {
	if db.options.ReadOnly {
		return deed.ErrReadOnly
	}
	return db.usable(ctx)
}

// write has the log's writer do t.
func (db *DB) write(ctx context.Context, t task, size int) error {
	if err := db.writable(ctx); err != nil {
		return err
	}
	return refused(explain(db.writer.Do(ctx, t, size)))
}

// refused says that a write failed because nothing may be written here, if that is so.
func refused(err error) error {
	if hasCode(err, "42501", "25006") {
		return fmt.Errorf("%w: %w", deed.ErrReadOnly, err)
	}
	return err
}

// explain says what to do about an error of the server, or of the way to it. What the server said stays in it, and deed's own
// errors stay as they are.
func explain(err error) error {
	var connect *pgconn.ConnectError
	var server *pgconn.PgError
	switch {
	case errors.Is(err, deed.ErrForked):
		return err
	case errors.As(err, &server):
	case errors.As(err, &connect) && !errors.Is(err, context.Canceled):
		return away("the server cannot be reached; see whether it runs, and whether host and port in the URL are its own", err)
	case errors.Is(err, deed.ErrUnknown):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.As(err, new(*net.OpError)), errors.Is(err, net.ErrClosed), pgconn.SafeToRetry(err):
		return away("the connection to the server was lost", err)
	default:
		return err
	}
	advice := advised(server.Code)
	switch {
	case passes(server.Code):
		return away(advice, err)
	case advice != "":
		return fmt.Errorf("%s: %w", advice, err)
	}
	return err
}

// away is an error that passes by itself, or once somebody has seen to the server.
func away(advice string, err error) error {
	if errors.Is(err, deed.ErrUnknown) || errors.Is(err, deed.ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %s: %w", deed.ErrUnavailable, cmp.Or(advice, "it may pass"), err)
}

// passes tells whether an error of the server with this code is about the server, and not about what it was asked: lost connections, no
// room, and an operator's doings (but for a statement that was cancelled).
func passes(code string) bool {
	switch {
	case code == "57014":
		return false
	case strings.HasPrefix(code, "08"), strings.HasPrefix(code, "53"), strings.HasPrefix(code, "57"), strings.HasPrefix(code, "58"):
		return true
	}
	return false
}

// advised is what to do about an error of the server with this code.
func advised(code string) string {
	switch code {
	case "28P01", "28000":
		return "the server does not let this user in; look at user and password in the URL, PGPASSWORD or .pgpass, and at the server's pg_hba.conf"
	case "42501":
		return "the role lacks a right; \"deed schema --grants\" prints what it needs"
	case "25006":
		return "the server takes no writes; is it a standby, or was it made read-only"
	case "3D000":
		return "make the database first, encoded in UTF8"
	case "53300":
		return "the server has no connection left; raise its max_connections, or lower pool_max_conns in the URL"
	case "53100":
		return "the server's disk is full and nothing of this is stored; free some space there, and nothing has to be restarted"
	case "57P01", "57P02", "57P03":
		return "the server is shutting down or starting up; try again a little later"
	case "42P01", "3F000":
		return "the tables are not there any more; were they dropped or restored under this process, it has to start anew"
	}
	return ""
}
