package postgres

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/deed-es/deed"
)

// WaitView returns the view's position as soon as it is at or after reach. See deed.ViewStore.
func (s *views) WaitView(ctx context.Context, view deed.ViewRef, reach deed.Position) (deed.Position, error) {
	if err := s.db.usable(context.WithoutCancel(ctx)); err != nil {
		return 0, err
	}
	if reach <= 0 { // how far it is now, which others may know better
		if err := s.lookUp(ctx, view); err != nil && ctx.Err() == nil {
			return 0, err
		}
	}
	at, waiter := s.waiting.Join(view, reach)
	if waiter == nil {
		return at, nil
	}
	defer s.db.watch.start()() // somebody else may be who commits
	s.db.watch.kick()
	return waiter.Wait(ctx, s.db.closed)
}

// lookUp finds out how far a view is.
func (s *views) lookUp(ctx context.Context, ref deed.ViewRef) error {
	return s.db.read(ctx, func(c *pgxpool.Conn) error {
		since := s.waiting.Since()
		var at deed.Position
		err := c.QueryRow(ctx, s.db.tables.sql("SELECT position FROM @views WHERE log = $1 AND inline = $2 AND name = $3 AND version = $4"),
			s.db.log, s.inline, ref.Name, ref.Version).Scan(&at)
		if err == nil || isNone(err) {
			s.waiting.Found(ref, at, since)
			return nil
		}
		return err
	})
}
