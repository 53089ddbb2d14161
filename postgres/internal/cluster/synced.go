package cluster

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
)

// Synced is a server whose commits wait until a standby has flushed them, and the standby. What the standby answers passes through a
// relay, where it can be delayed or cut off.
type Synced struct {
	Primary, Standby *Cluster
	relay            *relay
}

// StartSynced makes a primary with these settings and a standby of it, and starts both. Commits wait for the standby unless
// they are told not to.
func StartSynced(ctx context.Context, settings ...string) (_ *Synced, err error) {
	s := &Synced{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Stop())
		}
	}()
	settings = append([]string{
		"synchronous_commit = on", "synchronous_standby_names = 'standby'", "wal_sender_timeout = 0", "max_wal_senders = 10", "wal_level = replica",
	}, settings...)
	if s.Primary, err = Start(settings...); err != nil {
		return nil, err
	}
	if err := s.follow(); err != nil {
		return nil, err
	}
	return s, s.awaited(ctx)
}

// follow makes the standby, and starts it.
func (s *Synced) follow() error {
	dir, err := os.MkdirTemp("", "deed-pg")
	if err != nil {
		return err
	}
	p := s.Primary
	s.Standby = &Cluster{dir: dir, bin: p.bin, user: p.user}
	between := filepath.Join(dir, "relay")
	if err := errors.Join(p.user.own(dir), os.Mkdir(between, 0o755)); err != nil {
		return err
	}
	if s.relay, err = newRelay(between, socketIn(p.dir)); err != nil {
		return err
	}
	reached := "host=" + between + " user=deed application_name=standby"
	return s.Standby.follow(p, reached, "synchronous_standby_names = ''", "wal_retrieve_retry_interval = '50ms'")
}

// awaited returns once commits wait for the standby.
func (s *Synced) awaited(ctx context.Context) error {
	c, err := pgx.Connect(ctx, s.Primary.URL())
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		var waits bool
		err := c.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming')").Scan(&waits)
		if err != nil || waits {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Delay has what the standby says from now on reach the primary so much later.
func (s *Synced) Delay(d time.Duration) { s.relay.late.Store(int64(d)) }

// Cut cuts the standby off. What it has said and the primary has not heard is lost.
func (s *Synced) Cut() { s.relay.set(true) }

// Mend lets the standby in again, and returns once commits wait for it.
func (s *Synced) Mend(ctx context.Context) error {
	s.relay.set(false)
	return s.awaited(ctx)
}

// Promote has the primary go down as a machine does, and the standby take its place.
func (s *Synced) Promote() error {
	s.Cut()
	if err := s.Primary.control("stop", "-m", "immediate"); err != nil {
		return err
	}
	return s.Standby.control("promote")
}

// Stop stops both and removes all that there was.
func (s *Synced) Stop() error {
	var errs []error
	if s.relay != nil {
		errs = append(errs, s.relay.close())
	}
	for _, c := range []*Cluster{s.Standby, s.Primary} {
		if c != nil {
			errs = append(errs, c.Stop())
		}
	}
	return errors.Join(errs...)
}
