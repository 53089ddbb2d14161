package deed

import "context"

// Observer is told what a service does, for metrics and traces. Its methods run in the middle of what they are told of, in
// many goroutines at once: they are quick and do not fail. What they are given is not theirs to keep or change.
type Observer interface {
	// Begin is called where an operation begins. The operation goes on with the context returned, and calls end once, with
	// the error that it ended with. The Meta of the context (MetaFrom) says what it came of; an observer that traces puts its
	// span into Meta.Trace, with which events are then stored.
	Begin(ctx context.Context, o Operation) (_ context.Context, end func(err error))
	// Wrote is called when an engine has stored a group of batches, or could not.
	Wrote(g Group)
}

// Operation is something that a service does.
type Operation struct {
	Kind    string   // one of the Op words
	Part    string   // name of the projection, process or reactor; of an effect, who wanted it
	Stream  StreamID // what a command, append or effect is for; of an append to several the first
	Type    string   // of the command, or of the event reacted to; of a step "projection", "tables" or "process"
	Events  int      // how many an append stores
	Records []Record // what a step or reaction is about
}

// Op words: the kinds of operations.
const (
	// OpCommand is the handling of a command, middleware and tries after conflicts included.
	OpCommand = "command"
	// OpAppend is the append of what a command brought about, or of what a process is told of its effect, until it is flushed.
	OpAppend = "append"
	// OpStep is a projection or process that folds records, and stores what became of them.
	OpStep = "step"
	// OpReaction is a call of a reactor.
	OpReaction = "reaction"
	// OpEffect is the carrying out of an effect.
	OpEffect = "effect"
)

// begin tells o, if there is one, that something begins.
func begin(ctx context.Context, o Observer, op Operation) (context.Context, func(error)) {
	if o == nil {
		return ctx, unobserved
	}
	return o.Begin(ctx, op)
}

func unobserved(error) {}

// operation is what storing b is to an observer.
func (b Batch) operation() Operation {
	op := Operation{Kind: OpAppend}
	for i, w := range b.Writes {
		if i == 0 {
			op.Stream = w.Stream
		}
		op.Events += len(w.Events)
	}
	return op
}
