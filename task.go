package deed

import (
	"context"
	"fmt"
	"time"
)

// Task is a loop of another package that a service keeps going: a relay, retention, verification.
type Task struct {
	// Name of the task: [a-z][a-z0-9-]*, unique in a log.
	Name string
	// Run works until ctx is done. An error is retried with backoff, whatever it wraps; nil before ctx is done ends the task.
	Run func(ctx context.Context, lease Lease) error
}

// Lease is the right to run a part, which one node of a fleet has at a time. In an embedded store the right to write is the lease.
type Lease struct {
	// Part is the part's name; of a task, just that.
	Part string
	// Token is at least 1 and grows with each holder; a store that keeps the greatest it has seen can refuse an older one.
	Token int64
}

func (t Task) install(s *Service) error {
	if !validName(t.Name) || t.Run == nil {
		return fmt.Errorf("task %q: needs a Name, %s, and Run", t.Name, nameForm)
	}
	if err := s.name(kindTask, t.Name); err != nil {
		return err
	}
	progress := s.board.add(t.Name, kindTask, 1)
	progress.follows = false
	run := func(ctx context.Context) error {
		well := func() { s.board.update(func() { progress.err, progress.attempts = nil, 0 }) }
		s.board.update(func() { progress.running = true })
		lasts := time.AfterFunc(lastRetry, well) // what fails sooner has not gone well since the last time
		defer lasts.Stop()
		err := guard(func() error { return t.Run(ctx, Lease{Part: t.Name, Token: max(progress.lease.Token, 1)}) })
		if err == nil || ctx.Err() != nil {
			well()
		}
		return err
	}
	s.add(loop{progress: progress, run: run, role: RoleProcesses, fleet: s.fleet(s.config.Store), lease: t.Name}, nil)
	s.model.Tasks = append(s.model.Tasks, t.Name)
	return nil
}
