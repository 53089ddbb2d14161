package deed

import (
	"context"
	"slices"
	"time"
)

// Status is how a service is doing.
type Status struct {
	Log     LogInfo
	Head    Position // the last position given out
	Parts   []PartStatus
	Effects EffectStatus
}

// PartStatus is how a part is doing. It never says that it runs while nothing advances.
type PartStatus struct {
	Name     string
	Kind     string // projection, tables, process, reactor or task
	Version  int
	State    string // one of the State words
	Position Position
	Lag      Position      // positions between it and the head
	Behind   time.Duration // how long ago the oldest event that it has not handled was recorded; 0 if there is none
	// Ready: neither stopped, paused nor off and, for projections and tables, at most MaxLag behind. A version of a view that is not
	// read is ready as long as the one that is read is kept up to date.
	Ready  bool
	Read   bool   // of projections and tables: this version is the one that is read by the name
	Parked int    // keys that are held back, see Control.Parked
	Node   string // what people know the node by that runs it, in a fleet; of several partitions, that of the first
	// Partitions are how the parts of it are doing that its keys are cut into; empty where there is one. Position is then the least of
	// theirs, and State the one that asks most for somebody to look.
	Partitions []PartitionStatus
	Attempts   int           // tries that failed since something last went well
	Error      string        // of the last try that failed; empty if it went well
	Record     *FailedRecord // what the error is about, if it is about a record
}

// PartitionStatus is how a partition of a part is doing.
type PartitionStatus struct {
	Index    int // from 0
	State    string
	Position Position
	Node     string
}

// FailedRecord names a record that a part failed on.
type FailedRecord struct {
	Position Position
	Stream   StreamID
	Type     string
}

// PartState words: how a projection, process, reactor or task is doing.
const (
	// StateLive: nothing is left to handle.
	StateLive = "live"
	// StateCatchingUp: there is something left, and it is being handled.
	StateCatchingUp = "catching-up"
	// StateStalled: there is something left, and nothing has moved for ten seconds.
	StateStalled = "stalled"
	// StateRetrying: the last try failed for a reason that may pass; Error says which.
	StateRetrying = "retrying"
	// StateStopped: a record cannot be handled; Error says which and why. The part goes on when the service is started
	// with that mended, or when it is paused and resumed.
	StateStopped = "stopped"
	// StatePaused: somebody has said that it is to wait; see Control.Resume.
	StatePaused = "paused"
	// StateElsewhere: another node of the fleet runs it; what hinders it there, that node tells.
	StateElsewhere = "elsewhere"
	// StateOff: the service is not running, or no node of the fleet runs the part.
	StateOff = "off"
)

// EffectStatus is how the carrying out of effects is doing.
type EffectStatus struct {
	Busy    int       // under way
	NextDue time.Time // of the first that is not due yet; zero if there is none
	Held    []HeldEffect
}

// HeldEffect is an effect that failed and is tried again; it holds back the later ones of its key.
type HeldEffect struct {
	Part, Key string
	ID        string
	Stream    StreamID
	Command   string
	Attempts  int
	Error     string
}

const defaultMaxLag = 10 * time.Second

// Status tells how the service is doing. It reads the log's head, for each part that lags one record, and for each that another node
// is to run how far it is stored to be. It changes nothing.
func (s *Service) Status(ctx context.Context) (Status, error) {
	head, err := s.Head(ctx)
	if err != nil {
		return Status{}, err
	}
	if err := s.locate(ctx); err != nil {
		return Status{}, err
	}
	s.holders()
	status := Status{Log: s.Info(), Head: head}
	var lags []time.Duration
	s.board.mu.Lock()
	for _, p := range s.board.loops {
		if p.partition.index == 0 {
			status.Parts, lags = append(status.Parts, p.status(head)), append(lags, p.maxLag)
		} else {
			status.Parts[len(status.Parts)-1].join(p.status(head))
		}
	}
	status.Effects = s.executor.status()
	s.board.mu.Unlock()
	for i := range status.Parts {
		part := &status.Parts[i]
		if err = guard(func() (err error) { part.Behind, err = s.behind(ctx, *part); return err }); err != nil {
			return Status{}, err
		}
		if part.State == StateStalled && part.Behind <= stalledAfter { // it had nothing to do until just now
			part.State = StateCatchingUp
		}
		limit := lags[i]
		if limit == 0 {
			limit = defaultMaxLag
		}
		part.Ready = part.ready(limit)
		if err := guard(func() error { return s.setRead(ctx, part) }); err != nil {
			return Status{}, err
		}
	}
	return status, nil
}

