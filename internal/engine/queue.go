package engine

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/deed-es/deed"
)

// The bounds of a queue and of a group: contract.md, "Names and limits".
const (
	queueBatches = 4096
	queueBytes   = 64 << 20
	groupBatches = 256
	groupBytes   = 4 << 20
)

// Job is a task on its way through a queue. Who takes it answers it once.
type Job[T any] struct {
	Task  T
	Err   error // what it will be answered
	size  int
	done  chan struct{} // one answer
	taken bool          // under way, guarded by the queue
}

// Queue is where callers wait for the one writer. It is bounded in count and bytes. Make it with NewQueue.
type Queue[T any] struct {
	mu     sync.Mutex
	jobs   []*Job[T]
	bytes  int
	closed bool
	wake   chan struct{}
}

// NewQueue returns an empty queue.
func NewQueue[T any]() *Queue[T] { return &Queue[T]{wake: make(chan struct{}, 1)} }

// Do queues a task of so many bytes and waits for its answer: deed.ErrBusy if there is no room, deed.ErrClosed once the queue is
// closed. A caller whose context ends is taken out while it waits, and only stops waiting once its group is under way: the outcome
// is then unknown to it, deed.ErrUnknown.
func (q *Queue[T]) Do(ctx context.Context, task T, size int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j := &Job[T]{Task: task, size: size, done: make(chan struct{}, 1)}
	if err := q.put(j); err != nil {
		return err
	}
	select {
	case <-j.done:
		return j.Err
	case <-ctx.Done():
	}
	if q.takeOut(j) {
		return ctx.Err()
	}
	select {
	case <-j.done: // the answer was there already
		return j.Err
	default:
	}
	return fmt.Errorf("%w: %w", deed.ErrUnknown, ctx.Err())
}

func (q *Queue[T]) put(j *Job[T]) error {
	q.mu.Lock()
	switch {
	case q.closed:
		q.mu.Unlock()
		return deed.ErrClosed
	case len(q.jobs) >= queueBatches, q.bytes+j.size > queueBytes && len(q.jobs) > 0:
		q.mu.Unlock()
		return deed.ErrBusy
	}
	q.jobs = append(q.jobs, j)
	q.bytes += j.size
	first := len(q.jobs) == 1
	q.mu.Unlock()
	if first {
		select {
		case q.wake <- struct{}{}:
		default:
		}
	}
	return nil
}

// takeOut removes j if it still waits.
func (q *Queue[T]) takeOut(j *Job[T]) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.jobs, j)
	if j.taken || i < 0 {
		return false
	}
	q.jobs = slices.Delete(q.jobs, i, i+1)
	q.bytes -= j.size
	return true
}

// Next waits until there is work and takes what waits, up to a group's bounds; a larger job is a group of its own. It returns nil
// once the queue is closed. It uses the room of into.
func (q *Queue[T]) Next(into []*Job[T]) []*Job[T] {
	for {
		q.mu.Lock()
		if q.closed {
			q.mu.Unlock()
			return nil
		}
		if len(q.jobs) > 0 {
			break
		}
		q.mu.Unlock()
		<-q.wake
	}
	defer q.mu.Unlock()
	return q.fill(into[:0])
}

// More adds what waits to a group, up to its bounds.
func (q *Queue[T]) More(group []*Job[T]) []*Job[T] {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.fill(group)
}

func (q *Queue[T]) fill(group []*Job[T]) []*Job[T] {
	had := 0
	for _, j := range group {
		had += j.size
	}
	n, size := 0, 0
	for _, j := range q.jobs {
		if count := len(group) + n; count == groupBatches || count > 0 && had+size+j.size > groupBytes {
			break
		}
		j.taken = true
		size += j.size
		n++
	}
	group = append(group, q.jobs[:n]...)
	rest := copy(q.jobs, q.jobs[n:])
	clear(q.jobs[rest:])
	q.jobs = q.jobs[:rest]
	q.bytes -= size
	return group
}

// Waiting is how many wait that nobody has taken.
func (q *Queue[T]) Waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.jobs)
}

// Close ends the queue; who waits gets deed.ErrClosed.
func (q *Queue[T]) Close() {
	q.mu.Lock()
	waiting := q.jobs
	q.jobs, q.bytes, q.closed = nil, 0, true
	for _, j := range waiting {
		j.taken = true
	}
	q.mu.Unlock()
	AnswerAll(waiting, deed.ErrClosed)
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// Answer answers with Err.
func (j *Job[T]) Answer() { j.done <- struct{}{} }

// AnswerAll answers all of them with err.
func AnswerAll[T any](jobs []*Job[T], err error) {
	for _, j := range jobs {
		j.Err = err
		j.Answer()
	}
}
