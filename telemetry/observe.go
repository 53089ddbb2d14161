package telemetry

import (
	"context"
	"errors"
	"time"

	"github.com/deed-es/deed"
)

// The outcomes of operations.
const (
	outcomeOK        = "ok"
	outcomeRejected  = "rejected"  // the domain's "no"
	outcomeInvalid   = "invalid"   // what was asked is wrong in itself
	outcomeConflict  = "conflict"  // somebody else was first
	outcomeBusy      = "busy"      // the queue was full
	outcomeUnknown   = "unknown"   // whether it is stored is not known
	outcomeCancelled = "cancelled" // who asked, or the service, stopped
	outcomeError     = "error"     // anything else
)

// Begin measures o, and traces it where there is a tracer.
func (t *Telemetry) Begin(ctx context.Context, o deed.Operation) (context.Context, func(error)) {
	began := time.Now()
	ctx, span := t.start(ctx, o)
	return ctx, func(err error) {
		result := outcome(o.Kind, err)
		t.metrics.measure(o, time.Since(began).Seconds(), result)
		finish(span, result, err)
	}
}

// Wrote counts a group.
func (t *Telemetry) Wrote(g deed.Group) {
	m := t.metrics
	if g.Err != nil {
		m.groupFailures.WithLabelValues(g.Store).Inc()
		return
	}
	m.groupBatches.WithLabelValues(g.Store).Observe(float64(g.Batches))
	m.write.WithLabelValues(g.Store).Observe(g.Write.Seconds())
	m.flush.WithLabelValues(g.Store).Observe(g.Flush.Seconds())
	if g.Events > 0 {
		m.events.Add(float64(g.Events))
		m.groupEvents.Observe(float64(g.Events))
	}
}

func (m *metrics) measure(o deed.Operation, seconds float64, result string) {
	switch o.Kind {
	case deed.OpCommand:
		category := o.Stream.Category()
		m.commands.WithLabelValues(category, o.Type, result).Inc()
		m.commandDuration.WithLabelValues(category, o.Type).Observe(seconds)
	case deed.OpAppend:
		m.appends.WithLabelValues(result).Inc()
		m.appendDuration.Observe(seconds)
	case deed.OpStep:
		m.steps.WithLabelValues(o.Part, o.Type, result).Inc()
		m.stepRecords.WithLabelValues(o.Part, o.Type).Observe(float64(len(o.Records)))
		m.stepDuration.WithLabelValues(o.Part, o.Type).Observe(seconds)
	case deed.OpReaction:
		m.reactions.WithLabelValues(o.Part, result).Inc()
		m.reactionDuration.WithLabelValues(o.Part).Observe(seconds)
	case deed.OpEffect:
		m.effects.WithLabelValues(o.Part, result).Inc()
		m.effectDuration.WithLabelValues(o.Part).Observe(seconds)
	}
}

// outcome is the word for how an operation ended. Steps and reactions know fewer words: what an error of theirs wraps is
// nobody's answer.
func outcome(kind string, err error) string {
	var refused *deed.RejectedError
	var field *deed.InvalidError
	var malformed *deed.MalformedError
	answers := kind != deed.OpStep && kind != deed.OpReaction
	switch {
	case err == nil:
		return outcomeOK
	case answers && errors.As(err, &refused): // first, as it wraps what the domain said
		return outcomeRejected
	case answers && errors.Is(err, deed.ErrUnknown): // before what it may wrap: that somebody stopped waiting
		return outcomeUnknown
	case answers && errors.Is(err, deed.ErrConflict):
		return outcomeConflict
	case answers && errors.Is(err, deed.ErrBusy):
		return outcomeBusy
	case answers && (errors.As(err, &field) || errors.As(err, &malformed) || errors.Is(err, deed.ErrReused)):
		return outcomeInvalid
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return outcomeCancelled
	}
	return outcomeError
}

// failed tells whether an outcome is a failure of the machine's rather than an answer.
func failed(result string) bool {
	return result == outcomeError || result == outcomeUnknown || result == outcomeBusy
}
