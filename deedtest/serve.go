package deedtest

import (
	"context"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

// Service is a whole service in a test: on SQLite in memory, with a clock that is moved by hand.
type Service struct {
	*deed.Service
	DB    *sqlite.DB
	Clock *Clock
	t     testing.TB
}

// patience bounds every wait; what takes longer hangs.
const patience = 2 * time.Minute

// Serve runs a service of parts until the test ends. A process or reactor needs no From: the log is empty.
func Serve(t testing.TB, parts ...deed.Part) *Service {
	t.Helper()
	clock := NewClock(Start)
	db, err := sqlite.OpenMemory(&sqlite.Options{Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	service, err := deed.NewService(deed.Config{Store: db, Views: db}, parts...)
	if err != nil {
		_ = db.Close()
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- service.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-stopped; err != nil {
			t.Errorf("the service stopped: %v", err)
		}
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return &Service{Service: service, DB: db, Clock: clock, t: t}
}

// Send sends a command, as made by Decider.Send, at once, and fails the test if it is not handled.
func (s *Service) Send(command deed.Effect) deed.Receipt {
	s.t.Helper()
	receipt, err := s.Try(command)
	if err != nil {
		s.t.Fatal(err)
	}
	return receipt
}

// Try sends a command, as made by Decider.Send, at once.
func (s *Service) Try(command deed.Effect) (deed.Receipt, error) {
	s.t.Helper()
	if command.Command() == nil {
		s.t.Fatalf("%s sends nothing", command)
	}
	body, err := deed.EncodeJSON(command.Command())
	if err != nil {
		return deed.Receipt{}, err
	}
	return s.Dispatch(s.Context(), command.Stream(), command.Command().CommandType(), body)
}

// Context is the test's, bounded so that nothing hangs.
func (s *Service) Context() context.Context {
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	s.t.Cleanup(cancel)
	return ctx
}

// Settle returns when no loop has anything left to do; what fails has then been tried once more. It fails the test if a part has
// stopped or has parked something; a test about that calls the Service's own Settle.
func (s *Service) Settle() {
	s.t.Helper()
	if err := s.Service.Settle(s.Context()); err != nil {
		s.t.Fatal(err)
	}
	status, err := s.Status(s.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, part := range status.Parts {
		if part.State == deed.StateStopped {
			s.t.Fatalf("%s %s stopped: %s", part.Kind, part.Name, part.Error)
		}
		if part.Parked == 0 {
			continue
		}
		parked, err := s.Control().Parked(s.Context(), part.Name, "", 1)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, p := range parked {
			s.t.Fatalf("%s %s has parked %d keys, the first is %s: %s", part.Kind, part.Name, part.Parked, p.Key, p.Error)
		}
	}
}

// Advance moves the clock and settles.
func (s *Service) Advance(d time.Duration) {
	s.t.Helper()
	s.Settle()
	s.Clock.Advance(d)
	s.Settle()
}