// setRead says whether a version of a view is read, and whether somebody waits for it if not.
func (s *Service) setRead(ctx context.Context, part *PartStatus) error {
	v, isView := s.views[part.Name]
	if part.Read = part.Kind == kindTables; !isView {
		return nil
	}
	_, read, err := v.reading(ctx)
	part.Read = read == ViewVersion{Version: part.Version, Partitions: max(len(part.Partitions), 1)}
	part.Ready = part.Ready || err == nil && !part.Read && s.keeps(v, read)
	return err
}

// status is called under the board's lock.
func (p *progress) status(head Position) PartStatus {
	part := PartStatus{
		Name: p.name, Kind: p.kind, Version: p.version, State: p.state(head), Position: p.position, Parked: p.parked, Attempts: p.attempts, Node: p.node,
	}
	if p.follows || p.stopped {
		part.Lag = max(head-p.position, 0)
	}
	if p.err != nil {
		part.Error = p.err.Error()
	}
	if p.failed.Position > 0 {
		part.Record = &FailedRecord{Position: p.failed.Position, Stream: p.failed.Stream, Type: p.failed.Type}
	}
	if p.partition.of > 1 {
		part.Partitions = []PartitionStatus{{Index: p.partition.index, State: part.State, Position: part.Position, Node: p.node}}
	}
	return part
}

// urgency are the states in the order in which they ask for somebody to look.
var urgency = []string{StateLive, StateElsewhere, StateCatchingUp, StatePaused, StateOff, StateStalled, StateRetrying, StateStopped}

// join adds what another partition says.
func (p *PartStatus) join(other PartStatus) {
	p.Partitions = append(p.Partitions, other.Partitions...)
	if slices.Index(urgency, other.State) > slices.Index(urgency, p.State) {
		p.State = other.State
	}
	p.Position, p.Lag, p.Parked = min(p.Position, other.Position), max(p.Lag, other.Lag), p.Parked+other.Parked
	if p.Error == "" {
		p.Error, p.Record, p.Attempts = other.Error, other.Record, other.Attempts
	}
}

// ready tells whether the part does its work, and a view is not too far behind.
func (p PartStatus) ready(limit time.Duration) bool {
	switch p.State {
	case StateStopped, StateOff, StatePaused:
		return false
	}
	return p.Kind != kindProjection && p.Kind != kindTables || p.Behind <= limit
}

// behind is how long ago the oldest event after a part's position was recorded.
func (s *Service) behind(ctx context.Context, part PartStatus) (time.Duration, error) {
	if part.Lag == 0 {
		return 0, nil
	}
	for r, err := range s.log.Read(ctx, Query{After: part.Position, Limit: 1}) {
		if err != nil {
			return 0, err
		}
		return max(s.clock().Now().Sub(r.Time), 0), nil
	}
	return 0, nil
}

// status is called under the board's lock.
func (x *executor) status() EffectStatus {
	status := EffectStatus{Busy: len(x.busy), NextDue: x.nextDue}
	for _, held := range x.held {
		e := held.effect
		status.Held = append(status.Held, HeldEffect{
			Part: partOf(e.Part), Key: e.Key, ID: e.ID, Stream: e.Stream, Command: e.CommandType, Attempts: held.attempts, Error: held.err.Error(),
		})
	}
	return status
}
