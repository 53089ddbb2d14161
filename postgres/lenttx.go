package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
)

// lentTx is a transaction as somebody else's function has it: to be used, and not to be ended.
type lentTx struct {
	pgx.Tx
	nested bool // it is a savepoint of that function's own
}

var errNotYours = errors.New("this transaction is ended by who has begun it: return an error to have it rolled back")

// Begin makes a savepoint.
func (t *lentTx) Begin(ctx context.Context) (pgx.Tx, error) {
	inner, err := t.Tx.Begin(ctx)
	if err != nil {
		return nil, err
	}
	return &lentTx{Tx: inner, nested: true}, nil
}

// Commit ends a savepoint, and nothing else.
func (t *lentTx) Commit(ctx context.Context) error {
	if !t.nested {
		return errNotYours
	}
	return t.Tx.Commit(ctx)
}

// Rollback goes back to a savepoint, and to nothing else.
func (t *lentTx) Rollback(ctx context.Context) error {
	if !t.nested {
		return errNotYours
	}
	return t.Tx.Rollback(ctx)
}

// Conn returns nil: with the connection, the transaction could be ended past this.
func (t *lentTx) Conn() *pgx.Conn { return nil }
