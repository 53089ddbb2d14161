package deed

import (
	"context"
	"errors"
	"fmt"
	"strconv"
)

// beginning is where the partitions of a process or reactor begin that the store does not know.
type beginning struct {
	from From
	at   *Position // the same for all of them, once it is fixed
}

// register makes the name of a process or reactor known, and into how many partitions it is cut.
func (s *Service) register(kind, name string, of int, from From) (*beginning, error) {
	if s.engine == nil {
		return nil, fmt.Errorf("%s %s: Config needs a Store that is an engine", kind, name)
	}
	if err := s.name(kind, name); err != nil {
		return nil, err
	}
	s.cut[name] = max(of, 1)
	begin := &beginning{from: from}
	s.openings = append(s.openings, func(ctx context.Context) error {
		if err := s.openCut(ctx, kind, name, begin); err != nil {
			return fmt.Errorf("%s %s: %w", kind, name, err)
		}
		return nil
	})
	return begin, nil
}

// follow keeps a partition of a process or reactor going. The store fixes where it begins.
func (s *Service) follow(p *progress, run func(ctx context.Context) error, spec func(*Position) PartSpec, begin *beginning) {
	name := spec(nil).Name
	l := loop{
		progress: p, run: run, role: RoleProcesses, fleet: s.fleet(s.engine), lease: leaseOf(name, p.version), effects: name,
		stored: func(ctx context.Context) (Position, int, error) {
			state, err := s.lookAt(ctx, spec(nil))
			if err != nil {
				return 0, 0, err
			}
			parked, err := s.engine.PartParked(ctx, name, "", 0)
			return state.Checkpoint.Position, len(parked), err
		},
	}
	s.add(l, func(ctx context.Context) error { return s.openPart(ctx, spec, begin) })
}

// lookAt finds a part as it stands. Its version is raised by who folds it, under its lease: until then the old one goes on.
func (s *Service) lookAt(ctx context.Context, spec PartSpec) (PartState, error) {
	spec.Look = true
	return s.engine.OpenPart(ctx, spec)
}

// openPart registers a part where it is not known.
func (s *Service) openPart(ctx context.Context, spec func(*Position) PartSpec, begin *beginning) error {
	_, err := s.lookAt(ctx, spec(nil))
	if !errors.Is(err, ErrNotFound) {
		return err
	}
	at := begin.at
	if at == nil {
		if at, err = s.begin(ctx, begin.from); err != nil {
			return err
		}
	}
	_, err = s.engine.OpenPart(ctx, spec(at))
	return err
}

const (
	cutPartitions = "partitions" // into how many
	cutFrom       = "from"       // where they begin
)

// openCut refuses a part that has begun with another number of partitions: nobody could tell which keys have handled what. The
// store knows that number, if it is more than one, and where all of them begin, as states of a part without records.
func (s *Service) openCut(ctx context.Context, kind, name string, begin *beginning) error {
	of := s.cut[name]
	spec := PartSpec{Name: name + ".cut", Kind: kind, Version: 1, Log: s.engine.Info()}
	if of > 1 {
		whole := spec
		whole.Name, whole.Version = name, 0 // which no part has: it would be an error
		_, err := s.lookAt(ctx, whole)
		switch {
		case err == nil, errors.As(err, new(*InvalidError)):
			return errCut("1", of)
		case !errors.Is(err, ErrNotFound):
			return err
		}
	}
	var states map[string][]byte
	_, err := s.lookAt(ctx, spec)
	if err == nil {
		states, err = s.engine.States(ctx, spec.Name, []string{cutPartitions, cutFrom})
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	was, begun := states[cutPartitions]
	switch {
	case !begun && of == 1:
		return nil
	case !begun:
		return s.fixCut(ctx, spec, begin)
	case string(was) != strconv.Itoa(of):
		return errCut(string(was), of)
	}
	if at, fixed := states[cutFrom]; fixed {
		n, err := strconv.ParseInt(string(at), 10, 64)
		if err != nil {
			return fmt.Errorf("decode where its partitions begin: %w", err)
		}
		position := Position(n)
		begin.at = &position
	}
	return nil
}

// fixCut stores, before there is any of them, how many partitions a part has and where they begin: later the log may have gone on.
func (s *Service) fixCut(ctx context.Context, spec PartSpec, begin *beginning) error {
	at, err := s.begin(ctx, begin.from)
	if err != nil {
		return err
	}
	none := Position(0)
	spec.From = &none
	known, err := s.engine.OpenPart(ctx, spec)
	if err != nil {
		return err
	}
	c := PartCommit{Part: spec.Name, Version: spec.Version, From: known.Checkpoint.Position, Checkpoint: known.Checkpoint, States: []StateChange{
		{Key: cutPartitions, Data: []byte(strconv.Itoa(s.cut[partOf(spec.Name)]))},
		{Key: cutFrom, Data: []byte(strconv.FormatInt(int64(*at), 10))},
	}}
	c.Checkpoint.Position++ // so that of several services one is the first
	err = s.engine.CommitPart(ctx, c)
	if errors.Is(err, ErrConflict) {
		return s.openCut(ctx, spec.Kind, partOf(spec.Name), begin)
	}
	begin.at = at
	return err
}

func errCut(was string, of int) error {
	return fmt.Errorf("it has begun with %s partitions and cannot have %d; leave Partitions as it was", was, of)
}

// begin is where a part begins that is not known to the store.
func (s *Service) begin(ctx context.Context, from From) (*Position, error) {
	head, err := s.engine.Head(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case from.now, from.said && from.position > head:
		return &head, nil
	case from.said, head == 0:
		return &from.position, nil
	}
	return nil, errors.New("it is new to a log that has events already: say From, FromStart to handle them too or FromNow to leave them")
}

// stored are the names by which the store knows the partitions of a process or reactor.
func (s *Service) stored(part string) []string {
	var names []string
	for _, p := range partitions(s.cut[part]) {
		names = append(names, p.name(part))
	}
	return names
}
